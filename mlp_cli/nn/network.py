"""The multilayer perceptron: its parameters, the forward pass and backpropagation."""

from collections.abc import Iterable
from copy import copy
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from mlp_cli.nn.arrays import Floats, Integers
from mlp_cli.nn.layers import ACTIVATIONS, Dropout, MatMul, linear, linear_da, linear_db, linear_dW
from mlp_cli.nn.loss import cross_entropy, cross_entropy_dz, log_softmax


class Parameters:
    """Weights W⁽¹⁾…W⁽ᴸ⁾ (d, h) and biases b⁽¹⁾…b⁽ᴸ⁾ (h,) as views into one flat vector.

    The gradients have the same form, so an optimiser step is a few operations on two vectors.
    `W[0]` is W⁽¹⁾; `named()` gives {"W1": …, "b1": …}.
    """

    flat: Floats
    W: list[Floats]
    b: list[Floats]

    def __init__(self, sizes: Iterable[int], dtype: DTypeLike = np.float32) -> None:
        shapes = list(pairwise(sizes))
        self.flat = np.zeros(sum((d + 1) * h for d, h in shapes), dtype)
        self.W, self.b = [], []
        start = 0
        for d, h in shapes:
            self.W.append(self.flat[start : start + d * h].reshape(d, h))
            start += d * h
            self.b.append(self.flat[start : start + h])
            start += h

    def on_first(self, k: int) -> "Parameters":
        """A view of these parameters without the rows of W⁽¹⁾ from number k on."""
        view = copy(self)
        view.W, view.b = [self.W[0][:k], *self.W[1:]], list(self.b)
        return view

    def named(self) -> dict[str, Floats]:
        """The views by name: W1, b1, W2, b2, …"""
        pairs = enumerate(zip(self.W, self.b, strict=True), start=1)
        return {f"{letter}{l}": view for l, Wb in pairs for letter, view in zip("Wb", Wb, strict=True)}


class Buffers:
    """Room for the activations a and their dz, of up to m examples, so that training steps allocate no large array."""

    def __init__(self, sizes: list[int], m: int, dtype: DTypeLike = np.float32) -> None:
        self.a: list[Floats] = [np.empty((m, h), dtype) for h in sizes[1:]]
        self.dz: list[Floats] = [np.empty((m, h), dtype) for h in sizes[1:-1]]


class Backpropagated(NamedTuple):
    """What `MLP.backpropagate` gives: log ŷ (m, k), and the gradients of the mean loss."""

    log_y: Floats
    gradients: Parameters


class MLP:
    """Layers of `sizes` units: sizes[0] inputs, hidden layers with an activation, sizes[-1] logits.

    >>> model = MLP([784, 128, 64, 10], rng=0)
    >>> logits = model.forward(images)[-1]            # images: (m, 784) in [0, 1]
    >>> gradients = model.gradients(images, labels)   # gradients.W[0]: (784, 128)

    The weights start normally distributed, by He's rule for ReLU and Glorot's for sigmoid and tanh, drawn by a
    generator or from a seed `rng`; None draws others each time. Biases start at zero.
    """

    def __init__(
        self,
        sizes: Iterable[int],
        activation: str = "relu",
        rng: "np.random.Generator | int | None" = None,  # quoted, since predict needs no numpy.random
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._build(sizes, activation, dtype)
        rng = np.random.default_rng(rng)
        for W in self.parameters.W:
            W[...] = rng.standard_normal(W.shape) * self.activation.initial_std(*W.shape)

    @classmethod
    def blank(cls, sizes: Iterable[int], activation: str = "relu", dtype: DTypeLike = np.float32) -> "MLP":
        """A network whose parameters are to be filled in; they are NaN until then, and so are its results."""
        network = cls.__new__(cls)
        network._build(sizes, activation, dtype)
        network.parameters.flat.fill(np.nan)
        return network

    def _build(self, sizes: Iterable[int], activation: str, dtype: DTypeLike) -> None:
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}, but must be one of {', '.join(ACTIVATIONS)}")
        self.sizes = list(sizes)
        self.activation_name = activation
        self.activation = ACTIVATIONS[activation]
        self.parameters = Parameters(self.sizes, dtype)
        self.matmul: MatMul = np.matmul
        self.matmul_later: MatMul = np.matmul

    def with_matmul(self, matmul: MatMul, later: MatMul) -> "MLP":
        """This network with the matrix products of `matmul`, and those of `later` for dW, on which nothing else waits:
        they may end after `backward`. It shares the parameters."""
        network = copy(self)
        network.matmul, network.matmul_later = matmul, later
        return network

    def on_first(self, k: int) -> "MLP":
        """This network for examples whose inputs from number k on are all 0; it takes x (m, k).

        It shares its parameters with this one. Zeros add nothing to z⁽¹⁾, and their rows of ∂L/∂W⁽¹⁾ are 0.
        """
        network = copy(self)
        network.sizes = [k, *self.sizes[1:]]
        network.parameters = self.parameters.on_first(k)
        return network

    def buffers(self, m: int) -> Buffers:
        """Buffers for batches of up to m examples."""
        return Buffers(self.sizes, m, self.parameters.flat.dtype)

    def forward(self, x: Floats, buffers: Buffers | None = None, dropout: Dropout | None = None) -> list[Floats]:
        """z⁽ˡ⁾ = a⁽ˡ⁻¹⁾ W⁽ˡ⁾ + b⁽ˡ⁾ and a⁽ˡ⁾ = g(z⁽ˡ⁾), from a⁽⁰⁾ = x (m, sizes[0]).

        Returns [a⁽⁰⁾, a⁽¹⁾, …, z⁽ᴸ⁾]: the last layer has no activation, it gives the logits (m, k).
        With `buffers` the arrays live there and the next call overwrites them; they are new otherwise.
        With `dropout`, a⁽ˡ⁾ = g(z⁽ˡ⁾) ⊙ mask.
        """
        if x.ndim != 2 or x.shape[1] != self.sizes[0]:
            raise ValueError(f"x has the shape {x.shape}, but must have (m, {self.sizes[0]}), a row per example")
        m = len(x)
        buffers = buffers or self.buffers(m)
        a = [x]
        for l, (W, b) in enumerate(zip(self.parameters.W, self.parameters.b, strict=True), start=1):
            z = linear(a[-1], W, b, buffers.a[l - 1][:m], self.matmul)
            is_last = l == len(self.parameters.W)
            a.append(z if is_last else self.activation.g(z, out=z))
            if dropout and not is_last:
                a[l] *= dropout.masks[l - 1]
        return a

    def backward(
        self,
        a: list[Floats],
        dz: Floats,
        gradients: Parameters | None = None,
        buffers: Buffers | None = None,
        dropout: Dropout | None = None,
        batch_size: int | None = None,
    ) -> Parameters:
        """Backpropagation: from `a`, what `forward` returned, and dz = ∂L/∂z⁽ᴸ⁾ (m, k) to every ∂L/∂W⁽ˡ⁾, ∂L/∂b⁽ˡ⁾.

        Returns Parameters that hold the gradient of the mean loss; `gradients` are overwritten when given. If these are
        a part of a batch of `batch_size`, they are its share of the gradient: those of all parts add up to it.
        ∂L/∂a⁽⁰⁾ is never computed: training does not need the gradient of an image.
        """
        m = len(dz)
        buffers = buffers or self.buffers(m)
        gradients = gradients or Parameters(self.sizes, self.parameters.flat.dtype)
        for l in reversed(range(len(self.parameters.W))):
            linear_db(dz, batch_size, out=gradients.b[l])
            linear_dW(a[l], dz, batch_size, gradients.W[l], self.matmul_later)
            if l > 0:
                da = linear_da(dz, self.parameters.W[l], buffers.dz[l - 1][:m], self.matmul)
                g = a[l]
                if dropout:
                    da *= dropout.masks[l - 1]
                    g = a[l] * (1 - dropout.share)  # g(z) again, wherever da is not 0
                dz = self.activation.dz(da, g, out=da)
        return gradients

    def backpropagate(
        self,
        x: Floats,
        y: Floats | Integers,
        dropout: Dropout | None = None,
        gradients: Parameters | None = None,
        buffers: Buffers | None = None,
        batch_size: int | None = None,
    ) -> Backpropagated:
        """One forward and one backward pass on images x (m, sizes[0]) with labels (m,) or rows y (m, k), see loss.py:
        what a training step needs.

        `gradients` and `buffers` are overwritten when given; `batch_size` as for `backward`.
        """
        buffers = buffers or self.buffers(len(x))
        a = self.forward(x, buffers, dropout)
        log_y = log_softmax(a[-1])
        dz = cross_entropy_dz(log_y, y)
        gradients = self.backward(a, dz, gradients, buffers, dropout, batch_size)
        return Backpropagated(log_y, gradients)

    def predict(self, x: Floats) -> Integers:
        """The class with the largest logit for each of the examples x (m, sizes[0]): (m,)."""
        answers: Integers = self.forward(x)[-1].argmax(axis=1)
        return answers

    def loss(self, x: Floats, labels: ArrayLike) -> float:
        """Mean cross-entropy of images x (m, sizes[0]) with labels (m,): a float, in nats."""
        labels = self._checked(x, labels)
        return float(cross_entropy(log_softmax(self.forward(x)[-1]), labels).mean())

    def gradients(self, x: Floats, labels: ArrayLike) -> Parameters:
        """The gradients of `loss`, one forward and one backward pass: Parameters."""
        return self.backpropagate(x, self._checked(x, labels)).gradients

    def _checked(self, x: Floats, labels: ArrayLike) -> Integers:
        """The labels as an array; ValueError unless each is an integer from 0 to k − 1 and there is at least one."""
        labels = np.asarray(labels)
        k = self.sizes[-1]
        if labels.shape != (len(x),) or labels.dtype.kind not in "iu" or not len(x):
            raise ValueError(f"labels are {labels.dtype} of the shape {labels.shape}, but must be integers ({len(x)},)")
        if labels.min() < 0 or labels.max() >= k:
            raise ValueError(f"labels go from {labels.min()} to {labels.max()}, but must be from 0 to {k - 1}")
        return labels
