"""A run as the command line wants it: begun, or taken up again where it was stopped."""

import shutil
from pathlib import Path
from typing import NamedTuple

import threadpoolctl

from mlp_cli.data.datasets import load_dataset
from mlp_cli.errors import ConfigError, RunError
from mlp_cli.training.checkpoint import load_checkpoint
from mlp_cli.training.config import differences, load_config
from mlp_cli.training.loop import Data, out_of_patience
from mlp_cli.training.run import CONFIG, LAST, Run, make_directory, read_facts
from mlp_cli.training.state import State

DEFAULT_THREADS = 1


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
    threads = _limit(threads or DEFAULT_THREADS)
    data = Data.split(dataset, config)
    state = State.new(config, dataset)
    run = Run(make_directory(out), config, dataset)
    try:
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
    checkpoint = load_checkpoint(Path(run_directory) / LAST)
    metadata = checkpoint.metadata
    if metadata.progress is None:
        raise RunError(f"{checkpoint.path}: is no checkpoint to resume from")
    config = load_config(Path(run_directory) / CONFIG if config is None else config, assignments, **(options or {}))
    changed = differences(metadata.config, config)
    epochs_before, epochs = changed.pop("training.epochs", [config.training.epochs] * 2)
    if changed:
        changes = "; ".join(f"{key} was {old!r} and would be {new!r}" for key, (old, new) in changed.items())
        raise ConfigError(f"{run_directory}: only training.epochs can change when a run goes on, but {changes}")
    if epochs < metadata.epoch:
        raise ConfigError(f"{run_directory}: has {metadata.epoch} epochs already; {epochs} would undo some")

    dataset = load_dataset("train", directory or facts["data"].get("directory"))
    if dataset.sha256 != metadata.data_sha256:
        where = dataset.directory or "the MNIST inside"
        raise RunError(f"{run_directory}: was trained on other data ({metadata.data}) than {where}")
    threads = _limit(threads or facts["threads"])
    state = State.restore(checkpoint)
    run = Run(run_directory, config, dataset)
    run.resume(facts, state, threads, command)

    note = None
    if epochs == metadata.epoch or out_of_patience(state, config):
        note = f"{run_directory} is finished, with {metadata.epoch} epochs; --epochs with more extends it"
    elif epochs != epochs_before and config.training.schedule != "constant":
        note = (
            f"the {config.training.schedule} schedule is now that of {epochs} epochs, not of {epochs_before}: "
            "the learning rate goes on from where it would be in such a run"
        )
    return Session(run, state, Data.split(dataset, config), note)


def _limit(threads):
    threadpoolctl.threadpool_limits(threads, user_api="blas")
    return threads
