"""A run as the command line wants it: begun, or taken up again where it was stopped."""

import shutil
from pathlib import Path
from typing import NamedTuple

from mlp_cli.blas import limit_threads
from mlp_cli.config import as_text, differences, load_config
from mlp_cli.data.datasets import load_dataset
from mlp_cli.errors import ConfigError, ModelError, RunError
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import CONFIG, LAST
from mlp_cli.runs.folder import Run, make_directory, read_facts
from mlp_cli.training.loop import Data, Plan, out_of_patience
from mlp_cli.training.state import State

# What may change when a run goes on: it changes no step that was taken.
CHANGEABLE = ("training.epochs", "training.patience", "training.checkpoint_every")


class Session(NamedTuple):
    """What training needs: the run directory, the state to go on from, the data; and a `note` to a person, or None."""

    run: Run
    state: State
    data: Data
    note: str | None = None


def begin(config, directory=None, out=None, threads=None, command=()):
    """A new run of a Config on the data in `directory`: its files are written, it has made no step.

    Nothing is left behind when that fails. Raises DataError or RunError.
    """
    dataset = load_dataset("train", directory)
    threads = limit_threads(threads)
    data = Data.split(dataset, config)
    state = State.new(config, data)
    run = Run(make_directory(out), config, dataset)
    try:
        run.lock()
        run.start(state, threads, command)
    except BaseException:
        shutil.rmtree(run.directory, ignore_errors=True)
        raise
    return Session(run, state, data)


def resume(run_directory, config=None, assignments=(), options=None, directory=None, threads=None, command=()):
    """The run in `run_directory`, with the state of its last checkpoint.

    Configuration, data directory and threads are those of the run where they are not given. Raises ConfigError where
    the configuration differs from the run's in more than the epochs, RunError where the data or the files do.
    """
    facts = read_facts(run_directory)
    run = Run(run_directory)
    run.lock()  # first, so that nobody else writes what is read here
    checkpoint = load_checkpoint(Path(run_directory) / LAST)
    metadata = checkpoint.metadata
    if metadata.progress is None:
        raise RunError(f"{checkpoint.path}: is no checkpoint to resume from")
    config = load_config(Path(run_directory) / CONFIG if config is None else config, assignments, **(options or {}))
    changes = [
        f"{key} was {as_text(old, quoted=True)} and would be {as_text(new, quoted=True)}"
        for key, (old, new) in differences(metadata.config, config).items()
        if key not in CHANGEABLE
    ]
    if changes:
        allowed = ", ".join(CHANGEABLE)
        raise ConfigError(f"{run_directory}: {'; '.join(changes)}; only {allowed} can change when a run goes on")

    dataset = load_dataset("train", facts["data"].get("directory") if directory is None else directory)
    if (dataset.sha256, dataset.classes) != (metadata.data_sha256, metadata.classes):
        where = dataset.directory or "the MNIST inside"
        raise RunError(f"{run_directory}: was trained on other data ({metadata.data}) than {where}")
    data = Data.split(dataset, config)
    steps_per_epoch = Plan(config, len(data.train_indices)).steps_per_epoch
    if not metadata.epoch * steps_per_epoch <= metadata.step <= (metadata.epoch + 1) * steps_per_epoch:
        raise ModelError(f"{checkpoint.path}: its step {metadata.step} is not in its epoch; it cannot be resumed")
    epochs, epochs_before = config.training.epochs, metadata.config.training.epochs
    if metadata.step > epochs * steps_per_epoch:
        raise ConfigError(f"{run_directory}: is past {epochs} epochs already; --epochs takes more")

    threads = limit_threads(facts["threads"] if threads is None else threads)
    state = State.restore(checkpoint)
    run.config, run.dataset = config, dataset
    run.read_records(state)
    note, is_finished = None, True
    if epochs == metadata.epoch:
        note = f"{run_directory} is finished, with {epochs} epochs; --epochs with more extends it"
    elif out_of_patience(state, config):
        note = f"{run_directory} is out of patience after {metadata.epoch} epochs; --set training.patience=0 extends it"
    else:
        is_finished = False
        if epochs != epochs_before and config.training.schedule != "constant":
            note = (
                f"the {config.training.schedule} schedule is now that of {epochs} epochs, not of {epochs_before}: "
                "the learning rate goes on from where it would be in such a run"
            )
    run.resume(facts, state, threads, command, is_finished)
    return Session(run, state, data, note)
