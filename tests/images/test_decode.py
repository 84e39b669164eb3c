import io
import sys
import types
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps
from samples import png_header

from mlp_cli.errors import ImageError
from mlp_cli.images.decode import decode, decode_all
from mlp_cli.images.digits import prepare

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
    page = decode(saved(Image.fromarray(grey), kind, **options)).levels
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
    # YCbCr as JPEG, where such pictures come from: Pillow before 13 cannot read its own TIFF of it.
    kind = {"YCbCr": "JPEG"} | dict.fromkeys(("CMYK", "I", "F"), "TIFF")
    page = decode(saved(picture, kind.get(mode, "PNG"))).levels
    assert page.dtype == np.uint8
    assert page[5, 5] < 40
    assert page[15, 25] > 215


def test_black_ink_on_a_transparent_ground_is_black_on_white():
    pixels = np.zeros((10, 10, 4), np.uint8)
    pixels[4:6, 4:6, 3] = 255
    page = decode(saved(Image.fromarray(pixels))).levels
    assert page[5, 5] == DARK
    assert page[0, 0] == LIGHT


def canvas(colour, opacity, ink=255):
    """A picture of one colour with a bar of `ink` opacity in the middle of a ground of `opacity`."""
    pixels = np.full((20, 20, 4), colour, np.uint8)
    pixels[..., 3] = opacity
    pixels[8:12, 5:15, 3] = ink
    return Image.fromarray(pixels)


def test_light_ink_on_nothing_is_white_on_black():
    page = decode(saved(canvas(250, 0))).levels
    assert page[10, 10] == 250
    assert page[0, 0] == DARK


@pytest.mark.parametrize(("ink", "width", "paper"), [(100, 4, 255), (155, 4, 0), (100, 20, 255)])
def test_the_paper_of_ink_on_nothing_is_what_differs_more_from_it(ink, width, paper):
    """Ink covers up to a third of the picture; what covers most of it is paper."""
    pixels = np.zeros((20, 30, 4), np.uint8)
    pixels[5:15, 5 : 5 + width] = ink, ink, ink, 255
    levels = decode(saved(Image.fromarray(pixels))).levels
    assert (levels[10, 7], levels[0, 0]) == (ink, paper)


def test_ink_that_is_half_transparent_lies_half_way_to_its_paper():
    page = decode(saved(canvas(0, 0, ink=128))).levels
    assert page[10, 10] == LIGHT - 128
    assert page[0, 0] == LIGHT


@pytest.mark.parametrize(("paper", "pen"), [(240, 20), (20, 240)])
def test_transparent_margins_of_a_page_are_paper(paper, pen):
    pixels = np.full((40, 40, 4), paper, np.uint8)
    pixels[..., 3] = 255
    pixels[15:25, 18:22, :3] = pen
    pixels[:3, :, 3] = 0
    page = decode(saved(Image.fromarray(pixels))).levels
    assert page[20, 20] == pen
    assert abs(page[0, 0].astype(int) - paper) <= 20
    assert page[30, 30] == paper


def test_a_fully_transparent_picture_is_blank():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 4)).astype(np.uint8)
    pixels[..., 3] = 0
    assert np.ptp(decode(saved(Image.fromarray(pixels))).levels) == 0


def test_a_transparent_palette_colour_is_paper(grey):
    picture = Image.fromarray(grey).convert("P")
    light = picture.getpixel((25, 15))
    page = decode(saved(picture, transparency=light)).levels
    assert page[5, 5] < 40
    assert page[15, 25] == LIGHT


def test_every_page_of_a_tiff_is_read_in_order():
    pages = [Image.new("L", (10 + i, 8), 50 * i) for i in range(4)]
    found = list(decode_all(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])))
    assert [page.levels.shape for page in found] == [(8, 10), (8, 11), (8, 12), (8, 13)]
    assert [page.levels.mean() for page in found] == [0, 50, 100, 150]


def test_a_damaged_page_of_a_tiff_is_reported_after_the_pages_before_it(monkeypatch):
    pages = [Image.new("L", (8, 8), level) for level in (10, 20, 30)]
    file = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    content = bytearray(file.getvalue())
    at = content.index(bytes([20]) * 64)
    found = decode_all(io.BytesIO(content[: at + 20]))
    with pytest.raises(ImageError, match="the picture cannot be read"):
        list(found)

    def seek(picture, number):
        raise OSError("broken data stream")

    found = decode_all(file)
    assert next(found).levels.mean() == 10
    monkeypatch.setattr("PIL.TiffImagePlugin.TiffImageFile.seek", seek)
    with pytest.raises(ImageError, match=r"^the picture cannot be read: broken data stream"):
        next(found)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_other_formats_have_one_page(grey, kind):
    first, second = Image.fromarray(grey), Image.fromarray(255 - grey)
    assert len(list(decode_all(saved(first, kind, save_all=True, append_images=[second])))) == 1


def test_a_large_jpeg_is_reduced_and_knows_its_scale():
    photo = Image.new("L", (4800, 3200), 230)
    photo.paste(20, (1600, 800, 2400, 2400))
    page = decode(saved(photo, "JPEG"))
    assert page.scale == 4800 / page.levels.shape[1] >= 2
    assert max(page.levels.shape) >= 1200
    # the ink of the bar is the digit: its box is in pixels of the file
    box = prepare(page).box
    assert np.abs(np.subtract(box, (1600, 800, 2400, 2400))).max() <= 8


def test_a_picture_is_turned_upright_by_its_exif_orientation(grey):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90° clockwise
    page = decode(saved(Image.fromarray(grey), "JPEG", exif=exif, quality=95)).levels
    assert page.shape == (30, 20)
    assert page[5, 15] < 60  # the dark quarter, top left, goes to the top right
    assert page[5, 2] > 190


def test_the_first_frame_of_an_animation_is_read(grey):
    first, second = Image.fromarray(grey), Image.fromarray(255 - grey)
    page = decode(saved(first, "GIF", save_all=True, append_images=[second])).levels
    assert page[5, 5] < 40


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a picture"),
        (b"this is text", "not a picture"),
        (saved(Image.new("L", (50, 50))).getvalue()[:60], "cannot be read"),
        (saved(Image.effect_noise((50, 50), 90), "JPEG").getvalue()[:-200], "cannot be read"),
    ],
)
def test_damaged_files_are_errors_with_their_name(content, message):
    with pytest.raises(ImageError, match=rf".*{message}"):
        decode(io.BytesIO(content))


@pytest.mark.parametrize(
    ("size", "kind"), [((20_000, 20_000), {"bits": 1}), ((9_000, 9_000), {"colour": 2}), ((1, 70_000), {})]
)
def test_a_picture_of_too_many_pixels_is_an_error_before_it_is_unpacked(size, kind):
    """There is nothing to unpack."""
    with pytest.raises(ImageError, match=r"pixels are too many|more pixels than are safe"):
        decode(io.BytesIO(png_header(*size, **kind)))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        decode(tmp_path / "none.png")


def test_a_blank_page_of_16_bits_is_blank():
    noise = np.random.default_rng(0).integers(60_000, 60_010, (50, 50)).astype(np.uint16)
    assert np.ptp(decode(saved(Image.fromarray(noise))).levels) == 0


@pytest.mark.parametrize(("spread", "is_blank"), [(0.04, True), (0.08, False)])
def test_levels_of_16_bits_need_a_spread_and_are_stretched_over_all_levels(spread, is_blank):
    page = np.full((50, 50), 60_000, np.uint16)
    page[10:40, 20:30] = 60_000 * (1 - spread)
    levels = decode(saved(Image.fromarray(page))).levels
    assert np.ptp(levels) == 0 if is_blank else (levels.min(), levels.max()) == (0, 255)


def test_an_undecodable_picture_is_an_error_that_names_the_file(monkeypatch):
    def decoder(*args, **options):
        raise NotImplementedError("Unknown pixel format")

    monkeypatch.setattr(Image, "open", decoder)
    with pytest.raises(ImageError, match=r"^the picture cannot be read: Unknown pixel format"):
        decode(io.BytesIO(b""))


HEIC = b"\0\0\0\x18ftypheic" + bytes(100)


def test_a_heic_picture_gets_a_hint_at_pillow_heif(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "IMG_1.HEIC"
    path.write_bytes(HEIC)
    for file in (path, io.BytesIO(HEIC)):
        with pytest.raises(ImageError, match=r"^a HEIC picture; to read it: pip install pillow-heif"):
            decode(file)


@pytest.fixture
def heif(monkeypatch):
    """A stand-in for pillow_heif, whose pictures are 6×4 pixels of level 77."""

    class Picture(ImageFile.ImageFile):
        format = "HEIF"

        def _open(self):
            self._size, self._mode = (6, 4), "L"
            self.tile = []

        def load(self):
            self.im = Image.core.fill("L", (6, 4), 77)
            return Image.Image.load(self)

    def register_heif_opener():
        monkeypatch.setitem(Image.OPEN, "HEIF", (Picture, lambda head: head[4:8] == b"ftyp"))
        monkeypatch.setattr(Image, "ID", [*Image.ID, "HEIF"])

    module = types.SimpleNamespace(register_heif_opener=register_heif_opener)
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    return module


def test_a_heic_picture_is_read_if_pillow_heif_is_there(heif):
    levels = decode(io.BytesIO(HEIC)).levels
    assert (levels.shape, levels.min(), levels.max()) == ((4, 6), 77, 77)


def test_a_damaged_heic_picture_gets_no_hint_at_pillow_heif(heif, monkeypatch):
    entry = (None, lambda head: False)
    heif.register_heif_opener = lambda: monkeypatch.setitem(Image.OPEN, "HEIF", entry)
    with pytest.raises(ImageError, match="not a picture in a format that mlp reads"):
        decode(io.BytesIO(HEIC))


def test_an_error_names_the_limit_of_pixels():
    with pytest.raises(ImageError, match=r"9000×9000 pixels are too many.*at most 80 megapixels or 65535 on a side"):
        decode(io.BytesIO(png_header(9_000, 9_000, colour=2)))


def test_warnings_of_the_caller_are_not_silenced_between_pages():
    pages = [Image.new("L", (8, 8))] * 2
    found = decode_all(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    next(found)
    with pytest.warns(UserWarning, match="of ours"):
        warnings.warn("of ours", stacklevel=1)


def test_an_eps_named_as_a_png_starts_no_program(tmp_path, monkeypatch):
    """Pillow would start Ghostscript for it."""
    path = tmp_path / "innocent.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n")
    monkeypatch.setattr("subprocess.check_call", lambda *args, **options: pytest.fail("a program was started"))
    with pytest.raises(ImageError, match="not a picture in a format that mlp reads"):
        decode(path)


@pytest.mark.parametrize("kind", ["TGA", "PCX", "JPEG2000", "ICNS"])
def test_unlisted_formats_are_not_read(kind):
    with pytest.raises(ImageError, match="not a picture in a format that mlp reads"):
        decode(saved(Image.new("RGB", (64, 64)), kind))


@pytest.mark.parametrize(("noted", "turned"), [((30, 20), True), ((20, 30), False), (None, True)])
def test_an_exif_orientation_is_stale_if_the_pixels_were_turned_since(grey, noted, turned):
    """The camera noted the width and height of what it stored."""
    exif = Image.Exif()
    exif[0x0112] = 6
    if noted:
        exif.get_ifd(0x8769)[0xA002], exif.get_ifd(0x8769)[0xA003] = noted
    page = decode(saved(Image.fromarray(grey), "JPEG", exif=exif, quality=95)).levels
    assert page.shape == ((30, 20) if turned else (20, 30))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_exif_orientation_is_that_of_pillow(grey, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(Image.fromarray(grey), "PNG", exif=exif)
    np.testing.assert_array_equal(decode(file).levels, np.asarray(ImageOps.exif_transpose(Image.open(file))))


def test_colours_are_kept_and_grey_in_three_channels_is_grey(grey):
    colours = np.stack([grey, grey, 255 - grey], axis=-1)
    assert decode(saved(Image.fromarray(colours))).pixels.shape == (20, 30, 3)
    assert decode(saved(Image.fromarray(np.stack([grey] * 3, axis=-1)))).pixels.shape == (20, 30)


@pytest.mark.parametrize(
    ("levels", "share", "has_colour"),
    [(24, 0.01, True), (12, 0.01, False), (60, 0.003, True), (60, 0.0015, False)],
)
def test_a_picture_has_colour_where_its_channels_differ_clearly_in_enough_places(levels, share, has_colour):
    pixels = np.full((200, 200, 3), 200, np.uint8)
    pixels.reshape(-1, 3)[: int(share * 40_000), 2] -= levels
    assert (decode(saved(Image.fromarray(pixels))).pixels.ndim == 3) == has_colour


def test_a_thin_stroke_has_a_colour_and_the_noise_of_a_photo_has_none():
    pixels = np.full((800, 800, 3), 200, np.uint8)
    pixels[200:600, 400:402, 2] = 140
    assert decode(saved(Image.fromarray(pixels), "BMP")).pixels.ndim == 3
    noise = np.random.default_rng(0).normal(200, 12, (800, 800, 3))
    assert decode(saved(Image.fromarray(np.uint8(noise.clip(0, 255))), "BMP")).pixels.ndim == 2


def test_a_large_picture_is_reduced_strip_by_strip_to_the_mean_of_its_pixels():
    rng = np.random.default_rng(0)
    levels = np.kron(rng.integers(0, 256, (150, 84)), np.ones((30, 30))).astype(np.uint8)  # 4500 × 2520
    page = decode(saved(Image.fromarray(levels), compress_level=0))
    assert page.scale == 4500 / 1500
    np.testing.assert_array_equal(page.levels, levels[1::3, 1::3])
    part = Image.fromarray(levels[:3000, :840])
    for mode, kind in [("RGB", "PNG"), ("P", "GIF"), ("RGBA", "PNG"), ("F", "TIFF")]:
        assert decode(saved(part.convert(mode), kind)).levels.shape == (1500, 420)


@pytest.mark.parametrize(
    ("mode", "kind", "megapixels"), [("RGB", "PNG", 80), ("RGB", "WEBP", 26), ("I;16", "PNG", 160)]
)
def test_a_picture_is_limited_by_its_bytes_in_memory(monkeypatch, mode, kind, megapixels):
    """320 MB; WebP's decoder has copies of its own."""
    picture = Image.new(mode, (8, 8)) if mode != "I;16" else Image.fromarray(np.zeros((8, 8), np.uint16))
    file = saved(picture, kind)
    monkeypatch.setattr("PIL.Image.Image.size", (megapixels * 1000 + 1000, 1000), raising=False)
    with pytest.raises(ImageError, match=rf"at most {megapixels} megapixels"):
        decode(file)


def test_a_file_of_thousands_of_pages_ends_with_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("mlp_cli.images.decode.MOST_PAGES", 3)
    pages = [Image.new("L", (30, 30), 255) for _ in range(5)]
    pages[0].save(tmp_path / "many.tif", save_all=True, append_images=pages[1:])
    read = decode_all(tmp_path / "many.tif")
    for _ in range(3):
        next(read)
    with pytest.raises(ImageError, match=r"^pages from here on are not read; .* at most 3 pages and 400 megapixels$"):
        next(read)
