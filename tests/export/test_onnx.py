"""In onnxruntime, the ONNX model gives the answers of `mlp eval`, and errors for what is not an image."""

import csv
import hashlib
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
from samples import load_mnist

from mlp_cli.export.onnx import model_bytes
from mlp_cli.model.answers import log_probabilities
from mlp_cli.model.checkpoint import Checkpoint
from mlp_cli.model.find import BUNDLED
from mlp_cli.nn.calibration import calibrated


def session(content):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def shipped_session(shipped):
    return session(model_bytes(shipped))


def test_ten_thousand_answers_and_probabilities_are_those_of_eval(mlp, shipped, shipped_session):
    assert mlp("eval", "mnist", "--predictions", "answers.csv").code == 0
    rows = list(csv.DictReader(Path("answers.csv").read_text("utf-8").splitlines()))
    images = load_mnist("test").images.reshape(-1, 28, 28)
    digit, probabilities = shipped_session.run(["digit", "probabilities"], {"image": images})
    assert len(rows) == len(digit) == 10_000
    expected = np.array([[float(row[f"p_{name}"]) for name in range(10)] for row in rows])
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-5)
    answers = np.array([int(row["prediction"]) for row in rows])
    np.testing.assert_array_equal(digit, np.where(expected.max(axis=1) < shipped.metadata.threshold, -1, answers))


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("hidden", [(), (7,), (9, 4, 3)])
def test_every_network_gives_the_probabilities_of_numpy(checkpoint, activation, hidden):
    made = checkpoint((8, 5), ["T-shirt", "</script>", "ä", "x y"], hidden, activation, temperature=0.7)
    images = np.random.default_rng(2).integers(0, 256, (50, 8, 5), np.uint8)
    digit, probabilities = session(model_bytes(made)).run(None, {"image": images})
    expected = np.exp(calibrated(log_probabilities(made.network, images.reshape(50, -1)), 0.7))
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(digit, expected.argmax(axis=1))


def test_below_the_threshold_the_digit_is_minus_one_and_nowhere_else(shipped):
    metadata = msgspec.structs.replace(shipped.metadata, threshold=0.9)
    strict = Checkpoint(shipped.path, shipped.network, metadata, shipped.tensors)
    images = load_mnist("test").images[:2000]
    digit, probabilities = session(model_bytes(strict)).run(None, {"image": images.reshape(-1, 28, 28)})
    y = np.exp(calibrated(log_probabilities(shipped.network, images), metadata.temperature))
    refused = y.max(axis=1) < 0.9
    assert 5 < refused.sum() < 1000
    np.testing.assert_array_equal(digit, np.where(refused, -1, y.argmax(axis=1)))
    np.testing.assert_allclose(probabilities, y, rtol=0, atol=1e-5)  # they are given all the same


def test_the_model_says_what_it_is(mlp):
    assert mlp("export", "mnist", "digits.onnx").code == 0
    model = onnx.load("digits.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    assert [value.name for value in model.graph.input] == ["image"]
    assert [value.name for value in model.graph.output] == ["digit", "probabilities"]
    assert model.producer_name == "mlp"
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(facts["classes"]) == list("0123456789")
    assert facts["checkpoint_sha256"] == hashlib.sha256(BUNDLED["mnist"].read_bytes()).hexdigest()
    assert 0.99 < json.loads(facts["validation_accuracy"]) < 1


def test_the_example_of_the_documentation_runs(mlp):
    assert mlp("export", "mnist", "digits.onnx").code == 0
    text = (Path(__file__).parents[2] / "docs" / "elsewhere.md").read_text("utf-8")
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "onnxruntime" in block]
    found = {}
    exec(example, found)
    assert (found["digit"].shape, found["probabilities"].shape) == ((1,), (1, 10))


def test_an_empty_batch_gives_no_answers(shipped_session):
    digit, probabilities = shipped_session.run(None, {"image": np.zeros((0, 28, 28), np.uint8)})
    assert (digit.shape, digit.dtype, probabilities.shape, probabilities.dtype) == ((0,), np.int64, (0, 10), np.float32)


def test_any_other_shape_or_type_is_an_error_and_not_a_crash(shipped_session):
    generator = random.Random(3)
    for _ in range(300):
        shape = tuple(generator.choice([0, 1, 2, 27, 28, 29, 784]) for _ in range(generator.randrange(6)))
        dtype = generator.choice([np.uint8, np.uint8, np.int8, np.float32, np.int64, np.bool_])
        if shape[1:] == (28, 28) and dtype is np.uint8:
            continue
        with pytest.raises(Exception, match=r"INVALID_ARGUMENT|Unexpected|invalid|Invalid"):
            shipped_session.run(None, {"image": np.zeros(shape, dtype)})


def test_equal_checkpoints_give_equal_bytes(shipped):
    assert model_bytes(shipped) == model_bytes(shipped)


def test_without_onnx_one_line_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['onnx'] = None; from mlp_cli.cli import main; "
        f"main(['export', 'mnist', {str(tmp_path / 'x.onnx')!r}])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert "pip install 'mlp-cli[onnx]'" in result.stderr
    assert list(tmp_path.iterdir()) == []
