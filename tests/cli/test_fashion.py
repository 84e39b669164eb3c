"""A whole data set by other people: Fashion-MNIST, as Debian's package dataset-fashion-mnist installs it."""

import json
from pathlib import Path

import pytest

FASHION = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_fashion_mnist_trains_and_evaluates_with_its_own_class_names(mlp):
    rate = ("--set", "training.learning_rate=0.1")
    assert mlp("train", "quick", "--epochs", 1, *rate, "--data", FASHION, "--out", "run", "--quiet").code == 0
    values = json.loads(mlp("eval", "run", "--data", FASHION, "--json").out)
    assert values["data"] == "Fashion-MNIST"
    assert values["accuracy"] > 0.8
    assert [row["class"] for row in values["per_class"]][::9] == ["T-shirt/top", "Ankle boot"]
