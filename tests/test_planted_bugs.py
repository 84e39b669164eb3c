"""Bugs of the kind that people make, planted one at a time: each must turn the named test red.

Those in the formulas are planted in tests/proof/test_gradcheck.py. Here the package is copied, and one process,
plant.py, spoils a line of the copy, runs the test that should see it, and mends the line.
"""

import json
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
    "momentum off": (
        "nn/optim.py", "v *= self.momentum\n        v += g", "v *= 0\n        v += g",
        "nn/test_optim.py::test_momentum_by_hand",
    ),
    "velocity left out of Nesterov's step": (
        "nn/optim.py", "np.add(g, v, out=g)", "g",
        "nn/test_optim.py::test_nesterov_by_hand",
    ),
    "step in the direction of the gradient": (
        "nn/optim.py", "self.parameters.flat -= ", "self.parameters.flat += ",
        "training/test_loop.py::test_one_full_batch_step_moves_every_parameter_by_minus_rate_times_gradient",
    ),
    "He's scale replaced by 1": (
        "nn/network.py", "* self.activation.initial_std(*W.shape)", "* 1",
        "nn/test_network.py::test_initial_weights_have_the_variance_of_he_or_glorot_and_biases_are_zero",
    ),
    "a network that is to be filled starts at zero": (
        "nn/network.py", "flat.fill(np.nan)", "flat.fill(0)",
        "nn/test_network.py::test_a_network_is_never_untrained_by_accident",
    ),
    "batches shuffled, examples not": (
        "data/examples.py", "rng.permutation(len(rows))",
        "np.concatenate(rng.permutation(np.arange(len(rows) // 16 * 16).reshape(-1, 16)))",
        "data/test_batches.py::test_examples_are_shuffled_not_only_batches",
    ),
    "labels not shuffled with their images": (
        "data/batches.py", "self.examples.labels[rows]", "self.examples.labels[self.examples.indices]",
        "data/test_batches.py::test_images_stay_with_their_labels_and_become_float32_from_0_to_1",
    ),
    "the last lit pixel taken for blank": (
        "data/batches.py", "(len(lit) - blank)", "(len(lit) - blank - 1)",
        "data/test_batches.py::test_every_lit_pixel_is_among_the_inputs",
    ),
    "a part weighs as much as the batch": (
        "training/step.py", "self._buffers, part.batch_size", "self._buffers, None",
        "training/test_step.py::test_the_gradient_is_that_of_the_whole_batch_however_it_is_cut_and_ordered",
    ),
    "gradients of an earlier batch where pixels are blank": (
        "training/step.py", "whole.W[0][x.shape[1] :] = 0", "pass",
        "training/test_step.py::test_the_gradient_is_that_of_the_whole_batch_however_it_is_cut_and_ordered",
    ),
    "the mean left out of the gradient": (
        "training/step.py", "centred_dW(dW, db, self.mean, out=dW)", "pass",
        "training/test_step.py::test_the_gradient_is_that_of_the_whole_batch_however_it_is_cut_and_ordered",
    ),
    "the last piece of a product left out": (
        "training/workers.py", "out=product[rows]), pieces)", "out=product[rows]), pieces[:-1])",
        "training/test_workers.py::test_products_have_the_same_bytes_with_any_number_of_threads",
    ),
    "products that another thread makes not waited for": (
        "training/step.py", "self.workers.finish()", "pass",
        "training/test_step.py::test_a_step_waits_for_the_products_that_other_threads_make",
    ),
    "the inputs of the next part made over those at hand": (
        "training/step.py", "self._rooms.reverse()", "pass",
        "training/test_loop.py::test_the_number_of_threads_changes_no_bit",
    ),
    "weights saved in the order of training": (
        "training/state.py", "self._turned(array, np.argsort(self.order))", "array",
        "training/test_loop.py::test_pixels_are_in_their_own_order_in_the_network_for_use_and_in_what_is_saved",
    ),
    "hard examples left out": (
        "training/state.py", "self.losses < self.losses.mean", "self.losses > self.losses.mean",
        "training/test_loop.py::test_an_epoch_leaves_out_examples_that_were_easy_when_they_were_last_seen",
    ),
    "examples left out to the end": (
        "training/state.py", "WHOLE_FROM = 7 / 8", "WHOLE_FROM = 2",
        "training/test_loop.py::test_an_epoch_leaves_out_examples_that_were_easy_when_they_were_last_seen",
    ),
    "validation images trained on": (
        "data/datasets.py", "return order[validation:], order[:validation]", "return order, order[:validation]",
        "training/test_loop.py::test_validation_images_are_never_trained_on",
    ),
    "validation of the network in training": (
        "training/loop.py", "network, chunks = state.for_use(),", "network, chunks = state.network,",
        "training/test_loop.py::test_the_saved_network_is_the_validated_one",
    ),
    "warps at full strength again in every epoch": (
        "training/loop.py", "functools.partial(plan.strength, state.epoch,", "functools.partial(plan.strength, 0,",
        "training/test_loop.py::test_warps_shrink_over_the_run_not_over_the_epoch",
    ),
    "warps that do not reach their share": (
        "training/loop.py", " / (1 - start)", "",
        "training/test_loop.py::test_warps_shrink_from_their_part_of_the_run_to_their_share_at_its_end",
    ),
    "no flush": (
        "training/state.py", "self.optimizer.flush()", "pass",
        "training/test_loop.py::test_the_optimiser_state_is_flushed_every_64_steps",
    ),
    "a loss of a billion is no divergence": (
        "training/loop.py", "DIVERGED = 100", "DIVERGED = 1e9",
        "training/test_loop.py::test_a_hundred_times_the_loss_of_guessing_is_divergence",
    ),
    "a step of another epoch goes on": (
        "training/state.py", "not 0 <= state.steps_in_epoch <= steps", "False",
        "runs/test_start.py::test_a_step_outside_its_epoch_cannot_be_resumed",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def codes(tmp_path_factory):
    """Pytest's exit code for each bug's test with the bug planted, by bug; under None, for all tests without a bug."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("*.gz", "__pycache__")
    package = Path(shutil.copytree(Path(mlp_cli.__file__).parent, folder / "mlp_cli", ignore=ignored))
    shutil.copytree(presets()["plain"].parent, package / "configs", dirs_exist_ok=True)
    done = subprocess.run(
        # -P: without it the folder of plant.py would come first
        [sys.executable, "-P", TESTS / "plant.py", folder],
        input=json.dumps(list(BUGS.values())),
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    printed = done.stdout.split()
    assert len(printed) == 1 + len(BUGS), done.stderr
    assert printed[0] == "0", done.stderr
    return dict(zip([None, *BUGS], map(int, printed), strict=True))


def test_the_copy_passes_as_long_as_nothing_is_planted(codes):
    assert codes[None] == 0


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_turns_its_test_red(bug, codes):
    assert codes[bug] == 1
