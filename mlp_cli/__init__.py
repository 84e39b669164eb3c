"""mlp: backpropagation written by hand in numpy, trained on MNIST, for your own pictures of digits."""

__version__ = "0.1.0"
