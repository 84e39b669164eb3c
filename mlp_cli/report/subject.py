"""The subject of a report: a run directory, read and measured."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli.config import Config, load_config
from mlp_cli.data.datasets import Where, load_dataset
from mlp_cli.data.warps import Strengths, Warp
from mlp_cli.errors import RunError
from mlp_cli.model.checkpoint import Checkpoint, load_checkpoint
from mlp_cli.model.find import BEST, CONFIG
from mlp_cli.model.measure import Measurement, measure
from mlp_cli.runs.folder import place_of_data, read_facts, read_metrics
from mlp_cli.runs.summary import Summary, summarise
from mlp_cli.training.loop import Plan, Record

WARPS = 7  # of each image that is shown
WARPED_IMAGES = 10
RATES = 500  # learning rates of a run that are drawn, about


@dataclass(frozen=True)
class Subject:
    """A run: its files, the best checkpoint and its Measurement on the test set, both None until an epoch has
    ended; and `warps` (1 + WARPS, images, height, width), images and random warps of them, None if it has none."""

    directory: Path
    summary: Summary
    config: Config
    facts: dict[str, Any]
    records: list[Record]
    checkpoint: Checkpoint | None = None
    measurement: Measurement | None = None
    warps: NDArray[np.uint8] | None = None

    def learning_rates(self) -> tuple[list[float], list[float]]:
        """Epochs done and the learning rate there, at about RATES steps of the run, from its schedule.

        Epochs before a run was extended had another schedule; they have only their last step, as recorded.
        """
        plan, training = Plan(self.config), self.config.training
        every = max(1, self.records[-1].step // RATES)
        x, rates, before = [], [], 0
        for record in self.records:
            epoch, steps = record.epoch - 1, record.step - before
            before = record.step
            rate = functools.partial(plan.learning_rate, epoch, steps=steps)
            numbers = [steps - 1]
            if math.isclose(rate(steps - 1), record.learning_rate):
                peak = round((training.warmup * training.epochs - epoch) * steps)
                numbers = sorted({*range(0, steps, every), steps - 1} | ({peak} & set(range(steps))))
            x += [epoch + (number + 1) / steps for number in numbers]
            rates += [*map(rate, numbers[:-1]), record.learning_rate]
        return x, rates


def read(run: str | Path, data: str | None = None) -> Subject:
    """The Subject of a run directory, measured on the data it was trained on or that in the directory `data`.

    Raises RunError, ModelError or DataError for what is missing or damaged.
    """
    run = Path(run)
    facts, summary = read_facts(run), summarise(run)
    if summary.problem:
        raise RunError(summary.problem)
    config, records = load_config(run / CONFIG), read_metrics(run)
    if not (run / BEST).is_file():
        return Subject(run, summary, config, facts, records)
    directory = place_of_data(run, facts) if data is None else data
    checkpoint = load_checkpoint(run / BEST)
    measurement = measure(checkpoint, directory)
    return Subject(
        run,
        summary,
        config,
        facts,
        records,
        checkpoint,
        measurement,
        _warps(config, directory, checkpoint.metadata.classes),
    )


def _warps(config: Config, where: Where, classes: Sequence[str]) -> NDArray[np.uint8] | None:
    """One image of each class from the training files and warps of it, of the full strengths that `config` has."""
    strengths = Strengths(*(getattr(config.augmentation, name) for name in Strengths._fields))
    if not any(strengths._replace(smoothness=0)):
        return None
    dataset = load_dataset("train", where, classes)
    _, firsts = np.unique(dataset.labels, return_index=True)
    images = dataset.images[firsts[:WARPED_IMAGES]]
    warp = Warp(dataset.image_shape, strengths)
    maps = warp.maps(warp.draw(np.random.default_rng(config.seed), WARPS), np.ones(WARPS))
    n = len(images)  # of a row: its images share a map
    batch = np.tile(images, (WARPS, 1))
    out = np.empty(batch.T.shape, np.float32)
    warp.apply([(one, row * n, (row + 1) * n) for row, one in enumerate(maps)], batch, out)
    warped = np.concatenate([images, np.rint(out.T)]).astype(np.uint8)
    return warped.reshape(1 + WARPS, -1, *dataset.image_shape)
