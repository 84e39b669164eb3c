"""The entry point of `mlp`: from its first line on, a signal ends the program with one line at most."""

import os
import signal
from types import FrameType

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
IMPORTING = "<frozen importlib._bootstrap>"


def main() -> None:
    """Run the program and exit."""
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # as set by nohup
    for number in numbers:
        signal.signal(number, _interrupt)
    from mlp_cli.cli import fail_of_a_bug
    from mlp_cli.cli import main as run

    try:
        run()
    except Exception as error:
        fail_of_a_bug(error)
    finally:
        for number in numbers:  # while Python ends, there is nothing to unwind
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise an exception that unwinds the program, so that what is half-done is closed and removed; for Ctrl-C,
    Python's own KeyboardInterrupt. During imports, exit at once: nothing is half-done then, and an exception may
    surface anywhere, or nowhere."""
    while frame is not None:
        if frame.f_code.co_filename == IMPORTING:
            os._exit(128 + number)
        frame = frame.f_back
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
