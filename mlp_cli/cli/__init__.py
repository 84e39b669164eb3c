"""The command line: parse, call, print. Each command is a file here, imported when it is called."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from mlp_cli import __version__
from mlp_cli.cli.console import abandon, note, occupy_descriptors, reason, tell
from mlp_cli.errors import MlpError

COMMANDS = ("train", "eval", "predict", "draw", "export", "gradcheck", "trace", "runs", "report", "sweep")
INTERRUPTED = 130
CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            command: click.Command = import_module(f"mlp_cli.cli.{name}").command
            return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(f"{error.message} The commands are {', '.join(COMMANDS)}.", error.ctx) from None


@click.group(cls=LazyGroup, context_settings=CONTEXT_SETTINGS)
@click.version_option(__version__, prog_name="mlp")
def cli() -> None:
    """Train a digit recogniser by hand-written backpropagation, and use it.

    \b
    mlp train quick          train 784-128-64-10 on MNIST, in seconds
    mlp predict photo.jpg    read the digit in a picture
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the program and exit: errors become one line on stderr and their exit code, never a traceback."""
    occupy_descriptors()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what the terminal cannot show must not end the program
            stream.reconfigure(errors="replace")
    try:
        status = cli.main(args, prog_name="mlp", standalone_mode=False)
        if status == 0 and sys.stdout is None:  # help or the version, which click prints itself, or not
            tell()
    except MlpError as error:
        _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        tell(*error.format_message().splitlines())
        sys.exit(2)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "mlp"
        message = error.format_message()
        _fail(f"{message}{'' if message[-1] in '.?' else '.'} See {command} --help", 2)
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has left, as `head` does: print nothing more, not even at exit.
        abandon(sys.stdout)
        abandon(sys.stderr)
        sys.exit(1)
    except MemoryError:
        _fail("not enough memory; make the network, the batch or the picture smaller", 2)
    except OSError as error:
        if error.filename is None:  # of help and the version, as above
            abandon(sys.stdout)
        place = "working directory" if isinstance(error, FileNotFoundError) else "standard output"
        _fail(f"{error.filename or place}: {reason(error)}", 2)


def fail_of_a_bug(error: Exception) -> NoReturn:
    """Exit with one line on an unforeseen exception: its kind, and the last line of this package it came through."""
    import traceback

    if isinstance(error, SyntaxError):  # of somebody who is changing a formula, say
        _fail(f"{error.filename}, line {error.lineno}: not valid Python: {error.msg}", 2)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "mlp_cli" in frame.filename]
    where = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}"
    _fail(f"this is a bug in mlp; please report it: {type(error).__name__} in {where}: {error}", 2)


def _fail(message: str, code: int) -> NoReturn:
    note("mlp: " + " ".join(message.splitlines()))
    sys.exit(code)
