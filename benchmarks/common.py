"""What the benchmarks share: processes that are timed by turns, tables, the machine."""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
MLP = [Path(sys.executable).with_name("mlp")]


def require(*packages):
    """Their versions as text; ends the program where one is missing, since a table without it would say too little."""
    try:
        return ", ".join(f"{package} {version(package)}" for package in packages)
    except PackageNotFoundError as error:
        sys.exit(f"{error.name} is not installed: pip install -r {HERE / 'requirements.txt'}")


class Epochs:
    """A process of peers.py; called, it takes an epoch and gives its seconds. `close` gives its peak memory in MB."""

    def __init__(self, name, **options):
        pairs = [word for key, value in options.items() for word in (f"--{key}", *map(str, _listed(value)))]
        self._process = subprocess.Popen(
            [sys.executable, HERE / "peers.py", name, *pairs], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()

    def __call__(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._read())

    def close(self):
        out, _ = self._process.communicate()
        return float(out)

    def _read(self):
        return self._process.stdout.readline() or sys.exit("a process of peers.py has ended too soon")


def by_turns(functions, rounds):
    """The median of what each function gives, or of the seconds it takes, called A B C A B C …"""
    taken = [[] for _ in functions]
    for _ in range(rounds):
        for function, values in zip(functions, taken, strict=True):
            started = time.perf_counter()
            value = function()
            values.append(time.perf_counter() - started if value is None else value)
    return [statistics.median(values) for values in taken]


def run(*command):
    """Run a command to its end: (seconds, peak memory in MB, standard output). Ends the program if it fails."""
    with tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True)
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            err.seek(0)
            sys.exit(f"{' '.join(map(str, command))}: {err.read()}")
    return seconds, usage.ru_maxrss / 1024, out


def train(preset, folder, *options):
    """`mlp train`, from the prompt to its exit: (seconds, peak memory in MB, test accuracy of the run)."""
    shutil.rmtree(folder, ignore_errors=True)
    seconds, memory, _ = run(*MLP, "train", preset, "--out", folder, "--quiet", *options)
    return seconds, memory, json.loads(run(*MLP, "eval", folder, "--json")[2])["accuracy"]


@contextmanager
def busy(*command):
    """Another process on the first core while the context lasts: `command`, else one that only counts."""
    core = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    process = subprocess.Popen(command or [*core, sys.executable, "-c", "while True: pass"], stderr=subprocess.DEVNULL)
    time.sleep(1)
    try:
        yield
    finally:
        process.kill()
        process.wait()


OUT = None  # a file that gets whatever is said, too


def say(line=""):
    """A line to standard output, and to OUT."""
    print(line, flush=True)
    if OUT:
        print(line, file=OUT, flush=True)


def print_table(title, columns, rows):
    """A table in Markdown, and an empty line."""
    say(f"**{title}**\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        cells = (str(cell).replace("|", "\\|") for cell in row)
        say(f"| {' | '.join(cells)} |")
    say()


def machine():
    """The processor and what computes on it."""
    from mlp_cli.runs.folder import environment

    facts = environment()
    blas = facts["blas"][0]
    return (
        f"{facts['cpus']} cores of {facts['cpu']}, Python {platform.python_version()}, numpy "
        f"{facts['packages']['numpy']} with {blas['internal_api']} {blas['version']} ({blas['architecture']})"
    )


def _listed(value):
    return value if isinstance(value, list | tuple) else [value]
