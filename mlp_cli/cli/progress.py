"""Progress on stderr: bars on a terminal, and one line per epoch everywhere."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from tqdm import tqdm

from mlp_cli.cli.console import Watched, note
from mlp_cli.cli.terminal import can_redraw

if TYPE_CHECKING:
    from mlp_cli.data.datasets import Dataset
    from mlp_cli.training.loop import Record
    from mlp_cli.training.state import State

STEPS_BETWEEN_UPDATES = 20


def picture_bar(pictures: Iterable[Any], total: int) -> Iterable[Any]:
    """The prepared pictures of a data set, with a bar over all of them."""
    hidden = not can_redraw(sys.stderr)
    return tqdm(pictures, "preparing", total, unit="picture", leave=False, dynamic_ncols=True, disable=hidden)


def tell_left_out(dataset: "Dataset") -> None:
    """Print a line for each labelled picture that cannot be used."""
    for file, reason in dataset.left_out:
        note(f"left out: {file}: {reason}")


class ProgressBar:
    """A bar over all images of the run, those left out included: loss, accuracy, images per second, time left."""

    def __init__(self, epochs: int, images_per_epoch: int, batch_size: int, state: "State", quiet: bool) -> None:
        self.epochs, self.images_per_epoch, self.batch_size = epochs, images_per_epoch, batch_size
        self.quiet = quiet
        self.bar: tqdm[NoReturn] = tqdm(
            total=epochs * images_per_epoch,
            initial=self._images(state),
            desc=f"epoch {state.epoch + 1}/{epochs}",
            unit=" img",
            unit_scale=True,
            leave=False,
            dynamic_ncols=True,
            disable=quiet or not can_redraw(sys.stderr),
            file=Watched(sys.stderr),
        )

    def step(self, state: "State", loss: float) -> None:
        """Called after every step."""
        if self.bar.disable or state.step % STEPS_BETWEEN_UPDATES:
            return
        done, seen = self._images(state), self._seen(state)
        self.bar.set_description(f"epoch {state.epoch + 1}/{self.epochs}", refresh=False)
        self.bar.set_postfix_str(f"loss {loss:.3f}, accuracy {state.progress.epoch_correct / seen:.2%}", refresh=False)
        self.bar.update(done - self.bar.n)

    def epoch(self, record: "Record") -> None:
        """Called after every epoch."""
        if self.quiet:
            return
        width = len(str(self.epochs))
        line = (
            f"epoch {record.epoch:{width}}/{self.epochs}  loss {record.train_loss:.4f}  "
            f"accuracy {record.train_accuracy:.2%}  validation {record.val_accuracy:.2%}  {record.seconds:.2f} s"
        )
        self.bar.clear()
        note(line)

    def close(self) -> None:
        """Remove the bar from the screen."""
        self.bar.close()

    def _seen(self, state: "State") -> int:
        """The images of this epoch that were trained on."""
        return min(state.steps_in_epoch * self.batch_size, state.images)

    def _images(self, state: "State") -> int:
        """The images of finished epochs, plus those of this epoch in proportion to its finished steps."""
        return round((state.epoch + self._seen(state) / state.images) * self.images_per_epoch)
