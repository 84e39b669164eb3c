import json
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from mlp_cli.config import load_config
from mlp_cli.errors import ModelError
from mlp_cli.model.checkpoint import FORMAT, Metadata, load_checkpoint, to_bytes
from mlp_cli.nn import MLP
from mlp_cli.training.state import Progress

CONFIG = load_config(assignments=["network.hidden=[3]"])
METADATA = Metadata(
    format=FORMAT, config=CONFIG, data="tiny", data_sha256={"images": "00"}, classes=("a", "é"), image_shape=(2, 2),
    epoch=1, step=10, val_accuracy=0.5, val_loss=0.1, progress=Progress(batches_rng={"state": 2**127}, dropout_rng={}),
)  # fmt: skip


def network(seed=0):
    return MLP([4, 3, 2], rng=np.random.default_rng(seed))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "best.safetensors"


def test_a_checkpoint_comes_back_as_it_was(file):
    file.write_bytes(to_bytes(network(), METADATA, {"optimizer.velocity": np.arange(3.0)}))
    checkpoint = load_checkpoint(file)
    np.testing.assert_array_equal(checkpoint.network.parameters.flat, network().parameters.flat)
    assert checkpoint.metadata == METADATA
    assert checkpoint.tensors.keys() == {"W1", "b1", "W2", "b2", "optimizer.velocity"}


def test_an_average_without_training_parameters_is_reported_as_written_by_an_earlier_mlp(file):
    file.write_bytes(to_bytes(network(), METADATA, {"average": np.zeros_like(network().parameters.flat)}))
    with pytest.raises(ModelError, match=r"best\.safetensors: was written by an earlier mlp"):
        load_checkpoint(file)
    file.write_bytes(safetensors.numpy.save({"average": np.zeros(3)}))
    with pytest.raises(ModelError, match=r": a safetensors file, but not a checkpoint of mlp"):
        load_checkpoint(file)


def test_other_tools_find_named_float32_tensors_inputs_by_outputs_and_json_strings(file):
    file.write_bytes(to_bytes(network(), METADATA))
    tensors = safetensors.numpy.load_file(file)
    assert {name: (array.shape, str(array.dtype)) for name, array in tensors.items()} == {
        "W1": ((4, 3), "float32"), "b1": ((3,), "float32"), "W2": ((3, 2), "float32"), "b2": ((2,), "float32"),
    }  # fmt: skip
    with safetensors.safe_open(file, framework="numpy") as opened:
        strings = opened.metadata()
    assert json.loads(strings["classes"]) == ["a", "é"]
    assert json.loads(strings["config"])["network"]["hidden"] == [3]


def test_half_precision_takes_half_the_room_and_is_read_as_single(file):
    file.write_bytes(to_bytes(network(), METADATA, half=True))
    assert {str(array.dtype) for array in safetensors.numpy.load_file(file).values()} == {"float16"}
    read = load_checkpoint(file).network.parameters.flat
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, network().parameters.flat.astype(np.float16))


def test_equal_contents_give_equal_bytes_in_every_process(tmp_path):
    """The library itself writes metadata in an order that differs from process to process."""
    code = (
        "import sys; sys.path[:0] = [sys.argv[1]]; import test_checkpoint as t;"
        "import hashlib; print(hashlib.sha256(t.to_bytes(t.network(), t.METADATA)).hexdigest())"
    )
    here = str(__import__("pathlib").Path(__file__).parent)
    runs = [subprocess.check_output([sys.executable, "-c", code, here], cwd=tmp_path) for _ in range(2)]
    assert len(set(runs)) == 1


def damaged(content, *, tensors=None, **metadata):
    """The checkpoint with some tensors or metadata strings replaced; None takes one away."""
    size = int.from_bytes(content[:8], "little")
    strings = json.loads(content[8 : 8 + size])["__metadata__"] | metadata
    arrays = safetensors.numpy.load(content) | (tensors or {})
    return safetensors.numpy.save(
        {name: array for name, array in arrays.items() if array is not None},
        {key: text for key, text in strings.items() if text is not None},
    )


GOOD = to_bytes(network(), METADATA)
NAN = np.full((4, 3), np.nan, np.float32)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a complete safetensors file"),
        (GOOD[: len(GOOD) // 2], "not a complete safetensors file"),
        (GOOD[:-1], "not a complete safetensors file"),
        (np.random.default_rng(0).bytes(1000), "not a complete safetensors file"),
        (safetensors.numpy.save({"weight": np.zeros(3)}), "not a checkpoint of mlp"),
        (damaged(GOOD, format="not json"), "not a checkpoint of mlp"),
        (damaged(GOOD, format="2"), "has format 2, but this mlp reads format 1; upgrade"),
        (damaged(GOOD, epoch=None), "metadata is damaged: .*`epoch`"),
        (damaged(GOOD, classes="3"), "metadata is damaged"),
        (damaged(GOOD, classes='["a", "\\u001b[2J"]'), "class names that cannot be printed"),
        (damaged(GOOD, image_shape="[-2, -2]"), "metadata is damaged"),
        (damaged(GOOD, step="-10"), "metadata is damaged"),
        (damaged(GOOD, format="[" * 100_000), "not a checkpoint of mlp"),
        (damaged(GOOD, tensors={"b2": None}), "has no tensor b2"),
        (damaged(GOOD, tensors={"W1": np.zeros((4, 5), np.float32)}), "W1 is 4×5 float32, .* 4×3 float32"),
        (damaged(GOOD, tensors={"W1": np.zeros((4, 3))}), "W1 is 4×3 float64, .* 4×3 float32"),
        (damaged(GOOD, tensors={"W1": NAN}), "W1 has entries that are not finite"),
    ],
)  # fmt: skip
def test_a_damaged_checkpoint_is_an_error_that_names_the_file(file, content, message):
    file.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        load_checkpoint(file)
    assert str(file) in str(caught.value)


def test_missing_files_and_directories_are_errors(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        load_checkpoint(tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match="cannot be read"):
        load_checkpoint(tmp_path)
