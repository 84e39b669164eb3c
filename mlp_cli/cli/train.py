"""mlp train."""

from typing import TYPE_CHECKING

import click

from mlp_cli.cli.console import note, tell
from mlp_cli.printable import to_json

if TYPE_CHECKING:
    from mlp_cli.runs.start import Session


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
@click.option("--seed", type=int, metavar="N", help="Seed for all random numbers.")
@click.option(
    "--data",
    multiple=True,
    metavar="DIR",
    help="Data to train on: four IDX files, a folder of pictures per class, or a CSV file (file,label). "
    "Repeat to mix several, equally or by shares such as mine=0.3. [default: mnist]",
)
@click.option("--init", type=click.Path(), metavar="MODEL", help="Start from the weights of this model.")
@click.option(
    "--threads",
    type=click.IntRange(1),
    metavar="N",
    help="Threads to use; the result does not depend on their number. [default: one per core]",
)
@click.option("--out", type=click.Path(), metavar="DIR", help="New directory for the run. [default: runs/001, …]")
@click.option("--resume", type=click.Path(), metavar="RUN", help="Continue a stopped run, or extend a finished one.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def command(
    config: str | None,
    assignments: tuple[str, ...],
    epochs: int | None,
    seed: int | None,
    data: tuple[str, ...],
    init: str | None,
    threads: int | None,
    out: str | None,
    resume: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train a network on MNIST, or on your own labelled pictures.

    CONFIG is a preset (plain, quick, default, accurate, best, large), a TOML file, or a run directory, whose
    configuration is used again. If you give no CONFIG, the preset default is used.

    \b
    mlp train quick
    mlp train default --epochs 30 --set training.learning_rate=0.05 --out runs/slower
    mlp train default --init mnist --data mnist --data my-digits=0.2
    """
    import sys

    from mlp_cli.cli.progress import ProgressBar, picture_bar, tell_left_out
    from mlp_cli.config import load_config
    from mlp_cli.model.checkpoint import load_checkpoint
    from mlp_cli.model.find import find_model
    from mlp_cli.runs import start
    from mlp_cli.runs.train import run_to_end

    if resume is not None and out is not None:
        raise click.UsageError("--resume continues in the run's own directory; it cannot be combined with --out.")
    if resume is not None and init is not None:
        raise click.UsageError("--resume continues with the run's own network; it cannot be combined with --init.")
    if init is not None and any(assignment.lstrip().startswith("network") for assignment in assignments):
        raise click.UsageError("--init keeps the layers of the model; they cannot be changed with --set.")
    where = data if len(data) > 1 else data[0] if data else None
    initial = None if init is None else load_checkpoint(find_model(init))
    say, bar = (None, None) if quiet else (note, picture_bar)
    options = {"seed": seed, "epochs": epochs}
    typed = ["mlp", *sys.argv[1:]]

    if resume is None:
        settings = load_config("default" if config is None else config, assignments, **options)
        session = start.begin(settings, where, out, threads, typed, say, initial, bar)
        if initial:
            note(f"init: {initial}")
    else:
        session = start.resume(resume, config, assignments, options, where, threads, typed, say, bar)
    tell_left_out(session.data.dataset)
    if session.note:
        note(f"note: {session.note}")
    training = session.run.config.training
    progress = ProgressBar(training.epochs, len(session.data.examples), training.batch_size, session.state, quiet)
    try:
        run_to_end(session, progress.step, progress.epoch)
    finally:
        progress.close()
    tell(*([_json(session)] if as_json else _told(session)))


def _json(session: "Session") -> str:
    best, state = session.best, session.state
    result = {
        "run": str(session.run),
        "epochs": state.epoch,
        "steps": state.step,
        "seconds": round(session.run.seconds, 3),
        "best_epoch": best and best.epoch,
        "val_accuracy": best and best.val_accuracy,
        "val_loss": best and best.val_loss,
    }
    return to_json(result)


def _told(session: "Session") -> list[str]:
    import shlex

    from mlp_cli.data.datasets import places_of

    run, epochs, best = session.run, session.state.epoch, session.best
    where = shlex.quote(str(run))
    options = [f" --data {shlex.quote(place)}" for place in places_of(session.data.dataset.where)] or [""]
    if best is None:
        result = f"{run}: the initial network, not trained"
    else:
        result = (
            f"{run}: {epochs} epoch{'s' * (epochs != 1)} in {run.seconds:.1f} s, "
            f"best validation accuracy {best.val_accuracy:.2%} in epoch {best.epoch}"
        )
    return [
        result,
        *(f"measure it on the test set:  mlp eval {where}{option}" for option in options),
        f"read a picture of a digit:   mlp predict --model {where} IMAGE",
    ]
