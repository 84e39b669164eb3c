"""Damaged files of every common format are read or are an ImageError of one line, and nothing else is said or shown."""

import io

import numpy as np
import pytest
from pages import page
from PIL import Image
from samples import load_mnist

from mlp_cli.errors import ImageError
from mlp_cli.images.decode import decode_all
from mlp_cli.images.digits import prepare

KINDS = {
    "PNG": {},
    "JPEG": {"quality": 80},
    "GIF": {},
    "BMP": {},
    "WEBP": {},
    "TIFF": {},
    "TIFF, LZW": {"format": "TIFF", "compression": "tiff_lzw"},
    "TIFF, JPEG": {"format": "TIFF", "compression": "jpeg"},
}
N = 40


@pytest.fixture(scope="module")
def picture():
    digit = load_mnist("test").images[0].reshape(28, 28)
    return Image.fromarray(page(digit, np.random.default_rng(0))).resize((64, 64))


def damaged(content, rng):
    """A file with some bits turned over, mostly of its head, or its end cut off, or both."""
    content = np.frombuffer(content, np.uint8).copy()
    how = rng.integers(3)
    if how != 0:
        within = rng.choice([40, len(content)])
        for place in rng.integers(0, within, rng.choice([1, 3, 20])):
            content[place] ^= 1 << rng.integers(8)
    if how != 1:
        content = content[: rng.integers(len(content))]
    return content.tobytes()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_or_is_a_one_line_error(picture, kind, capfd):
    whole = io.BytesIO()
    picture.save(whole, **{"format": kind, **KINDS[kind]})
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(N):
        try:
            for read in decode_all(io.BytesIO(damaged(whole.getvalue(), rng))):
                prepare(read)
        except ImageError as error:
            errors.append(str(error))
    assert all(len(error.splitlines()) == 1 for error in errors)
    assert len(errors) > 0.3 * N
    assert capfd.readouterr() == ("", "")
