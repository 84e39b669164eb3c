"""Optimisers, which change parameters in place, and learning-rate schedules.

θ are the parameters, g the gradient of the mean loss, η the learning rate. An optimiser's `state`
names the vectors that it must keep between steps, for checkpoints.

Weight decay λ is decoupled from the gradient, for every optimiser (Loshchilov & Hutter 2019, "Decoupled
weight decay regularization", arXiv 1711.05101): W ← W − ηλW, on weights and never on biases.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli.nn.arrays import Floats
from mlp_cli.nn.network import Parameters

TINY = 1e-30


class SGD:
    """θ ← θ − ηg."""

    def __init__(self, parameters: Parameters, *, weight_decay: float = 0.0) -> None:
        self.parameters = parameters
        self.weight_decay = weight_decay
        self.state: dict[str, NDArray[Any]] = {}

    def step(self, gradients: Parameters, learning_rate: float) -> None:
        """Move the parameters against `gradients` by one step at `learning_rate`; the step is computed in the vector of
        the gradients, and replaces them."""
        if self.weight_decay:
            for W in self.parameters.W:
                W *= 1 - learning_rate * self.weight_decay
        direction, factor = self._direction(gradients.flat)
        self.parameters.flat -= np.multiply(direction, learning_rate * factor, out=gradients.flat)

    def flush(self) -> None:
        """Set to 0 what has decayed to less than 1e-30 in the state, such as the velocity of the weights of pixels that
        are seldom lit. It moves no parameter, but would soon be a subnormal number and remain one: processors compute
        with these a hundred times more slowly, and an epoch takes half as long again."""
        for array in self.state.values():
            array[np.abs(array) < TINY] = 0

    def _direction(self, g: Floats) -> tuple[Floats, float]:
        """The vector and the factor whose product, times −η, the parameters move by; the vector may replace g."""
        return g, 1.0


class Momentum(SGD):
    """v ← μv + g, θ ← θ − ηv (Polyak 1964)."""

    def __init__(self, parameters: Parameters, *, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, weight_decay=weight_decay)
        self.momentum = momentum
        self.state = {"velocity": np.zeros_like(parameters.flat)}

    def _direction(self, g: Floats) -> tuple[Floats, float]:
        v = self.state["velocity"]
        v *= self.momentum
        v += g
        return v, 1.0


class Nesterov(Momentum):
    """v ← μ(v + g), θ ← θ − η(g + v).

    Sutskever, Martens, Dahl & Hinton 2013, "On the importance of initialization and momentum in deep
    learning", in the form that takes the gradient at θ itself (Bengio et al. 2012, arXiv 1212.0901). This v is μ times
    that of momentum, which saves a product.
    """

    def _direction(self, g: Floats) -> tuple[Floats, float]:
        v = self.state["velocity"]
        v += g
        v *= self.momentum
        return np.add(g, v, out=g), 1.0


class AdamW(SGD):
    """m ← β₁m + g, v ← β₂v + g², θ ← θ − η m̂ / (√v̂ + ε).

    m and v are sums of which m̂ = m (1−β₁) / (1−β₁ᵗ) and v̂ = v (1−β₂) / (1−β₂ᵗ) are the averages, corrected for their
    start at 0. Kingma & Ba 2015, "Adam", arXiv 1412.6980, with decoupled weight decay (see above).
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, weight_decay=weight_decay)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.state = {
            "sum": np.zeros_like(parameters.flat),
            "sum_of_squares": np.zeros_like(parameters.flat),
            "steps": np.zeros(1, np.int64),
        }

    def _direction(self, g: Floats) -> tuple[Floats, float]:
        m, v, steps = self.state["sum"], self.state["sum_of_squares"], self.state["steps"]
        steps += 1
        t = int(steps[0])
        m *= self.beta1
        m += g
        v *= self.beta2
        v += np.multiply(g, g, out=g)
        # m̂ / (√v̂ + ε), with the constants taken out of the vectors
        m_correction = (1 - self.beta1) / (1 - self.beta1**t)
        v_correction = math.sqrt((1 - self.beta2) / (1 - self.beta2**t))
        root = np.sqrt(v, out=g)
        root += self.epsilon / v_correction
        return np.divide(m, root, out=root), m_correction / v_correction


class WeightAverage:
    """An exponential moving average of the parameters over the steps t: θ̄ ← δθ̄ + (1 − δ)θ, in the vector `average`.

    Early in a run δ is at most t/(10 + t), so that the first parameters are soon forgotten; later it is `decay`.
    Kingma & Ba 2015, "Adam", arXiv 1412.6980, section 7.2.
    """

    def __init__(self, parameters: Parameters, decay: float) -> None:
        self.parameters, self.decay = parameters, decay
        self.average: Floats = parameters.flat.copy()
        self._room: Floats = np.empty_like(self.average)

    def update(self, step: int) -> None:
        """Take in the parameters after step number `step`, from 1."""
        decay = min(self.decay, step / (10 + step))
        change = np.subtract(self.parameters.flat, self.average, out=self._room)
        change *= 1 - decay
        self.average += change


OPTIMIZERS: dict[str, type[SGD]] = {"sgd": SGD, "momentum": Momentum, "nesterov": Nesterov, "adamw": AdamW}


def constant(progress: float, warmup: float) -> float:
    """1 throughout; `warmup` is not used."""
    return 1.0


def cosine(progress: float, warmup: float) -> float:
    """Linear from 0 to 1 over `warmup`, then half a cosine down to 0 (Loshchilov & Hutter 2017, arXiv 1608.03983)."""
    if progress < warmup:
        return progress / warmup
    return (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def one_cycle(progress: float, warmup: float) -> float:
    """Linear from 0 to 1 over `warmup`, then linear down to 0 (after Smith & Topin 2017, arXiv 1708.07120)."""
    if progress < warmup:
        return progress / warmup
    return (1 - progress) / (1 - warmup)


# Each gives the factor on the learning rate, a Python float (a numpy double would turn float32 arrays into
# float64), from the part of the run that is done, 0 ≤ progress < 1, and the part that is warm-up, 0 ≤ warmup < 1.
SCHEDULES = {"constant": constant, "cosine": cosine, "one-cycle": one_cycle}
