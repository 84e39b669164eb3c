"""Pages as a scanner or a telephone would see them, made from MNIST's digits; every nuisance can be had alone."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

UNIT = 8  # pixels of the page to one of MNIST's
MARGIN = 50
PAPER, INK = 235, 50  # grey levels


def strokes(image, thicker=0.0, tilt=0.0):
    """The strokes of an MNIST image (28, 28) as ink from 0 to 1, enlarged; `thicker` by so many of MNIST's pixels (or
    thinner), tilted by so many degrees."""
    size = 28 * UNIT
    soft = (
        Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(UNIT / 3))
    )
    if tilt:
        soft = soft.rotate(tilt, Image.Resampling.BICUBIC)
    pen = soft.point(lambda level: 255 * (level > 110))
    by = round(abs(thicker) * UNIT / 2)
    for _ in range(by):  # by turns a square and a cross: nearly a circle
        pen = pen.filter(ImageFilter.MaxFilter(3) if thicker > 0 else ImageFilter.MinFilter(3))
    return np.asarray(pen.filter(ImageFilter.GaussianBlur(1)), float) / 255


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
