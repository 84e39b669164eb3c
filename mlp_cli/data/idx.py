"""The IDX file format of MNIST: a magic number, the sizes, then the bytes (http://yann.lecun.com/exdb/mnist).

Byte 2 of the magic number is the element type (8 = unsigned byte), byte 3 the number of dimensions; then
each size as a 32-bit big-endian integer; then the elements, the last index running fastest.
"""

import gzip
import math
import os
import struct
from io import BufferedReader

import numpy as np
from numpy.typing import NDArray
from zlib_ng import gzip_ng, zlib_ng

from mlp_cli.errors import DataError
from mlp_cli.files import open_file

UNSIGNED_BYTE = 8
GZIP_MAGIC = b"\x1f\x8b"
MOST_PACKED = 1032
CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str], dimensions: int) -> NDArray[np.uint8]:
    """The unsigned bytes of an IDX file of `dimensions` dimensions, gzipped or not, as its content says: uint8 array.

    Raises DataError, naming the file, where it is not exactly such a file.
    """
    try:
        with open_file(path) as file:
            is_gzip = file.read(2) == GZIP_MAGIC
        with gzip_ng.open(path) if is_gzip else open(path, "rb") as content:  # type: ignore[no-untyped-call]
            return _read(content, path, dimensions)
    except (EOFError, gzip.BadGzipFile, zlib_ng.error) as error:  # type: ignore[misc]  # its stubs forget the base
        raise DataError(f"{path}: the gzip data is damaged ({error}); download it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read(file: gzip.GzipFile | BufferedReader, path: str | os.PathLike[str], dimensions: int) -> NDArray[np.uint8]:
    header_size = 4 + 4 * dimensions
    header = file.read(header_size)
    expected_magic = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    if header[:4] != expected_magic:
        raise DataError(
            f"{path}: not an IDX file of {dimensions} dimensions: "
            f"it starts with {header[:4].hex(' ') or 'nothing'}, not {expected_magic.hex(' ')}"
        )
    if len(header) < header_size:
        raise DataError(f"{path}: ends within its header; download it again")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    size = math.prod(shape)
    if size == 0:  # then the other sizes do not matter
        raise DataError(f"{path}: has no {'images' if dimensions > 1 else 'labels'}")
    # A header that lies about the size cannot ask for terabytes: deflate packs at most 1032 bytes into one.
    most = os.fstat(file.fileno()).st_size * MOST_PACKED
    content = np.empty(min(size, most), np.uint8)  # large pages, which numpy asks for, make minibatches faster
    read = 0
    while read < len(content) and (chunk := file.read(min(len(content) - read, CHUNK))):
        content[read : read + len(chunk)] = np.frombuffer(chunk, np.uint8)
        read += len(chunk)
    if read < size:
        raise DataError(f"{path}: has {read:,} bytes of data, but its header says {size:,}")
    if file.read(1):
        raise DataError(f"{path}: has more than the {size:,} bytes of data that its header announces")
    return content.reshape(shape)
