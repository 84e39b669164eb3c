"""A sweep on disk, and its policy: the order of its runs, what it keeps, when it stops.

The directory holds a directory for each run, sweep.toml (what was asked, and what that meant when the sweep began),
sweep.csv (a row a run) and best.toml. The runs themselves tell what is done, so a kill loses none.
"""

import contextlib
import csv
import io
import itertools
import math
import secrets
import shlex
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import tomli_w

from mlp_cli.blas import limit_threads
from mlp_cli.config import Config, as_text, to_table, to_toml
from mlp_cli.data.datasets import Dataset, absolute, load_dataset
from mlp_cli.errors import DivergedError, RunError, StoppedError
from mlp_cli.files import PART, replace_file
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BEST
from mlp_cli.model.measure import measure
from mlp_cli.runs.cluster import Cluster, LostError
from mlp_cli.runs.folder import Lock, make_directory
from mlp_cli.runs.job import (
    DONE,
    MARKED_FILE,
    MOST_TOGETHER,
    SECONDS_OF_A_TASK,
    Common,
    Datasets,
    Job,
    Outcome,
    read_outcome,
    versions,
    write_files,
)
from mlp_cli.runs.ranking import Difference, Spread, behind_best, hopeless, order
from mlp_cli.runs.settings import Asked, Begun, Setting, Settled, SweepFile, parse_seeds, read_sweep_file, told
from mlp_cli.runs.start import load_teacher
from mlp_cli.runs.train import Signals
from mlp_cli.training.data import Data
from mlp_cli.training.loop import fit
from mlp_cli.training.state import State

SWEEPS = Path("sweeps")
TABLE, BEST_CONFIG = "sweep.csv", "best.toml"
COLUMNS = ("state", "epochs", "best_epoch", "val_accuracy", "test_accuracy", "seconds", "worker", "problem")
GIVEN_UP = "given up"
SECONDS_BETWEEN_TABLES = 1.0  # a table of 10,000 rows is not rewritten after each run
SECONDS_BETWEEN_LOOKS = 0.05
TASKS_EACH = 8  # at least, of a worker in a sweep of short runs
STEPS_TO_TIME, SECONDS_TO_TIME, SETTINGS_TO_TIME = 8, 0.5, 8


def is_sweep(directory: str | Path) -> bool:
    """Whether a directory is that of a sweep."""
    return (Path(directory) / MARKED_FILE).is_file()


@dataclass
class Row:
    """A run of the sweep: its name, setting and seed, and its outcome, None until it is done."""

    name: str
    setting: Setting
    seed: int
    outcome: Outcome | None = None

    @property
    def is_done(self) -> bool:
        return self.outcome is not None and self.outcome.state in DONE

    @property
    def state(self) -> str:
        return self.outcome.state if self.outcome else "waiting"

    @property
    def config(self) -> Config:
        return msgspec.structs.replace(self.setting.config, seed=self.seed)


@dataclass(frozen=True)
class Standing:
    """A setting in the ranked table: the spread of its validation and test accuracy over the finished seeds, and how
    far it is behind the best; None for the best itself."""

    setting: Setting
    states: Mapping[str, int]
    validation: Spread | None
    test: Spread | None
    extremes: tuple[float, float] | None  # of the test accuracy
    seconds: Spread | None
    behind: Difference | None


class Sweep:
    """A directory of runs, whose tables only this process writes."""

    def __init__(self, directory: Path, lock: Lock | None, seeds: Sequence[int], begun: Begun) -> None:
        self.directory = directory
        self.mark, self.data, self.data_sha256 = begun.mark, begun.data, begun.data_sha256
        self.seeds = tuple(seeds)
        self.settings = begun.as_settings(directory / MARKED_FILE)
        self._lock = lock
        self._written = 0.0
        width = len(str(len(self.settings)))
        # first every setting with one seed, then with the next, so that the table is useful early
        self.rows = {
            name: Row(name, setting, seed)
            for seed in self.seeds
            for setting in self.settings
            for name in [setting.run_name(seed, width)]
        }

    @classmethod
    def begin(
        cls, asked: Asked, settings: Sequence[Setting], dataset: Dataset, out: str | Path | None = None
    ) -> "Sweep":
        """A new sweep in the directory `out`, or the next one in sweeps/. Raises RunError, or ModelError for a missing
        teacher, and then leaves nothing behind."""
        for model in {setting.config.training.teacher for setting in settings} - {""}:
            load_teacher(model)
        begun = Begun(
            mark=secrets.token_hex(8),
            data=absolute(dataset.where),
            data_sha256=dataset.sha256,
            settings=[Settled(setting.values, to_table(setting.config)) for setting in settings],
        )
        values = {key: list(some) for key, some in asked.values.items()}
        file = SweepFile(configs=list(asked.configs), seeds=list(asked.seeds), set=values, begun=begun)
        directory = make_directory(out, SWEEPS)
        try:
            sweep = cls(directory, Lock(directory), asked.seeds, begun)
            head = f"# mlp sweep {begun.mark}\n"
            sweep._write(MARKED_FILE, head + tomli_w.dumps(msgspec.to_builtins(file)))
            sweep.write_table()
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return sweep

    @classmethod
    def resume(cls, directory: str | Path) -> "Sweep":
        """The sweep in a directory with its finished runs, to be continued. Raises RunError."""
        sweep = cls.read(directory)
        sweep._lock = Lock(sweep.directory)
        try:
            for path in sweep.directory.iterdir():  # leftovers of a killed client
                if PART.fullmatch(path.name):
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            sweep._read_outcomes()  # again, since another process may have worked on it until now
        except BaseException:
            sweep._lock.release()
            raise
        return sweep

    @classmethod
    def read(cls, directory: str | Path) -> "Sweep":
        """The sweep in a directory, read only. Raises RunError."""
        directory = Path(directory)
        try:
            file = read_sweep_file(directory / MARKED_FILE)
        except OSError as error:
            raise RunError(f"{directory}: not a sweep: {MARKED_FILE} cannot be read: {error.strerror}") from None
        if file.begun is None:
            raise RunError(f"{directory / MARKED_FILE}: is damaged: it does not say how the sweep began")
        sweep = cls(directory, None, parse_seeds(file.seeds), file.begun)
        sweep._read_outcomes()
        return sweep

    def __str__(self) -> str:
        return str(self.directory)

    @property
    def plan(self) -> str:
        return told(len(self.settings), len(self.seeds))

    def missing(self) -> list[Row]:
        """The runs that are still to be made, in order."""
        return [row for row in self.rows.values() if row.outcome is None]

    def kept(self) -> str:
        """How many runs are done and how to continue, in words."""
        done = sum(row.is_done for row in self.rows.values())
        how = f"continue with: mlp sweep --resume {shlex.quote(str(self))}"
        return f"{done} of {len(self.rows)} runs are done and kept; {how}"

    def keep(self, outcomes: Mapping[str, Outcome]) -> None:
        """Record finished runs, by name, and write their files if they came with them. Raises RunError."""
        try:
            outcomes = write_files(self.directory, outcomes)
        except OSError as error:
            raise RunError(f"{self.directory}: cannot be written: {error.strerror}") from None
        for name, outcome in outcomes.items():
            self.rows[name].outcome = outcome
        if time.monotonic() - self._written > SECONDS_BETWEEN_TABLES:
            self.write_table()

    def give_up_on(self, setting: Setting, why: str) -> list[str]:
        """Mark the remaining runs of a setting as given up, and return their names."""
        rows = [row for row in self.missing() if row.setting is setting]
        for row in rows:
            row.outcome = Outcome(GIVEN_UP, problem=why)
        return [row.name for row in rows]

    def accuracies(self) -> dict[int, dict[int, float]]:
        """Best validation accuracies of the finished runs, by setting and seed."""
        table: dict[int, dict[int, float]] = {setting.number: {} for setting in self.settings}
        for row in self.rows.values():
            if row.outcome and row.outcome.state == "finished" and row.outcome.val_accuracy is not None:
                table[row.setting.number][row.seed] = row.outcome.val_accuracy
        return table

    def standings(self) -> list[Standing]:
        """The ranked table: settings with a finished run, best first, then the others."""
        accuracies, diverged = self.accuracies(), self._diverged()
        behind = behind_best(accuracies, diverged)
        rows: dict[int, list[Row]] = {setting.number: [] for setting in self.settings}
        for row in self.rows.values():
            rows[row.setting.number].append(row)
        ranked = order(accuracies, diverged)
        ranked += [number for number in rows if number not in set(ranked)]
        return [self._standing(rows[number], behind.get(number)) for number in ranked]

    def best(self) -> Setting | None:
        ranked = order(self.accuracies(), self._diverged())
        return self.settings[ranked[0] - 1] if ranked else None

    def seconds_left(self, runs_at_a_time: int, guess: float) -> float:
        """An estimate for the missing runs: the mean time of their setting, else of all settings, else `guess`."""
        taken: dict[int, list[float]] = {}
        for row in self.rows.values():
            if row.outcome and row.outcome.state == "finished":
                taken.setdefault(row.setting.number, []).append(row.outcome.seconds)
        means = {number: statistics.fmean(values) for number, values in taken.items()}
        usual = statistics.fmean(means.values()) if means else guess
        return sum(means.get(row.setting.number, usual) for row in self.missing()) / max(1, runs_at_a_time)

    def write_table(self) -> None:
        """Write sweep.csv. Raises RunError."""
        keys = list(self.settings[0].values)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["run", "setting", *keys, "seed", *COLUMNS])
        for row in self.rows.values():
            values = [as_text(row.setting.values[key]) for key in keys]
            outcome = row.outcome or Outcome("waiting")
            cells = ["" if getattr(outcome, name) is None else getattr(outcome, name) for name in COLUMNS]
            writer.writerow([row.name, row.setting.number, *values, row.seed, *cells])
        self._write(TABLE, text.getvalue())
        self._written = time.monotonic()

    def end(self) -> None:
        """Write the final table and best.toml, and release the directory."""
        try:
            self.write_table()
            if best := self.best():
                self._write(BEST_CONFIG, f"# {best.label}\n{to_toml(best.config)}")
        finally:
            if self._lock:
                self._lock.release()

    def _diverged(self) -> set[int]:
        return {row.setting.number for row in self.rows.values() if row.state == "diverged"}

    def _standing(self, rows: Sequence[Row], behind: Difference | None) -> Standing:
        states: dict[str, int] = {}
        for row in rows:
            states[row.state] = states.get(row.state, 0) + 1
        finished = [row.outcome for row in rows if row.outcome and row.state == "finished"]
        tests = [outcome.test_accuracy for outcome in finished if outcome.test_accuracy is not None]
        if len(tests) < len(finished):  # those of some seeds only are not those of the validation
            tests = []
        validations = [outcome.val_accuracy for outcome in finished if outcome.val_accuracy is not None]
        return Standing(
            setting=rows[0].setting,
            states=states,
            validation=Spread.of(validations) if validations else None,
            test=Spread.of(tests) if tests else None,
            extremes=(min(tests), max(tests)) if tests else None,
            seconds=Spread.of([outcome.seconds for outcome in finished]) if finished else None,
            behind=behind,
        )

    def _read_outcomes(self) -> None:
        before = _read_table(self.directory / TABLE)
        for name, row in self.rows.items():
            cells = before.get(name, {})
            try:
                outcome = read_outcome(self.directory / name)
            except RunError as error:
                outcome = Outcome("failed", problem=str(error))
            if outcome is not None and outcome.state in DONE:
                with contextlib.suppress(KeyError, ValueError):
                    outcome = outcome._replace(test_accuracy=float(cells["test_accuracy"]))
                row.outcome = outcome

    def check_data(self, dataset: Dataset) -> None:
        """Raises RunError if the data is not what the sweep began with."""
        if dataset.sha256 != self.data_sha256:
            raise RunError(f"{self}: was started with other data than {dataset.place} has now")

    def measure(self) -> None:
        """Measure the finished runs that have no test accuracy yet."""
        test = None
        for row in self.rows.values():
            if row.outcome and row.state == "finished" and row.outcome.test_accuracy is None:
                if not (self.directory / row.name / BEST).is_file():
                    continue
                test = test or load_dataset("test", self.data)
                checkpoint = load_checkpoint(self.directory / row.name / BEST)
                row.outcome = row.outcome._replace(test_accuracy=measure(checkpoint, dataset=test).accuracy)

    def _write(self, name: str, text: str) -> None:
        descriptor = self._lock.descriptor if self._lock else None
        try:
            replace_file(self.directory / name if descriptor is None else name, text.encode(), descriptor)
        except UnicodeEncodeError:
            problem = "would hold a name that is not UTF-8; rename the data or the configuration"
            raise RunError(f"{self.directory / name}: {problem}") from None
        except OSError as error:
            raise RunError(f"{self.directory / name}: cannot be written: {error.strerror}") from None


class Progress(NamedTuple):
    """Progress of a sweep: how many runs it makes at a time, how many are missing, and a note or the run that has just
    ended."""

    slots: int
    missing: int
    note: str | None = None
    ended: Row | None = None


def run_sweep(
    sweep: Sweep,
    cluster: Cluster,
    signals: Signals,
    *,
    threads: int = 1,
    test: bool = False,
    minutes: float | None = None,
    give_up: bool = False,
    guess: float = math.inf,
    command: Sequence[str] = (),
    tell: Callable[[Progress], object] = lambda progress: None,
) -> None:
    """Make the missing runs of a sweep, which take about `guess` seconds each.

    `tell` is called for each run that ended, each note, and many times a second without either. Ends early after
    `minutes`. Raises StoppedError once `signals` have received one, RunError where the scheduler or the disk is gone.
    Whatever happens, the runs that are done are kept; `sweep.end()` writes the last table of them.
    """
    until = None if minutes is None else time.monotonic() + 60 * minutes
    common = Common(
        directory=str(sweep.directory.resolve()),
        mark=sweep.mark,
        data=tuple(sweep.data) if isinstance(sweep.data, list) else sweep.data,
        data_sha256=sweep.data_sha256,
        threads=threads,
        test=test,
        short=guess < SECONDS_OF_A_TASK,
        command=tuple(command),
        versions=versions(),
    )
    try:
        for progress in _made(sweep, cluster, common, give_up, guess):
            tell(progress)
            if signals.received:
                cluster.close()
                raise StoppedError(f"stopped; {sweep.kept()}", signals.received)
            if until is not None and time.monotonic() > until:
                cluster.close()
                break
    except LostError as error:
        raise RunError(f"{error}; {sweep.kept()}") from None


def _made(sweep: Sweep, cluster: Cluster, common: Common, give_up: bool, guess: float) -> Iterator[Progress]:
    """Yields Progress until nothing is missing."""
    pending = {row.name for row in sweep.missing()}
    slots, looked, is_submitted = 0, 0.0, False
    while pending:
        if time.monotonic() - looked > SECONDS_BETWEEN_TABLES:
            before, slots = slots, len(cluster)
            if slots == 0 and (before or not looked):
                yield Progress(0, len(pending), f"{cluster.name} has no workers; waiting for one")
            for setting, why in _hopeless(sweep) if give_up else ():
                names = sweep.give_up_on(setting, why)
                cluster.cancel(names)
                pending.difference_update(names)
                yield Progress(slots, len(pending), f"{setting.label}: given up, {why}")
            looked = time.monotonic()
        if slots and not is_submitted:
            cluster.check_versions()
            jobs = [Job(row.name, row.config) for row in sweep.missing()]
            datasets = None if cluster.is_local else _datasets(sweep, common.test)
            cluster.submit(jobs, common, datasets, _together(len(jobs), slots, guess))
            is_submitted = True
        for outcomes in cluster.finished():
            sweep.keep(outcomes)
            for name in outcomes:
                pending.discard(name)
                yield Progress(slots, len(pending), ended=sweep.rows[name])
        yield Progress(slots, len(pending))
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _together(runs: int, slots: int, seconds: float) -> int:
    """How many runs go into a task: as many as take SECONDS_OF_A_TASK together, if each takes these `seconds`, and few
    enough that no worker is idle for long at the end."""
    return max(1, min(int(SECONDS_OF_A_TASK / max(seconds, 0.001)), MOST_TOGETHER, runs // (TASKS_EACH * slots)))


def _datasets(sweep: Sweep, test: bool) -> Datasets | None:
    """The data that workers cannot read themselves: all but the bundled MNIST."""
    if sweep.data is None:
        return None
    return Datasets(load_dataset("train", sweep.data), load_dataset("test", sweep.data) if test else None)


def _hopeless(sweep: Sweep) -> Iterator[tuple[Setting, str]]:
    """The unfinished settings that are hopelessly behind the best, and the reason in words."""
    best, accuracies = sweep.best(), sweep.accuracies()
    for number in {row.setting.number for row in sweep.missing()}:
        if best is not None and (difference := hopeless(accuracies[best.number], accuracies[number])):
            interval = f"{100 * (difference.low or 0):.2f} to {100 * (difference.high or 0):.2f}"
            yield (
                sweep.settings[number - 1],
                f"{100 * difference.mean:.2f} points behind {best.label} over {difference.seeds} seeds "
                f"(95% interval {interval})",
            )


def seconds_of_a_run(settings: Sequence[Setting], dataset: Dataset) -> float:
    """An estimate of the seconds of a run on one core of this machine: the mean over some of the settings."""
    some = settings[:: -(-len(settings) // SETTINGS_TO_TIME)]
    return statistics.fmean(_timed(setting.config, dataset) for setting in some)


def _timed(config: Config, dataset: Dataset) -> float:
    """The seconds of a run, estimated from a few of its steps on unwarped images."""
    limit_threads()
    training = msgspec.structs.replace(config.training, nondigits=0.0, teacher="")
    augmentation = msgspec.structs.replace(config.augmentation, strokes=0.0)
    plain = msgspec.structs.replace(config, training=training, augmentation=augmentation)
    data = Data.split(dataset, plain)
    times: list[float] = []

    def stop_when_known(state: State, loss: float) -> None:
        times.append(time.perf_counter())
        if len(times) > STEPS_TO_TIME or (len(times) > 2 and times[-1] - times[0] > SECONDS_TO_TIME):
            raise _KnownError

    with contextlib.suppress(_KnownError, DivergedError):
        for _ in fit(State.new(plain, data), data, plain, stop_when_known, threads=1):
            break
    if len(times) < 2:  # a run of a step or none
        return 0.0
    step = statistics.median(after - before for before, after in itertools.pairwise(times))
    n, m = len(data.examples) * (1 + config.training.nondigits), config.training.batch_size
    # validation is the forward pass only, a third of the work for a training image
    return config.training.epochs * (n + len(data.validation) / 3) / m * step


class _KnownError(Exception):
    pass


def _read_table(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a sweep.csv by the names of the runs; none if it is missing or damaged."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return {row["run"]: row for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, csv.Error):
        return {}
