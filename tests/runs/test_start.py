import json
import struct

import pytest
from samples import BASE

from mlp_cli.config import load_config
from mlp_cli.errors import ModelError
from mlp_cli.runs.start import begin, resume

SETTINGS = ["training.validation=100", "network.hidden=[8]", "training.batch_size=100", "training.epochs=3"]


def rewrite(path, **values):
    """Change metadata of a safetensors file."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] |= {key: json.dumps(value) for key, value in values.items()}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])


@pytest.mark.parametrize(("epoch", "step", "is_right"), [(1, 4, True), (1, 8, True), (1, 3, False), (1, 9, False)])
def test_a_step_outside_its_epoch_cannot_be_resumed(tmp_path, data, epoch, step, is_right):
    session = begin(load_config(BASE, SETTINGS), data, tmp_path / "run")  # 400 images, 100 a batch: 4 steps an epoch
    session.run.end("stopped")
    last = tmp_path / "run" / "last.safetensors"
    rewrite(last, epoch=epoch, step=step)
    metrics = tmp_path / "run" / "metrics.csv"
    metrics.write_text(metrics.read_text() + "1,4,0.1,1,0.5,1,0.5,1.000\n")
    if is_right:
        assert resume(tmp_path / "run").state.step == step
    else:
        with pytest.raises(ModelError, match=f"its step {step} is not in its epoch; it cannot be resumed"):
            resume(tmp_path / "run")
