"""Any picture file that Pillow opens, as grey pages."""

import contextlib
import logging
import os
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mlp_cli.errors import ImageError

# A page of 600 dots per inch is 35 megapixels; four times that is no photo of a digit but an attack on memory.
MAX_PIXELS = 144_000_000
LARGE = 1200  # pixels; JPEG files are reduced while they are decoded, but not below this
LEAST_SPREAD = 0.05  # of 16-bit, 32-bit and float levels, as a share of the largest
HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1")

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else what it logs of damaged files goes to stderr


@dataclass(frozen=True)
class Page:
    """`levels` (height, width) uint8, 0 black to 255 white; `scale`, the pixels of the picture to one of these."""

    levels: np.ndarray
    scale: float = 1.0


def decode(file):
    """The first Page of a picture file (path or binary stream), or of an Image of Pillow's.

    Upright by its EXIF orientation; transparent parts are paper; of an animation the first frame; 16-bit, 32-bit and
    float pictures are stretched from their darkest to their brightest value; large photos are reduced. Raises
    ImageError for what is missing, damaged, too large or no picture.
    """
    return next(decode_all(file))


def decode_all(file):
    """Every Page of a picture file: of a TIFF as many as it has, of other formats one. Like `decode`."""
    try:
        with _quietly(_open, file) as picture:
            for number in range(_quietly(_pages, picture)):
                yield _quietly(_page, picture, number)
    except Image.DecompressionBombError:
        raise ImageError("has more pixels than are safe to read; make the picture smaller") from None
    except UnidentifiedImageError:
        raise ImageError("is not a picture in a format that Pillow reads") from None
    except FileNotFoundError:
        raise ImageError("no such file") from None
    except ImageError:
        raise
    except Exception as error:  # Pillow has none of its own for damaged files: its decoders raise a dozen kinds
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageError(f"the picture cannot be read: {reason}") from None


def _quietly(function, *arguments):
    """The function without Pillow's warnings, about metadata and sizes below our own limit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)


def _open(file):
    if isinstance(file, Image.Image):
        return file.copy()  # the caller's own stays open, and as it is
    try:
        return Image.open(file)
    except UnidentifiedImageError:
        if not _is_heic(file):
            raise
        try:
            import pillow_heif  # not ours to install: who has such pictures may have it
        except ImportError:
            raise ImageError("is a HEIC picture; to read those: pip install pillow-heif") from None

        pillow_heif.register_heif_opener()
        return Image.open(file)


def _pages(picture):
    return picture.n_frames if picture.format == "TIFF" else 1


def _page(picture, number):
    if number:
        picture.seek(number)
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{width}×{height} pixels are more than the {MAX_PIXELS / 1e6:.0f} million that are read; "
            "make the picture smaller"
        )
    picture.draft("L", (LARGE, LARGE))
    with _silent() if picture.format == "TIFF" else contextlib.nullcontext():
        picture.load()
    levels = _grey(ImageOps.exif_transpose(picture))
    return Page(levels, max(width, height) / max(levels.shape))


@contextlib.contextmanager
def _silent():
    """Nothing on stderr meanwhile: libtiff writes there what it finds wrong, past Python, and Pillow cannot stop it."""
    try:
        stderr = os.dup(2)
    except OSError:  # there is none
        yield
        return
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _grey(picture):
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        # convert("L") would clip these to 0…255
        return _stretched(np.asarray(picture, np.float64))
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("L"))
    levels, opacity = (np.asarray(band, np.float32) for band in picture.convert("LA").split())
    opacity /= 255
    if not opacity.any():
        return np.full(levels.shape, 255, np.uint8)
    # What can be seen is ink if most of the picture is nothing, and paper if it is not. Nothing becomes paper.
    seen_is_light = (levels * opacity).sum() > 127.5 * opacity.sum()
    paper = 0 if seen_is_light == (opacity.mean() < 0.5) else 255
    return np.uint8(np.rint(levels * opacity + paper * (1 - opacity)))


def _stretched(values):
    values = np.nan_to_num(values, posinf=0, neginf=0)
    low, high = values.min(), values.max()
    # A page of one level, give or take a little, is blank; to stretch it would make ink of its noise.
    if high - low <= LEAST_SPREAD * max(abs(low), abs(high)):
        return np.zeros(values.shape, np.uint8)
    return np.uint8(np.rint((values - low) * (255 / (high - low))))


def _is_heic(file):
    try:
        if hasattr(file, "seek"):
            file.seek(0)
            head = file.read(12)
            file.seek(0)
        else:
            with open(file, "rb") as stream:
                head = stream.read(12)
    except OSError:
        return False
    return head[4:8] == b"ftyp" and head[8:12] in HEIC
