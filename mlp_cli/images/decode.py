"""Any picture file that Pillow opens, as a grey page."""

import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mlp_cli.errors import ImageError

# A page of 600 dots per inch is 35 megapixels; four times that is no photo of a digit but an attack on memory.
MAX_PIXELS = 144_000_000
LEAST_SPREAD = 0.05  # of 16-bit, 32-bit and float levels, as a share of the largest


def decode(file, name):
    """The picture in a file (path or binary stream) as grey levels (height, width) uint8: 0 black, 255 white.

    Upright by its EXIF orientation; transparent parts are white paper; of an animation the first frame; 16-bit,
    32-bit and float pictures are stretched from their darkest to their brightest value. Raises ImageError with
    `name` for what is missing, damaged, too large or no picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about metadata and sizes below our own limit
            with Image.open(file) as picture:
                width, height = picture.size
                if width * height > MAX_PIXELS:
                    raise ImageError(
                        f"{name}: {width}×{height} pixels are more than the {MAX_PIXELS / 1e6:.0f} million "
                        "that are read; make the picture smaller"
                    )
                return _grey(ImageOps.exif_transpose(picture))
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: has more pixels than are safe to read; make the picture smaller") from None
    except UnidentifiedImageError:
        raise ImageError(f"{name}: is not a picture in a format that Pillow reads") from None
    except FileNotFoundError:
        raise ImageError(f"{name}: no such file") from None
    except ImageError:
        raise
    except Exception as error:  # Pillow has none of its own for damaged files: its decoders raise a dozen kinds
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageError(f"{name}: the picture cannot be read: {reason}") from None


def _grey(picture):
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        # convert("L") would clip these to 0…255
        return _stretched(np.asarray(picture, np.float64))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture)
    return np.asarray(picture.convert("L"))


def _stretched(values):
    values = np.nan_to_num(values, posinf=0, neginf=0)
    low, high = values.min(), values.max()
    # A page of one level, give or take a little, is blank; to stretch it would make ink of its noise.
    if high - low <= LEAST_SPREAD * max(abs(low), abs(high)):
        return np.zeros(values.shape, np.uint8)
    return np.uint8(np.rint((values - low) * (255 / (high - low))))
