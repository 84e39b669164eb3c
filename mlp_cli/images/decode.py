"""A picture file as pages of grey levels or colours, within limits of memory and time."""

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mlp_cli.errors import ImageError
from mlp_cli.files import open_file

File: TypeAlias = "str | os.PathLike[str] | BinaryIO | Image.Image"

# What people have. Of Pillow's others some start programs (Ghostscript for an EPS, whatever the file is called).
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "ICO", "AVIF")  # Pillow opens MPO files as JPEG
ENDINGS = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".pbm", ".pgm",
    ".ppm", ".pnm", ".pfm", ".ico", ".avif", ".heic", ".heif",
)  # fmt: skip
HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1")
LARGE = 1200  # pixels; longer pictures are reduced while they are decoded, but not below this
# A page of 600 dots per inch has 35 megapixels, a photo up to 200; a JPEG file is reduced as it is decoded.
MOST_BYTES = 320_000_000  # of an unpacked picture
LONGEST = 65_535  # pixels of a side, as in JPEG
MOST_PIXELS, MOST_PAGES = 400_000_000, 2000  # of a file, all pages together; a page takes a millisecond at least
# What decoding takes for each pixel: 4 bytes, unless it is one of these modes, or the decoder has copies of its own.
BYTES_OF_MODE = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}
BYTES_OF_FORMAT = {"WEBP": 12, "AVIF": 12, "HEIF": 12}
STRIP = 4_000_000  # pixels converted at a time
LEAST_SPREAD = 0.05  # of 16-bit, 32-bit and float levels, as a share of the largest
THUMBNAIL = 200  # pixels of the thumbnail that is searched for colours
COLOUR, COLOURED = 16, 0.002  # levels between the channels of a pixel that has a colour, and the share of such pixels
ORIENTATION, WIDTH, HEIGHT, EXIF_PART = 0x0112, 0xA002, 0xA003, 0x8769  # tags of EXIF
UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: np.rot90(p),
}

logging.getLogger("PIL").addHandler(logging.NullHandler())  # otherwise what it logs about damaged files goes to stderr


@dataclass(frozen=True)
class Page:
    """`pixels` (height, width) uint8, 0 black to 255 white, or (height, width, 3) where there is colour; `scale`, the
    pixels of the picture to one of these."""

    pixels: NDArray[np.uint8]
    scale: float = 1.0

    @property
    def levels(self) -> NDArray[np.uint8]:
        """The luminance of the pixels: (height, width)."""
        return self.pixels if self.pixels.ndim == 2 else np.asarray(Image.fromarray(self.pixels).convert("L"))


def decode(file: File) -> Page:
    """The first Page of a picture file (path or binary stream), or of a Pillow Image.

    Upright by its EXIF orientation, unless that is stale; transparent parts are paper; of an animation, the first
    frame; 16-bit, 32-bit and float pictures are stretched from their darkest to their brightest value; large photos are
    reduced. Raises ImageError if it is missing, damaged, too large or not a picture.
    """
    return next(decode_all(file))


def decode_all(file: File) -> Iterator[Page]:
    """Every Page of a picture file: of a TIFF as many as it has, of other formats one. Like `decode`."""
    try:
        with _quietly(_open, file) as picture:
            left = MOST_PIXELS
            for number in range(_quietly(getattr, picture, "n_frames") if picture.format == "TIFF" else 1):
                if number:
                    _quietly(picture.seek, number)
                left -= picture.width * picture.height
                if left < 0 or number == MOST_PAGES:
                    most = f"{MOST_PAGES} pages and {MOST_PIXELS / 1e6:.0f} megapixels"
                    raise ImageError(f"pages from here on are not read; those of a file may have at most {most}")
                yield _quietly(_page, picture)
    except UnidentifiedImageError:
        raise ImageError("not a picture in a format that mlp reads") from None
    except FileNotFoundError:
        raise ImageError("no such file") from None
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError("has more pixels than are safe to read; make the picture smaller") from None
    except MemoryError:
        raise ImageError("does not fit into memory; make the picture smaller") from None
    except Exception as error:  # Pillow's decoders raise a dozen kinds of exceptions for damaged files
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageError(f"the picture cannot be read: {reason}") from None


def _quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function without Pillow's warnings, about metadata and sizes below our own limit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)


def _open(file: File) -> Image.Image:
    if isinstance(file, Image.Image):
        return file.copy()  # the caller's own stays open and unchanged
    try:
        if isinstance(file, str | os.PathLike):
            open_file(file).close()  # fails for a pipe, which would block
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        if not _is_heic(file):
            raise
        try:
            import pillow_heif  # an optional package that the user installs
        except ImportError:
            raise ImageError("a HEIC picture; to read it: pip install pillow-heif") from None

        pillow_heif.register_heif_opener()
        return Image.open(file, formats=["HEIF"])


def _is_heic(file: Any) -> bool:
    try:
        with contextlib.nullcontext(file) if hasattr(file, "seek") else open(file, "rb") as stream:
            stream.seek(0)
            head = stream.read(12)
    except OSError:
        return False
    return head[4:8] == b"ftyp" and head[8:12] in HEIC


def _page(picture: Image.Image) -> Page:
    """The Page of a picture as it is seen. Raises ImageError, before anything is unpacked, if that would take too much
    memory or time."""
    size = picture.size
    picture.draft(None, (LARGE, LARGE))
    width, height = picture.size
    # What a progressive JPEG file takes does not depend on the size that it is reduced to.
    pixels = size[0] * size[1] if picture.info.get("progressive") else width * height
    each = max(BYTES_OF_MODE.get(picture.mode, 4), BYTES_OF_FORMAT.get(picture.format or "", 1))
    if pixels * each > MOST_BYTES or max(size) > LONGEST:
        most = f"{MOST_BYTES // each // 10**6} megapixels or {LONGEST} on a side"
        raise ImageError(f"{size[0]}×{size[1]} pixels are too many; make the picture smaller, at most {most}")
    with _silent() if picture.format == "TIFF" else contextlib.nullcontext():
        picture.load()
    seen = UPRIGHT.get(_orientation(picture), np.asarray)(_pixels(picture, max(1, max(picture.size) // LARGE)))
    return Page(np.ascontiguousarray(seen), max(size) / max(seen.shape[:2]))


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if there is none or it is stale: if a program turned the pixels but left the tag,
    the size noted by the camera is that of the picture before it was turned."""
    try:
        exif = picture.getexif()
        orientation = int(exif.get(ORIENTATION, 1))
        camera = exif.get_ifd(EXIF_PART)
        wide, high = int(camera.get(WIDTH, 0)), int(camera.get(HEIGHT, 0))
    except Exception:  # damaged metadata must not prevent reading the picture
        return 1
    width, height = picture.size
    was_turned = orientation >= 5 and (wide - high) * (width - height) < 0
    return 1 if was_turned else orientation


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """A context that silences stderr, since libtiff writes its warnings there, bypassing Python and Pillow."""
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


def _pixels(picture: Image.Image, factor: int) -> NDArray[np.uint8]:
    """The pixels (h, w) or (h, w, 3) of a picture that is a `factor` smaller."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        # convert("L") would clip these to 0…255
        return _stretched(_reduced(picture, "F", factor))
    if picture.has_transparency_data:
        pixels = _on_paper(_reduced(picture, "RGBA", factor))
        return pixels if _has_colour(Image.fromarray(pixels)) else np.asarray(Image.fromarray(pixels).convert("L"))
    return _reduced(picture, "RGB" if _has_colour(picture) else "L", factor)


def _reduced(picture: Image.Image, mode: str, factor: int) -> NDArray[Any]:
    """The pixels of a picture in another mode and a `factor` smaller: strip by strip, so that never all of them are
    there in two modes."""
    rows = max(1, STRIP // (picture.width * factor)) * factor
    strips = []
    for top in range(0, picture.height, rows):
        bottom = min(top + rows, picture.height)
        strip = picture.crop((0, top, picture.width, bottom)) if rows < picture.height else picture
        if mode == "F":
            strip = Image.fromarray(np.nan_to_num(np.asarray(strip, np.float32), posinf=0, neginf=0))
        strip = strip.convert(mode)
        strips.append(np.asarray(strip.reduce(factor) if factor > 1 else strip))
    return np.concatenate(strips)


def _on_paper(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels (h, w, 4), of which the last says how opaque they are, on paper: (h, w, 3)."""
    opacity = pixels[..., 3:] / np.float32(255)
    if not opacity.any():
        return np.full((*pixels.shape[:2], 3), 255, np.uint8)
    # If most of the picture is transparent, what can be seen is ink, else paper. Transparent parts become paper.
    seen_is_light = (pixels[..., :3].mean(axis=2, keepdims=True) * opacity).sum() > 127.5 * opacity.sum()
    paper = 0 if seen_is_light == (opacity.mean() < 0.5) else 255
    return np.rint(pixels[..., :3] * opacity + paper * (1 - opacity)).astype(np.uint8)


def _has_colour(picture: Image.Image) -> bool:
    """Whether a picture has more colour than noise."""
    if picture.mode in ("1", "L", "LA"):
        return False
    factor = max(1, max(picture.size) // THUMBNAIL)
    if picture.mode == "P":  # palettes cannot be reduced
        small = picture.resize(
            (max(1, picture.width // factor), max(1, picture.height // factor)), Image.Resampling.NEAREST
        )
    else:
        small = picture.reduce(factor)
    pixels = np.asarray(small.convert("RGB"))
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    return bool((spread > COLOUR).mean() > COLOURED)


def _stretched(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = values.min(), values.max()
    # A page of nearly one level is blank; stretching it would turn its noise into ink.
    if high - low <= LEAST_SPREAD * max(abs(low), abs(high)):
        return np.zeros(values.shape, np.uint8)
    return np.rint((values - low) * (255 / (high - low))).astype(np.uint8)
