"""Pages as a scanner or a phone would see them, made from MNIST's digits; each nuisance can be added alone."""

import functools

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

UNIT = 8  # pixels of the page to one of MNIST's
MARGIN = 50
PAPER, INK = 235, 50  # grey levels


def strokes(image, thicker=0.0, tilt=0.0):
    """The strokes of an MNIST image (28, 28) as ink from 0 to 1, enlarged; `thicker` by this many of MNIST's pixels (or
    thinner, if negative), and tilted by `tilt` degrees."""
    return _strokes(image.tobytes(), thicker, tilt)


@functools.lru_cache(60)
def _strokes(pixels, thicker, tilt):
    size = 28 * UNIT
    image = Image.frombytes("L", (28, 28), pixels)
    soft = image.resize((size, size), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(UNIT / 3))
    if tilt:
        soft = soft.rotate(tilt, Image.Resampling.BICUBIC)
    pen = soft.point(lambda level: 255 * (level > 110))
    by = round(abs(thicker) * UNIT / 2)
    for _ in range(by):  # by turns a square and a cross: nearly a circle
        pen = pen.filter(ImageFilter.MaxFilter(3) if thicker > 0 else ImageFilter.MinFilter(3))
    ink = np.asarray(pen.filter(ImageFilter.GaussianBlur(1)), float) / 255
    ink.flags.writeable = False
    return ink


def page(
    images, rng, *, thicker=0.0, tilt=0.0, dust=0, shadow=False, ruled=False, frame=False, negative=False, noise=3.0,
    spacing=28,
):  # fmt: skip
    """A grey page (h, w) uint8 with rows of MNIST images: `images` is one image, or a list of rows of them.

    `tilt` is the largest angle of each digit, `spacing` their distance in MNIST's pixels.
    """
    rows = images if isinstance(images, list) else [[images]]
    step = spacing * UNIT
    height = 2 * MARGIN + 28 * UNIT + (len(rows) - 1) * 34 * UNIT
    width = 2 * MARGIN + 28 * UNIT + (max(map(len, rows)) - 1) * step
    ink = np.zeros((height, width))
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            digit = strokes(image, thicker, rng.uniform(-tilt, tilt))
            top, left = MARGIN + r * 34 * UNIT, MARGIN + c * step
            part = ink[top : top + 28 * UNIT, left : left + 28 * UNIT]
            np.maximum(part, digit, out=part)
    drawing = Image.fromarray(np.uint8(255 * ink))
    pencil = ImageDraw.Draw(drawing)
    for _ in range(dust):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(2, 8)
        pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    if ruled:
        slope = rng.uniform(-0.02, 0.02)
        for y in np.arange(rng.uniform(20, 80), height + 40, 80):
            pencil.line((0, y, width, y + slope * width), fill=170, width=3)
    if frame:
        inset = MARGIN + UNIT + rng.uniform(-UNIT, UNIT, 4)
        corners = inset[0], inset[1], width - inset[2], height - inset[3]
        pencil.rectangle(corners, outline=230, width=5)
    ink = np.asarray(drawing, float) / 255
    grey = PAPER - (PAPER - INK) * ink
    if shadow:
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        angle = rng.uniform(0, 2 * np.pi)
        across = x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.4, 0.4)
        grey = grey * (1 - 0.5 / (1 + np.exp(-across * rng.uniform(4, 30))))
    if negative:
        grey = 255 - grey
    return np.uint8(np.clip(grey + rng.normal(0, noise, grey.shape), 0, 255))


def on_desk(sheet, rng, desk=90, share=0.7, tilt=0.0, lean=0.04, noise=3.0):
    """A photo (480, 640) of a sheet (h, w) on a desk of another level: `share` of the photo's height, turned by `tilt`
    degrees, its corners moved by up to `lean` of its side, as a camera held askew sees them."""
    size = np.array(sheet.shape[::-1]) * share * 480 / max(sheet.shape)
    turn = np.deg2rad(tilt)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2
    corners = (corners + rng.uniform(-lean, lean, (4, 2))) * size
    corners = corners @ np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
    room = np.maximum(np.array([640, 480]) / 2 - np.abs(corners).max(axis=0) - 4, 0)
    corners += np.array([320, 240]) + rng.uniform(-1, 1, 2) * room
    height, width = sheet.shape
    before = np.float32([(0, 0), (width, 0), (width, height), (0, height)])
    matrix = cv2.getPerspectiveTransform(before, np.float32(corners))
    grain = cv2.GaussianBlur(rng.normal(0, 25, (480, 640)).astype(np.float32), (0, 0), 4)
    photo = desk + grain + np.linspace(-12, 12, 640)  # the desk has a grain, and light from one side
    soft = cv2.warpPerspective(sheet.astype(np.float32), matrix, (640, 480), flags=cv2.INTER_AREA)
    cover = cv2.warpPerspective(np.ones(sheet.shape, np.float32), matrix, (640, 480), flags=cv2.INTER_AREA)
    photo = photo * (1 - cover) + soft
    return np.uint8(np.clip(photo + rng.normal(0, noise, photo.shape), 0, 255))


def squared(sheet, rng, cell=28, level=40, pen=2, slope=None):
    """A sheet with lines both ways every `cell` pixels, darker by `level`, a little askew or with this slope; the ink
    lies above them."""
    height, width = sheet.shape
    y, x = np.mgrid[:height, :width] + rng.uniform(0, cell)
    slope = rng.uniform(-0.02, 0.02) if slope is None else slope
    lines = ((x + slope * y) % cell < pen) | ((y - slope * x) % cell < pen)
    return np.where(lines, np.minimum(sheet, np.maximum(sheet.astype(int) - level, 60)), sheet).astype(np.uint8)


def pixel_grid(image, rng, cell=12):
    """An MNIST image as a drawing of black cells on white, with grey lines between the cells."""
    cells = 255 - 255 * (np.kron(image > 110, np.ones((cell, cell))))
    cells[::cell] = np.minimum(cells[::cell], 190)
    cells[:, ::cell] = np.minimum(cells[:, ::cell], 190)
    return np.uint8(np.clip(cells + rng.normal(0, 1, cells.shape), 0, 255))


def glare(sheet, rng):
    """A sheet with a bright spot that washes ink out to a third of its contrast."""
    height, width = sheet.shape
    y, x = np.mgrid[:height, :width]
    far = np.hypot(y - height * rng.uniform(0.2, 0.8), x - width * rng.uniform(0.2, 0.8)) / (0.4 * width)
    light = 0.65 * np.exp(-(far**2))
    return np.uint8(sheet * 0.8 * (1 - light) + 255 * light)


def deep_shadow(sheet, rng):
    """A sheet half in a shadow that takes three quarters of the light and has an almost sharp edge."""
    height, width = sheet.shape
    y, x = np.mgrid[:height, :width]
    angle = rng.uniform(0, 2 * np.pi)
    across = (x - width / 2) * np.cos(angle) + (y - height / 2) * np.sin(angle) - rng.uniform(-0.15, 0.15) * width
    return np.uint8(sheet * (1 - 0.75 / (1 + np.exp(-across / 3))))


def coloured(sheet, rng):
    """A sheet (h, w, 3) whose paper and ink have the same luminance (Rec. 601) but different colours."""
    pairs = [((255, 220, 60), (150, 235, 255)), ((230, 90, 90), (70, 150, 110)), ((120, 120, 250), (130, 145, 20))]
    one, other = (np.array(colour, float) for colour in pairs[rng.integers(3)])
    weights = np.array([0.299, 0.587, 0.114])
    other = other * (one @ weights) / (other @ weights)
    ink = np.clip((PAPER - sheet.astype(float)) / (PAPER - INK), 0, 1)[..., None]
    return np.uint8(np.clip(one + (other - one) * ink + rng.normal(0, 2, (*sheet.shape, 3)), 0, 255))


def lettered(sheet, rng, texts, level=60, size=22, mirrored=False):
    """A sheet with words of printed text at places (x, y), shares of its sides."""
    drawing = Image.new("L", sheet.shape[::-1], 0)
    for text, x, y in texts:
        ImageDraw.Draw(drawing).text(
            (x * sheet.shape[1], y * sheet.shape[0]), text, fill=255, font=ImageFont.load_default(size)
        )
    print_ = np.asarray(drawing, float) / 255
    print_ = print_[:, ::-1] if mirrored else print_
    return np.uint8(np.minimum(sheet, sheet * (1 - print_) + level * print_))


def show_through(sheet, rng):
    """A sheet with the print on its back showing through, mirrored and soft."""
    lines = ["lorem ipsum dolor", "sit amet 2024", "consectetur 39 elit", "sed do eiusmod 7"]
    texts = [(lines[i % 4], rng.uniform(0, 0.1), 0.04 + 0.1 * i) for i in range(10)]
    soft = lettered(np.full(sheet.shape, 255, np.uint8), rng, texts, 205, 26, mirrored=True)
    soft = cv2.GaussianBlur(soft, (0, 0), 1.5)
    return np.uint8(sheet * (soft / 255.0))


def interface(sheet, rng):
    """A window with a title bar, a canvas with the sheet, and two buttons below."""
    height, width = sheet.shape
    window = Image.new("L", (width + 120, height + 150), 225)
    pencil, font = ImageDraw.Draw(window), ImageFont.load_default(18)
    pencil.rectangle((0, 0, width + 120, 34), fill=60)
    pencil.text((12, 6), "Draw a digit", fill=240, font=font)
    left = int(rng.integers(20, 100))
    window.paste(Image.fromarray(sheet), (left, 50))
    for x, text in ((20, "Clear"), (150, "Predict")):
        pencil.rounded_rectangle((x, height + 90, x + 110, height + 130), 8, fill=(120, 180)[x > 20])
        pencil.text((x + 22, height + 98), text, fill=20, font=font)
    return np.asarray(window)


def cropped(sheet, rng):
    """A sheet cut so close that its digit touches one border or two, or loses a little there."""
    rows, columns = np.flatnonzero((sheet < 140).any(axis=1)), np.flatnonzero((sheet < 140).any(axis=0))
    top, left = rows[0], columns[0]
    bottom, right = rows[-1] + 1, columns[-1] + 1
    cut = rng.integers(0, 6, 4)
    room = rng.integers(10, 60, 4) * (rng.random(4) < 0.5)
    shift = np.where(room > 0, -room, cut)
    return sheet[
        max(0, top + shift[0]) : bottom - shift[1] if shift[1] else None,
        max(0, left + shift[2]) : right - shift[3] if shift[3] else None,
    ]


def marked(sheet, rng, how):
    """A sheet whose digit somebody has underlined, ringed or boxed by hand."""
    dark = sheet < 140
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1], columns[0], columns[-1]
    room = 40
    picture = np.pad(sheet, room + 40, mode="edge")
    top, bottom, left, right = (int(v) + room + 40 for v in (top, bottom, left, right))

    def j() -> int:  # a hand is not exact
        return int(rng.integers(-6, 7))

    if how == "underlined":
        y = bottom + 18
        cv2.line(picture, (left - 15 + j(), y + j()), (right + 15 + j(), y + j()), INK, 6, cv2.LINE_AA)
    elif how == "circled":
        centre = (int((left + right) / 2), int((top + bottom) / 2))
        axes = (int((right - left) * 0.72 + room), int((bottom - top) * 0.72 + room / 2))
        cv2.ellipse(picture, centre, axes, float(j()), 0, 360, INK, 6, cv2.LINE_AA)
    else:
        corners = [(left - room + j(), top - room + j()), (right + room + j(), top - room + j()),
                   (right + room + j(), bottom + room + j()), (left - room + j(), bottom + room + j())]  # fmt: skip
        cv2.polylines(picture, [np.int32(corners)], True, INK, 6, cv2.LINE_AA)
    return picture


def faint(sheet, rng, contrast=0.16):
    """A sheet written with a hard pencil: the ink takes only part of the light, more or less along the stroke."""
    grain = cv2.GaussianBlur(rng.normal(0, 1, sheet.shape).astype(np.float32), (0, 0), 1.2) * 1.2
    ink = np.clip((PAPER - sheet.astype(float)) / (PAPER - INK), 0, 1) * np.clip(1 + grain, 0.3, 1.7)
    return np.uint8(np.clip(PAPER * (1 - contrast * ink) + rng.normal(0, 2.5, sheet.shape), 0, 255))


def hairline(image, rng, side=900):
    """A digit of lines one pixel wide on a canvas of `side` pixels: the middle of its strokes."""
    pen = strokes(image) > 0.5
    big = cv2.resize(np.uint8(pen), (side * 2 // 3, side * 2 // 3), interpolation=cv2.INTER_NEAREST)
    thin = np.zeros_like(big)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    while big.any():  # the skeleton by Lantuéjoul's formula
        thin |= big & ~cv2.dilate(cv2.erode(big, cross), cross)
        big = cv2.erode(big, cross)
    thin = cv2.morphologyEx(thin, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    page = np.full((side, side), 255, np.uint8)
    page[side // 6 : side // 6 + len(thin), side // 6 : side // 6 + len(thin)][thin > 0] = 20
    return page


DESKS, SHARES = (40, 80, 120, 160, 200), (0.4, 0.55, 0.75, 0.92)


def any_desk(image, rng, inside=None):
    """A sheet on a desk of any of five levels, of any of four sizes, tilted by up to 15°."""
    sheet = page(image, rng) if inside is None else inside
    return on_desk(sheet, rng, rng.choice(DESKS), rng.choice(SHARES), rng.uniform(-15, 15))


def part_of_a_desk(image, rng):
    """A sheet that goes on beyond the picture at one side or two, with the desk at the others."""
    photo = on_desk(
        np.pad(page(image, rng), 60, constant_values=PAPER), rng, rng.choice(DESKS), 0.9, rng.uniform(-8, 8)
    )
    return photo[: rng.integers(400, 440), : rng.integers(440, 520)] if rng.random() < 0.5 else photo[40:, 110:]


def turned(sheet, degrees):
    """A sheet turned on the spot, with paper in the corners."""
    padded = np.pad(sheet, 40, mode="edge")
    height, width = padded.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), float(degrees), 1)
    return cv2.warpAffine(padded, matrix, (width, height), borderValue=PAPER)


TEXTS = [("House No.", 0.02, 0.01), ("Date", 0.7, 0.01), ("please write clearly", 0.05, 0.92)]

# Each draws one picture, (h, w) or (h, w, 3) uint8, of an MNIST image (28, 28).
PHENOMENA = {
    "sheet on a desk": any_desk,
    "part of a desk": part_of_a_desk,
    "negative card on a desk": lambda image, rng: any_desk(image, rng, page(image, rng, negative=True)),
    "squared paper": lambda image, rng: squared(page(image, rng), rng),
    "tilted squared paper": lambda image, rng: squared(page(image, rng), rng, 28, 100, 3, rng.choice([-0.08, 0.08])),
    "squared paper on a desk": lambda image, rng: any_desk(image, rng, squared(page(image, rng), rng)),
    "pixel grid": pixel_grid,
    "glare": lambda image, rng: glare(page(image, rng), rng),
    "deep shadow": lambda image, rng: deep_shadow(page(image, rng), rng),
    "equal luminance": lambda image, rng: coloured(page(image, rng, noise=0), rng),
    "interface": lambda image, rng: interface(page(image, rng, noise=0), rng),
    "interface, dark canvas": lambda image, rng: interface(page(image, rng, noise=0, negative=True), rng),
    "small print beside": lambda image, rng: lettered(page(image, rng), rng, TEXTS),
    "touches the border": lambda image, rng: cropped(page(image, rng), rng),
    "underlined": lambda image, rng: marked(page(image, rng), rng, "underlined"),
    "circled": lambda image, rng: marked(page(image, rng), rng, "circled"),
    "boxed": lambda image, rng: marked(page(image, rng), rng, "boxed"),
    "faint pencil": lambda image, rng: faint(page(image, rng, noise=0), rng),
    "hairline": hairline,
    "print shows through": lambda image, rng: show_through(page(image, rng), rng),
    "small on a large sheet": lambda image, rng: np.pad(
        page(image, rng, noise=0), ((300, 900), (700, 400)), mode="edge"
    ),
    "on its side": lambda image, rng: np.rot90(page(image, rng), rng.choice([1, 3])),
    "tilted 20° to 40°": lambda image, rng: turned(page(image, rng), rng.choice([-1, 1]) * rng.uniform(20, 40)),
}
