"""Images and weights as small PNG files inside the page, with transparent paper to fit any background."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST = 56  # pixels of a side; larger images are made smaller
LEVELS = 16  # on each side of 0, of weights


def ink(image: NDArray[np.uint8]) -> str:
    """The data URI of an image (height, width) uint8: black ink, as opaque as the pixel is bright."""
    alpha = Image.fromarray(image)
    alpha.thumbnail((LARGEST, LARGEST))
    picture = Image.merge("LA", [Image.new("L", alpha.size), alpha])
    return _data_uri(picture)


def signed(values: NDArray[np.float32]) -> str:
    """The data URI of weights (height, width): orange above 0, blue below, clear at 0, opaque at the largest."""
    small = Image.fromarray(np.asarray(values, np.float32))
    small.thumbnail((LARGEST, LARGEST))
    values = np.asarray(small)
    levels = np.rint(values * (LEVELS / max(np.abs(values).max(), 1e-30)))
    picture = Image.fromarray((levels + LEVELS).astype(np.uint8)).convert("P")
    blue, orange = (0x14, 0x74, 0xDC), (0xEE, 0x74, 0x00)
    picture.putpalette([*blue] * LEVELS + [*orange] * (LEVELS + 1))
    opacity = np.rint(np.abs(np.arange(-LEVELS, LEVELS + 1)) * (255 / LEVELS)).astype(np.uint8)
    return _data_uri(picture, transparency=opacity.tobytes())


def _data_uri(picture: Image.Image, **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True, **options)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
