"""The command line: parse, call, print. Each command is a file here, imported when it is called."""

import os
import sys
from importlib import import_module

import click

from mlp_cli import __version__
from mlp_cli.errors import MlpError

COMMANDS = ("train", "eval", "predict", "gradcheck", "trace", "runs", "report")
INTERRUPTED = 130
CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are asked for."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        if name in COMMANDS:
            return import_module(f"mlp_cli.cli.{name}").command
        return None

    def resolve_command(self, ctx, args):
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            error.message += f" The commands are {', '.join(COMMANDS)}."
            raise


@click.group(cls=LazyGroup, context_settings=CONTEXT_SETTINGS)
@click.version_option(__version__, prog_name="mlp")
def cli():
    """Train a digit recogniser by hand-written backpropagation, and use it.

    \b
    mlp train quick          train 784-128-64-10 on MNIST, in seconds
    mlp predict photo.jpg    read the digit in a picture
    """


def main(args=None):
    """Run the program and exit: errors become one line on stderr and their exit code, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name or a sign that the terminal cannot show must not end the program
            stream.reconfigure(errors="replace")
    try:
        cli.main(args, prog_name="mlp", standalone_mode=False)
        if sys.stdout:
            sys.stdout.flush()
    except MlpError as error:
        _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "mlp"
        _fail(f"{error.format_message()} See {command} --help", 2)
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has left, as `head` does: nothing more to say, not even at exit.
        for stream in filter(None, (sys.stdout, sys.stderr)):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        sys.exit(1)
    except MemoryError:
        _fail("not enough memory for this; make the network, the batch or the picture smaller", 2)
    except OSError as error:
        _fail(f"{error.filename or 'output'}: {error.strerror or error}", 2)


def _fail(message, code):
    click.echo("mlp: " + " ".join(message.splitlines()), err=True)
    sys.exit(code)
