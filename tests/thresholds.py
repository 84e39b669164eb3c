"""Changes a threshold of the package for a moment, and expects a test to see it."""

import functools
import importlib
import importlib.util
from pathlib import Path

import pytest

from mlp_cli.errors import ImageError


@functools.cache
def module_of(name):
    """The module of tests with this name, such as images.test_ink."""
    spec = importlib.util.spec_from_file_location(
        f"planted_{name}", Path(__file__).parent / f"{name.replace('.', '/')}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_red(threshold, factor, test, arguments, monkeypatch):
    """The test, such as images.test_ink.test_…, must fail if the threshold, such as images.ink.NOISE, is multiplied."""
    room, name = threshold.rsplit(".", 1)
    module = importlib.import_module(f"mlp_cli.{room}")
    value = getattr(module, name)
    changed = tuple(v * factor for v in value) if isinstance(value, tuple) else type(value)(value * factor)
    monkeypatch.setattr(module, name, changed)
    file, function = test.rsplit(".", 1)
    call = getattr(module_of(file), function)
    with pytest.raises((AssertionError, pytest.fail.Exception, ImageError)):
        call(**arguments)
