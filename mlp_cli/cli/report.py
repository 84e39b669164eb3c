"""mlp report."""

import os
from pathlib import Path

import click

from mlp_cli.cli.console import note, tell

FILE = "report.html"


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path())
@click.option(
    "--data",
    type=click.Path(),
    metavar="DIR",
    help="Data to measure on, as for mlp eval. [default: the data of each run]",
)
@click.option(
    "--out",
    type=click.Path(),
    metavar="FILE",
    help="The page to write. [default: report.html, in the run's directory, or here for several runs]",
)
def command(runs: tuple[str, ...], data: str | None, out: str | None) -> None:
    """Write a page about a run, several runs, or a sweep.

    The page is one HTML file: how training went, how good the best checkpoint is on the test set, how far its
    confidence can be trusted, and what it gets wrong. It replaces an older report, but no other file.

    \b
    mlp report runs/001
    mlp report runs/001 runs/002 --out both.html
    mlp report sweeps/001
    """
    from mlp_cli.blas import limit_threads
    from mlp_cli.errors import OutputError
    from mlp_cli.report.page import page
    from mlp_cli.report.subject import read
    from mlp_cli.runs.sweep import is_sweep

    path = Path(out if out is not None else os.path.join(runs[0], FILE) if len(runs) == 1 else FILE)
    limit_threads()
    _check_replaceable(path)
    if len(runs) == 1 and is_sweep(runs[0]):
        from mlp_cli.report.sweep import page_of_sweep

        content = page_of_sweep(runs[0])
    else:
        subjects = [read(run, data) for run in runs]
        for subject in subjects:
            note(f"run: {subject.directory}, {subject.summary.state}")
        content = page(subjects)
    try:
        _write(path, content)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
    tell(str(path))


def _write(path: Path, content: bytes) -> None:
    """Write a report as a new file, or in place of an older report; what appeared there meanwhile is checked again."""
    from mlp_cli.files import create_file, replace_file

    try:
        create_file(path, content)
    except FileExistsError:
        _check_replaceable(path)
        replace_file(path, content)


def _check_replaceable(path: Path) -> None:
    """Raise OutputError if `path` exists and is not a report."""
    from mlp_cli.errors import OutputError
    from mlp_cli.files import open_file
    from mlp_cli.report.page import GENERATOR

    if not os.path.lexists(path):
        return
    try:
        with open_file(path) as file:
            is_report = f'content="{GENERATOR}"'.encode() in file.read(1000)
    except OSError:
        is_report = False
    if not is_report:
        raise OutputError(f"{path}: already exists and is not a report; choose another --out")
