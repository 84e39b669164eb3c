"""Makes the pictures of the documents from the real program.

`python docs/make_pictures.py` runs in an editable install with the extra `test` and Debian's chromium, chromium-driver
and fonts-dejavu-core; `python docs/make_pictures.py chart` makes the charts alone, without a browser.

front-light.png, front-dark.png   the drawing page beside a photo and its answer, for the README
gallery.png                       what is read, and what is refused, for pictures.md
chart-light.svg, chart-dark.svg   accuracy against seconds, from benchmarks/tables.md, for the README
draw.png                          the drawing page alone, for elsewhere.md
"""

import math
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from selenium import webdriver
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput

import mlp_cli
from mlp_cli.data.datasets import load_dataset
from mlp_cli.report.html import E

DOCS = Path(__file__).parent
sys.path.append(str(DOCS.parent / "tests"))
import pages  # noqa: E402 (the generators of pages stand with the tests)

WIDTH, HEIGHT = 1100, 760  # of the drawing page
COLOURS = {"light": ("#ffffff", "#1b1b1f", "#5b5b66"), "dark": ("#16161a", "#ececf1", "#a6a6b3")}
CELL = 230  # of the gallery
TABLES = DOCS.parent / "benchmarks" / "tables.md"  # what benchmarks/compare.py measured
PLOT = (100, 34, 690, 280)  # left, top, right, bottom of the chart's axes, in 720×340
LINE = 18  # from one name in the chart to the next
MONO, SANS = "DejaVuSansMono.ttf", "DejaVuSans.ttf"


def main() -> None:
    """Make all pictures, or the charts alone."""
    for scheme in COLOURS:
        (DOCS / f"chart-{scheme}.svg").write_bytes(chart(scheme))
    if sys.argv[1:] == ["chart"]:
        return
    digits = load_dataset("test")
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        rng = np.random.default_rng(8)
        sheet = _ruled(pages.page(digits.images[15].reshape(28, 28), rng))
        Image.fromarray(pages.on_desk(sheet, rng, desk=80, share=0.8, tilt=9)).save(photo, quality=90)
        html = Path(folder) / "draw.html"
        subprocess.run([sys.executable, "-m", "mlp_cli", "draw", "--out", html], check=True, capture_output=True)
        for scheme in COLOURS:
            page = _screenshot(scheme, html)
            _front(scheme, page, photo)
            if scheme == "light":
                page.quantize(128).save(DOCS / "draw.png", optimize=True)
    _gallery(digits)


def _front(scheme: str, page: Image.Image, photo: Path) -> None:
    """The drawing page beside a photo and what `mlp predict` says of it."""
    background, ink, faint = COLOURS[scheme]
    answer = mlp_cli.load().read(photo)
    picture = Image.open(photo)
    front = Image.new("RGB", (page.width + picture.width + 40, page.height), background)
    front.paste(page, (0, 0))
    left, top = page.width + 20, 40
    front.paste(picture, (left, top))
    pen = ImageDraw.Draw(front)
    below = top + picture.height
    pen.text((left, below + 28), "$ mlp predict photo.jpg", faint, ImageFont.truetype(MONO, 24))
    line = f"photo.jpg   {answer.digit}   {answer.confidence:.4f}"
    pen.text((left, below + 64), line, ink, ImageFont.truetype(MONO, 24))
    words = ";\n".join(["; ".join(answer.actions[:2]), "; ".join(answer.actions[2:])])
    pen.text((left, below + 116), words, faint, ImageFont.truetype(SANS, 20), spacing=8)
    front.quantize(128).save(DOCS / f"front-{scheme}.png", optimize=True)


def _ruled(sheet: np.ndarray) -> np.ndarray:
    """The sheet with slanting lines, drawn four times as large so that they are smooth."""
    height, width = sheet.shape
    lines = Image.new("L", (4 * width, 4 * height))
    for y in range(30, height, 80):
        ImageDraw.Draw(lines).line((0, 4 * y, 4 * width, 4 * y + 20), 255, 10)
    ruled = np.asarray(lines.reduce(4)) / 255
    return np.uint8(np.minimum(sheet, 235 - 125 * ruled))


def _screenshot(scheme: str, html: Path) -> Image.Image:
    """The drawing page with a 3 on it, in a colour scheme."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(html.as_uri())
        pad = driver.find_element("id", "pad")
        side = pad.rect["width"]
        actions = ActionBuilder(driver, mouse=PointerInput("mouse", "mouse"), duration=0)
        for number, (x, y) in enumerate(_three()):
            actions.pointer_action.move_to(pad, round(x * side), round(y * side))
            if number == 0:
                actions.pointer_action.pointer_down()
        actions.pointer_action.pointer_up()
        actions.perform()
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            driver.save_screenshot(file.name)
            return Image.open(file.name).convert("RGB")
    finally:
        driver.quit()


def _three() -> list[tuple[float, float]]:
    """A 3 as points, in shares of the pad from its middle."""
    arcs = ((-0.02, -0.15, 0.17, 0.15, -150, 90), (-0.02, 0.16, 0.2, 0.16, -90, 150))
    return [
        (x + width * math.cos(math.radians(angle)), y + height * math.sin(math.radians(angle)))
        for x, y, width, height, start, end in arcs
        for angle in np.linspace(start, end, 16)
    ]


def chart(scheme: str) -> bytes:
    """Test accuracy against seconds from the prompt, from the benchmark's table."""
    background, ink, faint = COLOURS[scheme]
    section = TABLES.read_text("utf-8").partition("From the shell prompt to a trained network")[2]
    rows = re.findall(r"^\| \d+% \| (.*?) \| ([\d.]+) \| .*? \| ([\d.]+)%", section.partition("**")[2], re.MULTILINE)
    points = [(name.strip("`"), float(seconds), float(accuracy)) for name, seconds, accuracy in rows]
    left, top, right, bottom = PLOT
    low, high = 0.5, 100.0

    def x(seconds: float) -> float:
        return left + (right - left) * math.log(seconds / low) / math.log(high / low)

    def y(accuracy: float) -> float:
        return bottom - (bottom - top) * (accuracy - 97.5) / (99.5 - 97.5)

    marks = [E("rect", width=720, height=340, fill=background)]
    for seconds in (1, 2, 5, 10, 20, 50):
        marks += [
            E("line", x1=f"{x(seconds):.1f}", x2=f"{x(seconds):.1f}", y1=top, y2=bottom, stroke=faint, opacity=0.25),
            E("text", f"{seconds} s", x=f"{x(seconds):.1f}", y=bottom + 22, fill=faint, text_anchor="middle"),
        ]
    for accuracy in (98.0, 98.5, 99.0):
        marks += [
            E("line", x1=left, x2=right, y1=f"{y(accuracy):.1f}", y2=f"{y(accuracy):.1f}", stroke=faint, opacity=0.25),
            E("text", f"{accuracy:.1f}%", x=left - 10, y=f"{y(accuracy) + 5:.1f}", fill=faint, text_anchor="end"),
        ]
    marks += [
        E("text", "test accuracy", x=left, y=top - 8, fill=faint, text_anchor="end"),
        E("text", "from the prompt to a trained network", x=right, y=bottom + 44, fill=faint, text_anchor="end"),
    ]
    halo = {"stroke": background, "stroke_width": 4, "paint_order": "stroke"}  # keeps the grid out of the names
    above = -math.inf  # where the last peer's name stands: names of close points go one below the other
    for name, seconds, accuracy in sorted(points, key=lambda point: y(point[2])):
        is_ours = name.startswith("mlp")
        colour = "#2f81f7" if is_ours else faint
        level = y(accuracy) + 5
        if not is_ours:
            above = level = max(level, above + LINE)
        marks += [
            E("circle", cx=f"{x(seconds):.1f}", cy=f"{y(accuracy):.1f}", r=6, fill=colour),
            E("text", name, x=f"{x(seconds) + 11:.1f}", y=f"{level:.1f}", fill=colour if is_ours else ink, **halo),
        ]
    svg = E("svg", marks, xmlns="http://www.w3.org/2000/svg", viewBox="0 0 720 340", font_family="sans-serif")
    svg.set("font-size", "15")
    return ElementTree.tostring(svg)


def _gallery(digits: mlp_cli.data.datasets.Dataset) -> None:
    """Pages of every kind with what the bundled network says of them."""
    rng = np.random.default_rng(3)

    def digit(i: int) -> np.ndarray:
        return digits.images[i].reshape(28, 28)

    def sheet(i: int, **options: object) -> np.ndarray:
        return pages.page(digit(i), rng, **options)

    made = {
        "ruled, in a shadow": sheet(0, ruled=True, shadow=True),
        "a sheet on a desk": pages.on_desk(sheet(4), rng, desk=70, tilt=12),
        "squared paper": pages.squared(sheet(2), rng),
        "glare": pages.glare(sheet(11), rng),
        "in a frame": sheet(9, frame=True),
        "light on dark": sheet(7, negative=True),
        "faint pencil": pages.faint(sheet(3), rng),
        "pixels": pages.pixel_grid(digit(1), rng),
        "noise": np.uint8(np.clip(rng.normal(128, 40, (300, 300)), 0, 255)),
        "a letter": _written("A"),
        "a scribble": _scribbled(rng),
        "a sheet partly in shadow": pages.on_desk(sheet(15, ruled=True, shadow=True), rng, desk=80, tilt=9),
    }
    reader = mlp_cli.load()
    columns = 4
    rows = -(-len(made) // columns)
    gallery = Image.new("RGB", (columns * CELL, rows * (CELL + 50)), "white")
    pen = ImageDraw.Draw(gallery)
    for number, (name, levels) in enumerate(made.items()):
        left, top = number % columns * CELL, number // columns * (CELL + 50)
        picture = Image.fromarray(levels)
        picture.thumbnail((CELL - 20, CELL - 20))
        gallery.paste(picture, (left + (CELL - picture.width) // 2, top + (CELL - picture.height) // 2))
        pen.text((left + 10, top + CELL - 4), name, "#5b5b66", ImageFont.load_default(16))
        pen.text((left + 10, top + CELL + 16), _said(reader, levels), "#1b1b1f", ImageFont.load_default(18))
    gallery.quantize(128).save(DOCS / "gallery.png", optimize=True)


def _said(reader: "mlp_cli.model.reader.Reader", levels: np.ndarray) -> str:
    from mlp_cli.errors import ImageError

    try:
        answer = reader.read(levels)
    except ImageError:
        return "refused"
    return "refused" if answer.digit is None else f"{answer.digit}   {answer.confidence:.4f}"


def _written(letter: str) -> np.ndarray:
    picture = Image.new("L", (300, 300), 235)
    ImageDraw.Draw(picture).text((150, 150), letter, 40, ImageFont.load_default(180), anchor="mm")
    return np.asarray(picture)


def _scribbled(rng: np.random.Generator) -> np.ndarray:
    picture = Image.new("L", (300, 300), 235)
    points = np.cumsum(rng.normal(0, 45, (40, 2)), axis=0)
    points = (points - points.min(axis=0)) / np.ptp(points, axis=0) * 200 + 50
    ImageDraw.Draw(picture).line([tuple(point) for point in points], 40, 8, joint="curve")
    return np.asarray(picture)


if __name__ == "__main__":
    main()
