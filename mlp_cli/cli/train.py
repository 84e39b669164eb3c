"""mlp train."""

import click


@click.command("train")
@click.argument("config", required=False)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key, such as training.batch_size=64. Repeatable.",
)
@click.option("--epochs", type=int, metavar="N", help="Passes over the training images.")
@click.option("--seed", type=int, metavar="N", help="Seed of every random choice.")
@click.option(
    "--data", type=click.Path(), metavar="DIR", help="Four IDX files to train on. [default: the MNIST inside]"
)
@click.option("--threads", type=click.IntRange(1), metavar="N", help="BLAS threads. [default: 1]")
@click.option("--out", type=click.Path(), metavar="DIR", help="Directory to make for the run. [default: runs/001, …]")
@click.option("--resume", type=click.Path(), metavar="RUN", help="Go on with a run that was stopped, or extend it.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def command(config, assignments, epochs, seed, data, threads, out, resume, as_json, quiet):
    """Train a network on MNIST.

    CONFIG is a preset (plain, quick, default, accurate) or a TOML file; without one, default.

    \b
    mlp train quick
    mlp train default --epochs 30 --set training.learning_rate=0.05 --out runs/slower
    """
    import sys

    from mlp_cli.training.config import load_config

    if resume is not None and out is not None:
        raise click.UsageError("--resume goes on in the directory of the run; it cannot be combined with --out.")
    options = {"seed": seed, "epochs": epochs}
    if resume is None:
        settings = load_config(config or "default", assignments, **options)
        run, state, dataset = _start(settings, data, out, threads or 1, sys.argv)
    else:
        run, state, dataset = _resume(resume, config, assignments, options, data, threads, sys.argv)
    _train(run, state, dataset, quiet)
    _report(run, state, as_json)


def _start(settings, data, out, threads, command_line):
    """A new run: the Run, the state before the first step, and the data."""
    import shutil

    from mlp_cli.data.datasets import load_dataset
    from mlp_cli.training.loop import Data
    from mlp_cli.training.run import Run, make_directory
    from mlp_cli.training.state import State

    dataset = load_dataset("train", data)
    _limit(threads)
    split = Data.split(dataset, settings)
    state = State.new(settings, dataset)
    run = Run(make_directory(out), settings, dataset)
    try:
        run.start(state, threads, command_line)
    except BaseException:
        shutil.rmtree(run.directory, ignore_errors=True)  # nothing half-written
        raise
    return run, state, split


def _resume(directory, config, assignments, options, data, threads, command_line):
    """A run that goes on: the Run, the state of its last checkpoint, and the data. Raises RunError or ConfigError
    where the configuration or the data are not what they were."""
    from pathlib import Path

    from mlp_cli.data.datasets import load_dataset
    from mlp_cli.errors import ConfigError, RunError
    from mlp_cli.training import run as runs
    from mlp_cli.training.checkpoint import load_checkpoint
    from mlp_cli.training.config import differences, load_config
    from mlp_cli.training.loop import Data, out_of_patience
    from mlp_cli.training.state import State

    facts = runs.read_facts(directory)
    checkpoint = load_checkpoint(Path(directory) / runs.LAST)
    metadata = checkpoint.metadata
    if metadata.progress is None:
        raise RunError(f"{checkpoint.path}: is no checkpoint to resume from")
    before, settings = metadata.config, load_config(config or Path(directory) / runs.CONFIG, assignments, **options)
    changed = differences(before, settings)
    changed.pop("training.epochs", None)
    if changed:
        changes = "; ".join(f"{key} was {old!r} and would be {new!r}" for key, (old, new) in changed.items())
        raise ConfigError(f"{directory}: only training.epochs can change when a run goes on, but {changes}")
    total = settings.training.epochs
    if total < metadata.epoch:
        raise ConfigError(f"{directory}: has {metadata.epoch} epochs already; --epochs {total} would undo some")

    dataset = load_dataset("train", data or facts["data"].get("directory"))
    if dataset.sha256 != metadata.data_sha256:
        raise RunError(f"{directory}: was trained on other data ({metadata.data}) than {dataset.directory or 'MNIST'}")
    threads = threads or facts["threads"]
    _limit(threads)
    state = State.restore(checkpoint)
    run = runs.Run(directory, settings, dataset)
    run.resume(facts, state, threads, command_line)
    if total == metadata.epoch or out_of_patience(state, settings):
        click.echo(f"{directory} is finished, with {metadata.epoch} epochs; --epochs with more extends it", err=True)
    elif total != before.training.epochs and settings.training.schedule != "constant":
        click.echo(
            f"note: the {settings.training.schedule} schedule is now that of {total} epochs, not of "
            f"{before.training.epochs}: the learning rate goes on from where it would be in such a run",
            err=True,
        )
    return run, state, Data.split(dataset, settings)


def _limit(threads):
    import threadpoolctl

    threadpoolctl.threadpool_limits(threads, user_api="blas")


def _train(run, state, data, quiet):
    """Train to the end, or to a signal; whatever happens, run.json says how it ended."""
    import contextlib
    import shlex

    from mlp_cli.cli.progress import Progress
    from mlp_cli.errors import DivergedError, RunError, StoppedError
    from mlp_cli.training.loop import fit

    training = run.config.training
    progress = Progress(training.epochs, len(data.train_indices), training.batch_size, state, quiet)

    def after_step(state, loss):
        progress.step(state, loss)
        if signals.received:
            run.save(state)
            how = f"go on with: mlp train --resume {shlex.quote(str(run))}"
            raise StoppedError(f"stopped after step {state.step}, which is saved; {how}", signals.received)
        if training.checkpoint_every and state.step % training.checkpoint_every == 0:
            run.save(state)

    outcome = "failed"
    try:
        with _Signals() as signals:
            for record in fit(state, data, run.config, after_step):
                run.record(record, state)
                progress.epoch(record)
        outcome = "finished"
    except DivergedError as error:
        outcome = "diverged"
        raise DivergedError(f"{error}; {run} keeps the last good state, of epoch {len(run.records)}") from None
    except (StoppedError, KeyboardInterrupt):
        outcome = "stopped"
        raise
    finally:
        progress.close()
        with contextlib.suppress(RunError):  # never in the way of the error that ended the run
            run.end(outcome)


class _Signals:
    """Within it, the first Ctrl-C or SIGTERM is noted in `received`; a second one raises KeyboardInterrupt at once."""

    def __enter__(self):
        import signal

        self.received = None
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception):
        import signal

        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if self.received:
            raise KeyboardInterrupt
        self.received = number


def _report(run, state, as_json):
    import json
    import shlex

    best = run.records[state.progress.best_epoch - 1] if run.records else None
    seconds = sum(record.seconds for record in run.records)
    if as_json:
        result = {
            "run": str(run),
            "epochs": state.epoch,
            "steps": state.step,
            "seconds": round(seconds, 3),
            "best_epoch": best and best.epoch,
            "val_accuracy": best and best.val_accuracy,
            "val_loss": best and best.val_loss,
        }
        click.echo(json.dumps(result))
        return
    where = shlex.quote(str(run))
    if best is None:
        click.echo(f"{run}: the initial network, not trained")
    else:
        click.echo(
            f"{run}: {state.epoch} epochs in {seconds:.1f} s, "
            f"best validation accuracy {best.val_accuracy:.2%} in epoch {best.epoch}"
        )
    click.echo(f"measure it on the test set:  mlp eval {where}")
    click.echo(f"read a picture of a digit:   mlp predict --model {where} IMAGE")
