"""mlp train."""

import click


@click.command("train")
@click.argument("config", default="default")
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
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="BLAS threads.")
@click.option("--out", type=click.Path(), metavar="DIR", help="Directory to make for the run. [default: runs/001, …]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def command(config, assignments, epochs, seed, data, threads, out, as_json, quiet):
    """Train a network on MNIST.

    CONFIG is a preset (plain, quick, default) or a TOML file; without one, default.

    \b
    mlp train quick
    mlp train default --epochs 30 --set training.learning_rate=0.05 --out runs/slower
    """
    import sys

    import threadpoolctl

    from mlp_cli.data.datasets import load_dataset
    from mlp_cli.training.config import load_config
    from mlp_cli.training.loop import Data, new_state
    from mlp_cli.training.run import Run, make_directory

    settings = load_config(config, assignments, seed=seed, epochs=epochs)
    dataset = load_dataset("train", data)
    threadpoolctl.threadpool_limits(threads, user_api="blas")
    data_split = Data.split(dataset, settings)
    state = new_state(settings, dataset)
    run = Run(make_directory(out), settings, dataset)
    run.start(state, threads, sys.argv)
    _train(run, state, data_split, quiet)
    _report(run, state, as_json)


def _train(run, state, data, quiet):
    """Train to the end, or to a signal; whatever happens, run.json says how it ended."""
    import contextlib

    from mlp_cli.cli.progress import Progress
    from mlp_cli.errors import DivergedError, RunError, StoppedError
    from mlp_cli.training.loop import fit

    training = run.config.training
    progress = Progress(training.epochs, len(data.train_indices), training.batch_size, state, quiet)

    def after_step(state, loss):
        progress.step(state, loss)
        if signals.received:
            run.save(state)
            raise StoppedError(f"stopped after step {state.step}, which is saved in {run}", signals.received)

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

    best = max(run.records, key=lambda record: record.val_accuracy, default=None)  # the first of equals, as saved
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
