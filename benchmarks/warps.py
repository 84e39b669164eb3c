"""What warps cost: per minibatch against the training step on it, per epoch on one thread and on two.

    python benchmarks/warps.py

Each ratio is of medians, taken by turns in one run, with one BLAS thread.
"""

import statistics
import time

import numpy as np
import threadpoolctl

from mlp_cli.config import load_config
from mlp_cli.data.batches import MAPS
from mlp_cli.data.datasets import load_dataset
from mlp_cli.data.inputs import to_inputs
from mlp_cli.data.warps import Strengths, Warp
from mlp_cli.nn import MLP, Nesterov, Parameters, cross_entropy_dz, log_softmax
from mlp_cli.training.data import Data
from mlp_cli.training.loop import fit
from mlp_cli.training.state import State

STRENGTHS = Strengths(rotation=10, scale=0.1, shear=0.15, shift=1.5, elastic=1.0)
BATCH = 128


def microseconds(functions, rounds=300):
    """The median time of each function, taken by turns."""
    times = [[] for _ in functions]
    for _ in range(rounds):
        for function, taken in zip(functions, times, strict=True):
            started = time.perf_counter()
            function()
            taken.append(time.perf_counter() - started)
    return [statistics.median(taken) * 1e6 for taken in times]


def batches(dataset):
    images, labels = dataset.images[:BATCH], dataset.labels[:BATCH]
    rng = np.random.default_rng(0)
    model = MLP([784, 128, 64, 10], rng=rng)
    optimizer, gradients, buffers = Nesterov(model.parameters), Parameters(model.sizes), model.buffers(BATCH)
    inputs = to_inputs(images)
    out = np.empty((784, BATCH), np.float32)

    def step():
        a = model.forward(inputs, buffers)
        model.backward(a, cross_entropy_dz(log_softmax(a[-1]), labels), gradients, buffers)
        optimizer.step(gradients, 1e-3)

    print("| groups | draw the maps, µs | warp, µs | step, µs | both / step |\n|---|---|---|---|---|")
    for groups in (1, 2, 4, 8):
        warp, n = Warp((28, 28), STRENGTHS, groups), max(1, MAPS // groups) * groups
        bounds = [BATCH * group // groups for group in range(groups + 1)]
        maps = warp.maps(warp.draw(rng, groups), np.ones(groups))
        apart, rooms = list(zip(maps, bounds, bounds[1:], strict=False)), {}
        many, apply, whole = microseconds(
            [
                lambda w=warp, n=n: w.maps(w.draw(rng, n), np.ones(n)),
                lambda w=warp, a=apart, r=rooms: to_inputs(w.apply(a, images, out, r), out=out),
                step,
            ]
        )
        draw = many * groups / n  # so many are made at a time
        print(f"| {groups} | {draw:.0f} | {apply:.0f} | {whole:.0f} | {(draw + apply) / whole:.2f} |")


def epochs(dataset):
    print("\n| batch | groups | one thread, s | two threads, s | two / one | one / plain epoch |")
    print("|---|---|---|---|---|---|")
    for batch_size in (128, 256, 512):
        plain = None
        for groups in (0, 2, 4):
            warps = [f"augmentation.{name}={value}" for name, value in STRENGTHS._asdict().items()] if groups else []
            sets = [f"training.batch_size={batch_size}", *warps, f"augmentation.groups={max(groups, 1)}"]
            config = load_config("quick", [*sets, "training.skip_easy=0"], epochs=8)
            data = Data.split(dataset, config)
            runs = [fit(State.new(config, data), data, config, threads=threads) for threads in (1, 2)]
            seconds = [[], []]
            for _ in range(config.training.epochs):  # by turns
                for taken, run in zip(seconds, runs, strict=True):
                    taken.append(next(run).seconds)
            one, two = map(statistics.median, seconds)
            plain = plain or one
            print(f"| {batch_size} | {groups} | {one:.3f} | {two:.3f} | {two / one:.2f} | {one / plain:.2f} |")


if __name__ == "__main__":
    threadpoolctl.threadpool_limits(1, user_api="blas")
    training_images = load_dataset("train")
    batches(training_images)
    epochs(training_images)
