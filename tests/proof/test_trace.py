import numpy as np
import pytest

from mlp_cli.data.datasets import load_dataset
from mlp_cli.data.inputs import to_inputs
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BUNDLED
from mlp_cli.nn import ACTIVATIONS, MLP, Parameters
from mlp_cli.proof.trace import trace


def trained_gradients(network, x, labels):
    """The gradients of these examples as a step of training computes them: a vector."""
    room = {"gradients": Parameters(network.sizes), "buffers": network.buffers(128)}
    return network.backpropagate(x, labels, **room).gradients.flat


def traced_gradients(network, x, labels):
    values = {quantity.name: quantity.value for quantity in trace(network, x, labels)}
    return np.concatenate([values[f"d{name}"].ravel() for name in network.parameters.named()])


@pytest.fixture(scope="module")
def mnist():
    return load_dataset("test")


def test_the_gradients_of_one_example_are_those_of_training_to_the_bit(mnist):
    network = load_checkpoint(BUNDLED["mnist"]).network
    for i in range(50):
        x, labels = to_inputs(mnist.images[i : i + 1]), mnist.labels[i : i + 1]
        expected = trained_gradients(network, x, labels)
        assert traced_gradients(network, x, labels).tobytes() == expected.tobytes()
        assert expected.any()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [[], [32], [128, 64], [20, 20, 20]])
def test_trace_gives_the_training_gradients_for_every_activation_and_depth(activation, hidden, mnist):
    network = MLP([784, *hidden, 10], activation, np.random.default_rng(0))
    for i in range(10):
        x, labels = to_inputs(mnist.images[i : i + 1]), mnist.labels[i : i + 1]
        expected = trained_gradients(network, x, labels)
        assert traced_gradients(network, x, labels).tobytes() == expected.tobytes()


def test_trace_in_float64_gives_the_gradients_of_the_network(mnist):
    network = MLP([784, 128, 64, 10], "relu", np.random.default_rng(0), np.float64)
    x, labels = mnist.images[:1] / 255, mnist.labels[:1]
    traced = traced_gradients(network, x, labels)
    assert traced.dtype == np.float64
    np.testing.assert_array_equal(traced, network.gradients(x, labels).flat)


def test_quantities_come_in_the_order_of_the_derivation_with_its_symbols():
    network = MLP([4, 3, 2, 3], "relu", np.random.default_rng(0))
    quantities = trace(network, np.ones((1, 4), np.float32), np.array([2]))
    assert [quantity.symbol for quantity in quantities] == [
        "a⁽⁰⁾", "W⁽¹⁾", "b⁽¹⁾", "z⁽¹⁾", "a⁽¹⁾", "W⁽²⁾", "b⁽²⁾", "z⁽²⁾", "a⁽²⁾", "W⁽³⁾", "b⁽³⁾", "z⁽³⁾", "ŷ", "L",
        "∂L/∂z⁽³⁾", "∂L/∂W⁽³⁾", "∂L/∂b⁽³⁾", "∂L/∂a⁽²⁾",
        "∂L/∂z⁽²⁾", "∂L/∂W⁽²⁾", "∂L/∂b⁽²⁾", "∂L/∂a⁽¹⁾",
        "∂L/∂z⁽¹⁾", "∂L/∂W⁽¹⁾", "∂L/∂b⁽¹⁾",
    ]  # fmt: skip
    named = {quantity.name: quantity.value for quantity in quantities}
    assert {f"d{name}" for name in ("W1", "b1", "z1", "a1", "W3", "b3", "z3")} <= set(named)
    for name in ("W1", "b2", "z3", "a1"):
        assert named[f"d{name}"].shape == named[name].shape


def test_a_small_example_by_hand():
    network = MLP.blank([1, 2, 2], "relu", np.float64)
    network.parameters.flat.fill(0)
    network.parameters.W[0][:] = [[2, -1]]
    network.parameters.b[0][:] = [-1, 0]
    network.parameters.W[1][:] = [[1, 0], [0, 1]]
    values = {quantity.name: quantity.value.tolist() for quantity in trace(network, np.ones((1, 1)), np.array([1]))}
    # z¹ = [2 − 1, −1], a¹ = [1, 0], z² = a¹, ŷ = [e, 1]/(e + 1), L = log(e + 1), dz² = ŷ − [0, 1] = [p, −p]
    p = np.e / (np.e + 1)
    assert (values["z1"], values["a1"], values["z2"]) == ([[1, -1]], [[1, 0]], [[1, 0]])
    for name, expected in {
        "y": [[p, 1 - p]],
        "L": [np.log(np.e + 1)],
        "dz2": [[p, -p]],
        "dW2": [[p, -p], [0, 0]],
        "db2": [p, -p],
        "da1": [[p, -p]],
        "dz1": [[p, 0]],
        "dW1": [[p, 0]],
        "db1": [p, 0],
    }.items():
        np.testing.assert_allclose(values[name], expected, rtol=1e-14, err_msg=name)
