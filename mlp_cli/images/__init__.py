"""A person's picture in, an MNIST-like 28×28 image out."""
