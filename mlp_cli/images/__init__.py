"""From a person's picture to an MNIST-like 28×28 image."""
