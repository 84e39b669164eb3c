import io

import numpy as np
import pytest
from PIL import Image

from mlp_cli.errors import ImageError
from mlp_cli.images.decode import decode

DARK, LIGHT = 0, 255


def saved(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    file.seek(0)
    return file


@pytest.fixture
def grey():
    """A light page with one dark quarter, top left."""
    page = np.full((20, 30), 240, np.uint8)
    page[:10, :15] = 10
    return page


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "PPM"])
def test_formats_are_read_by_content(grey, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    page = decode(saved(Image.fromarray(grey), kind, **options), "it").levels
    assert page.shape == grey.shape
    assert np.abs(page.astype(int) - grey).max() <= 2


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_mode_keeps_light_light_and_dark_dark(grey, mode):
    picture = Image.fromarray(grey)
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "F":
        picture = Image.fromarray(grey.astype(np.float32) / 255)
    elif mode == "LA":
        picture.putalpha(255)
    else:
        picture = picture.convert(mode)
    page = decode(saved(picture, "TIFF" if mode in ("CMYK", "YCbCr", "I", "F") else "PNG"), "it").levels
    assert page.dtype == np.uint8
    assert page[5, 5] < 40
    assert page[15, 25] > 215


def test_black_ink_on_a_transparent_ground_is_black_on_white():
    pixels = np.zeros((10, 10, 4), np.uint8)
    pixels[4:6, 4:6, 3] = 255
    page = decode(saved(Image.fromarray(pixels)), "it").levels
    assert page[5, 5] == DARK
    assert page[0, 0] == LIGHT


def test_a_picture_is_turned_upright_by_its_exif_orientation(grey):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90° clockwise
    page = decode(saved(Image.fromarray(grey), "JPEG", exif=exif, quality=95), "it").levels
    assert page.shape == (30, 20)
    assert page[5, 15] < 60  # the dark quarter, top left, goes to the top right
    assert page[5, 2] > 190


def test_of_an_animation_the_first_frame_is_read(grey):
    first, second = Image.fromarray(grey), Image.fromarray(255 - grey)
    page = decode(saved(first, "GIF", save_all=True, append_images=[second]), "it").levels
    assert page[5, 5] < 40


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a picture"),
        (b"this is text", "is not a picture"),
        (saved(Image.new("L", (50, 50))).getvalue()[:60], "cannot be read"),
        (saved(Image.effect_noise((50, 50), 90), "JPEG").getvalue()[:-200], "cannot be read"),
    ],
)
def test_damaged_files_are_errors_with_their_name(content, message):
    with pytest.raises(ImageError, match=rf"photo\.png: .*{message}"):
        decode(io.BytesIO(content), "photo.png")


@pytest.mark.parametrize("size", [(20_000, 20_000), (13_000, 12_000)])
def test_a_picture_of_too_many_pixels_is_an_error_before_it_is_unpacked(size):
    with pytest.raises(ImageError, match="pixels"):
        decode(saved(Image.new("1", size)), "it")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        decode(tmp_path / "none.png", "none.png")


def test_a_blank_page_of_16_bits_is_blank():
    noise = np.random.default_rng(0).integers(60_000, 60_010, (50, 50)).astype(np.uint16)
    assert np.ptp(decode(saved(Image.fromarray(noise)), "it").levels) == 0


def test_what_a_decoder_does_not_know_is_an_error_of_that_file(monkeypatch):
    def decoder(*args):
        raise NotImplementedError("Unknown pixel format")

    monkeypatch.setattr(Image, "open", decoder)
    with pytest.raises(ImageError, match=r"photo\.dds: the picture cannot be read: Unknown pixel format"):
        decode(io.BytesIO(b""), "photo.dds")
