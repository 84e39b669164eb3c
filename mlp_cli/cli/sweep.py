"""mlp sweep."""

import sys
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.console import note, redraw, tell
from mlp_cli.printable import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlp_cli.runs.ranking import Spread
    from mlp_cli.runs.settings import Setting
    from mlp_cli.runs.sweep import Progress, Row, Standing, Sweep

SECONDS_BETWEEN_TABLES = 0.5  # on a terminal
SECONDS_TO_START = 3  # until the workers of this machine work
LISTED = 50  # settings that --dry-run names
SHORTEST_LABEL = 12  # letters of a setting's label that stay on a narrow terminal


@click.command("sweep")
@click.argument("configs", metavar="[CONFIG]...", nargs=-1)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=V1,V2,…",
    help="Try each of these values of a key. Repeatable: all combinations are run.",
)
@click.option("--seeds", metavar="N | A-B", help="Seeds for each setting: 0 to N-1, or A to B. [default: 3]")
@click.option("--data", multiple=True, metavar="DIR", help="Data to train on, as for mlp train. [default: mnist]")
@click.option(
    "--jobs", type=click.IntRange(1, 1024), metavar="N", help="Number of runs at a time. [default: one per core]"
)
@click.option("--scheduler", metavar="ADDRESS", help="Use the workers of a Dask scheduler, such as tcp://host:8786.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), metavar="M", help="Stop after M minutes.")
@click.option("--give-up", is_flag=True, help="Skip the remaining seeds of settings that are clearly behind the best.")
@click.option("--test", is_flag=True, help="Also measure each run on the test set. Never used for ranking.")
@click.option("--out", type=click.Path(), metavar="DIR", help="New directory for the sweep. [default: sweeps/001, …]")
@click.option("--resume", type=click.Path(), metavar="DIR", help="Run what this sweep still lacks.")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def command(
    configs: tuple[str, ...],
    assignments: tuple[str, ...],
    seeds: str | None,
    data: tuple[str, ...],
    jobs: int | None,
    scheduler: str | None,
    minutes: float | None,
    give_up: bool,
    test: bool,
    out: str | None,
    resume: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train many settings over several seeds, and rank them.

    CONFIG is a preset, or a TOML file with a configuration or the plan of a sweep. Each run gets an ordinary run
    directory, as mlp train writes it. The ranking is by validation accuracy, and says which differences are larger than
    the noise between seeds.

    \b
    mlp sweep quick default --seeds 5
    mlp sweep quick --set training.learning_rate=0.2,0.4,0.8 --set training.batch_size=128,256
    mlp sweep --resume sweeps/001
    """
    import contextlib

    from mlp_cli.data.datasets import absolute, load_dataset
    from mlp_cli.runs import cluster
    from mlp_cli.runs.settings import asked
    from mlp_cli.runs.sweep import Sweep, run_sweep, seconds_of_a_run
    from mlp_cli.runs.train import Signals
    from mlp_cli.training.workers import available_cores

    if jobs and scheduler is not None:
        raise click.UsageError("--jobs is for this machine; it cannot be combined with --scheduler.")
    if minutes is not None and minutes != minutes:
        raise click.UsageError("--minutes takes a number above 0, not nan.")
    if resume is not None and (configs or assignments or seeds or data or out):
        raise click.UsageError(
            "--resume continues the same sweep; it takes no CONFIG, --set, --seeds, --data or --out."
        )
    with contextlib.ExitStack() as stack:
        sweep: Sweep | None = None
        if resume is None:
            what, settings = asked(configs, assignments, seeds)
            where = absolute(data if len(data) > 1 else data[0] if data else None)
            dataset = load_dataset("train", where)
            missing = total = len(settings) * len(what.seeds)
        else:
            sweep = Sweep.resume(resume)
            stack.callback(sweep.end)
            settings, dataset = sweep.settings, load_dataset("train", sweep.data)
            sweep.check_data(dataset)
            missing, total = len(sweep.missing()), len(sweep.rows)
        jobs = max(1, min(jobs or available_cores(), missing))
        guess = seconds_of_a_run(settings, dataset) if missing else 0.0
        plan = _plan(len(settings), total, missing, guess, None if scheduler else jobs)
        if test:
            load_dataset("test", sweep.data if sweep else where)  # fail at once if there is none
        if dry_run:
            tell(plan, *_listed(settings))
            return
        if missing or scheduler is not None:
            cluster.check_installed()
        note(plan)
        with contextlib.ExitStack() as while_running:
            signals = while_running.enter_context(Signals())
            # an unreachable scheduler must leave no directory behind, and an existing directory must start no workers
            workers = while_running.enter_context(cluster.remote(scheduler)) if scheduler is not None else None
            if sweep is None:
                sweep = Sweep.begin(what, settings, dataset, out)
                stack.callback(sweep.end)
            del dataset  # the client no longer needs it
            if missing and workers is None:
                workers = while_running.enter_context(cluster.local(jobs))
            if workers is not None:
                show = _Show(sweep, guess, quiet)
                while_running.callback(show.close)
                threads = 1 if scheduler is not None else max(1, available_cores() // jobs)
                run_sweep(
                    sweep,
                    workers,
                    signals,
                    threads=threads,
                    test=test,
                    minutes=minutes,
                    give_up=give_up,
                    guess=guess,
                    command=["mlp", *sys.argv[1:]],
                    tell=show,
                )
        if test:
            sweep.measure()
    tell(*([_json(sweep)] if as_json else _told(sweep)))
    if sweep.best() is None or any(row.state == "failed" for row in sweep.rows.values()):
        sys.exit(1)


def _plan(settings: int, total: int, missing: int, guess: float, jobs: int | None) -> str:
    """The plan in one line; `jobs` is None for a cluster, whose size is unknown."""
    from mlp_cli.runs.settings import told

    plan = told(settings, total // settings)
    if missing == 0:
        return f"{plan}, all of them done"
    if missing < total:
        plan += f", {missing:,} of them missing"
    if jobs is None:
        return f"{plan}, about {_duration(missing * guess)} of one core like those of this machine"
    seconds = SECONDS_TO_START + missing * guess / jobs
    return f"{plan}, about {_duration(seconds)} on {jobs} job{'s' * (jobs != 1)}"


def _listed(settings: "Sequence[Setting]") -> list[str]:
    width = len(str(len(settings)))
    lines = [f"{setting.number:{width}}  {setting.label}" for setting in settings[:LISTED]]
    return lines if len(settings) <= LISTED else [*lines, f"… and {len(settings) - LISTED:,} more"]


class _Show:
    """Progress of a sweep on stderr: the ranked table on a terminal, a line per run elsewhere."""

    def __init__(self, sweep: "Sweep", guess: float, quiet: bool) -> None:
        from mlp_cli.cli.terminal import can_redraw

        self.sweep, self.guess, self.quiet = sweep, guess, quiet
        self.redraws = can_redraw(sys.stderr) and not quiet
        self._lines = 0
        self._drawn = 0.0

    def __call__(self, progress: "Progress") -> None:
        import time

        if progress.note:
            self._note(f"note: {progress.note}")
        if progress.ended and not self.redraws and not self.quiet:
            self._note(self._line(progress.ended, progress.missing))
        if self.redraws and (progress.note or time.monotonic() - self._drawn > SECONDS_BETWEEN_TABLES):
            self._draw(progress)
            self._drawn = time.monotonic()

    def close(self) -> None:
        """Remove the table from the screen."""
        if self._lines:
            redraw([], self._lines)
        self._lines = 0

    def _line(self, row: "Row", missing: int) -> str:
        total = len(self.sweep.rows)
        outcome = row.outcome
        assert outcome is not None
        if row.state != "finished":
            how = f"{row.state}: {outcome.problem}"
        elif outcome.val_accuracy is None:
            how = "not trained"
        else:
            how = f"validation {outcome.val_accuracy:.2%}  {outcome.seconds:.1f} s"
        return f"{total - missing:{len(str(total))}}/{total}  {row.setting.label}, seed {row.seed}  {how}"

    def _draw(self, progress: "Progress") -> None:
        from mlp_cli.cli.table import cut
        from mlp_cli.cli.terminal import size
        from mlp_cli.printable import printable

        width, height = size(sys.stderr)
        total, missing = len(self.sweep.rows), progress.missing
        table = _tables(self.sweep.standings(), width - 1)[0]
        if len(table) > height - 2:
            table = [*table[: height - 3], "…"]
        left = _duration(self.sweep.seconds_left(progress.slots, self.guess)) if progress.slots else "unknown"
        at_a_time = min(missing, progress.slots)
        last = f"{total - missing} of {total} runs, {at_a_time} at a time, time left: {left}"
        lines = [cut(printable(line), width - 1) for line in [*table, last]]
        redraw(lines, self._lines)
        self._lines = len(lines)

    def _note(self, line: str) -> None:
        self.close()
        note(line)


def _tables(standings: "Sequence[Standing]", width: int | None) -> list[list[str]]:
    """The ranked table; if it is wider than `width`, several with some of its columns each, the most telling first."""
    from mlp_cli.cli.table import columns, cut, table

    has_test = any(standing.test for standing in standings)
    header = ["", "setting", "runs", "validation, %"] + ["test, %", "lowest … highest"] * has_test
    header, align = [*header, "seconds", "behind the best, points"], "><>>" + ">>" * has_test + "><"
    rows = []
    for rank, standing in enumerate(standings, start=1):
        row = [str(rank) if standing.validation else "-", standing.setting.label, _states(standing)]
        row.append(_spread(standing.validation, 100, 2))
        if has_test:
            extremes = standing.extremes
            row.append(_spread(standing.test, 100, 2))
            row.append(f"{extremes[0] * 100:.2f} … {extremes[1] * 100:.2f}" if extremes else "-")
        row += [_spread(standing.seconds, 1, 1), _difference(standing, is_best=rank == 1)]
        rows.append(row)
    rank, label, *others = [max(map(columns, cells)) for cells in zip(header, *rows, strict=True)]
    if width is not None:  # room for the two columns that come first, and for enough of a label to know it by
        label = max(SHORTEST_LABEL, min(label, width - sum([rank, *others[:2]]) - 6))
    groups: list[list[int]] = [[]]
    for number, other in enumerate(others, start=2):
        used = rank + 2 + label + sum(2 + others[column - 2] for column in groups[-1])
        if groups[-1] and width is not None and used + 2 + other > width:
            groups.append([])
        groups[-1].append(number)
    chosen = [[0, 1, *group] for group in groups]
    return [
        table(
            [header[i] for i in numbers],
            [[row[0], cut(row[1], label), *(row[i] for i in numbers[2:])] for row in rows],
            "".join(align[i] for i in numbers),
        )
        for numbers in chosen
    ]


def _states(standing: "Standing") -> str:
    """`5` if all are finished, else `3/5`, and what became of the others: `3/5, 1 diverged`."""
    finished, total = standing.states.get("finished", 0), sum(standing.states.values())
    others = [f"{n} {state}" for state, n in standing.states.items() if state not in ("finished", "waiting")]
    return ", ".join([str(total) if finished == total else f"{finished}/{total}", *others])


def _spread(spread: "Spread | None", factor: float, digits: int) -> str:
    if spread is None:
        return "-"
    mean = f"{factor * spread.mean:.{digits}f}"
    return mean if spread.deviation is None else f"{mean} ± {factor * spread.deviation:.{digits}f}"


def _difference(standing: "Standing", *, is_best: bool) -> str:
    difference = standing.behind
    if difference is None:
        return "the best" if is_best and standing.validation else ""
    if difference.low is None or difference.high is None:
        return f"{100 * difference.mean:.2f} (one seed cannot show the noise)"
    interval = f"{100 * difference.mean:.2f} ({100 * difference.low:.2f} to {100 * difference.high:.2f})"
    return f"{interval}: {'larger than noise' if difference.is_larger_than_noise else 'may be noise'}".replace("-", "−")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def _told(sweep: "Sweep") -> list[str]:
    import shlex

    from mlp_cli.cli.terminal import is_terminal, size
    from mlp_cli.runs.sweep import BEST_CONFIG

    standings = sweep.standings()
    tables = _tables(standings, size(sys.stdout).columns if is_terminal(sys.stdout) else None)
    lines = [line for part in tables for line in ([*part, ""] if len(tables) > 1 else part)]
    if any(standing.behind and standing.behind.low is not None for standing in standings):
        together = ", for all pairs together" * (len(standings) > 2)
        lines.append(f"95% intervals: Student's t, paired over seeds{together}.")
    if missing := len(sweep.missing()):
        lines.append(f"{missing} of {len(sweep.rows)} runs are missing: mlp sweep --resume {shlex.quote(str(sweep))}")
    failed = [row for row in sweep.rows.values() if row.state == "failed"]
    lines += [f"{row.name}: failed: {row.outcome.problem}" for row in failed if row.outcome]
    if best := sweep.best():
        lines.append(f"best: {best.label}, in {sweep.directory / BEST_CONFIG}")
    return lines


def _json(sweep: "Sweep") -> str:
    from mlp_cli.runs.sweep import BEST_CONFIG

    best = sweep.best()
    result: dict[str, Any] = {
        "sweep": str(sweep),
        "runs": len(sweep.rows),
        "missing": len(sweep.missing()),
        "best": best and {"setting": best.number, "config": str(sweep.directory / BEST_CONFIG)},
        "settings": [_as_json(standing) for standing in sweep.standings()],
    }
    return to_json(result)


def _as_json(standing: "Standing") -> dict[str, Any]:
    behind = standing.behind
    return {
        "setting": standing.setting.number,
        "values": standing.setting.values,
        "runs": standing.states,
        **{
            name: spread and {"mean": spread.mean, "deviation": spread.deviation}
            for name, spread in (
                ("val_accuracy", standing.validation),
                ("test_accuracy", standing.test),
                ("seconds", standing.seconds),
            )
        },
        "behind_best": behind and {**behind._asdict(), "is_larger_than_noise": behind.is_larger_than_noise},
    }
