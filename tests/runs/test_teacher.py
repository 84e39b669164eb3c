"""Runs that learn from a teacher, from redrawn strokes and from non-digits."""

from pathlib import Path

import numpy as np
import pytest
from samples import BASE, load_mnist

from mlp_cli.config import load_config
from mlp_cli.data import examples
from mlp_cli.data.datasets import load_dataset
from mlp_cli.data.inputs import to_inputs
from mlp_cli.errors import ConfigError, ModelError, RunError, StoppedError
from mlp_cli.model.answers import log_probabilities
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.nn import softmax
from mlp_cli.runs.start import begin, resume
from mlp_cli.runs.train import run_to_end

SETTINGS = [
    "training.validation=100", "network.hidden=[16]", "training.batch_size=32", "training.checkpoint_every=5",
    "training.learning_rate=0.2",
]  # fmt: skip


@pytest.fixture(scope="module")
def dataset():
    return load_mnist("train").subset(np.arange(500))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(examples, "POOL", 60)


def train(out, dataset, *assignments):
    session = begin(load_config(BASE, [*SETTINGS, *assignments]), dataset, out)
    run_to_end(session)
    return session


@pytest.fixture
def teacher(tmp_path, dataset):
    """A run with the seed 7, as the value of training.teacher."""
    train(tmp_path / "teacher", dataset, "seed=7", "training.epochs=5", "augmentation.strokes=0.5")
    return f'"{tmp_path / "teacher"}"'


def test_a_student_learns_the_probabilities_of_its_teacher_at_the_temperature(tmp_path, dataset, teacher):
    session = train(tmp_path / "run", dataset, "seed=3", "training.epochs=40", f"training.teacher={teacher}")
    images = session.data.validation.images
    network = load_checkpoint(tmp_path / "teacher/best.safetensors").network
    y = softmax(network.forward(to_inputs(images))[-1] / np.float32(2))
    learned = np.exp(log_probabilities(session.state.for_use(), images))
    assert np.abs(learned - y).mean() < 0.4 * np.abs(0.1 - y).mean()


def test_a_student_holds_out_the_images_that_its_teacher_held_out(tmp_path, dataset, teacher):
    config = load_config(BASE, [*SETTINGS, "seed=7"])
    expected = begin(config, dataset, tmp_path / "other").data.examples.indices
    session = train(tmp_path / "run", dataset, "seed=3", "training.epochs=1", f"training.teacher={teacher}")
    np.testing.assert_array_equal(session.data.examples.indices, expected)
    # … and so does a student of the student, and mlp eval --split validation
    student = f'"{tmp_path / "run"}"'
    session = train(tmp_path / "again", dataset, "seed=4", "training.epochs=1", f"training.teacher={student}")
    np.testing.assert_array_equal(session.data.examples.indices, expected)
    checkpoint = load_checkpoint(tmp_path / "again/best.safetensors")
    assert checkpoint.metadata.held_out_by == 7


def test_a_run_with_strokes_nondigits_and_a_teacher_is_resumed_to_the_byte(tmp_path, dataset, teacher):
    everything = [
        "training.epochs=3", f"training.teacher={teacher}", "training.nondigits=0.3", "augmentation.strokes=0.5",
        "augmentation.rotation=10", "augmentation.groups=2", "training.center_inputs=true",
    ]  # fmt: skip
    whole = train(tmp_path / "whole", dataset, *everything)

    def stop(state, loss):
        if state.step in (7, 30):
            raise StoppedError("stopped", 2)

    session = begin(load_config(BASE, [*SETTINGS, *everything]), dataset, tmp_path / "run")
    for _ in range(2):
        with pytest.raises(StoppedError):
            run_to_end(session, stop)
        session = resume(tmp_path / "run", data=dataset)
    run_to_end(session)
    for name in ("last.safetensors", "best.safetensors"):
        assert Path(session.run.directory, name).read_bytes() == Path(whole.run.directory, name).read_bytes()


def test_a_run_cannot_be_resumed_with_another_teacher(tmp_path, dataset, teacher):
    train(tmp_path / "run", dataset, "training.epochs=1", f"training.teacher={teacher}")
    path = tmp_path / "teacher/best.safetensors"
    path.write_bytes((tmp_path / "run/best.safetensors").read_bytes())
    with pytest.raises(RunError, match=r"its teacher .*teacher has changed"):
        resume(tmp_path / "run", options={"epochs": 2}, data=dataset)


def test_a_teacher_of_other_classes_or_none_at_all_is_refused_in_a_line(tmp_path, dataset, data):
    train(tmp_path / "other", load_dataset("train", data), "training.epochs=1", "network.hidden=[8]")
    with pytest.raises(ConfigError, match=r"training.teacher = .*other.*: was trained on .* other images or classes"):
        train(tmp_path / "run", dataset, f'training.teacher="{tmp_path / "other"}"')
    with pytest.raises(ModelError, match="no such file"):
        train(tmp_path / "run", dataset, "training.teacher=nowhere.safetensors")
    assert not (tmp_path / "run").exists()
