import numpy as np
import pytest

from mlp_cli.config import load_config
from mlp_cli.data.batches import Minibatches, most_lit_first
from mlp_cli.data.datasets import Dataset
from mlp_cli.data.examples import Examples
from mlp_cli.nn import MLP, Dropout, label_rows
from mlp_cli.training.step import BatchGradient
from mlp_cli.training.targets import Targets
from mlp_cli.training.workers import Workers

N, PIXELS, K = 2400, 48, 4


@pytest.fixture
def dataset():
    """Images whose pixels are lit the less often the higher their number is, and in some batches not at all."""
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (N, PIXELS)) * (rng.random((N, PIXELS)) < 0.5 ** (np.arange(PIXELS) / 4))
    images = images[:, rng.permutation(PIXELS)].astype(np.uint8)
    return Dataset("test", images, rng.integers(0, K, N), (6, 8), ("a", "b", "c", "d"), {})


@pytest.mark.parametrize("is_centred", [False, True])
@pytest.mark.parametrize("batch_size", [7, 140, 1500])
def test_the_gradient_is_that_of_the_whole_batch_however_it_is_cut_and_ordered(dataset, batch_size, is_centred):
    rng = np.random.default_rng(1)
    order = most_lit_first(dataset.images)
    plain = MLP([PIXELS, 8, 6, K], rng=2)  # of pixels in their own order
    for b in plain.parameters.b:
        b[:] = 0.1 * rng.standard_normal(b.shape)
    ordered = MLP.blank(plain.sizes)
    ordered.parameters.flat[:] = plain.parameters.flat
    ordered.parameters.W[0][:] = plain.parameters.W[0][order]
    mean = rng.random(PIXELS).astype(np.float32) if is_centred else None

    batches = Minibatches(Examples(dataset.images, dataset.labels, np.arange(N)), batch_size, order)
    losses = np.zeros(N, np.float32)
    targets = Targets(K, load_config("plain", ["training.label_smoothing=0.1"]).training)
    with Workers(2) as workers:
        gradient = BatchGradient(ordered, batches, workers, targets, None if mean is None else mean[order], losses)
        narrower, before = 0, PIXELS
        for parts in batches.epoch(rng):
            m = sum(len(part.rows) for part in parts)
            dropout = Dropout.draw(rng, m, [8, 6], 0.3)
            outcome = gradient(parts, dropout)
            width = min(batches.inputs(part, batches.room()).shape[1] for part in parts)
            narrower, before = narrower + (width < before), width
            rows = np.concatenate([part.rows for part in parts])
            x = (dataset.images[rows] / 255).astype(np.float32) - (0 if mean is None else mean)
            whole = plain.backpropagate(x, label_rows(K, 0.1)[dataset.labels[rows]], dropout)
            np.testing.assert_allclose(gradient.gradients.W[0], whole.gradients.W[0][order], atol=2e-6)
            flat = plain.parameters.W[0].size
            np.testing.assert_allclose(gradient.gradients.flat[flat:], whole.gradients.flat[flat:], atol=2e-6)
            own = -whole.log_y[np.arange(m), dataset.labels[rows]]
            np.testing.assert_allclose(losses[rows], own, atol=1e-5)
            answers = whole.log_y.argmax(axis=1)
            assert outcome == (m, pytest.approx(own.sum(), rel=1e-5), (answers == dataset.labels[rows]).sum())
    assert narrower or batch_size > 7  # some batches have fewer columns than the one before


def test_a_step_waits_for_the_products_that_other_threads_make(dataset):
    """Here they are all made when they are waited for, and not before."""
    waiting = []

    class Late(Workers):
        def matmul_later(self, a, b, out):
            waiting.append(lambda: np.matmul(a, b, out=out))
            return out

        def finish(self):
            while waiting:
                waiting.pop()()

    batches = Minibatches(Examples(dataset.images, dataset.labels, np.arange(N)), 100, np.arange(PIXELS))
    targets = Targets(K, load_config("plain").training)
    network = MLP([PIXELS, 8, 6, K], rng=2)
    with Workers(1) as workers, Late(1) as late:
        gradients = [BatchGradient(network, batches, kind, targets) for kind in (workers, late)]
        for parts in batches.epoch(np.random.default_rng(0)):
            for gradient in gradients:
                gradient(parts)
            assert (gradients[0].gradients.flat == gradients[1].gradients.flat).all()
