"""The trained model in the package: what people use who never train."""

import json

import numpy as np
from PIL import Image

from mlp_cli.config import load_config, to_table
from mlp_cli.data.datasets import load_dataset
from mlp_cli.model.find import BUNDLED


def test_eval_uses_it_when_there_is_no_run_and_it_reads_the_test_set(mlp):
    result = mlp("eval", "--json")
    assert f"model: {BUNDLED['mnist']}" in result.err
    assert json.loads(result.out)["accuracy"] >= 0.993


def test_predict_uses_it_when_there_is_no_run(mlp):
    image = load_dataset("test").images[0].reshape(28, 28)
    Image.fromarray(np.pad(255 - image, 40, constant_values=255)).save("seven.png")
    result = mlp("predict", "seven.png")
    assert result.out.startswith("seven.png\t7\t")
    assert f"model: {BUNDLED['mnist']}" in result.err


def test_it_is_small_and_made_by_the_accurate_preset():
    assert BUNDLED["mnist"].stat().st_size <= 450_000
    facts = json.loads((BUNDLED["mnist"].parent / "run.json").read_text("utf-8"))
    assert facts["outcome"] == "finished"
    assert facts["command"][1:3] == ["train", "accurate"]
    from mlp_cli.model.checkpoint import load_checkpoint

    config = load_checkpoint(BUNDLED["mnist"]).metadata.config
    assert config == load_config("accurate", seed=config.seed)
    assert to_table(load_config("accurate"))["network"]["hidden"] == (128, 64)
