"""The tables of docs/speed.md: mlp beside PyTorch, JAX, scikit-learn and the bare matrix products.

    python benchmarks/compare.py                    all tables, some fifteen minutes
    python benchmarks/compare.py epochs start       some of them
    python benchmarks/compare.py --quick            fewer rounds: for trying it out
    python benchmarks/compare.py --out FILE         to another file than benchmarks/tables.md, which docs quote

What is compared is taken by turns, A B A B, in this one run; seconds are medians, ratios those of medians. Leave the
machine alone meanwhile.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import common
from common import HERE, MLP, Epochs, busy, by_turns, machine, print_table, require, run, say, train

THREADS = 2  # all cores of the machine that docs/speed.md names


def epochs(rounds, folder):
    """Seconds per epoch of plain gradient descent."""
    kinds = {
        "mlp": ("mlp", 1), "mlp all": ("mlp", THREADS), "products": ("products", 1),
        "torch": ("torch", 1), "torch all": ("torch", THREADS),
        "jax": ("jax", 1), "jax all": ("jax", THREADS), "sklearn": ("sklearn", 1),
    }  # fmt: skip
    memory = {}

    def rows():
        for batch in (32, 64, 128, 256, 1024):
            workers = {kind: Epochs(name, batch=batch, threads=threads) for kind, (name, threads) in kinds.items()}
            s = dict(zip(workers, by_turns(list(workers.values()), rounds), strict=True))
            memory.update({kind: worker.close() for kind, worker in workers.items()})
            best = min(("torch", "torch all"), key=s.get)
            one, both = s["mlp"], s["mlp all"]
            yield [
                batch, f"{one:.3f}", f"{one / s['products']:.2f}", f"{s['jax'] / one:.2f}", f"{both:.3f}",
                f"{s['jax all'] / both:.2f}", f"{s[best] / both:.2f} ({2 if 'all' in best else 1})",
                f"{s['sklearn'] / both:.2f}",
            ]  # fmt: skip

    columns = ["batch", "mlp, one core, s", "times bare products", "JAX, one core: times mlp", "mlp, all cores, s"]
    columns += ["JAX, all cores: times mlp", "PyTorch (its better number of threads): times mlp, all cores"]
    columns += ["scikit-learn: times mlp, all cores"]
    print_table("Seconds per epoch, and how many times as long others take", columns, rows())
    shown = {"mlp": "mlp", "PyTorch": "torch", "JAX": "jax", "scikit-learn": "sklearn"}
    cells = [f"{memory[kind]:.0f}" for kind in shown.values()]
    print_table("Peak memory of such epochs, MB", list(shown), [cells])


def accuracy(rounds, folder):
    """From the prompt to a trained network."""
    rows = []
    for target, preset, others in ((98, "quick", ("torch", "jax", "sklearn")), (99, "default", ("torch", "jax"))):
        reached = {}

        def ours(preset=preset, reached=reached):
            seconds, _, reached["mlp"] = train(preset, folder / "run")
            return seconds

        def theirs(name, target=target, reached=reached):
            threads = str(
                1 if (name, target) in (("torch", 99), ("nnd", 98)) else THREADS
            )  # the better choice for each
            seconds, _, out = run(sys.executable, HERE / "train_peers.py", name, str(target), "--threads", threads)
            reached[name] = float(out)
            return seconds

        functions = [ours, *(lambda name=name: theirs(name) for name in others)]
        seconds = by_turns(functions, rounds if target == 98 else max(1, rounds // 2))
        if target == 98:  # takes longer than all the others together
            seconds += by_turns([lambda theirs=theirs: theirs("nnd")], 1)
        for name, taken in zip(reached, seconds, strict=True):
            what = {
                "mlp": f"`mlp train {preset}`", "torch": "PyTorch", "jax": "JAX", "sklearn": "scikit-learn",
                "nnd": "neural-network-digits",
            }[name]  # fmt: skip
            note = "" if reached[name] * 100 >= target else ", not reached"
            rows.append([f"{target}%", what, f"{taken:.1f}", f"{taken / seconds[0]:.1f}", f"{reached[name]:.2%}{note}"])
    columns = ["aim", "program", "seconds", "times mlp", "test accuracy (last round)"]
    print_table("From the shell prompt to a trained network", columns, rows)


def start(rounds, folder):
    """Start-up of the commands, and memory against epochs."""
    picture = HERE.parent / "docs" / "seven.png"
    python = [sys.executable, "-c"]
    pairs = [
        ("`mlp --help`", [*MLP, "--help"], "import click"),
        ("`mlp predict seven.png`", [*MLP, "predict", picture], "import numpy, PIL.Image"),
        ("`mlp train --epochs 0`", None, "import numpy, PIL.Image"),
    ]
    rows = []
    for name, command, imports in pairs:

        def ours(command=command):
            return run(*command)[0] if command else train("quick", folder / "run", "--epochs", "0")[0]

        seconds, bare = by_turns([ours, lambda imports=imports: run(*python, imports)[0]], 3 * rounds)
        rows.append([name, f"{seconds * 1000:.0f}", f"{bare * 1000:.0f}", f"`{imports}`", f"{seconds / bare:.2f}"])
    print_table("Start-up, milliseconds", ["command", "takes", "Python alone takes", "to run", "ratio"], rows)
    memory = [f"{train('quick', folder / 'run', '--epochs', str(n))[1]:.0f}" for n in (1, 4, 16)]
    print_table("Peak memory of mlp train quick, MB", ["1 epoch", "4 epochs", "16 epochs"], [memory])


def predict(rounds, folder):
    """Pictures per second, start-up included."""
    import numpy as np
    from PIL import Image

    from mlp_cli.data.datasets import load_dataset

    images = load_dataset("test").images[:1000].reshape(-1, 28, 28)
    rng = np.random.default_rng(0)
    kinds = {
        "28×28 PNG": (28, 28, "png", False), "280×280 PNG": (280, 280, "png", False),
        "640×480 JPEG, noise on paper": (640, 480, "jpg", True),
    }  # fmt: skip
    rows = []
    for kind, (width, height, ending, is_noisy) in kinds.items():
        pictures = folder / f"pictures-{width}"
        pictures.mkdir()
        for number, image in enumerate(images):
            page = np.full((height, width), 255, np.uint8)
            digit = Image.fromarray(255 - image).resize((min(width, height),) * 2, Image.Resampling.BICUBIC)
            page[:, : digit.width] = digit
            if is_noisy:
                page = np.clip(page * 0.8 + rng.normal(0, 5, page.shape), 0, 255).astype(np.uint8)
            Image.fromarray(page).save(pictures / f"{number:04d}.{ending}")
        (seconds,) = by_turns([lambda p=pictures: run(*MLP, "predict", "--threshold", "0", p)[0]], max(1, rounds // 2))
        rows.append([kind, f"{len(images) / seconds:.0f}"])
    print_table("`mlp predict` of a folder of 1,000, pictures per second", ["pictures", "per second"], rows)


def threads(rounds, folder):
    """Threads on an idle machine and on a busy one."""
    rows = []
    other = [*MLP, "train", "accurate", "--quiet", "--out", folder / "other"]
    cases = [
        ("plain, batch 128", "plain", 128),
        ("plain, batch 1024", "plain", 1024),
        ("plain, batch 256", "plain", 256),
        ("default: warps", "default", 256),
    ]
    for name, preset, batch in cases:
        workers = [Epochs("mlp", preset=preset, batch=batch, threads=n) for n in (1, THREADS)]
        idle = by_turns(workers, rounds)
        few = max(1, rounds // 2)  # for the times of several threads on a busy machine are long
        with busy():
            one = by_turns(workers, few)
        with busy(*other):
            both = by_turns(workers, few)
        for n, *seconds in zip((1, THREADS), idle, one, both, strict=True):
            rows.append([name, n, f"{seconds[0]:.2f}", *(f"{s:.2f}, ×{s / seconds[0]:.2f}" for s in seconds[1:])])
        for worker in workers:
            worker.close()
        shutil.rmtree(folder / "other", ignore_errors=True)  # it may not have got as far
    columns = ["epoch", "threads", "idle", "one core busy", "`mlp train accurate` beside it"]
    print_table("Seconds per epoch, and how many times those of the idle machine", columns, rows)


def scaling(rounds, folder):
    """Seconds per epoch against images and units."""
    units = (32, 128, 512, 1024)
    rows = []
    for images in (15_000, 30_000, 60_000, 120_000, 240_000):
        workers = [Epochs("mlp", images=images, hidden=[h, 64], batch=128) for h in units]
        cells = []
        for h, worker in zip(units, workers, strict=True):
            seconds = worker()
            worker.close()
            parameters = 785 * h + (h + 1) * 64 + 650
            cells.append(f"{seconds:.2f} ({seconds / images / parameters * 1e12:.0f})")
        rows.append([f"{images:,}", *cells])
    columns = ["images", *(f"784-{h}-64-10" for h in units)]
    print_table("Seconds per epoch (picoseconds per image and parameter)", columns, rows)


TABLES = {f.__name__: f for f in (epochs, accuracy, start, predict, threads, scaling)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}; all by default")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=HERE / "tables.md")
    options = parser.parse_args()
    unknown = set(options.tables) - set(TABLES)
    if unknown:
        parser.error(f"unknown table: {', '.join(unknown)}")
    versions = require("torch", "jax", "jaxlib", "scikit-learn", "neural-network-digits")
    common.OUT = options.out.open("w", encoding="utf-8")
    say(f"{machine()}; {versions}.\n")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.tables or TABLES:
            TABLES[name](2 if options.quick else 5, Path(folder))


if __name__ == "__main__":
    main()
