import gzip
import struct

import numpy as np
import pytest

from mlp_cli.data.idx import read_idx
from mlp_cli.errors import DataError

ARRAY = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
CONTENT = b"\0\0\x08\x03" + struct.pack(">III", 2, 3, 4) + bytes(range(24))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "images"


@pytest.mark.parametrize("content", [CONTENT, gzip.compress(CONTENT)], ids=["plain", "gzip"])
def test_a_file_is_read_by_its_content_not_its_name(file, content):
    file.write_bytes(content)
    np.testing.assert_array_equal(read_idx(file, dimensions=3), ARRAY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with nothing"),
        (b"\0\0\x08\x01" + CONTENT[4:], "not an IDX file of 3 dimensions"),
        (b"\0\0\x0d\x03" + CONTENT[4:], "not an IDX file"),  # floats
        (CONTENT[:9], "ends within its header"),
        (CONTENT[:-1], "23 bytes of data, but its header says 24"),
        (CONTENT + b"x", "more than the 24 bytes"),
        (gzip.compress(CONTENT)[:-4], "gzip data is damaged"),
        (gzip.compress(CONTENT)[:20], "gzip data is damaged"),
        (gzip.compress(CONTENT[:-1]), "23 bytes of data"),
        (gzip.compress(CONTENT)[:-8] + b"\0" * 8, "gzip data is damaged"),  # the checksum is wrong
        (b"\x1f\x8bnothing of the kind", "gzip data is damaged"),
        (b"\0\0\x08\x03" + b"\xff" * 12 + b"abc", "3 bytes of data, but its header says 79,228,162,458"),
    ],
)
def test_anything_else_is_an_error_that_names_the_file(file, content, message):
    file.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(file, dimensions=3)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_an_error_that_names_it(file):
    with pytest.raises(DataError, match=f"{file}.*No such file"):
        read_idx(file, dimensions=3)
