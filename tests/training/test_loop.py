import threading
from contextlib import nullcontext

import numpy as np
import pytest
from samples import BASE, load_mnist

from mlp_cli.config import load_config
from mlp_cli.data import examples
from mlp_cli.data.batches import Minibatches
from mlp_cli.data.datasets import load_dataset
from mlp_cli.data.streams import Streams
from mlp_cli.data.warps import Warp
from mlp_cli.errors import DivergedError
from mlp_cli.model.answers import log_probabilities
from mlp_cli.nn import MLP, SCHEDULES, SGD, Parameters, log_softmax
from mlp_cli.nn.calibration import calibrated, fit_threshold
from mlp_cli.training.data import Data
from mlp_cli.training.loop import Plan, _check, fit
from mlp_cli.training.state import State
from mlp_cli.training.step import BatchGradient

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
    witness = MLP.blank(state.network.sizes, dtype=np.float64)
    witness.parameters.flat[...] = before
    x = split.dataset.images[split.examples.indices][:, state.order] / 255
    labels = split.dataset.labels[split.examples.indices]
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
    network = state.for_use()
    assert record.val_loss == pytest.approx(network.loss(inputs, split.validation.labels), rel=1e-5)
    answers = network.forward(inputs)[-1].argmax(axis=1)
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


@pytest.mark.parametrize("batch_size", [32, 300])  # in one part, and in three
def test_the_number_of_threads_changes_no_bit(data, batch_size):
    def final(threads):
        warp = ["augmentation.rotation=10", "augmentation.elastic=0.5", "augmentation.groups=4", "training.epochs=3"]
        more = ["training.dropout=0.1", "training.skip_easy=0.5", "training.center_inputs=true"]
        config, split, state = start(data, *warp, *more, f"training.batch_size={batch_size}")
        records = [record._replace(seconds=0.0) for record in fit(state, split, config, threads=threads)]
        return records, {name: tensor.tobytes() for name, tensor in state.tensors().items()}

    one = final(1)
    assert final(2) == one
    assert final(3) == one


def test_centered_inputs_train_on_images_less_their_mean_and_give_a_network_for_images_as_they_are(data):
    settings = ["training.batch_size=400", "training.epochs=3", "training.center_inputs=true"]
    config, split, state = start(data, *settings, preset="plain")
    witness = MLP.blank(state.network.sizes)
    witness.parameters.flat[...] = state.tensors()["parameters"]
    list(fit(state, split, config))

    x = (split.dataset.images[split.examples.indices] / 255).astype(np.float32)
    labels = split.dataset.labels[split.examples.indices]
    mean = x.mean(axis=0)  # of the training images alone
    assert np.abs(mean - split.dataset.images.mean(axis=0) / 255).max() > 1e-3
    for _ in range(3):
        SGD(witness.parameters).step(witness.gradients(x - mean, labels), config.training.learning_rate)
    np.testing.assert_allclose(state.tensors()["parameters"], witness.parameters.flat, atol=1e-6)
    logits = state.for_use().forward(x)[-1]
    np.testing.assert_allclose(logits, witness.forward(x - mean)[-1], atol=1e-5)
    assert np.abs(logits - witness.forward(x)[-1]).max() > 0.01  # so the mean does matter


def test_validation_images_are_never_trained_on(data):
    _, split, _ = start(data)
    assert len(split.examples.indices) == 400
    held_out = np.setdiff1d(np.arange(500), split.examples.indices)
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


def test_the_saved_network_is_the_validated_one(data):
    """The average of the parameters after each step, with the mean image in its first bias, both worked out here."""
    settings = ["training.weight_average=0.5", "training.center_inputs=true", "training.epochs=1"]
    config, split, state = start(data, *settings)
    average, step = state.tensors()["parameters"].astype(np.float64), 0

    def follow(state, loss):
        nonlocal average, step
        step += 1
        decay = min(0.5, step / (10 + step))
        average = decay * average + (1 - decay) * state.tensors()["parameters"]

    (record,) = fit(state, split, config, follow)
    kept = MLP.blank(state.network.sizes, dtype=np.float64)
    kept.parameters.flat[...] = average
    x, labels = split.validation.images / 255, split.validation.labels
    mean = split.dataset.images[split.examples.indices].mean(axis=0) / 255
    assert record.val_loss == pytest.approx(kept.loss(x - mean, labels), rel=1e-5)
    answers = log_softmax(kept.forward(x - mean)[-1]).argmax(axis=1)
    assert record.val_accuracy == (answers == labels).mean()


def test_warps_shrink_over_the_run_not_over_the_epoch(data, monkeypatch):
    strengths = []
    maps = Warp.maps

    def spy(self, draws, shares, which):
        strengths.extend(shares[which])
        return maps(self, draws, shares, which)

    monkeypatch.setattr(Warp, "maps", spy)
    shrinking = ["augmentation.shift=1", "augmentation.shrink_to=0.2", "training.batch_size=100"]
    config, split, state = start(data, *shrinking, "training.epochs=2")
    list(fit(state, split, config, threads=1))
    # 8 steps, from 1 in a line towards 0.2: a step is an eighth of 0.8
    assert strengths == pytest.approx([1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])


def test_warps_shrink_from_their_part_of_the_run_to_their_share_at_its_end():
    shrinking = ["augmentation.shrink_from=0.6", "augmentation.shrink_to=0.5"]
    plan = Plan(load_config(BASE, [*shrinking, "training.epochs=2"]))
    assert plan.strength(0, 0, 50) == plan.strength(1, 10, 50) == 1  # of 100 steps the first, and number 60
    assert plan.strength(1, 30, 50) == pytest.approx(0.75)  # half of the way from 60 to 100
    assert plan.strength(1, 50, 50) == pytest.approx(0.5)


def test_the_optimiser_state_is_flushed_every_64_steps(data):
    config, _, state = start(data)
    assert config.training.optimizer == "nesterov"
    velocity, sizes = state.optimizer.state["velocity"], state.network.sizes
    velocity[:2] = 1e-28, 1e-25  # times 0.9⁶⁴: 1.2e-31 and 1.2e-28
    for _ in range(63):
        state.take_step(Parameters(sizes), 0.1)
    assert velocity[0] == pytest.approx(1e-28 * 0.9**63, rel=1e-4)
    state.take_step(Parameters(sizes), 0.1)
    assert velocity[0] == 0
    assert velocity[1] == pytest.approx(1e-25 * 0.9**64, rel=1e-4)


@pytest.mark.parametrize(("loss", "is_absurd"), [(138.0, False), (139.0, True), (float("nan"), True)])
def test_a_hundred_times_the_loss_of_guessing_is_divergence(data, loss, is_absurd):
    _, _, state = start(data)  # 4 classes: log 4 = 1.3863
    with pytest.raises(DivergedError) if is_absurd else nullcontext():
        _check(loss, state, 0.1)


def test_an_epoch_leaves_out_examples_that_were_easy_when_they_were_last_seen(data):
    config, split, state = start(data, "training.skip_easy=0.75", "training.epochs=16", "training.learning_rate=0.02")
    seen = []

    def follow(self, parts, *others):
        seen[-1].extend(example for part in parts for example in part.which.tolist())
        return gradient(self, parts, *others)

    gradient = BatchGradient.__call__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BatchGradient, "__call__", follow)
        seen.append([])
        easy, shares = np.zeros(400, bool), []
        for record in fit(state, split, config):
            (epoch,) = seen[-1:]
            assert record.images == len(epoch) == len(set(epoch))
            assert record.step == sum(-(-len(part) // 32) for part in seen)
            left_out = np.setdiff1d(np.arange(400), epoch)
            assert easy[left_out].all()
            if 1 < record.epoch <= 14:
                shares.append((len(left_out), easy.sum()))
            else:
                assert len(left_out) == 0  # in the first epoch, and in the last eighth of the run
            easy = state.losses < state.losses.mean(dtype=np.float64)
            seen.append([])
    left_out, all_easy = np.sum(shares, axis=0)
    assert left_out / all_easy == pytest.approx(0.75, abs=4 * (0.75 * 0.25 / all_easy) ** 0.5)


def test_the_loss_of_an_example_is_that_of_its_last_step(data):
    config, split, state = start(data, "training.skip_easy=0.5", "training.epochs=1", "training.batch_size=400")
    network = state.for_use()
    list(fit(state, split, config))
    x = (split.dataset.images[split.examples.indices] / 255).astype(np.float32)
    labels = split.dataset.labels[split.examples.indices]
    expected = -log_softmax(network.forward(x)[-1])[np.arange(400), labels]  # before the only step
    np.testing.assert_allclose(state.losses, expected, rtol=1e-4)


def test_an_error_in_a_part_surfaces_in_the_loop_with_its_cause(data, monkeypatch):
    def broken(self, part, room):
        if part.number == 1:
            raise ValueError("broken") from KeyError("cause")
        return inputs(self, part, room)

    inputs = Minibatches.inputs
    monkeypatch.setattr(Minibatches, "inputs", broken)
    monkeypatch.setattr("mlp_cli.data.batches.PART", 200)
    config, split, state = start(data, "training.batch_size=400", "training.epochs=1")
    before = threading.active_count()
    with pytest.raises(ValueError, match="broken") as caught:
        list(fit(state, split, config, threads=3))
    assert isinstance(caught.value.__cause__, KeyError)
    assert threading.active_count() == before
    assert state.step == 0


def test_pixels_are_in_their_own_order_in_the_network_for_use_and_in_what_is_saved(data):
    config, split, state = start(
        data, "training.center_inputs=true", "training.weight_average=0.5", "training.epochs=0"
    )
    assert (state.order != np.arange(64)).any()
    drawn = MLP([64, 8, 4], config.network.activation, Streams.from_seed(config.seed).weights).parameters
    tensors = state.tensors()
    np.testing.assert_array_equal(tensors["parameters"], drawn.flat)
    np.testing.assert_array_equal(tensors["average"], drawn.flat)
    np.testing.assert_array_equal(state.for_use().parameters.W[0], drawn.W[0])
    mean = split.dataset.images[split.examples.indices].mean(axis=0) / 255
    np.testing.assert_allclose(tensors["mean"], mean, rtol=1e-6)
    np.testing.assert_array_equal(state.mean, tensors["mean"][state.order])
    velocity = state.optimizer.state["velocity"]
    velocity[:] = np.arange(velocity.size)
    (kept,) = [tensor for name, tensor in state.tensors().items() if name == "optimizer.velocity"]
    rows = velocity[: 64 * 8].reshape(64, 8)
    np.testing.assert_array_equal(kept[: 64 * 8].reshape(64, 8)[state.order], rows)
    np.testing.assert_array_equal(kept[64 * 8 :], velocity[64 * 8 :])


def digits(monkeypatch, *assignments):
    """A short run on 700 images of MNIST."""
    monkeypatch.setattr(examples, "POOL", 50)
    dataset = load_mnist("train").subset(np.arange(700))
    config = load_config(BASE, [*SETTINGS, "training.epochs=1", *assignments])
    split = Data.split(dataset, config)
    return config, split, State.new(config, split)


def test_nondigits_are_learned_and_do_not_count_in_the_accuracy(monkeypatch):
    config, split, state = digits(monkeypatch, "training.nondigits=0.5", "training.learning_rate=1e-9")
    (record,) = fit(state, split, config)
    assert record.step == 29  # 600 images and 300 pictures of no digit in batches of 32
    # At this rate the network stays as it is: what it gets right among the 600 is counted, whatever else there is.
    log_y = log_probabilities(state.for_use(), split.dataset.images[split.examples.indices])
    labels = split.dataset.labels[split.examples.indices]
    assert record.train_accuracy == (log_y.argmax(axis=1) == labels).mean()
    assert record.train_loss == pytest.approx(-log_y[np.arange(600), labels].mean(), rel=1e-5)


def test_training_on_nondigits_makes_the_network_unsure_of_them(monkeypatch):
    config, split, state = digits(monkeypatch, "training.nondigits=0.5", "training.epochs=15")
    list(fit(state, split, config))
    pool = split.examples.images[-50:]
    digits_ = log_probabilities(state.for_use(), split.validation.images).max(axis=1)
    assert np.exp(log_probabilities(state.for_use(), pool).max(axis=1)).mean() < np.exp(digits_).mean() - 0.2


def test_the_threshold_is_that_of_the_validation_images_and_0_without_nondigits(monkeypatch):
    config, split, state = digits(monkeypatch, "training.nondigits=0.2")
    list(fit(state, split, config))
    log_y = calibrated(log_probabilities(state.for_use(), split.validation.images), state.temperature)
    assert state.threshold == fit_threshold(log_y) > 0
    config, split, state = digits(monkeypatch)
    list(fit(state, split, config))
    assert state.threshold == 0
