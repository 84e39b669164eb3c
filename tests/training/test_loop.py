import numpy as np
import pytest
from samples import BASE

from mlp_cli.config import load_config
from mlp_cli.data.datasets import load_dataset
from mlp_cli.errors import DivergedError
from mlp_cli.nn import MLP, SCHEDULES, SGD
from mlp_cli.training.loop import Data, fit
from mlp_cli.training.state import State

SETTINGS = ["training.validation=100", "network.hidden=[8]", "training.batch_size=32"]


def start(data, *assignments, preset=BASE):
    config = load_config(preset, [*SETTINGS, *assignments])
    dataset = load_dataset("train", data)
    split = Data.split(dataset, config)
    return config, split, State.new(config, split)


def test_training_learns(data):
    config, split, state = start(data, "training.epochs=30")
    records = list(fit(state, split, config))
    assert [record.epoch for record in records] == list(range(1, 31))
    assert records[-1].val_accuracy > 0.9  # chance is 0.25
    assert records[-1].val_loss < 0.5 < records[0].val_loss


def test_one_full_batch_step_moves_every_parameter_by_minus_rate_times_gradient(data):
    config, split, state = start(data, "training.batch_size=400", "training.epochs=1", preset="plain")
    before = state.network.parameters.flat.astype(np.float64)
    list(fit(state, split, config))

    # the gradient of the 400 training images, in float64 and by central differences
    witness = MLP(state.network.sizes, dtype=np.float64)
    witness.parameters.flat[...] = before
    x = split.dataset.images[split.train_indices] / 255
    labels = split.dataset.labels[split.train_indices]
    moved = state.network.parameters.flat - before
    for i in np.random.default_rng(0).choice(before.size, 40, replace=False):
        unit = np.zeros(before.size)
        unit[i] = 1e-5
        witness.parameters.flat[...] = before + unit
        above = witness.loss(x, labels)
        witness.parameters.flat[...] = before - unit
        gradient = (above - witness.loss(x, labels)) / 2e-5
        assert moved[i] == pytest.approx(-config.training.learning_rate * gradient, abs=1e-6 * np.abs(before).max())


def test_a_record_holds_the_means_over_the_epoch(data):
    config, split, state = start(data, "training.epochs=1", "training.batch_size=150")  # 400 = 150 + 150 + 100
    losses = []
    (record,) = fit(state, split, config, lambda state, loss: losses.append(loss))
    assert record.train_loss == pytest.approx((150 * losses[0] + 150 * losses[1] + 100 * losses[2]) / 400)
    assert (record.epoch, record.step) == (1, 3)
    inputs = split.validation.images.astype(np.float32) / 255
    assert record.val_loss == pytest.approx(state.network.loss(inputs, split.validation.labels), rel=1e-5)
    answers = state.network.forward(inputs)[-1].argmax(axis=1)
    assert record.val_accuracy == (answers == split.validation.labels).mean()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_learning_rate_follows_the_schedule_over_all_steps(data, schedule):
    settings = [f"training.schedule={schedule}", "training.epochs=2", "training.warmup=0.25", "training.batch_size=100"]
    config, split, state = start(data, *settings)
    rates = [record.learning_rate for record in fit(state, split, config)]
    # 8 steps; the fourth and the eighth end an epoch, their middles are 3.5 and 7.5 steps in
    expected = [0.1 * SCHEDULES[schedule](part / 8, 0.25) for part in (3.5, 7.5)]
    assert rates == pytest.approx(expected)


def test_training_stops_at_once_when_it_diverges(data):
    config, split, state = start(data, "training.learning_rate=1e9", "training.epochs=5")
    with pytest.raises(DivergedError, match=r"the loss is .* at step \d+ \(epoch 1, .*lower training\.learning_rate"):
        list(fit(state, split, config))
    assert state.step < 13  # within the first epoch


def test_equal_seeds_give_equal_parameters_and_others_give_others(data):
    def final(seed):
        config, split, state = start(data, f"seed={seed}", "training.epochs=2")
        list(fit(state, split, config))
        return state.network.parameters.flat

    np.testing.assert_array_equal(final(1), final(1))
    assert (final(1) != final(2)).any()


def test_the_background_thread_changes_no_bit(data):
    def final(in_background):
        warp = ["augmentation.rotation=10", "augmentation.elastic=0.5", "augmentation.groups=3", "training.epochs=2"]
        config, split, state = start(data, *warp, "training.dropout=0.1")
        list(fit(state, split, config, in_background=in_background))
        return state.network.parameters.flat

    np.testing.assert_array_equal(final(True), final(False))


def test_centered_inputs_train_on_images_less_their_mean_and_give_a_network_for_images_as_they_are(data):
    settings = ["training.batch_size=400", "training.epochs=3", "training.center_inputs=true"]
    config, split, state = start(data, *settings, preset="plain")
    witness = MLP(state.network.sizes)
    witness.parameters.flat[...] = state.network.parameters.flat
    list(fit(state, split, config))

    x = (split.dataset.images[split.train_indices] / 255).astype(np.float32)
    labels = split.dataset.labels[split.train_indices]
    mean = x.mean(axis=0)  # of the training images alone
    assert np.abs(mean - split.dataset.images.mean(axis=0) / 255).max() > 1e-3
    for _ in range(3):
        SGD(witness.parameters).step(witness.gradients(x - mean, labels), config.training.learning_rate)
    np.testing.assert_allclose(state.network.parameters.flat, witness.parameters.flat, atol=1e-6)
    logits = state.for_use().forward(x)[-1]
    np.testing.assert_allclose(logits, witness.forward(x - mean)[-1], atol=1e-5)
    assert np.abs(logits - witness.forward(x)[-1]).max() > 0.01  # so the mean does matter


def test_validation_images_are_never_trained_on(data):
    _, split, _ = start(data)
    assert len(split.train_indices) == 400
    held_out = np.setdiff1d(np.arange(500), split.train_indices)
    held_out_images = {split.dataset.images[i].tobytes() for i in held_out}
    assert {image.tobytes() for image in split.validation.images} == held_out_images


def test_an_exception_after_a_step_leaves_the_state_whole(data):
    class StopError(Exception):
        pass

    def stop(state, loss):
        if state.step == 5:
            raise StopError

    config, split, state = start(data, "training.epochs=1")
    with pytest.raises(StopError):
        list(fit(state, split, config, stop))
    assert (state.epoch, state.step) == (0, 5)
