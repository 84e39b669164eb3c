"""Changes a threshold of the package for a moment, and expects a test to see it."""

import functools
import importlib
import importlib.util
import inspect
import operator
import re
import textwrap
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


def planted(table):
    """Parametrizes a test by rows of a threshold, the test that must see it changed, and that one's arguments for each
    factor."""
    rows = [(threshold, factor, test, each[factor]) for threshold, test, each in table for factor in each]
    ids = [f"{threshold} × {factor}" for threshold, factor, *_ in rows]
    return pytest.mark.parametrize(("threshold", "factor", "test", "arguments"), rows, ids=ids)


def assert_red(threshold, factor, test, arguments, monkeypatch):
    """The test, such as images.test_ink.test_…, must fail if the threshold is multiplied: a constant such as
    images.ink.NOISE, or the one number in a part of a function such as "images.single._one: 0.3 * largest"."""
    name, _, part = threshold.partition(": ")
    room, module, name = name.split(".", 2)
    module = importlib.import_module(f"mlp_cli.{room}.{module}")
    value = operator.attrgetter(name)(module)
    if part:
        monkeypatch.setattr(value, "__code__", _spoilt(module, value, part, factor).__code__)
    else:
        changed = tuple(v * factor for v in value) if isinstance(value, tuple) else type(value)(value * factor)
        monkeypatch.setattr(module, name, changed)
    file, function = test.rsplit(".", 1)
    call = getattr(module_of(file), function)
    with pytest.raises((AssertionError, pytest.fail.Exception, ImageError)):
        call(**arguments)


def _spoilt(module, function, part, factor):
    """The function with the number in a part of its source multiplied."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(part) == 1, f"{function.__name__} has {part!r} {source.count(part)} times"
    (number,) = re.finditer(r"(?<![\w.])\d+(\.\d+)?", part)
    changed = float(number[0]) * factor if "." in number[0] else int(int(number[0]) * factor)
    names = dict(vars(module))
    exec(source.replace(part, part[: number.start()] + repr(changed) + part[number.end() :]), names)
    return names[function.__name__]
