"""Fifty signals at random moments: each run, resumed, ends with the bytes of an uninterrupted run."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from samples import BASE, same_results

from mlp_cli.model.checkpoint import load_checkpoint

pytestmark = pytest.mark.campaign

SIGNALS = {"SIGKILL": 25, "SIGTERM": 10, "SIGINT": 10, "SIGHUP": 5}
EPOCHS = 120
# Everything that has a state of its own, and checkpoints within an epoch of at most 10 steps
SETTINGS = [
    "training.optimizer=adamw", "training.learning_rate=0.01", "training.weight_average=0.9", "training.dropout=0.2",
    "training.checkpoint_every=5", "training.batch_size=40", "training.center_inputs=true", "training.validation=100",
    "training.skip_easy=0.3", "network.hidden=[8]", f"training.epochs={EPOCHS}",
    "augmentation.rotation=10", "augmentation.elastic=0.5", "augmentation.groups=3",
]  # fmt: skip


def test_fifty_signals_at_any_moment_lose_nothing(mlp, data, capsys):
    start = ["train", BASE, "--data", str(data), *(part for s in SETTINGS for part in ("--set", s)), "--quiet"]
    assert mlp(*start, "--threads", 1, "--out", "whole").code == 0
    rng, plan = random.Random(0), [name for name, times in SIGNALS.items() for _ in range(times)]
    rng.shuffle(plan)
    codes, polls = Counter(), 0
    for name in plan:
        threads = str(rng.choice((1, 2)))
        command = [sys.executable, "-m", "mlp_cli", *start, "--threads", threads, "--out", "run"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        last, metrics, rows = Path("run/last.safetensors"), Path("run/metrics.csv"), rng.randrange(EPOCHS * 2 // 3)
        while process.poll() is None and not (last.exists() and metrics.read_bytes().count(b"\n") > rows):
            time.sleep(0.001)
        end = time.monotonic() + rng.uniform(0, 0.03)  # an epoch takes less
        while time.monotonic() < end:  # a reader sees whole files
            load_checkpoint(last)
            json.loads(Path("run/run.json").read_bytes())
            assert metrics.read_bytes().endswith(b"\n")
            polls += 1
        process.send_signal(getattr(signal, name))
        codes[f"{name} → {process.wait()}"] += 1
        assert mlp("train", "--resume", "run", "--threads", rng.choice((1, 2)), "--quiet").code == 0
        assert same_results("whole", "run"), (name, rows)
        assert not [file for file in os.listdir("run") if "mlp-" in file]
        shutil.rmtree("run")
    stopped = {"SIGKILL → -9": 25, "SIGTERM → 143": 10, "SIGINT → 130": 10, "SIGHUP → 129": 5}
    assert codes == stopped  # none had finished before
    with capsys.disabled():
        print(f"\n{len(plan)} of {len(plan)} runs to the same bytes: {codes}; {polls:,} looks, 0 files half-written")
