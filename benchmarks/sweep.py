"""What `mlp sweep` costs beyond the training, and what a scheduler of Dask has to do: the tables of docs/scale.md.

    python benchmarks/sweep.py [presets] [small] [tasks] [--scratch DIR]

Needs an idle machine with two cores, and mlp-cli[sweep].
"""

import argparse
import contextlib
import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import MLP, machine, print_table, run

SEEDS = 3
RUNS, IMAGES = 500, 1000
TASKS, TASK_SECONDS = 10_000, 0.01
LOOP = """
import sys
from pathlib import Path
from mlp_cli.blas import limit_threads
from mlp_cli.config import load_config
from mlp_cli.data.datasets import load_dataset
from mlp_cli.runs.start import begin
from mlp_cli.runs.train import run_to_end
from mlp_cli.training.data import Data
from mlp_cli.training.loop import fit
from mlp_cli.training.state import State

limit_threads()
out, data, first, last, *assignments = sys.argv[1:]
dataset = load_dataset("train", data)
print("ready", flush=True)
sys.stdin.readline()
for seed in range(int(first), int(last)):
    config = load_config("default", assignments, seed=seed)
    if out:
        run_to_end(begin(config, dataset, Path(out, str(seed)), threads=1))
    else:
        images = Data.split(dataset, config)
        for record in fit(State.new(config, images), images, config, threads=1):
            pass
"""


def presets(scratch):
    """Two presets over three seeds, one `mlp train` after the other, and as a sweep; the bytes must be the same."""
    names = ("quick", "default")
    by_threads = {}
    for threads in ("1", None):
        folder = scratch / f"train-{threads}"
        options = [] if threads is None else ["--threads", threads]
        started = time.perf_counter()
        for name in names:
            for seed in range(SEEDS):
                out = folder / f"{name}-{seed}"
                run(*MLP, "train", name, "--seed", str(seed), "--out", out, "--quiet", *options)
        by_threads[threads] = time.perf_counter() - started
    sweep, _, _ = run(*MLP, "sweep", *names, "--seeds", str(SEEDS), "--out", scratch / "sweep", "--quiet")
    same = [
        (scratch / "sweep" / f"{number}-{name}-seed{seed}" / "best.safetensors").read_bytes()
        == (scratch / "train-None" / f"{name}-{seed}" / "best.safetensors").read_bytes()
        for number, name in enumerate(names, start=1)
        for seed in range(SEEDS)
    ]
    one, usual = by_threads["1"], by_threads[None]
    row = [
        f"{one:.1f}",
        f"{usual:.1f}",
        f"{sweep:.1f}",
        f"{sweep / one:.2f}",
        f"{sweep / usual:.2f}",
        f"{sum(same)} of {len(same)}",
    ]
    columns = [
        "one by one, one thread, s",
        "as mlp train does, s",
        "sweep, s",
        "/ one thread",
        "/ mlp train",
        "equal to the byte",
    ]
    print_table(f"{' and '.join(names)}, {SEEDS} seeds", columns, [row])


def small(scratch):
    """Runs of one epoch on a thousand images: by two loops, half of them each, and as a sweep of two jobs."""
    data = _thousand(scratch / "data")
    settings = ["training.epochs=1", "training.validation=100"]
    options = [word for setting in settings for word in ("--set", setting)]
    command = [*MLP, "sweep", "default", *options, "--data", data, "--jobs", "2", "--quiet", "--seeds"]
    rows = [
        ["two loops that train and write nothing", *_loops("", data, settings), ""],
        ["two loops of what mlp_cli.train does", *_loops(scratch / "loops", data, settings), ""],
    ]
    for n in (RUNS, 2):
        before = _cpu_of_children()
        seconds, memory, _ = run(*command, str(n), "--out", scratch / f"sweep-{n}")
        _reap()
        rows.append([f"mlp sweep, {n} runs", seconds, _cpu_of_children() - before, f"{memory:.0f}"])
    alone, trained, sweep, start = (row[1] for row in rows)
    shown = [[name, f"{seconds:.1f}", f"{cpu:.1f}", memory] for name, seconds, cpu, memory in rows]
    print_table(f"{RUNS} runs of one epoch on {IMAGES:,} images", ["", "s", "CPU, s", "client, MB"], shown)
    for name, least in (("what mlp_cli.train does", trained), ("training alone", alone)):
        print(f"overhead over {name}: {sweep / least - 1:.0%}, beyond the start {(sweep - start) / least - 1:.0%}")


def _loops(out, data, settings):
    """Seconds and CPU seconds of two loops at a time, from when both have loaded the data."""
    halves = [(0, RUNS // 2), (RUNS // 2, RUNS)]
    loops = [
        subprocess.Popen(
            [sys.executable, "-c", LOOP, str(out), data, str(first), str(last), *settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first, last in halves
    ]
    for loop in loops:
        loop.stdout.readline()
    before, started = _cpu_of_children(), time.perf_counter()
    for loop in loops:
        loop.stdin.close()
    for loop in loops:
        loop.wait()
    return time.perf_counter() - started, _cpu_of_children() - before


def tasks(scratch):
    """Many short tasks on two workers: how long beyond the tasks themselves, and how busy the scheduler was."""
    import psutil
    from distributed import Client

    contact = scratch / "scheduler.json"
    local = ["--scheduler-file", contact, "--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    started = []

    def dask(*args):
        command = [sys.executable, "-m", "dask", *args, *local]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    try:
        dask("scheduler", "--port", "0")
        for _ in range(2):
            dask("worker", "--nthreads", "1", "--no-nanny", "--local-directory", scratch)
        while not contact.exists():
            time.sleep(0.1)
        time.sleep(0.5)
        with Client(scheduler_file=str(contact)) as client:
            client.wait_for_workers(2)
            scheduler = psutil.Process(started[0].pid)
            client.gather(client.map(time.sleep, [TASK_SECONDS] * 10, pure=False))
            cpu, begun = _cpu(scheduler), time.perf_counter()
            client.gather(client.map(time.sleep, [TASK_SECONDS] * TASKS, pure=False))
            wall, busy = time.perf_counter() - begun, _cpu(scheduler) - cpu
            memory = scheduler.memory_info().rss / 2**20
    finally:
        for process in started:
            process.kill()
            process.wait()
    least = TASKS * TASK_SECONDS / 2
    row = [
        f"{least:.0f}",
        f"{wall:.1f}",
        f"{wall / least - 1:.0%}",
        f"{busy:.1f}",
        f"{1000 * busy / TASKS:.2f}",
        f"{busy / wall:.0%}",
        f"{memory:.0f}",
    ]
    columns = ["tasks alone, s", "all, s", "overhead", "scheduler, CPU s", "ms a task", "of a core", "scheduler, MB"]
    print_table(f"{TASKS:,} tasks of {1000 * TASK_SECONDS:.0f} ms on two workers", columns, [row])


def _reap():
    """Wait for the processes that a program has left, such as that from which workers are forked."""
    with contextlib.suppress(ChildProcessError):
        while os.wait():
            pass


def _cpu_of_children():
    """Of all processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _cpu(process):
    times = process.cpu_times()
    return times.user + times.system


def _thousand(folder):
    """A data directory of the first IMAGES of MNIST."""
    from mlp_cli.data.datasets import load_dataset

    folder.mkdir()
    dataset = load_dataset("train")
    side = dataset.image_shape
    images = dataset.images[:IMAGES].reshape(-1, *side)
    for name, array in (("images-idx3", images), ("labels-idx1", dataset.labels[:IMAGES].astype("u1"))):
        header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        (folder / f"train-{name}-ubyte").write_bytes(header + array.tobytes())
    return folder


PARTS = {"presets": presets, "small": small, "tasks": tasks}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--scratch", type=Path, help="directory to work in; it is removed afterwards")
    options = parser.parse_args()
    print(f"{machine()}\n", flush=True)
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER, for _reap
    for part in options.parts or PARTS:
        scratch = Path(tempfile.mkdtemp(dir=options.scratch))
        try:
            PARTS[part](scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
