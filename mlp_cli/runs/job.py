"""Runs of a sweep, as a worker makes them: ordinary run directories, made by the code of `mlp train`.

A worker that sees the directory of the sweep trains there, and continues the run of a lost worker from its last
checkpoint. Elsewhere it trains in memory, and the files travel back to the client. Short
runs are made in memory everywhere, several to a task: a task costs Dask milliseconds, and a save costs the disk some.
"""

import contextlib
import functools
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlp_cli import __version__
from mlp_cli.config import Config
from mlp_cli.data.datasets import Dataset, Part, load_dataset
from mlp_cli.errors import DivergedError, MlpError, RunError, StoppedError
from mlp_cli.files import write_folders
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BEST, LAST
from mlp_cli.model.measure import measure
from mlp_cli.runs import start
from mlp_cli.runs.folder import Facts, best_record, is_locked, read_facts, read_metrics
from mlp_cli.runs.train import run_to_end
from mlp_cli.training.loop import Record
from mlp_cli.training.state import State

MARKED_FILE = "sweep.toml"  # its first line has the mark by which a worker recognises the sweep
DONE = ("finished", "diverged")  # states that a repeated run would end in again
SECONDS_BETWEEN_LOOKS = 0.2  # whether a run is still wanted
SECONDS_OF_A_TASK = 1.0  # shorter runs share one; a kill loses no more than this of them
MOST_TOGETHER = 16  # runs in a task, whose files are in memory until they are written

IsWanted = Callable[[], bool]


class UnfitError(RunError):
    """A worker whose runs would differ from the client's: another version, or other data."""


class Common(NamedTuple):
    """What the jobs of a sweep have in common. `directory` and the places in `data` are absolute, on the client. With
    `short`, runs are made in memory."""

    directory: str
    mark: str
    data: str | tuple[str, ...] | None
    data_sha256: dict[str, str]
    threads: int
    test: bool
    short: bool
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


def work(jobs: Sequence[Job], common: Common, datasets: Datasets | None = None) -> list[Outcome]:
    """Make the runs of some Jobs on a worker of Dask, in their order: the first one, and as many others as begin within
    SECONDS_OF_A_TASK. Raises UnfitError; other errors are the Outcome of their run."""
    from distributed import Reschedule, get_worker

    worker = get_worker()
    name = str(worker.name)
    _check_versions(common, str(worker.address))
    key = worker.get_current_task()

    def is_wanted() -> bool:
        """False once the client has cancelled the run or is gone, or the worker is closing."""
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled" and worker.status.name in ("running", "paused")

    until = time.monotonic() + SECONDS_OF_A_TASK
    outcomes: dict[str, Outcome] = {}
    for job in jobs:
        if outcomes and time.monotonic() > until:
            break
        try:
            dataset = datasets.train if datasets else _load("train", common.data)
            if dataset.sha256 != common.data_sha256:
                raise UnfitError(f"worker {worker.address}: has other data in {common.data} than this machine")
            outcome = _train(job, common, dataset, name, is_wanted)
            if common.test:
                test = datasets.test if datasets and datasets.test else _load("test", common.data)
                outcome = outcome._replace(test_accuracy=_measured(job, common, outcome, test))
            outcomes[job.name] = outcome
        except UnfitError:
            raise
        except StoppedError:
            raise Reschedule from None  # still wanted, but elsewhere
        except (MlpError, OSError) as error:
            outcomes[job.name] = Outcome("failed", worker=name, problem=str(error))
    if not is_wanted():  # another worker may be at the same runs
        raise Reschedule
    if sees(common):
        try:
            outcomes = write_files(common.directory, outcomes)
        except OSError as error:
            failed = Outcome("failed", worker=name, problem=str(error))
            outcomes = {run: failed if one.files else one for run, one in outcomes.items()}
    return list(outcomes.values())


def write_files(directory: str | Path, outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Write the files of runs into the directory of the sweep, and return the same outcomes without them. Raises
    OSError."""
    folders = {
        Path(directory, name): {Path(file).name: content for file, content in one.files.items()}
        for name, one in outcomes.items()
        if one.files is not None
    }
    write_folders(folders)
    return {name: one._replace(files=None) for name, one in outcomes.items()}


def read_outcome(directory: Path) -> Outcome | None:
    """How the run in a directory went, as far as its files say; None if there is none. Raises RunError."""
    if not (directory / LAST).is_file():
        return None
    return _outcome(read_facts(directory), read_metrics(directory))


def _outcome(facts: Facts, records: Sequence[Record]) -> Outcome:
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


def _train(job: Job, common: Common, dataset: Dataset, worker: str, is_wanted: IsWanted) -> Outcome:
    directory = Path(common.directory, job.name)
    outcome: Outcome | None = None
    files: dict[str, bytes] | None = None
    if is_here := sees(common):
        # Another worker may still be training this run for a lost client; it will notice soon, and save its state.
        while directory.is_dir() and is_locked(directory) and is_wanted():
            time.sleep(SECONDS_BETWEEN_LOOKS)
        outcome = read_outcome(directory)
    if outcome is not None and outcome.state in DONE:
        return outcome
    if outcome is not None:
        session = start.resume(directory, data=dataset, threads=common.threads, command=common.command)
    elif is_here and not common.short:
        shutil.rmtree(directory, ignore_errors=True)  # of a run that was killed before its first checkpoint
        session = start.begin(job.config, dataset, directory, common.threads, common.command)
    else:
        files = {}
        session = start.begin(job.config, dataset, directory, common.threads, common.command, files=files)
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
    if files is not None:
        return _outcome(session.run.facts, session.run.records)._replace(files=files)
    outcome = read_outcome(directory)
    if outcome is None:
        raise RunError(f"{directory}: the run is gone")
    return outcome


def _measured(job: Job, common: Common, outcome: Outcome, test: Dataset) -> float | None:
    """The accuracy of a run's best checkpoint on the test set, or None without a checkpoint."""
    if outcome.files is None:
        best = Path(common.directory, job.name, BEST)
        return measure(load_checkpoint(best), dataset=test).accuracy if best.is_file() else None
    if BEST not in outcome.files:
        return None
    with tempfile.TemporaryDirectory(prefix="mlp-") as folder:
        best = Path(folder, BEST)
        best.write_bytes(outcome.files[BEST])
        return measure(load_checkpoint(best), dataset=test).accuracy
