import errno
import json
import os
import struct

import pytest
from samples import BASE

from mlp_cli.config import load_config
from mlp_cli.errors import ModelError, RunError
from mlp_cli.runs import folder
from mlp_cli.runs.folder import Run
from mlp_cli.runs.start import begin, resume

SETTINGS = ["training.validation=100", "network.hidden=[8]", "training.batch_size=100", "training.epochs=3"]


def rewrite(path, change):
    """Change metadata of a safetensors file: a function of the dictionary."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    metadata = {key: json.loads(value) for key, value in header["__metadata__"].items()}
    change(metadata)
    header["__metadata__"] = {key: json.dumps(value) for key, value in metadata.items()}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])


@pytest.mark.parametrize("epoch_step", [4, None])  # as it is kept, and of checkpoints before it was
@pytest.mark.parametrize(("step", "is_right"), [(4, True), (8, True), (3, False), (9, False)])
def test_a_step_outside_its_epoch_cannot_be_resumed(tmp_path, data, step, is_right, epoch_step):
    session = begin(load_config(BASE, SETTINGS), data, tmp_path / "run")  # 400 images, 100 a batch: 4 steps an epoch
    session.run.end("stopped")

    def change(metadata):
        metadata |= {"epoch": 1, "step": step}
        metadata["progress"] |= {"epoch_step": epoch_step, "records_sha256": ""}

    last = tmp_path / "run" / "last.safetensors"
    rewrite(last, change)
    metrics = tmp_path / "run" / "metrics.csv"
    metrics.write_text(metrics.read_text() + "1,4,400,0.1,1,0.5,1,0.5,1.000\n")
    if is_right:
        assert resume(tmp_path / "run").state.step == step
    else:
        with pytest.raises(ModelError, match=f"its step {step} is not in its epoch; it cannot be resumed"):
            resume(tmp_path / "run")


def test_a_run_from_before_metrics_had_images_can_be_resumed(tmp_path, data):
    session = begin(load_config(BASE, SETTINGS), data, tmp_path / "run")
    session.run.end("stopped")
    last, metrics = tmp_path / "run" / "last.safetensors", tmp_path / "run" / "metrics.csv"

    def change(metadata):
        metadata |= {"epoch": 1, "step": 4}
        del metadata["progress"]["epoch_step"], metadata["progress"]["records_sha256"]

    rewrite(last, change)
    metrics.write_text(metrics.read_text().replace(",images", "") + "1,4,0.1,1,0.5,1,0.5,1.000\n")
    (record,) = resume(tmp_path / "run").run.records
    assert (record.step, record.images, record.learning_rate, record.seconds) == (4, 0, 0.1, 1.0)


def test_a_full_disk_is_said_to_keep_an_old_file_only_if_there_is_one(tmp_path, data, monkeypatch):
    begin(load_config(BASE, SETTINGS), data, tmp_path / "old").run.end("stopped")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder, "replace_file", full)
    with pytest.raises(RunError, match=r"new/config.toml: cannot be written: No space left on device$"):
        begin(load_config(BASE, SETTINGS), data, tmp_path / "new")
    with pytest.raises(RunError, match=r"old/config.toml: cannot be .* device; the old file is intact$"):
        resume(tmp_path / "old")


def test_a_run_that_cannot_be_started_leaves_nothing_not_even_an_open_directory(tmp_path, data, monkeypatch):
    def full(*args):
        raise RunError("no space left on device")

    monkeypatch.setattr(Run, "start", full)
    before = sorted(os.listdir("/dev/fd"))
    with pytest.raises(RunError, match="no space"):
        begin(load_config(BASE, SETTINGS), data, tmp_path / "run")
    assert sorted(os.listdir("/dev/fd")) == before
    assert list(tmp_path.iterdir()) == []
