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

    from mlp_cli.config import load_config
    from mlp_cli.runs import start

    if resume is not None and out is not None:
        raise click.UsageError("--resume goes on in the directory of the run; it cannot be combined with --out.")
    options = {"seed": seed, "epochs": epochs}
    typed = ["mlp", *sys.argv[1:]]
    if resume is None:
        settings = load_config("default" if config is None else config, assignments, **options)
        run, state, split, note = start.begin(settings, data, out, threads, typed)
    else:
        run, state, split, note = start.resume(resume, config, assignments, options, data, threads, typed)
    if note:
        click.echo(f"note: {note}", err=True)
    _train(run, state, split, quiet)
    _report(run, state, as_json)


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
    except StoppedError:
        outcome = "stopped"
        raise
    finally:
        progress.close()
        with contextlib.suppress(RunError):  # never in the way of the error that ended the run
            run.end(outcome)


class _Signals:
    """Within it, the first Ctrl-C or SIGTERM is noted in `received`; a second one ends the program at once."""

    def __enter__(self):
        import signal

        self.received = None
        numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]  # nohup
        self._before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *exception):
        import signal

        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        from mlp_cli.errors import StoppedError

        if self.received:
            raise StoppedError("stopped at once; the last checkpoint is whole", number)
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
            f"{run}: {state.epoch} epoch{'s' * (state.epoch != 1)} in {seconds:.1f} s, "
            f"best validation accuracy {best.val_accuracy:.2%} in epoch {best.epoch}"
        )
    click.echo(f"measure it on the test set:  mlp eval {where}")
    click.echo(f"read a picture of a digit:   mlp predict --model {where} IMAGE")
