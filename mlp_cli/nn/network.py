"""The multilayer perceptron: its parameters, the forward pass and backpropagation."""

from itertools import pairwise

import numpy as np

from mlp_cli.nn.layers import ACTIVATIONS, linear, linear_da, linear_db, linear_dW
from mlp_cli.nn.loss import cross_entropy, cross_entropy_dz, log_softmax


class Parameters:
    """Weights W⁽¹⁾…W⁽ᴸ⁾ (d, h) and biases b⁽¹⁾…b⁽ᴸ⁾ (h,) as views into one flat vector.

    The gradients have the same form, so an optimiser step is a few operations on two vectors.
    `W[0]` is W⁽¹⁾; `named()` gives {"W1": …, "b1": …}.
    """

    def __init__(self, sizes, dtype=np.float32):
        self.flat = np.zeros(sum((d + 1) * h for d, h in pairwise(sizes)), dtype)
        self.W, self.b = [], []
        start = 0
        for d, h in pairwise(sizes):
            self.W.append(self.flat[start : start + d * h].reshape(d, h))
            start += d * h
            self.b.append(self.flat[start : start + h])
            start += h

    def named(self):
        """The views by name: W1, b1, W2, b2, …"""
        pairs = enumerate(zip(self.W, self.b, strict=True), start=1)
        return {f"{letter}{l}": view for l, Wb in pairs for letter, view in zip("Wb", Wb, strict=True)}


class Buffers:
    """Room for the activations and deltas of up to m examples, so that training steps allocate no large array."""

    def __init__(self, sizes, m, dtype=np.float32):
        self.a = [np.empty((m, h), dtype) for h in sizes[1:]]
        self.dz = [np.empty((m, h), dtype) for h in sizes[1:-1]]


class MLP:
    """Layers of `sizes` units: sizes[0] inputs, hidden layers with an activation, sizes[-1] logits.

    >>> model = MLP([784, 128, 64, 10], rng=np.random.default_rng(0))
    >>> logits = model.forward(images)[-1]            # images: (m, 784) in [0, 1]
    >>> gradients = model.gradients(images, labels)   # gradients.W[0]: (784, 128)

    With a generator or seed `rng` the weights start normally distributed, by He's rule for ReLU and Glorot's
    for sigmoid and tanh; without one they are zero, to be filled. Biases start at zero.
    """

    def __init__(self, sizes, activation="relu", rng=None, dtype=np.float32):
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}, and must be one of {', '.join(ACTIVATIONS)}")
        self.sizes = list(sizes)
        self.activation_name = activation
        self.activation = ACTIVATIONS[activation]
        self.parameters = Parameters(self.sizes, dtype)
        if rng is not None:
            rng = np.random.default_rng(rng)
            for W in self.parameters.W:
                W[...] = rng.standard_normal(W.shape) * self.activation.initial_std(*W.shape)

    def buffers(self, m):
        """Buffers for batches of up to m examples."""
        return Buffers(self.sizes, m, self.parameters.flat.dtype)

    def forward(self, x, buffers=None, dropout=None):
        """z⁽ˡ⁾ = a⁽ˡ⁻¹⁾ W⁽ˡ⁾ + b⁽ˡ⁾ and a⁽ˡ⁾ = g(z⁽ˡ⁾), from a⁽⁰⁾ = x (m, sizes[0]).

        Returns [a⁽⁰⁾, a⁽¹⁾, …, z⁽ᴸ⁾]: the last layer has no activation, it gives the logits (m, k).
        With `buffers` the arrays live there and the next call overwrites them; they are new otherwise.
        With `dropout`, a⁽ˡ⁾ = g(z⁽ˡ⁾) ⊙ mask.
        """
        if x.ndim != 2 or x.shape[1] != self.sizes[0]:
            raise ValueError(f"x has the shape {x.shape}, and must have (m, {self.sizes[0]}), a row per example")
        m = len(x)
        buffers = buffers or self.buffers(m)
        a = [x]
        for l, (W, b) in enumerate(zip(self.parameters.W, self.parameters.b, strict=True), start=1):
            z = linear(a[-1], W, b, out=buffers.a[l - 1][:m])
            is_last = l == len(self.parameters.W)
            a.append(z if is_last else self.activation.g(z, out=z))
            if dropout and not is_last:
                a[l] *= dropout.masks[l - 1]
        return a

    def backward(self, a, dz, gradients=None, buffers=None, dropout=None):
        """Backpropagation: from `a`, what `forward` returned, and dz = ∂L/∂z⁽ᴸ⁾ (m, k) to every ∂L/∂W⁽ˡ⁾, ∂L/∂b⁽ˡ⁾.

        Returns Parameters that hold the gradient of the mean loss; `gradients` are overwritten when given.
        ∂L/∂a⁽⁰⁾ is never computed: nobody needs the gradient of an image.
        """
        m = len(dz)
        buffers = buffers or self.buffers(m)
        gradients = gradients or Parameters(self.sizes, self.parameters.flat.dtype)
        for l in reversed(range(len(self.parameters.W))):
            linear_db(dz, out=gradients.b[l])
            linear_dW(a[l], dz, out=gradients.W[l])
            if l > 0:
                da = linear_da(dz, self.parameters.W[l], out=buffers.dz[l - 1][:m])
                g = a[l]
                if dropout:
                    da *= dropout.masks[l - 1]
                    g = a[l] * (1 - dropout.share)  # g(z) again, wherever da is not 0
                dz = self.activation.dz(da, g, out=da)
        return gradients

    def loss(self, x, labels):
        """Mean cross-entropy of images x (m, sizes[0]) with labels (m,): a float, in nats."""
        labels = self._checked(x, labels)
        return float(cross_entropy(log_softmax(self.forward(x)[-1]), labels).mean())

    def gradients(self, x, labels):
        """The gradients of `loss`, one forward and one backward pass: Parameters."""
        labels = self._checked(x, labels)
        a = self.forward(x)
        return self.backward(a, cross_entropy_dz(log_softmax(a[-1]), labels))

    def _checked(self, x, labels):
        """The labels as an array, if they are one whole number from 0 to k − 1 for each of at least one example."""
        labels = np.asarray(labels)
        k = self.sizes[-1]
        if labels.shape != (len(x),) or labels.dtype.kind not in "iu" or not len(x):
            raise ValueError(f"labels are {labels.dtype} of the shape {labels.shape}, and must be integers ({len(x)},)")
        if labels.min() < 0 or labels.max() >= k:
            raise ValueError(f"labels go from {labels.min()} to {labels.max()}, and must lie from 0 to {k - 1}")
        return labels
