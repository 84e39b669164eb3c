import numpy as np
import pytest

from mlp_cli.nn import cross_entropy, log_softmax
from mlp_cli.nn.calibration import HIGHEST, LOWEST, calibrated, fit_temperature, fit_threshold


def draw(temperature, n=20_000, k=10):
    """Logits (n, k), and labels drawn from softmax(z / T)."""
    rng = np.random.default_rng(0)
    z = rng.normal(0, 3, (n, k))
    # the largest of z/T plus Gumbel noise is distributed as softmax(z / T)
    return z, (z / temperature + rng.gumbel(size=z.shape)).argmax(axis=1)


def test_calibrated_is_the_softmax_of_the_divided_logits():
    z, _ = draw(1, n=5)
    np.testing.assert_allclose(calibrated(log_softmax(z), 2.5), log_softmax(z / 2.5), atol=1e-12)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_with_is_found(temperature):
    z, labels = draw(temperature)
    assert fit_temperature(log_softmax(z), labels) == pytest.approx(temperature, rel=0.03)


def test_no_other_temperature_has_a_lower_cross_entropy():
    z, labels = draw(1.7, n=500)
    log_y = log_softmax(z).astype(np.float32)
    fitted = fit_temperature(log_y, labels)
    loss = cross_entropy(calibrated(log_y, fitted), labels).mean()
    for other in np.geomspace(LOWEST, HIGHEST, 50):
        assert cross_entropy(calibrated(log_y, other), labels).mean() >= loss - 1e-7


def test_the_temperature_stays_within_its_bounds_if_all_answers_are_right_or_wrong():
    log_y = log_softmax(np.array([[5.0, 0.0], [0.0, 5.0]]))
    assert fit_temperature(log_y, np.array([0, 1])) == pytest.approx(LOWEST, rel=0.01)
    assert fit_temperature(log_y, np.array([1, 0])) == pytest.approx(HIGHEST, rel=0.01)


def test_the_threshold_refuses_three_answers_in_a_thousand():
    confidence = np.linspace(0.4, 0.999, 1000)
    log_y = np.log(np.stack([confidence, 1 - confidence], axis=1)[np.random.default_rng(0).permutation(1000)])
    below = np.exp(log_y).max(axis=1) < fit_threshold(log_y)
    assert below.sum() == 3
