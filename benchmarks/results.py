"""The README's table of results: trains presets over seeds and prints, per preset, test accuracy and training time.

    python benchmarks/results.py plain quick default accurate --seeds 0 1 2 3 4

Uses the installed `mlp`, one BLAS thread, one run at a time; the runs go to a temporary directory, or to --out, where
those that are there already are measured again and not trained again.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def mlp(*args):
    """The result of an mlp command as the JSON object it prints."""
    run = subprocess.run(
        [sys.executable, "-m", "mlp_cli", *args, "--json"], capture_output=True, text=True, check=False
    )
    if run.returncode:
        sys.exit(f"mlp {' '.join(args)}: {run.stderr}")
    return json.loads(run.stdout)


def measure(preset, seed, folder):
    """(test accuracy in %, validation accuracy in %, seconds of training) of one run."""
    run = folder / f"{preset}-{seed}"
    if not run.exists():
        mlp("train", preset, "--seed", str(seed), "--out", str(run), "--quiet")
    best = mlp("eval", str(run))
    validation = mlp("eval", str(run), "--split", "validation")
    rows = (run / "metrics.csv").read_text().splitlines()[1:]
    seconds = sum(float(row.rsplit(",", 1)[1]) for row in rows)
    return best["accuracy"] * 100, validation["accuracy"] * 100, seconds


def spread(values, digits):
    """Mean ± sample standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    folder = options.out or Path(tempfile.mkdtemp())
    folder.mkdir(exist_ok=True)
    print(
        "| preset | test accuracy, % | lowest … highest | validation, % | seconds of training |\n|---|---|---|---|---|"
    )
    for preset in options.presets:
        test, validation, seconds = zip(*(measure(preset, seed, folder) for seed in options.seeds), strict=True)
        extremes = f"{min(test):.2f} … {max(test):.2f}"
        columns = [f"`{preset}`", spread(test, 2), extremes, spread(validation, 2), spread(seconds, 1)]
        print(f"| {' | '.join(columns)} |", flush=True)
    facts = json.loads((folder / f"{options.presets[0]}-{options.seeds[0]}" / "run.json").read_text())
    print(f"\nSeeds {options.seeds}; {facts['cpu']}, one BLAS thread, numpy {facts['packages']['numpy']}", end="")
    print(f" ({facts['blas'][0]['internal_api']} {facts['blas'][0]['version']}), Python {platform.python_version()}.")


if __name__ == "__main__":
    main()
