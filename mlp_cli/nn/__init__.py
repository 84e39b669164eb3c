"""The network by hand: every formula of docs/derivation.md, vectorised over the batch. numpy only."""

from mlp_cli.nn.layers import ACTIVATIONS, Dropout
from mlp_cli.nn.loss import cross_entropy, cross_entropy_dz, label_rows, log_softmax, softmax
from mlp_cli.nn.network import MLP, Parameters
from mlp_cli.nn.optim import OPTIMIZERS, SCHEDULES, SGD, AdamW, Momentum, Nesterov, WeightAverage

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "AdamW",
    "Dropout",
    "Momentum",
    "Nesterov",
    "Parameters",
    "WeightAverage",
    "cross_entropy",
    "cross_entropy_dz",
    "label_rows",
    "log_softmax",
    "softmax",
]
