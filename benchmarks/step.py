"""Where the time of a training step goes: the functions of the loop, timed in a run of `mlp train plain`.

    python benchmarks/step.py --batch 128

Microseconds on one thread, medians over the steps of three epochs. "the rest" is what a step takes beside these
functions: Python, which pixels are blank, the sum of the parts, the count of right answers, the learning rate.
"""

import argparse
import statistics
import time
from collections import Counter

import numpy as np
from common import machine, print_table

import mlp_cli.data.batches as batches
import mlp_cli.nn.network as model
import mlp_cli.training.loop as loop
import mlp_cli.training.step as step_of_batch
from mlp_cli.blas import limit_threads
from mlp_cli.config import load_config
from mlp_cli.data.datasets import load_dataset
from mlp_cli.training.data import Data
from mlp_cli.training.state import State

WATCHED = [  # where a function is looked up, its name there, and what to show for it
    (np, "take", "gather of the images"),
    (batches, "to_inputs", "uint8 to float32"),
    (np, "matmul", "matrix products"),
    (model, "linear", "z = aW + b"),
    (model, "linear_dW", "dW"),
    (model, "linear_da", "da"),
    (model, "linear_db", "db"),
    (model, "log_softmax", "log-softmax"),
    (model, "cross_entropy_dz", "dz = ŷ − y"),
    (step_of_batch, "cross_entropy", "loss"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128)
    batch = parser.parse_args().batch
    limit_threads()
    taken, steps = Counter(), []  # seconds by what is shown: of the present step, of each finished one

    def timed(function, shown):
        def call(*args, **kwargs):
            started = time.perf_counter()
            result = function(*args, **kwargs)
            taken[shown] += time.perf_counter() - started
            return result

        return call

    for module, name, shown in WATCHED:
        setattr(module, name, timed(getattr(module, name), shown))

    config = load_config("plain", [f"training.batch_size={batch}"], epochs=4)
    data = Data.split(load_dataset("train"), config)
    state = State.new(config, data)
    activation = state.network.activation
    state.network.activation = activation._replace(g=timed(activation.g, "ReLU"), dz=timed(activation.dz, "dz of ReLU"))
    state.optimizer.step = timed(state.optimizer.step, "update")
    last = time.perf_counter()

    def after_step(state, loss):
        nonlocal last
        now = time.perf_counter()
        steps.append(taken | Counter({"step": now - last}))
        taken.clear()
        last = time.perf_counter()

    for record in loop.fit(state, data, config, after_step, threads=1):
        if record.epoch == 1:  # the first one makes buffers
            steps.clear()

    median = {shown: statistics.median(step[shown] for step in steps) * 1e6 for shown in steps[0]}
    whole = median.pop("step")
    products = median.pop("matrix products")
    linear = sum(median.pop(shown) for shown in ("z = aW + b", "dW", "da"))
    rows = {"matrix products": products, "biases, and 1/m in dW": linear - products} | median
    rows["the rest"] = whole - sum(rows.values())
    cells = [[shown, f"{seconds:.0f}", f"{seconds / whole:.0%}"] for shown, seconds in rows.items()]
    print(f"{machine()}\n")
    print_table(f"A step of {batch}: {whole:.0f} µs", ["", "µs", "share"], cells)


if __name__ == "__main__":
    main()
