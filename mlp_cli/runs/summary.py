"""The runs in a directory, each summarised in a few words."""

import functools
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlp_cli.config import Config, differences, load_config, presets
from mlp_cli.errors import DataError, MlpError, ModelError, RunError
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BEST, CONFIG, LAST, METRICS
from mlp_cli.model.measure import measure
from mlp_cli.runs.folder import FACTS, best_record, is_locked, read_facts, read_metrics


@dataclass
class Summary:
    """A run: its `state` is finished, running, stopped (by a signal), killed (without a chance to say so), diverged,
    failed, or damaged, and then `problem` says in what. `preset` is the one whose configuration is nearest, `changes`
    what differs from it. The validation accuracy is the best; the test accuracy is of the same epoch, if asked for."""

    run: Path
    state: str
    started: str | None = None
    preset: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    epochs_asked: int | None = None
    best_epoch: int | None = None
    val_accuracy: float | None = None
    test_accuracy: float | None = None
    seconds: float | None = None
    problem: str | None = None


ORDERS = {  # the sort key of each order: an attribute, and whether the largest comes first
    "name": (None, False),
    "started": ("started", True),
    "validation": ("val_accuracy", True),
    "epochs": ("epochs", True),
    "seconds": ("seconds", False),
}


def list_runs(directory: str | Path, order: str = "name", test: bool = False) -> list[Summary]:
    """The Summary of each run in a directory, in an order of ORDERS; with `test`, each is measured on its test set.

    Raises RunError if there is no such directory. A damaged run is listed as damaged.
    """
    directory = Path(directory)
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise RunError(f"{directory}: cannot be listed: {error.strerror}") from None
    files = (CONFIG, FACTS, METRICS, LAST, BEST)
    runs = [directory / name for name in names if any(os.path.isfile(directory / name / file) for file in files)]
    summaries = [summarise(run, test) for run in sorted(runs, key=_natural)]
    attribute, largest_first = ORDERS[order]
    if attribute is None:
        return summaries
    known = [summary for summary in summaries if getattr(summary, attribute) is not None]
    unknown = [summary for summary in summaries if getattr(summary, attribute) is None]
    return sorted(known, key=lambda summary: getattr(summary, attribute), reverse=largest_first) + unknown


def _natural(run: Path) -> list[tuple[int, str]]:
    """A sort key that puts 9 before 10."""
    parts = re.split("([0-9]+)", run.name)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def summarise(run: Path, test: bool = False) -> Summary:
    """The Summary of a run directory; a damaged run has the state damaged."""
    try:
        facts, records = read_facts(run), read_metrics(run)
        if not (run / CONFIG).is_file():
            raise RunError(f"{run / CONFIG}: no such file")
        config = load_config(run / CONFIG)
        state = facts["outcome"]
        if state == "running" and is_locked(run) is False:
            state = "killed"
    except (MlpError, OSError) as error:
        return Summary(run, "damaged", problem=str(error))
    preset, changes = _nearest_preset(config)
    summary = Summary(run, state, facts["started"], preset, changes, len(records), config.training.epochs)
    summary.seconds = round(sum(record.seconds for record in records), 3)
    if best := best_record(records):
        summary.best_epoch, summary.val_accuracy = best.epoch, best.val_accuracy
    if test and (run / BEST).is_file():
        try:
            checkpoint = load_checkpoint(run / BEST)
            summary.test_accuracy = measure(checkpoint, facts["data"].get("directory")).accuracy
        except (DataError, ModelError) as error:
            summary.problem = str(error)
    return summary


def _nearest_preset(config: Config) -> tuple[str, dict[str, Any]]:
    """The name of the preset with the fewest keys that differ from `config`, and those keys with their values in it."""
    changes = {
        name: {key: value for key, (_, value) in differences(preset, config).items()}
        for name, preset in _presets().items()
    }
    return min(changes.items(), key=lambda pair: len(pair[1]))


@functools.cache
def _presets() -> dict[str, Config]:
    """The presets, read only once."""
    return {name: load_config(name) for name in presets()}
