"""Training from the shell prompt to a trained network, by others; prints its accuracy on the test images.

    python benchmarks/train_peers.py torch 98
    python benchmarks/train_peers.py jax 99
    python benchmarks/train_peers.py sklearn 98
    python benchmarks/train_peers.py nnd 98

PyTorch and JAX have recipes like those of our presets, with every image in every epoch: Nesterov's momentum 0.9, the
rate linearly up and down, batches of 256, inputs less their mean; for 98% that of `quick` (3 epochs, label smoothing),
for 99% that of `default`, with random warps. These are affine and elastic maps by affine_grid and
grid_sample, two for each batch as in `default`: a map for each image, the usual way, takes several times as long. JAX
interpolates by `map_coordinates`, an epoch is one program (jit and scan), and images after the last whole batch are
left out. scikit-learn has Adam and 20 epochs. neural-network-digits, written in numpy like mlp, has its own recipe
(batches of 32, photos rotated and shifted one by one), seven epochs and our layers.
"""

import argparse
import itertools
import math
import os
import warnings
from collections import namedtuple

from peers import SIZES, mnist

BATCH = 256
Recipe = namedtuple("Recipe", "epochs rate warmup smoothing warps")
RECIPES = {98: Recipe(3, 0.6, 0.3, 0.05, False), 99: Recipe(14, 0.3, 0.1, 0.0, True)}


def torch(target, threads):
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    epochs, rate, warmup, smoothing, warps = RECIPES[target]
    images, labels = map(torch.from_numpy, mnist())
    mean = images.mean(0)
    linear = [nn.Linear(d, h) for d, h in itertools.pairwise(SIZES)]
    for layer in linear:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    model = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9, nesterov=True)
    loss = nn.CrossEntropyLoss(label_smoothing=smoothing)
    distance = torch.arange(28)[:, None] - torch.arange(28)
    smoother = F.normalize(torch.exp(-0.5 * (distance / 4.0) ** 2), dim=1)

    def warp(x, strength):
        """Half of the batch by one map, half by another: a map takes its images as the channels of one picture."""
        draws = (2 * torch.rand(6, 2) - 1) * strength
        angle, shear, dx, dy = draws[0] * math.radians(8), draws[1] * 0.1, draws[2] / 14, draws[3] / 14
        width, height = 1 + draws[4] * 0.1, 1 + draws[5] * 0.1
        cos, sin = torch.cos(angle), torch.sin(angle)
        matrix = [cos * width, cos * shear - sin * height, dx, sin * width, sin * shear + cos * height, dy]
        grid = F.affine_grid(torch.stack(matrix, 1).view(2, 2, 3), (2, 1, 28, 28), align_corners=False)
        field = smoother @ torch.randn(2, 2, 28, 28) @ smoother.T * (0.7 * strength / 14)
        grid += field.permute(0, 2, 3, 1)
        return F.grid_sample(x.view(2, -1, 28, 28), grid, align_corners=False).view(len(x), -1)

    steps_per_epoch = math.ceil(len(images) / BATCH)
    total, step = epochs * steps_per_epoch, 0
    for _ in range(epochs):
        for indices in torch.randperm(len(images)).split(BATCH):
            done = (step + 0.5) / total
            optimizer.param_groups[0]["lr"] = rate * (done / warmup if done < warmup else (1 - done) / (1 - warmup))
            x = images[indices]
            if warps:
                x = warp(x, 1 - 0.5 * max(0.0, done - 0.7) / 0.3)
            optimizer.zero_grad()
            loss(model(x - mean), labels[indices]).backward()
            optimizer.step()
            step += 1
    images, labels = map(torch.from_numpy, mnist("test"))
    with torch.no_grad():
        return (model(images - mean).argmax(1) == labels).float().mean().item()


def jax(target, threads):
    if threads == 1:  # it has no other switch for its threads
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import jax
    import jax.numpy as jnp
    import numpy as np

    epochs, rate, warmup, smoothing, warps = RECIPES[target]
    images, labels = map(jnp.asarray, mnist())
    mean = images.mean(0)
    keys = jax.random.split(jax.random.key(0), epochs + 1)
    shapes = list(itertools.pairwise(SIZES))
    drawn = zip(jax.random.split(keys[-1], len(shapes)), shapes, strict=True)
    parameters = [(jax.random.normal(key, s) * (2 / s[0]) ** 0.5, jnp.zeros(s[1])) for key, s in drawn]
    velocity = jax.tree.map(jnp.zeros_like, parameters)
    distance = jnp.arange(28)[:, None] - jnp.arange(28)
    kernel = jnp.exp(-0.5 * (distance / 4.0) ** 2)
    smoother = kernel / jnp.linalg.norm(kernel, axis=1, keepdims=True)
    centred = jnp.stack(jnp.meshgrid(jnp.arange(28) - 13.5, jnp.arange(28) - 13.5, indexing="ij")).reshape(2, -1)
    steps = len(images) // BATCH
    total = epochs * steps

    def warped(key, x, strength):
        """All of x (m, 784) by one map."""
        first, second = jax.random.split(key)
        draws = jax.random.uniform(first, (6,), minval=-1, maxval=1) * strength
        angle, shear, shift = draws[0] * math.radians(8), draws[1] * 0.1, draws[2:4]
        height, width = 1 + 0.1 * draws[4:]
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        matrix = jnp.array([[cos * height, cos * shear - sin * width], [sin * height, sin * shear + cos * width]])
        field = smoother @ jax.random.normal(second, (2, 28, 28)) @ smoother.T * (0.7 * strength)
        where = matrix @ centred + (shift + 13.5)[:, None] + field.reshape(2, -1)
        return jax.vmap(lambda image: jax.scipy.ndimage.map_coordinates(image, list(where), order=1))(
            x.reshape(-1, 28, 28)
        )

    def logits(parameters, x):
        for W, b in parameters[:-1]:
            x = jax.nn.relu(x @ W + b)
        W, b = parameters[-1]
        return x @ W + b

    def loss(parameters, x, t):
        log_y = jax.nn.log_softmax(logits(parameters, x))
        y = jax.nn.one_hot(t, 10) * (1 - smoothing) + smoothing / 10
        return -(y * log_y).sum(1).mean()

    def step(state, batch):
        parameters, velocity, number = state
        indices, key = batch
        done = (number + 0.5) / total
        x = images[indices]
        if warps:
            strength = 1 - 0.5 * jnp.maximum(0.0, done - 0.7) / 0.3
            halves = zip(jax.random.split(key), jnp.split(x, 2), strict=True)
            x = jnp.concatenate([warped(k, half, strength) for k, half in halves])
        gradients = jax.grad(loss)(parameters, x - mean, labels[indices])
        learning_rate = rate * jnp.where(done < warmup, done / warmup, (1 - done) / (1 - warmup))
        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradients)
        move = jax.tree.map(lambda p, v, g: p - learning_rate * (g + 0.9 * v), parameters, velocity, gradients)
        return (move, velocity, number + 1), None

    def epoch(state, key):
        first, second = jax.random.split(key)
        order = jax.random.permutation(first, len(images))[: steps * BATCH].reshape(steps, BATCH)
        return jax.lax.scan(step, state, (order, jax.random.split(second, steps)))[0]

    run, state = jax.jit(epoch, donate_argnums=0), (parameters, velocity, 0)
    for key in keys[:-1]:
        state = run(state, key)
    images, labels = map(np.asarray, mnist("test"))
    return float((logits(state[0], images - mean).argmax(1) == labels).mean())


def sklearn(target, threads):
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    model = MLPClassifier(SIZES[1:-1], batch_size=128, max_iter=20, random_state=0)
    with warnings.catch_warnings(action="ignore"):  # that it has not converged
        model.fit(*mnist())
    return model.score(*mnist("test"))


def nnd(target, threads):
    import numpy as np
    from nn_digits.neural_net.data import normalize
    from nn_digits.neural_net.training import Trainer
    from threadpoolctl import threadpool_limits

    def photos(part):
        images, labels = mnist(part)
        return (images * 255).round().astype(np.uint8).reshape(-1, 28, 28), labels

    threadpool_limits(threads)
    epochs = 7
    trainer = Trainer(SIZES[1:-1], photos_and_digits=photos("train"))
    for epoch in range(epochs):
        trainer.run_epoch(0.05 * 0.5 * (1 + math.cos(math.pi * epoch / epochs)))  # as its command train does
    images, labels = photos("test")
    return float((trainer.net.predict(normalize(images)).argmax(1) == labels).mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=["torch", "jax", "sklearn", "nnd"])
    parser.add_argument("target", type=int, choices=[98, 99])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    print(globals()[options.name](options.target, options.threads))
