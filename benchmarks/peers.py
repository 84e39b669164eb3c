"""An epoch of plain stochastic gradient descent, by us, by others, and as bare matrix products.

    python benchmarks/peers.py NAME --batch 128 --threads 1

is a process for compare.py: it gets ready, and for every line on standard input it takes one epoch and prints its
seconds; at the end of the input it prints its peak memory in MB. All train 784-128-64-10 on the 60,000 images of MNIST
from float32 weights, at a constant rate, in batches drawn anew for each epoch, on one thread or on all.
"""

import argparse
import itertools
import os
import resource
import sys
import time

RATE = 0.05
SIZES = (784, 128, 64, 10)


def mlp(batch, threads, images=None, hidden=SIZES[1:-1], preset="plain"):
    """An epoch of `mlp train` with all images to train on, and a hundred to validate."""
    import numpy as np

    from mlp_cli.blas import limit_threads
    from mlp_cli.config import load_config
    from mlp_cli.data.datasets import Dataset, load_dataset
    from mlp_cli.data.examples import Examples
    from mlp_cli.training.data import Data
    from mlp_cli.training.loop import fit
    from mlp_cli.training.state import State

    limit_threads()
    dataset = load_dataset("train")
    if images:
        which = np.arange(images) % len(dataset)
        dataset = Dataset(**{**vars(dataset), "images": dataset.images[which], "labels": dataset.labels[which]})
    sets = [f"training.batch_size={batch}", f"network.hidden={list(hidden)}", f"training.learning_rate={RATE}"]
    config = load_config(preset, sets, epochs=1000)
    examples = Examples(dataset.images, dataset.labels, np.arange(len(dataset)))
    data = Data(dataset, examples, dataset.subset(np.arange(100)), split_seed=0)
    epochs = fit(State.new(config, data), data, config, threads=threads)
    return lambda: next(epochs)


def products(batch, threads):
    """The matrix products of such an epoch, in the same buffers, and nothing else."""
    import numpy as np

    from mlp_cli.blas import limit_threads
    from mlp_cli.nn import MLP, Parameters

    limit_threads(threads)
    rng = np.random.default_rng(0)
    W, dW = MLP(SIZES, rng=rng).parameters.W, Parameters(SIZES).W

    def room(m):
        a = [rng.random((m, h), np.float32) for h in SIZES]
        return a, [rng.standard_normal((m, h), np.float32) for h in SIZES[1:]]

    batches = [room(batch)] * (60_000 // batch) + [room(60_000 % batch)] * (60_000 % batch > 0)

    def epoch():
        for a, dz in batches:
            for l in range(3):
                np.matmul(a[l], W[l], out=a[l + 1])
            for l in (2, 1, 0):
                np.matmul(a[l].T, dz[l], out=dW[l])
                if l > 0:
                    np.matmul(dz[l], W[l].T, out=dz[l - 1])

    return epoch


def torch(batch, threads):
    """PyTorch, eager."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    images, labels = (torch.from_numpy(array) for array in mnist())
    linear = [nn.Linear(d, h) for d, h in itertools.pairwise(SIZES)]
    model = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    loss = nn.CrossEntropyLoss()

    def epoch():
        for indices in torch.randperm(60_000).split(batch):
            optimizer.zero_grad()
            loss(model(images[indices]), labels[indices]).backward()
            optimizer.step()

    return epoch


def jax(batch, threads):
    """JAX: the whole epoch is one program, jit and lax.scan. Images after the last whole batch are left out."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    images, labels = map(jnp.asarray, mnist())
    rng = np.random.default_rng(0)
    shapes = list(itertools.pairwise(SIZES))
    parameters = [
        (jnp.asarray(rng.standard_normal(s, np.float32) * np.sqrt(2 / s[0], dtype=np.float32)), jnp.zeros(s[1]))
        for s in shapes
    ]

    def loss(parameters, x, t):
        for W, b in parameters[:-1]:
            x = jax.nn.relu(x @ W + b)
        W, b = parameters[-1]
        log_y = jax.nn.log_softmax(x @ W + b)
        return -jnp.take_along_axis(log_y, t[:, None], axis=1).mean()

    def step(parameters, indices):
        value, gradients = jax.value_and_grad(loss)(parameters, images[indices], labels[indices])
        return jax.tree.map(lambda p, g: p - RATE * g, parameters, gradients), value

    run = jax.jit(lambda parameters, order: jax.lax.scan(step, parameters, order), donate_argnums=0)

    def epoch():
        nonlocal parameters
        order = rng.permutation(60_000)[: 60_000 // batch * batch].reshape(-1, batch)
        parameters, losses = run(parameters, order)
        losses.block_until_ready()

    return epoch


def sklearn(batch, threads):
    """scikit-learn's MLPClassifier, an epoch at a time."""
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    images, labels = mnist()
    model = MLPClassifier(SIZES[1:-1], solver="sgd", alpha=0, batch_size=batch, learning_rate_init=RATE, momentum=0)
    return lambda: model.partial_fit(images, labels, classes=range(10))


def mnist(part="train"):
    """Images (n, 784) of float32 in [0, 1] and labels (n,)."""
    from mlp_cli.data.datasets import load_dataset
    from mlp_cli.data.inputs import to_inputs

    dataset = load_dataset(part)
    return to_inputs(dataset.images), dataset.labels


def peak_memory():
    """The peak memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=["mlp", "products", "torch", "jax", "sklearn"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int)
    parser.add_argument("--hidden", type=int, nargs="+")
    parser.add_argument("--preset")
    given = {key: value for key, value in vars(parser.parse_args()).items() if value is not None}
    name, threads = given.pop("name"), given["threads"]
    if threads == 1 and name == "jax":  # it has no other switch for its threads
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    epoch = globals()[name](**given)
    epoch()  # the first one makes buffers and programs
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        epoch()
        print(time.perf_counter() - started, flush=True)
    print(peak_memory())


if __name__ == "__main__":
    main()
