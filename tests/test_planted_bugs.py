"""Bugs of the kind that people really make, planted one at a time: each must turn the named test red.

The package is copied, a line of the copy is spoilt, and the test runs against the copy in a process of its own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mlp_cli
from mlp_cli.config import presets

TESTS = Path(__file__).parent
BUGS = {
    "dropped 1/m": (
        "nn/layers.py", "dz * (1 / len(dz))", "dz",
        "nn/test_layers.py::test_linear_dW_and_db_are_the_gradients_of_the_mean_over_the_batch",
    ),
    "sum for mean in db": (
        "nn/layers.py", "np.full(m, 1 / m, dtype)", "np.ones(m, dtype)",
        "nn/test_network.py::test_the_gradient_of_a_batch_is_the_mean_of_the_gradients_of_its_examples",
    ),
    "1/m in da too": (
        "nn/layers.py", "np.matmul(dz, W.T, out=out)", "np.matmul(dz, W.T / len(dz), out=out)",
        "nn/test_layers.py::test_linear_da_is_the_gradient_of_each_example_alone",
    ),
    "dropped shift by the maximum": (
        "nn/loss.py", "    shifted -= np.maximum.reduce(shifted)  # (k, m) - (m,)\n", "",
        "nn/test_loss.py::test_huge_logits_stay_finite_and_right",
    ),
    "y + one-hot for y − one-hot": (
        "nn/loss.py", "labels] -= 1", "labels] += 1",
        "nn/test_loss.py::test_cross_entropy_dz_has_one_row_per_example_and_no_one_over_m",
    ),
    "dropped ReLU mask": (
        "nn/layers.py", "np.multiply(da, a > 0, out=out)", "np.multiply(da, 1, out=out)",
        "nn/test_layers.py::test_an_activation_and_its_dz_belong_together",
    ),
    "derivative of sigmoid for that of tanh": (
        "nn/layers.py", "np.multiply(da, 1 - a * a, out=out)", "np.multiply(da, a * (1 - a), out=out)",
        "nn/test_layers.py::test_an_activation_and_its_dz_belong_together",
    ),
    "no activation in the loop": (
        "nn/network.py", "z if is_last else self.activation.g(z, out=z)", "z",
        "nn/test_network.py::test_gradients_of_a_small_network_are_the_numerical_ones_parameter_by_parameter",
    ),
    "momentum off": (
        "nn/optim.py", "v *= self.momentum\n        v += g", "v *= 0\n        v += g",
        "nn/test_optim.py::test_momentum_by_hand",
    ),
    "velocity left out of Nesterov's step": (
        "nn/optim.py", "        g += v\n", "",
        "nn/test_optim.py::test_nesterov_by_hand",
    ),
    "He's scale replaced by 1": (
        "nn/network.py", "* self.activation.initial_std(*W.shape)", "* 1",
        "nn/test_network.py::test_initial_weights_have_the_variance_of_he_or_glorot_and_biases_are_zero",
    ),
    "batches shuffled, examples not": (
        "data/batches.py", "rng.permutation(indices)",
        "np.concatenate(rng.permutation(indices[: len(indices) // batch_size * batch_size].reshape(-1, batch_size)))",
        "data/test_batches.py::test_examples_are_shuffled_not_only_batches",
    ),
    "labels not shuffled with their images": (
        "data/batches.py", "dataset.labels[order]", "dataset.labels[indices]",
        "data/test_batches.py::test_images_stay_with_their_labels_and_become_float32_from_0_to_1",
    ),
    "step in the direction of the gradient": (
        "nn/optim.py", "self.parameters.flat -= ", "self.parameters.flat += ",
        "training/test_loop.py::test_one_full_batch_step_moves_every_parameter_by_minus_rate_times_gradient",
    ),
    "validation images trained on": (
        "data/datasets.py", "return order[validation:], order[:validation]", "return order, order[:validation]",
        "training/test_loop.py::test_validation_images_are_never_trained_on",
    ),
}  # fmt: skip


def run_tests(folder, *tests):
    """Run tests against the package in `folder`; pytest's exit code and output. 1 is a failed test."""
    options = ["-p", "no:cacheprovider", "--tb=line"]
    run = subprocess.run(
        # -P: without it the package of the source tree would come first
        [sys.executable, "-P", "-m", "pytest", *options, *(TESTS / test for test in tests)],
        env={**os.environ, "PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
    )
    return run.returncode, run.stdout


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, without the data."""
    ignored = shutil.ignore_patterns("*.gz", "__pycache__")
    package = Path(shutil.copytree(Path(mlp_cli.__file__).parent, tmp_path / "mlp_cli", ignore=ignored))
    shutil.copytree(presets()["plain"].parent, package / "configs", dirs_exist_ok=True)
    return package


def test_the_copy_passes_as_long_as_nothing_is_planted(copy):
    code, output = run_tests(copy.parent, *{test for *_, test in BUGS.values()})
    assert code == 0, output


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_turns_its_test_red(bug, copy):
    file, line, spoilt, test = BUGS[bug]
    source = (copy / file).read_text("utf-8")
    assert source.count(line) == 1
    (copy / file).write_text(source.replace(line, spoilt), "utf-8")
    code, output = run_tests(copy.parent, test)
    assert code == 1, output
