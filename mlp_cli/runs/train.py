"""The policy of a run: when its state is saved, what a signal does, and how its end is recorded."""

import contextlib
import shlex
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

from mlp_cli.errors import DivergedError, RunError, StoppedError
from mlp_cli.runs.start import Session
from mlp_cli.training.loop import Record, fit
from mlp_cli.training.state import State

AfterStep = Callable[[State, float], object]
AfterEpoch = Callable[[Record], object]
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # SIGHUP: the terminal was closed


def run_to_end(session: Session, after_step: AfterStep | None = None, after_epoch: AfterEpoch | None = None) -> None:
    """Train a Session to its end or to a signal; in any case, run.json records how it ended.

    The state is saved after each epoch, every training.checkpoint_every steps, and after the step in which the first
    signal came, which then raises StoppedError. `after_step(state, loss)` is called after each step with the mean loss
    of its batch, `after_epoch(record)` after each epoch.
    """
    run, checkpoint_every = session.run, session.run.config.training.checkpoint_every

    def keep(state: State, loss: float) -> None:
        if after_step:
            after_step(state, loss)
        if signals.received:
            run.save(state)
            how = f"continue with: mlp train --resume {shlex.quote(str(run))}"
            raise StoppedError(f"stopped and saved after step {state.step}; {how}", signals.received)
        if checkpoint_every and state.step % checkpoint_every == 0:
            run.save(state)

    outcome = "failed"
    try:
        with Signals() as signals:
            for record in fit(session.state, session.data, run.config, keep, session.threads):
                run.record(record, session.state)
                if after_epoch:
                    after_epoch(record)
        outcome = "finished"
    except DivergedError as error:
        outcome = "diverged"
        raise DivergedError(f"{error}; {run} keeps the last good state, of epoch {len(run.records)}") from None
    except StoppedError:
        outcome = "stopped"
        raise
    finally:
        with contextlib.suppress(RunError):  # it must not hide the error that ended the run
            run.end(outcome)


class Signals:
    """A context that notes the first signal of SIGNALS in `received`; a second one ends the program at once.

    Only in the main thread, which alone may handle signals; elsewhere none is noted.
    """

    def __enter__(self) -> "Signals":
        self.received: int | None = None
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            for name in SIGNALS:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as set by nohup
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            raise StoppedError("stopped at once; the last checkpoint is intact", number)
        self.received = number
