"""One run of a sweep, as a worker makes it: an ordinary run directory, made by the code of `mlp train`.

Where a worker sees the directory of the sweep, it trains there, and a run that another worker left goes on from its
last checkpoint. Elsewhere it trains in a temporary directory, and the files travel back to the client.
"""

import contextlib
import functools
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlp_cli import __version__
from mlp_cli.config import Config
from mlp_cli.data.datasets import Dataset, Part, load_dataset
from mlp_cli.errors import DivergedError, MlpError, RunError, StoppedError
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BEST, LAST
from mlp_cli.model.measure import measure
from mlp_cli.runs import start
from mlp_cli.runs.folder import best_record, is_locked, read_facts, read_metrics
from mlp_cli.runs.train import run_to_end
from mlp_cli.training.state import State

MARKED_FILE = "sweep.toml"  # its first line has the mark by which a worker recognises the sweep
DONE = ("finished", "diverged")  # states that a repeated run would end in again
SECONDS_BETWEEN_LOOKS = 0.2  # whether a run is still wanted

IsWanted = Callable[[], bool]


class UnfitError(RunError):
    """A worker whose runs would differ from the client's: another version, or other data."""


class Common(NamedTuple):
    """What the jobs of a sweep have in common. `directory` and the places in `data` are absolute, on the client."""

    directory: str
    mark: str
    data: str | tuple[str, ...] | None
    data_sha256: dict[str, str]
    threads: int
    test: bool
    command: Sequence[str]
    versions: dict[str, str]


class Job(NamedTuple):
    """A run to be made: its name, which is its directory's, and its configuration with the seed in it."""

    name: str
    config: Config


class Datasets(NamedTuple):
    """The data, for workers that cannot read the client's files."""

    train: Dataset
    test: Dataset | None


class Outcome(NamedTuple):
    """How a run went: its `state` is finished, diverged, failed or given up; `files` are its content where the client
    is to write them."""

    state: str
    epochs: int = 0
    best_epoch: int | None = None
    val_accuracy: float | None = None
    test_accuracy: float | None = None
    seconds: float = 0.0
    worker: str = ""
    problem: str = ""
    files: dict[str, bytes] | None = None


def versions() -> dict[str, str]:
    """The versions that must agree on client and workers for equal runs."""
    return {"mlp-cli": __version__, "numpy": np.__version__}


def work(job: Job, common: Common, datasets: Datasets | None = None) -> Outcome:
    """Make the run of a Job on a worker of Dask. Raises UnfitError; other errors are the Outcome of this run."""
    from distributed import Reschedule, get_worker

    worker = get_worker()
    _check_versions(common, str(worker.address))
    key = worker.get_current_task()

    def is_wanted() -> bool:
        """False once the client has cancelled the run or is gone, or the worker is closing."""
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled" and worker.status.name in ("running", "paused")

    try:
        dataset = datasets.train if datasets else _load("train", common.data)
        if dataset.sha256 != common.data_sha256:
            raise UnfitError(f"worker {worker.address}: has other data in {common.data} than this machine")
        test = None
        if common.test:
            test = datasets.test if datasets else _load("test", common.data)
        if sees(common):
            outcome = _train(job, Path(common.directory, job.name), common, dataset, str(worker.name), is_wanted)
            return outcome._replace(test_accuracy=_measured(Path(common.directory, job.name), test))
        with tempfile.TemporaryDirectory(dir=worker.local_directory) as folder:
            directory = Path(folder, job.name)
            outcome = _train(job, directory, common, dataset, str(worker.name), is_wanted)
            files = {path.name: path.read_bytes() for path in directory.iterdir()}
            return outcome._replace(test_accuracy=_measured(directory, test), files=files)
    except UnfitError:
        raise
    except StoppedError:
        raise Reschedule from None  # still wanted, but elsewhere
    except (MlpError, OSError) as error:
        return Outcome("failed", worker=str(worker.name), problem=str(error))


def read_outcome(directory: Path) -> Outcome | None:
    """How the run in a directory went, as far as its files say; None if there is none. Raises RunError."""
    if not (directory / LAST).is_file():
        return None
    facts, records = read_facts(directory), read_metrics(directory)
    best = best_record(records)
    state = "stopped" if facts["outcome"] == "running" else facts["outcome"]
    return Outcome(
        state=state,
        epochs=len(records),
        best_epoch=best and best.epoch,
        val_accuracy=best and best.val_accuracy,
        seconds=round(sum(record.seconds for record in records), 3),
        worker=str(facts.get("worker", "")),
        problem=f"training diverged in epoch {len(records) + 1}" if state == "diverged" else "",
    )


def sees(common: Common) -> bool:
    """Whether this process sees the directory of the sweep, and not another one at its path."""
    try:
        with open(Path(common.directory, MARKED_FILE), "rb") as file:
            return common.mark.encode() in file.readline()
    except OSError:
        return False


def _check_versions(common: Common, worker: str) -> None:
    for package, mine in versions().items():
        if mine != (its := common.versions[package]):
            raise UnfitError(f"worker {worker}: has {package} {mine}, but this machine has {its}; runs would differ")


@functools.lru_cache(maxsize=4)
def _load(part: Part, where: str | tuple[str, ...] | None) -> Dataset:
    """Loaded once per process, for all its runs."""
    return load_dataset(part, where)


def _train(job: Job, directory: Path, common: Common, dataset: Dataset, worker: str, is_wanted: IsWanted) -> Outcome:
    # Another worker may still be training this run for a lost client; it will notice soon, and save its state.
    while directory.is_dir() and is_locked(directory) and is_wanted():
        time.sleep(SECONDS_BETWEEN_LOOKS)
    outcome = read_outcome(directory)
    if outcome is not None and outcome.state in DONE:
        return outcome
    if outcome is not None:
        session = start.resume(directory, data=dataset, threads=common.threads, command=common.command)
    else:
        shutil.rmtree(directory, ignore_errors=True)  # of a run that was killed before its first checkpoint
        session = start.begin(job.config, dataset, directory, common.threads, common.command)
    session.run.facts["worker"] = worker
    looked = time.monotonic()

    def stop_if_unwanted(state: State, loss: float) -> None:
        nonlocal looked
        if time.monotonic() - looked > SECONDS_BETWEEN_LOOKS:
            if not is_wanted():
                session.run.save(state)
                raise StoppedError(f"stopped and saved after step {state.step}", signal.SIGTERM)
            looked = time.monotonic()

    with contextlib.suppress(DivergedError):  # run.json says so
        run_to_end(session, stop_if_unwanted)
    outcome = read_outcome(directory)
    if outcome is None:
        raise RunError(f"{directory}: the run is gone")
    return outcome


def _measured(directory: Path, test: Dataset | None) -> float | None:
    """The accuracy of a run's best checkpoint on the test set, or None without a checkpoint or a test set."""
    if test is None or not (directory / BEST).is_file():
        return None
    return measure(load_checkpoint(directory / BEST), dataset=test).accuracy
