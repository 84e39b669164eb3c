"""A trained network as an ONNX model, from grey levels to the answer: it runs without any of this code."""

import hashlib
import json

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mlp_cli import __version__
from mlp_cli.data.inputs import PIXEL_SCALE
from mlp_cli.errors import OutputError
from mlp_cli.model.checkpoint import Checkpoint

OPSET, IR_VERSION = 13, 7  # of ONNX 1.8, from 2020: every runtime in use reads it
LARGEST = 2**31 - 2**20  # bytes; a protocol buffer holds at most 2 GiB
OPERATORS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}
REFUSED = -1


def model_bytes(checkpoint: Checkpoint) -> bytes:
    """The file of an ONNX model that gives the answers of a checkpoint. Equal checkpoints give equal bytes.

    Input: `image` (N, height, width) uint8, light ink on 0. Outputs: `digit` (N,) int64, the number of the class, or
    −1 where the largest probability is below the threshold; `probabilities` (N, k) float32, at the checkpoint's
    temperature. Raises OutputError for a network that is too large for a file of this format.
    """
    network, metadata = checkpoint.network, checkpoint.metadata
    if network.parameters.flat.nbytes > LARGEST:
        raise OutputError(f"{checkpoint.path}: {network.parameters.flat.nbytes:,} bytes are too many for an ONNX file")
    k = len(metadata.classes)
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["levels"], ["pixels"], axis=1),
        helper.make_node("Mul", ["pixels", "pixel_scale"], ["a0"]),
    ]
    constants: dict[str, NDArray[np.float32] | np.generic] = {"pixel_scale": np.float32(PIXEL_SCALE)}
    for l, (W, b) in enumerate(zip(network.parameters.W, network.parameters.b, strict=True), start=1):
        # z⁽ˡ⁾ = a⁽ˡ⁻¹⁾ W⁽ˡ⁾ + b⁽ˡ⁾, and a⁽ˡ⁾ = g(z⁽ˡ⁾) but for the last
        nodes.append(helper.make_node("Gemm", [f"a{l - 1}", f"W{l}", f"b{l}"], [f"z{l}"]))
        constants |= {f"W{l}": W, f"b{l}": b}
        if l < len(network.parameters.W):
            nodes.append(helper.make_node(OPERATORS[network.activation_name], [f"z{l}"], [f"a{l}"]))
    logits = f"z{len(network.parameters.W)}"
    nodes += [
        helper.make_node("Div", [logits, "temperature"], ["calibrated"]),
        helper.make_node("Softmax", ["calibrated"], ["probabilities"], axis=1),
        helper.make_node("ReduceMax", ["probabilities"], ["confidence"], axes=[1], keepdims=0),
        helper.make_node("Less", ["confidence", "threshold"], ["is_refused"]),
        helper.make_node("ArgMax", [logits], ["likeliest"], axis=1, keepdims=0),
        helper.make_node("Where", ["is_refused", "refused", "likeliest"], ["digit"]),
    ]
    constants |= {
        "temperature": np.float32(metadata.temperature),
        "threshold": np.float32(metadata.threshold),
        "refused": np.int64(REFUSED),
    }
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *metadata.image_shape])],
        [
            helper.make_tensor_value_info("digit", TensorProto.INT64, ["N"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", k]),
        ],
        [_tensor(name, value) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="mlp",
        producer_version=__version__,
        doc_string=f"Network {'-'.join(map(str, network.sizes))}, {network.activation_name}, on {metadata.data}. "
        "image: grey levels, light ink on 0. digit: the number of the class, −1 for no answer.",
    )
    helper.set_model_props(model, _facts(checkpoint))
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _tensor(name: str, value: NDArray[np.float32] | np.generic) -> TensorProto:
    little_endian = np.asarray(value).astype(np.asarray(value).dtype.newbyteorder("<"))
    return numpy_helper.from_array(little_endian, name)


def _facts(checkpoint: Checkpoint) -> dict[str, str]:
    """The model's metadata: names and values as text."""
    metadata = checkpoint.metadata
    return {
        "classes": json.dumps(metadata.classes),
        "data": metadata.data,
        "validation_accuracy": json.dumps(metadata.val_accuracy),
        "temperature": json.dumps(metadata.temperature),
        "threshold": json.dumps(metadata.threshold),
        "checkpoint_sha256": hashlib.sha256(checkpoint.path.read_bytes()).hexdigest(),
    }
