"""The run directory: where a run keeps its configuration, metrics and checkpoints, and how they are written.

Every file is written through the descriptor of the directory that is locked, so a run whose directory is moved keeps
writing there, and not into one that takes its place.
"""

import contextlib
import functools
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from mlp_cli.blas import MOST_THREADS, libraries
from mlp_cli.config import Config, to_toml
from mlp_cli.data.datasets import Dataset, Where, absolute, missing_place
from mlp_cli.errors import DataError, DivergedError, RunError
from mlp_cli.files import read_file, remove_parts, replace_file
from mlp_cli.model.checkpoint import FORMAT, Checkpoint, Metadata, Progress, to_bytes
from mlp_cli.model.find import BEST, CONFIG, LAST, METRICS, RUNS
from mlp_cli.training.loop import Record
from mlp_cli.training.state import State

if sys.platform != "win32":  # runs are not locked there
    import fcntl

MOST_FACTS, MOST_METRICS = 32_000_000, 250_000_000  # bytes; a million rows of metrics.csv at most
FACTS = "run.json"
LOCK_SECONDS = 1.0  # `mlp runs` asks for the lock, and has it for a moment

Facts = dict[str, Any]  # what run.json says


OLDER_FIELDS = [name for name in Record._fields if name != "images"]  # from before epochs counted their images


class Lock:
    """Keeps other processes from training in a directory until it is released or this process ends. Has the
    `descriptor` of the directory, or None. Raises RunError if another process has the lock."""

    def __init__(self, directory: Path) -> None:
        self.descriptor: int | None = None
        if sys.platform == "win32":
            return
        try:
            self.descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise RunError(f"{directory}: not a run directory: {error.strerror}") from None
        until = time.monotonic() + LOCK_SECONDS
        while not self._acquired(self.descriptor):
            if time.monotonic() > until:
                self.release()
                raise RunError(f"{directory}: is being trained by another process; wait for it, or stop it")
            time.sleep(LOCK_SECONDS / 20)

    def _acquired(self, descriptor: int) -> bool:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    def release(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class Run:
    """A run directory in which this process trains: a configuration, a data set, and the `records` of its epochs."""

    def __init__(
        self,
        directory: Path,
        lock: Lock | None,
        config: Config,
        dataset: Dataset,
        init: Checkpoint | None = None,
        files: dict[str, bytes] | None = None,
    ) -> None:
        """`init` is the checkpoint whose parameters the run starts from, if it does not draw them from its seed. With
        `files` there is no directory: what would be written into it is kept there by name."""
        self.directory = directory
        self.config = config
        self.dataset = dataset
        self.records: list[Record] = []
        self.facts: Facts = {}
        self.init = init and str(init.path.resolve())
        self.trained_on = (*(init.metadata.all_trained_on if init else ()), *(s.sha256 for s in dataset.sources))
        self.files = files
        self._lock = lock

    def __str__(self) -> str:
        return str(self.directory)

    @property
    def seconds(self) -> float:
        """The seconds that its epochs took."""
        return sum(record.seconds for record in self.records)

    def start(self, state: State, threads: int, command: Sequence[str], teacher_sha256: str | None = None) -> None:
        """Write all files of a run before its first step."""
        self.facts = {
            "outcome": "running",
            "started": now(),
            "ended": None,
            "command": list(command),
            "seed": self.config.seed,
            "threads": threads,
            "data": {
                "name": self.dataset.name,
                "directory": absolute(self.dataset.where),
                "sha256": self.dataset.sha256,
            },
            "teacher": teacher_sha256,
            "init": self.init,
            **environment(),
            "resumed": [],
        }
        self.write(CONFIG, to_toml(self.config))
        self._write_facts()
        self._write_metrics()
        if self.config.training.epochs == 0:
            self.write(BEST, self._checkpoint(state, for_resume=False))
        self.save(state)

    def read_records(self, state: State) -> None:
        """Read metrics.csv up to the epochs of `state`. Raises RunError if they are missing."""
        # A run killed between two writes may have recorded an epoch that its last checkpoint lacks.
        self.records = read_metrics(self.directory)[: state.epoch]
        kept = state.progress.records_sha256
        if kept and kept != _sha256(self.records):
            raise RunError(f"{self.directory / METRICS}: does not belong to {LAST}; restore the original")
        if [record.epoch for record in self.records] != list(range(1, state.epoch + 1)):
            raise RunError(f"{self.directory / METRICS}: lacks rows for the {state.epoch} epochs of {LAST}")

    def resume(self, state: State, threads: int, command: Sequence[str]) -> None:
        """Continue a run whose `facts` and `records` have been read."""
        remove_parts(self.directory, self._lock.descriptor if self._lock else None)
        resumed = {"at": now(), "step": state.step, "threads": threads, "command": list(command)}
        self.facts |= {"outcome": "running", "ended": None, "resumed": [*self.facts["resumed"], resumed]}
        self.facts["data"]["directory"] = absolute(self.dataset.where)  # it may have been moved
        self.write(CONFIG, to_toml(self.config))
        self._write_facts()
        self._write_metrics()

    def save(self, state: State) -> None:
        """Replace last.safetensors by the current state, from which training can continue. Raises DivergedError if
        parameters are not finite, since such a checkpoint would be useless."""
        if not np.isfinite(state.network.parameters.flat).all():
            raise DivergedError(
                f"training diverged: parameters are no longer finite at step {state.step}; lower training.learning_rate"
            )
        self.write(LAST, self._checkpoint(state, for_resume=True))

    def record(self, record: Record, state: State) -> None:
        """Record a finished epoch: its row, the best state if it is the best so far, and the last state."""
        self.records.append(record)
        if record.epoch == state.progress.best_epoch:
            self.write(BEST, self._checkpoint(state, for_resume=False))
        self._write_metrics()
        self.save(state)  # the last of the three, so that a run killed between them repeats this epoch

    def end(self, outcome: str) -> None:
        """Record in run.json how and when the run ended, and release its directory."""
        try:
            if self.facts["outcome"] != "finished":
                self.facts |= {"outcome": outcome, "ended": now()}
                self._write_facts()
        finally:
            if self._lock:
                self._lock.release()

    def write(self, name: str, content: bytes | str) -> None:
        """Replace the file `name` by `content`, all at once. Raises RunError and keeps the old file."""
        content = content.encode() if isinstance(content, str) else content
        if self.files is not None:
            self.files[name] = content
            return
        path, descriptor = self.directory / name, self._lock.descriptor if self._lock else None
        try:
            replace_file(path if descriptor is None else name, content, descriptor)
        except OSError as error:
            rest = "" if self.directory.is_dir() else "; the run directory is gone"
            rest = "; the old file is intact" if path.is_file() else rest
            raise RunError(f"{path}: cannot be written: {error.strerror}{rest}") from None

    def _checkpoint(self, state: State, *, for_resume: bool) -> bytes:
        latest = self.records[-1] if self.records else None
        metadata = Metadata(
            format=FORMAT,
            config=self.config,
            data=self.dataset.name,
            data_sha256=self.dataset.sha256,
            classes=self.dataset.classes,
            image_shape=self.dataset.image_shape,
            epoch=state.epoch,
            step=state.step,
            val_accuracy=latest and latest.val_accuracy,
            val_loss=latest and latest.val_loss,
            temperature=state.temperature,
            threshold=state.threshold,
            split_seed=state.split_seed,
            trained_on=self.trained_on,
            progress=self._progress(state) if for_resume else None,
        )
        return to_bytes(state.for_use(), metadata, state.tensors() if for_resume else {})

    def _progress(self, state: State) -> Progress:
        return msgspec.structs.replace(state.progress_to_save(), records_sha256=_sha256(self.records))

    def _write_facts(self) -> None:
        msgspec.convert(self.facts, _Facts)  # never write what a reader would refuse
        self.write(FACTS, json.dumps(self.facts, indent=2) + "\n")

    def _write_metrics(self) -> None:
        rows = [Record._fields, *(record.cells() for record in self.records)]
        self.write(METRICS, "".join(",".join(row) + "\n" for row in rows))


def _sha256(records: Sequence[Record]) -> str:
    """The sha256 of the rows of metrics.csv without the seconds, which always differ."""
    text = "".join(",".join(record._replace(seconds=0).cells()) + "\n" for record in records)
    return hashlib.sha256(text.encode()).hexdigest()


def best_record(records: Sequence[Record]) -> Record | None:
    """The Record of the best epoch (the latest, if tied), or None before the first has finished."""
    return max(records, key=lambda record: (record.val_accuracy, record.epoch), default=None)


def is_locked(directory: Path) -> bool | None:
    """Whether a process is training in a run directory, or None if that cannot be known."""
    if sys.platform == "win32":
        return None
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def make_directory(out: str | os.PathLike[str] | None = None, parent: Path = RUNS) -> Path:
    """Make a directory: `out`, or the next free number under `parent`. Raises RunError if `out` exists.

    Making a directory either succeeds for one process or fails, so runs that start together get one each.
    """
    try:
        if out is not None:
            Path(out).mkdir(parents=True)
            return Path(out)
        parent.mkdir(exist_ok=True)
        number = max((int(path.name) for path in parent.iterdir() if path.name.isdecimal()), default=0)
        while True:
            number += 1
            directory = parent / f"{number:03d}"
            with contextlib.suppress(FileExistsError):
                directory.mkdir()
                return directory
    except FileExistsError as error:
        if out is None:
            raise RunError(f"{parent}: not a directory; choose another place with --out") from None
        raise RunError(f"{error.filename}: already exists; choose another --out") from None
    except OSError as error:
        raise RunError(f"{error.filename}: cannot be made: {error.strerror}") from None


def read_facts(directory: str | Path) -> Facts:
    """The content of run.json in a run directory. Raises RunError."""
    path = Path(directory) / FACTS
    try:
        facts: Facts = json.loads(read_file(path, MOST_FACTS))
        msgspec.convert(facts, _Facts)
    except FileNotFoundError:
        raise RunError(f"{directory}: not a run directory: it has no {FACTS}") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise RunError(f"{path}: not a {FACTS} written by mlp ({error})") from None
    return facts


def place_of_data(directory: str | Path, facts: Facts) -> Where:
    """Where the data of a run is, as its run.json says. Raises DataError if it is no longer there."""
    where: Where = facts["data"].get("directory")
    if moved := missing_place(where):
        raise DataError(f"{directory}: its data is no longer in {moved}; name its new place with --data DIR")
    return where


def read_metrics(directory: str | Path) -> list[Record]:
    """The Records in the metrics.csv of a run directory. Raises RunError."""
    path = Path(directory) / METRICS
    try:
        header, *lines = read_file(path, MOST_METRICS).decode("utf-8").splitlines()
        records = [Record.from_cells(line.split(",")) for line in lines]
        if header not in (",".join(Record._fields), ",".join(OLDER_FIELDS)) or not np.isfinite(records).all():
            raise ValueError
        return records
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        raise RunError(f"{path}: not a metrics file written by mlp") from None


class _Where(msgspec.Struct):
    directory: str | list[str] | None


class _Facts(msgspec.Struct):
    """The fields of run.json that mlp relies on."""

    outcome: str
    started: str
    command: list[str]
    threads: Annotated[int, msgspec.Meta(ge=1, le=MOST_THREADS)]
    data: _Where
    resumed: list[Any]


def environment() -> Facts:
    """What a result may depend on: versions, processor, BLAS and its threads. For run.json."""
    packages = ("mlp-cli", "numpy", "safetensors", "msgspec", "Pillow", "click", "tqdm", "threadpoolctl")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in packages},
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "blas": [
            {key: info.get(key) for key in ("internal_api", "version", "architecture", "num_threads")}
            for info in libraries()
        ],
    }


@functools.cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # a source tree that is not installed
        return None


def _cpu() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def now() -> str:
    """The time, for run.json: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
