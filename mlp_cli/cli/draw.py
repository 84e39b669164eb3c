"""mlp draw."""

import os
import sys
from pathlib import Path

import click

from mlp_cli.cli.console import note, tell
from mlp_cli.cli.export import check_new, write_new


@click.command("draw")
@click.option(
    "--model",
    default="mnist",
    show_default=True,
    metavar="MODEL",
    help="mnist, large, latest (the newest run that has finished an epoch), a run or a checkpoint.",
)
@click.option("--out", type=click.Path(), metavar="FILE", help="Write the page to FILE instead of opening it.")
def command(model: str, out: str | None) -> None:
    """Draw digits in the browser and watch the network read them.

    The page shows what the network sees, the probabilities, the activations of every layer, and which pixels speak for
    or against a digit. It is one file that works offline; nothing is loaded, and nothing leaves the browser.

    \b
    mlp draw
    mlp draw --model runs/001 --out draw.html
    """
    import tempfile

    from mlp_cli.export.page import page
    from mlp_cli.model.checkpoint import load_checkpoint
    from mlp_cli.model.find import find_model

    if out is not None:
        check_new(out)
    checkpoint = load_checkpoint(find_model(model))
    note(f"model: {checkpoint}")
    content = page(checkpoint)
    if out is not None:
        write_new(out, content)
        tell(out)
        return
    # A new folder that only this user may enter, so that nobody can swap the page.
    path = Path(tempfile.mkdtemp(prefix="mlp-draw-")) / "draw.html"
    write_new(path, content)
    tell(str(path))
    if _open(path.as_uri()):
        note("opened in the browser; if the page stays blank, run mlp draw --out draw.html and open that file")
    else:
        note("no browser found; open this file in one")


def _open(url: str) -> bool:
    """Open a page in a graphical browser. Returns whether there is one."""
    import webbrowser

    has_display = sys.platform in ("win32", "darwin") or any(
        map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    )
    # Without a display webbrowser would start one in the terminal.
    return has_display and webbrowser.open(url)
