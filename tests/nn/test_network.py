import numpy as np
import pytest

from mlp_cli.nn import (
    ACTIVATIONS,
    MLP,
    Dropout,
    Parameters,
    cross_entropy,
    cross_entropy_dz,
    log_softmax,
)
from mlp_cli.proof.differences import directional_derivative, numerical_gradient, relative_error


def network(sizes, activation="relu", seed=0, dtype=np.float64):
    model = MLP(sizes, activation, np.random.default_rng(seed), dtype)
    for b in model.parameters.b:  # biases of zero would hide mistakes
        b[...] = np.random.default_rng(seed + 1).standard_normal(b.shape) * 0.1
    return model


def batch(m, d, k, seed=2):
    rng = np.random.default_rng(seed)
    return rng.random((m, d)), rng.integers(0, k, m)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_of_a_small_network_are_the_numerical_ones_parameter_by_parameter(activation):
    model = network([7, 6, 5, 4], activation)
    x, labels = batch(9, 7, 4)
    gradients = model.gradients(x, labels).named()
    for name, parameter in model.parameters.named().items():
        numerical = numerical_gradient(lambda: model.loss(x, labels), parameter)
        assert relative_error(gradients[name], numerical) <= 1e-7, name


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_of_the_real_network_are_the_numerical_ones_along_random_directions(activation):
    model = network([784, 128, 64, 10], activation)
    x, labels = batch(16, 784, 10)
    gradients = model.gradients(x, labels).flat
    rng = np.random.default_rng(3)
    for _ in range(5):
        direction = rng.standard_normal(gradients.size)
        direction *= 10 / np.linalg.norm(direction)  # long enough to tell its slope from rounding
        slope = directional_derivative(lambda: model.loss(x, labels), model.parameters.flat, direction)
        assert relative_error([gradients @ direction], [slope]) <= 1e-7


@pytest.mark.parametrize("sizes", [[6, 4], [6, 5, 4], [6, 5, 5, 5, 4]])
def test_any_depth_has_right_gradients(sizes):
    model = network(sizes, "tanh")
    x, labels = batch(5, 6, 4)
    numerical = numerical_gradient(lambda: model.loss(x, labels), model.parameters.flat)
    assert relative_error(model.gradients(x, labels).flat, numerical) <= 1e-7


def test_the_gradient_of_a_batch_is_the_mean_of_the_gradients_of_its_examples():
    model = network([7, 6, 5, 4])
    x, labels = batch(8, 7, 4)
    single = [model.gradients(x[i : i + 1], labels[i : i + 1]).flat for i in range(8)]
    np.testing.assert_allclose(model.gradients(x, labels).flat, np.mean(single, axis=0), rtol=1e-12, atol=1e-15)


def test_forward_and_backward_equal_plain_loops_over_the_examples():
    """The derivation with one-hot rows and plain loops, one example at a time: an independent witness."""
    model = network([5, 4, 3, 3])
    x, labels = batch(6, 5, 3)
    W, b = model.parameters.W, model.parameters.b
    dW, db = [np.zeros_like(w) for w in W], [np.zeros_like(v) for v in b]
    for example, label in zip(x, labels, strict=True):
        a = [example]
        for l in range(3):
            z = np.array([sum(a[l][i] * W[l][i, j] for i in range(len(a[l]))) + b[l][j] for j in range(len(b[l]))])
            a.append(np.maximum(z, 0) if l < 2 else z)
        y_hat = np.exp(a[3]) / np.exp(a[3]).sum()
        dz = y_hat - np.eye(3)[label]
        for l in reversed(range(3)):
            dW[l] += np.outer(a[l], dz) / len(x)
            db[l] += dz / len(x)
            dz = np.array([sum(dz[j] * W[l][i, j] for j in range(len(dz))) for i in range(len(a[l]))]) * (a[l] > 0)
    gradients = model.gradients(x, labels)
    for l in range(3):
        np.testing.assert_allclose(gradients.W[l], dW[l], rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(gradients.b[l], db[l], rtol=1e-10, atol=1e-15)


def test_parameters_are_views_into_one_vector():
    parameters = Parameters([3, 2, 2])
    assert parameters.flat.size == 3 * 2 + 2 + 2 * 2 + 2
    assert {name: view.shape for name, view in parameters.named().items()} == {
        "W1": (3, 2), "b1": (2,), "W2": (2, 2), "b2": (2,),
    }  # fmt: skip
    parameters.flat[:] = np.arange(14)
    assert parameters.W[0].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert parameters.b[1].tolist() == [12, 13]


def test_784_128_64_10_has_109386_parameters():
    assert Parameters([784, 128, 64, 10]).flat.size == 109_386


@pytest.mark.parametrize(("activation", "variance"), [("relu", 2 / 500), ("sigmoid", 2 / 800), ("tanh", 2 / 800)])
def test_initial_weights_have_the_variance_of_he_or_glorot_and_biases_are_zero(activation, variance):
    parameters = MLP([500, 300, 2], activation, np.random.default_rng(0)).parameters
    # of 150,000 draws the variance is within 1.5% at four standard errors
    assert parameters.W[0].var() == pytest.approx(variance, rel=0.015)
    assert abs(parameters.W[0].mean()) < 4 * (variance / 150_000) ** 0.5
    assert not any(b.any() for b in parameters.b)


def test_he_initialisation_keeps_the_scale_of_activations_through_the_layers():
    model = MLP([784, 512, 512, 512, 10], "relu", np.random.default_rng(0))
    a = model.forward(np.random.default_rng(1).standard_normal((64, 784)).astype(np.float32))
    for activation in a[1:-1]:  # E a² stays E x² = 1 when Var W = 2/d
        assert 0.5 < (activation**2).mean() < 2


def test_buffers_give_the_same_numbers_without_new_arrays():
    model = network([7, 6, 5, 4])
    buffers, gradients = model.buffers(9), Parameters(model.sizes, np.float64)
    for m in (9, 4):  # a whole batch, then the smaller last one
        x, _ = batch(m, 7, 4)
        plain = model.forward(x)
        a = model.forward(x, buffers)
        for with_room, without, room in zip(a[1:], plain[1:], buffers.a, strict=True):
            np.testing.assert_array_equal(with_room, without)
            assert np.shares_memory(with_room, room)
        dz = np.random.default_rng(4).standard_normal((m, 4))
        expected = model.backward(plain, dz)
        assert model.backward(a, dz, gradients, buffers) is gradients
        np.testing.assert_array_equal(gradients.flat, expected.flat)


def test_forward_without_buffers_returns_arrays_of_its_own():
    model = network([7, 6, 4])
    x, _ = batch(3, 7, 4)
    first = model.forward(x)[-1]
    kept = first.copy()
    model.forward(x + 1)
    np.testing.assert_array_equal(first, kept)


def test_training_type_is_float32_unless_asked():
    model = MLP([7, 6, 4], rng=np.random.default_rng(0))
    x, labels = batch(3, 7, 4)
    assert model.gradients(x.astype(np.float32), labels).flat.dtype == np.float32


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_with_dropout_are_the_numerical_ones(activation):
    model = network([7, 6, 5, 4], activation)
    x, labels = batch(9, 7, 4)
    dropout = Dropout.draw(np.random.default_rng(5), 9, [6, 5], 0.4, np.float64)
    assert all(0 < (mask == 0).mean() < 1 for mask in dropout.masks)

    def loss():
        return cross_entropy(log_softmax(model.forward(x, dropout=dropout)[-1]), labels).mean()

    a = model.forward(x, dropout=dropout)
    gradients = model.backward(a, cross_entropy_dz(log_softmax(a[-1]), labels), dropout=dropout)
    assert relative_error(gradients.flat, numerical_gradient(loss, model.parameters.flat)) <= 1e-7


def test_dropout_drops_its_share_and_keeps_the_mean():
    (mask,) = Dropout.draw(np.random.default_rng(0), 1000, [100], 0.25).masks
    assert (mask == 0).mean() == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 1e5) ** 0.5)
    assert set(np.unique(mask)) == {0, np.float32(1 / 0.75)}
    assert mask.dtype == np.float32


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (np.zeros((3, 6)), [0, 1, 2], r"x has the shape \(3, 6\), but must have \(m, 7\)"),
        (np.zeros(7), [0] * 7, r"x has the shape \(7,\)"),
        (np.zeros((3, 7)), [[0], [1], [2]], r"shape \(3, 1\), but must be integers \(3,\)"),
        (np.zeros((3, 7)), [0, 1], "must be integers"),
        (np.zeros((3, 7)), [0.0, 1.0, 2.0], "must be integers"),
        (np.zeros((3, 7)), [0, 1, 4], "labels go from 0 to 4, but must be from 0 to 3"),
        (np.zeros((3, 7)), [0, -1, 1], "labels go from -1"),
        (np.zeros((0, 7)), [], "must be integers"),
    ],
)
def test_wrong_shapes_and_labels_are_errors_not_other_numbers(x, labels, message):
    for method in (network([7, 6, 4]).loss, network([7, 6, 4]).gradients):
        with pytest.raises(ValueError, match=message):
            method(x, np.array(labels))


def test_a_network_is_never_untrained_by_accident():
    weights = MLP([7, 6, 4]).parameters.W  # no seed: drawn anew each time
    assert all(W.std() > 0.1 for W in weights)
    assert (weights[0] != MLP([7, 6, 4]).parameters.W[0]).all()
    blank = MLP.blank([7, 6, 4], dtype=np.float64)  # to be filled, and no number until then
    x, labels = batch(3, 7, 4)
    assert np.isnan(blank.loss(x, labels))
    blank.parameters.flat.fill(0)
    assert blank.loss(x, labels) == pytest.approx(np.log(4))


def test_backpropagate_gives_the_gradients_of_the_mean_loss_of_rows():
    model = network([7, 6, 5, 4])
    x, labels = batch(9, 7, 4)
    y = np.full((9, 4), 0.2 / 4)
    y[np.arange(9), labels] += 0.8
    log_y, gradients = model.backpropagate(x, y)
    np.testing.assert_allclose(log_y, log_softmax(model.forward(x)[-1]), rtol=1e-14)
    numerical = numerical_gradient(
        lambda: float(-(y * log_softmax(model.forward(x)[-1])).sum(axis=1).mean()), model.parameters.flat
    )
    assert relative_error(gradients.flat, numerical) <= 1e-7


def test_a_network_can_be_made_from_a_seed_and_any_sequence_of_sizes():
    one, other = MLP((size for size in (7, 6, 4)), rng=3), MLP([7, 6, 4], rng=np.random.default_rng(3))
    np.testing.assert_array_equal(one.parameters.flat, other.parameters.flat)
    with pytest.raises(ValueError, match="activation is 'gelu', but must be one of relu, sigmoid, tanh"):
        MLP([7, 4], activation="gelu")
