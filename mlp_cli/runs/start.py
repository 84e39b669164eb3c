"""How a run starts: a new one, or a resumed one."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from mlp_cli.blas import MOST_THREADS, limit_threads
from mlp_cli.config import Config, NetworkConfig, as_text, differences, load_config
from mlp_cli.data.datasets import Dataset, Where, load_dataset
from mlp_cli.data.examples import has_digits
from mlp_cli.data.mixture import shares_in
from mlp_cli.errors import ConfigError, DataError, ModelError, RunError
from mlp_cli.model.checkpoint import Checkpoint, load_checkpoint
from mlp_cli.model.find import CONFIG, LAST, find_model
from mlp_cli.model.measure import check_fits
from mlp_cli.runs.folder import Lock, Run, make_directory, place_of_data, read_facts
from mlp_cli.training.data import Data
from mlp_cli.training.loop import Record, out_of_patience
from mlp_cli.training.state import State
from mlp_cli.training.workers import available_cores

if TYPE_CHECKING:
    from mlp_cli.data.folders import Bar

# What may change on --resume, since it does not affect the steps already taken.
CHANGEABLE = ("training.epochs", "training.patience", "training.checkpoint_every")


Tell = Callable[[str], object]


class Session(NamedTuple):
    """What training needs: the run directory, the state to start from, the data, and a `note` to the user or None."""

    run: Run
    state: State
    data: Data
    threads: int
    note: str | None = None

    @property
    def best(self) -> Record | None:
        """The Record of the best epoch so far, None before the first has finished."""
        return self.run.records[self.state.progress.best_epoch - 1] if self.run.records else None


def begin(
    config: Config,
    data: Where | Dataset = None,
    out: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    command: Sequence[str] = (),
    tell: Tell | None = None,
    init: Checkpoint | None = None,
    bar: "Bar | None" = None,
    files: dict[str, bytes] | None = None,
) -> Session:
    """A new run of a Config on `data`, a place or what was loaded from one, None for the bundled MNIST: its files
    are written, it has made no step.

    With a checkpoint `init` the run begins with its network, whose sizes replace those of the configuration. `tell` is
    called with a line before anything that takes seconds, `bar` shows how far the pictures among the data are prepared.
    With a dictionary `files` the run is made in memory, and its files go there; `out` is then no more than its name.
    Nothing is left behind when that fails. Raises DataError or RunError.
    """
    if init is not None:
        hidden, activation = init.network.sizes[1:-1], init.metadata.config.network.activation
        config = msgspec.structs.replace(config, network=NetworkConfig(hidden=tuple(hidden), activation=activation))
    dataset = _loaded(data, init.metadata.classes if init else None, bar)
    if init is not None:
        check_fits(init, dataset)
        k = len(init.metadata.classes)
        if len(dataset.classes) != k:
            raise DataError(f"{dataset.place}: has {len(dataset.classes)} classes, but {init.path} has {k}")
    _check_memory(config, dataset)
    threads = _threads(threads)
    teacher, teacher_sha256 = _teacher(config, dataset)
    examples = _split(dataset, config, teacher, tell, init.metadata.held_out_by if init else None)
    state = State.new(config, examples, init.network if init else None)
    if files is not None:
        run = Run(Path(out or ""), None, config, dataset, init, files)
        run.start(state, threads, command, teacher_sha256)
        return Session(run, state, examples, threads)
    directory = make_directory(out)
    with contextlib.ExitStack() as until_it_runs:
        until_it_runs.callback(shutil.rmtree, directory, ignore_errors=True)
        lock = Lock(directory)
        until_it_runs.callback(lock.release)
        run = Run(directory, lock, config, dataset, init)
        run.start(state, threads, command, teacher_sha256)
        until_it_runs.pop_all()
    return Session(run, state, examples, threads)


def resume(
    directory: str | Path,
    config_name: str | None = None,
    assignments: Sequence[str] = (),
    options: dict[str, int | None] | None = None,
    data: Where | Dataset = None,
    threads: int | None = None,
    command: Sequence[str] = (),
    tell: Tell | None = None,
    bar: "Bar | None" = None,
) -> Session:
    """The run in `directory`, with the state of its last checkpoint.

    Configuration and data are those of the run where they are not given; `tell` is that of `begin`. Raises
    ConfigError where the configuration differs from the run's in more than the epochs, RunError where the data or the
    files do.
    """
    directory = Path(directory)
    with contextlib.ExitStack() as until_it_runs:
        lock = Lock(directory)  # first, so that no other process writes what is read here
        until_it_runs.callback(lock.release)
        facts = read_facts(directory)
        checkpoint = load_checkpoint(directory / LAST)
        config = load_config(directory / CONFIG if config_name is None else config_name, assignments, **(options or {}))
        _check_configuration(checkpoint, config)
        where = place_of_data(directory, facts) if data is None else data
        dataset = _loaded(where, checkpoint.metadata.classes, bar)
        teacher, teacher_sha256 = _teacher(config, dataset)
        if facts.get("teacher") != teacher_sha256:
            raise RunError(f"{directory}: its teacher {config.training.teacher} has changed; restore the original file")
        examples = _split(dataset, config, teacher, tell, checkpoint.metadata.held_out_by)
        _check_data(checkpoint, examples)
        mixture = facts["data"].get("directory")
        shares = [round(source.share, 9) for source in dataset.sources]
        if isinstance(mixture, list) and shares != [round(share, 9) for share in shares_in(mixture)]:
            raise RunError(f"{directory}: was trained with other shares ({' '.join(mixture)}) than {dataset.place}")

        threads = _threads(threads)
        state = State.restore(checkpoint, examples)
        if state.epoch + (state.steps_in_epoch > 0) > config.training.epochs:
            raise ConfigError(f"{directory}: is past epoch {config.training.epochs} already; give a larger --epochs")
        run = Run(directory, lock, config, dataset)
        run.read_records(state)
        run.facts = facts
        run.trained_on = checkpoint.metadata.all_trained_on
        note, is_over = _note(directory, checkpoint, state, config)
        if not is_over:
            run.resume(state, threads, command)
        until_it_runs.pop_all()
    return Session(run, state, examples, threads, note)


def _threads(threads: int | None) -> int:
    """The number of threads that share the work: one per core if None. BLAS itself uses one thread in each."""
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise ConfigError(f"threads = {threads}: must be from 1 to {MOST_THREADS}")
    limit_threads()
    return threads or available_cores()


def _check_memory(config: Config, dataset: Dataset) -> None:
    """Raise ConfigError, before anything is written, if the network or the batch does not fit into memory.

    It counts the least that training needs: the parameters and their gradients, and for each example of a batch the
    output of every layer and its gradient. The system may promise more memory than it has, and kill the run later.
    """
    sizes = [dataset.images.shape[1], *config.network.hidden, len(dataset.classes)]
    rows = max(0, min(config.training.batch_size, len(dataset) - config.training.validation))
    needed = 4 * (2 * sum(d * h + h for d, h in pairwise(sizes)) + 2 * rows * sum(sizes))
    message = (
        f"not enough memory: training.batch_size = {config.training.batch_size} and network.hidden = "
        f"{list(config.network.hidden)} need at least {needed / 1e9:.1f} GB; make the batch or the network smaller"
    )
    try:
        np.empty(needed, np.uint8)  # reserved, but never touched: it takes no time
    except (MemoryError, ValueError):
        raise ConfigError(message) from None
    with contextlib.suppress(AttributeError, ValueError, OSError):  # systems that do not tell
        if needed > os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
            raise ConfigError(message)


def _loaded(data: Where | Dataset, classes: Sequence[str] | None, bar: "Bar | None") -> Dataset:
    return data if isinstance(data, Dataset) else load_dataset("train", data, classes, bar)


def _split(
    dataset: Dataset, config: Config, teacher: Checkpoint | None, tell: Tell | None, split_seed: int | None
) -> Data:
    strokes, nondigits = config.augmentation.strokes, config.training.nondigits
    if tell and (strokes or nondigits):
        kinds = " and ".join(["redrawn digits"] * bool(strokes) + ["non-digits"] * bool(nondigits))
        if has_digits(dataset):
            tell(f"drawing {kinds} for training")
        else:
            tell(f"note: {kinds} left out: {dataset.name} is not made of 28×28 digits")
    return Data.split(dataset, config, teacher, split_seed)


def _teacher(config: Config, dataset: Dataset) -> tuple[Checkpoint | None, str | None]:
    """The network that training.teacher names, if any, and the sha256 of its file. Raises ConfigError if it does not
    fit these data, ModelError if it cannot be read."""
    model = config.training.teacher
    if not model:
        return None, None
    teacher = load_teacher(model)
    if (teacher.metadata.image_shape, teacher.metadata.classes) != (dataset.image_shape, dataset.classes):
        known = f"was trained on {teacher.metadata.data}, but {dataset.name} has other images or classes"
        raise ConfigError(f"training.teacher = {model!r}: {known}")
    return teacher, hashlib.sha256(teacher.path.read_bytes()).hexdigest()


def load_teacher(model: str) -> Checkpoint:
    """The Checkpoint that training.teacher names. Raises ModelError."""
    try:
        return load_checkpoint(find_model(model))
    except ModelError as error:
        raise ModelError(f"training.teacher: {error}") from None


def _check_configuration(checkpoint: Checkpoint, config: Config) -> None:
    """Raise an error if training cannot continue from a checkpoint with this configuration."""
    directory, metadata = checkpoint.path.parent, checkpoint.metadata
    if metadata.progress is None:
        raise RunError(f"{checkpoint.path}: not a checkpoint to resume from")
    changes = [
        f"{key} was {as_text(old, quoted=True)} and would be {as_text(new, quoted=True)}"
        for key, (old, new) in differences(metadata.config, config).items()
        if key not in CHANGEABLE
    ]
    if changes:
        allowed = ", ".join(CHANGEABLE)
        raise ConfigError(f"{directory}: {'; '.join(changes)}; only {allowed} may change on --resume")


def _check_data(checkpoint: Checkpoint, data: Data) -> None:
    """Raise an error if training cannot continue from a checkpoint with these data."""
    directory, metadata, dataset = checkpoint.path.parent, checkpoint.metadata, data.dataset
    if (dataset.sha256, dataset.classes) != (metadata.data_sha256, metadata.classes):
        raise RunError(f"{directory}: was trained on other data ({metadata.data}) than {dataset.place}")


def _note(directory: Path, checkpoint: Checkpoint, state: State, config: Config) -> tuple[str | None, bool]:
    """A note to the user about a resumed run, or None, and whether the run is over already."""
    epochs, epochs_before = config.training.epochs, checkpoint.metadata.config.training.epochs
    if epochs == state.epoch:
        return f"{directory} has finished its {epochs} epochs; a larger --epochs extends it", True
    if out_of_patience(state, config):
        extend = "--set training.patience=0 extends it"
        return f"{directory} was ended by training.patience after {state.epoch} epochs; {extend}", True
    schedule = config.training.schedule
    if epochs == epochs_before or schedule == "constant":
        return None, False
    return (
        f"the {schedule} schedule now spans {epochs} epochs instead of {epochs_before}; "
        "the learning rate continues from its place in such a run"
    ), False
