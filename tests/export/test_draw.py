"""The page in a browser: drawn on by mouse, finger and pen, it reads what `mlp predict` reads, as numpy computes it."""

import itertools
import json
import math
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from axe_core_python.selenium import Axe
from PIL import Image
from samples import load_mnist
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.keys import Keys

import mlp_cli
from mlp_cli.images import mnist
from mlp_cli.model.answers import log_probabilities
from mlp_cli.model.checkpoint import Checkpoint
from mlp_cli.nn.calibration import calibrated
from mlp_cli.nn.layers import linear_da


def arc(x, y, width, height, start, end, points=6):
    """Points on an ellipse around (x, y), from one angle to another in degrees, clockwise from the right."""
    angles = [math.radians(start + (end - start) * i / (points - 1)) for i in range(points)]
    return [(x + width * math.cos(angle), y + height * math.sin(angle)) for angle in angles]


DIGITS = {  # the strokes of each, in shares of the pad
    "0": [arc(0.5, 0.5, 0.18, 0.3, -90, 270, 8)],
    "1": [[(0.5, 0.2), (0.5, 0.8)]],
    "2": [[*arc(0.5, 0.36, 0.18, 0.16, -170, 30), (0.32, 0.8), (0.7, 0.8)]],
    "3": [arc(0.48, 0.35, 0.17, 0.15, -150, 90) + arc(0.48, 0.66, 0.2, 0.16, -90, 150)],
    "4": [[(0.42, 0.2), (0.3, 0.55), (0.7, 0.55)], [(0.62, 0.2), (0.6, 0.85)]],
    "5": [[(0.66, 0.2), (0.38, 0.2), (0.36, 0.46), *arc(0.48, 0.62, 0.18, 0.18, -120, 150)]],
    "6": [[(0.62, 0.18), (0.42, 0.42), *arc(0.49, 0.64, 0.16, 0.17, -160, 200, 7)]],
    "7": [[(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)]],
    "8": [arc(0.5, 0.35, 0.13, 0.14, 90, -270, 7) + arc(0.5, 0.65, 0.17, 0.16, -90, 270, 7)],
    "9": [[*arc(0.5, 0.36, 0.15, 0.15, 0, -340, 7), (0.65, 0.36), (0.6, 0.82)]],
}


def draw(browser, strokes, kind="mouse"):
    """Draw strokes on the pad with a pointer of a kind: mouse, touch or pen."""
    pad = browser.driver.find_element("id", "pad")
    side = pad.rect["width"]
    actions = ActionBuilder(browser.driver, mouse=PointerInput(kind, kind), duration=0)
    for stroke in strokes:
        for number, (x, y) in enumerate(stroke):
            actions.pointer_action.move_to(pad, round((x - 0.5) * side), round((y - 0.5) * side))
            if number == 0:
                actions.pointer_action.pointer_down()
        actions.pointer_action.pointer_up()
    actions.perform()


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def is_downloaded():
    """Whether drawing.png is there, to its last byte."""
    path = Path("drawing.png")
    return path.exists() and path.read_bytes().endswith(b"IEND\xaeB`\x82")


def seen(browser):
    return np.array(browser.run("return mlp.pixels"), np.uint8)


def probabilities(checkpoint, images):
    return np.exp(calibrated(log_probabilities(checkpoint.network, images), checkpoint.metadata.temperature))


def test_ten_digits_by_mouse_and_finger_are_read_as_predict_reads_the_download(browser, shipped, mlp, tmp_path):
    browser.cdp("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.open(shipped)
    assert browser.text("answer") == "–"
    for name, strokes in DIGITS.items():
        draw(browser, strokes, "touch")
        by_touch = seen(browser)
        assert (name, browser.text("answer")) == (name, name)
        browser.press("clear")
        assert (browser.text("answer"), browser.run("return [mlp.pixels, scrollX, scrollY]")) == ("–", [None, 0, 0])
        draw(browser, strokes, "mouse")
        np.testing.assert_array_equal(seen(browser), by_touch)
        assert (name, browser.text("answer")) == (name, name)
        browser.press("download")
        wait_for(is_downloaded)
        picture = Image.open(Path("drawing.png").rename(f"{name}.png"))
        np.testing.assert_array_equal(np.asarray(picture.convert("L")).ravel(), by_touch)
        browser.press("clear")
    result = mlp("predict", *(f"{name}.png" for name in DIGITS))
    assert [line.split("\t")[1] for line in result.out.splitlines()] == list(DIGITS)
    assert browser.complaints() == []


def test_a_thousand_images_have_the_pixels_of_normalise_and_the_probabilities_of_numpy(browser, shipped):
    images = load_mnist("test").images[:1000]
    browser.open(shipped)
    answers = browser.run("return arguments[0].map(pixels => mlp.read(pixels))", images.tolist())
    expected = probabilities(shipped, images)
    np.testing.assert_allclose([answer["probabilities"] for answer in answers], expected, rtol=0, atol=1e-5)
    said = [None if y.max() < shipped.metadata.threshold else int(y.argmax()) for y in expected]
    assert [answer["digit"] for answer in answers] == said
    inks = [cropped(image.reshape(28, 28)) for image in images]
    inks += [
        cropped(image_of_another_size(image.reshape(28, 28), 17 + number)) for number, image in enumerate(images[:60])
    ]
    made = browser.run("return arguments[0].map(ink => mlp.normalise(ink.flat(), ink.length, ink[0].length))", inks)
    normal = [mnist.normalise(np.array(ink, np.float64)).ravel() for ink in inks]
    assert np.abs(np.array(made) - np.array(normal, int)).max() <= 1


def cropped(image):
    left, top, right, bottom = mnist.tight_box(image > 0)
    return image[top:bottom, left:right].tolist()


def image_of_another_size(image, width):
    return np.asarray(Image.fromarray(image).resize((width, 40), Image.Resampling.BILINEAR))


@pytest.mark.parametrize(
    ("activation", "hidden"), [("relu", (9, 7)), ("sigmoid", (6,)), ("tanh", (5, 4, 3)), ("tanh", ())]
)
def test_any_network_computes_as_numpy_does_forward_and_backward(browser, checkpoint, activation, hidden):
    names = ["T-shirt/top", "</script>", "衬衫", "it's"]
    made = checkpoint((9, 6), names, hidden, activation, temperature=1.7, threshold=0.3)
    if len(hidden) == 1:  # and one in half precision, with numbers of every size
        flat = made.network.parameters.flat
        flat[:4] = 6e-8, -1e-5, 65504, 0
        flat[...] = flat.astype(np.float16)
    browser.open(made)
    held = browser.run("return W.flatMap((W, l) => [...W, ...b[l]])")
    np.testing.assert_array_equal(np.array(held, np.float32), made.network.parameters.flat)
    images = np.random.default_rng(4).integers(0, 256, (5, 54), np.uint8)
    expected = probabilities(made, images)
    a = made.network.forward(images.astype(np.float32) / 255)
    for i, t in itertools.product(range(5), range(4)):
        answer = browser.run("return mlp.read(arguments[0])", images[i].tolist())
        np.testing.assert_allclose(answer["probabilities"], expected[i], rtol=0, atol=1e-6)
        assert answer["digit"] == (names[expected[i].argmax()] if expected[i].max() >= 0.3 else None)
        dz = np.eye(4, dtype=np.float32)[[t]]
        for l in reversed(range(len(made.network.parameters.W))):
            da = linear_da(dz, made.network.parameters.W[l])
            dz = made.network.activation.dz(da, a[l][[i]]) if l else da
        gradient = browser.run("return mlp.gradient(arguments[0], arguments[1])", images[i].tolist(), t)
        np.testing.assert_allclose(gradient, dz[0], rtol=0, atol=1e-5)
    draw(browser, DIGITS["4"], "pen")
    assert browser.text("answer") in {*names, "–"}
    assert browser.run("return document.querySelectorAll('#classes .name')[2].textContent") == "衬衫"
    assert browser.run("return document.querySelectorAll('.layer').length") == len(hidden) + 2
    assert browser.complaints() == []


@pytest.mark.parametrize(("height", "width", "box"), [(14, 14, 10), (40, 28, 20), (9, 30, 6)])
def test_the_rule_is_scaled_for_images_of_another_size(browser, checkpoint, height, width, box):
    browser.open(checkpoint((height, width), hidden=(3,)))
    inks = [cropped(image.reshape(28, 28)) for image in load_mnist("test").images[:20]]
    made = browser.run("return arguments[0].map(ink => mlp.normalise(ink.flat(), ink.length, ink[0].length))", inks)
    expected = [to_scale(np.array(ink, float), height, width, box).ravel() for ink in inks]
    assert np.abs(np.array(made) - expected).max() <= 1


def to_scale(ink, height, width, box):
    """MNIST's rule in another way: each pixel is cut into box × box pieces, which are dealt out to box × box parts."""
    side = max(ink.shape)
    above, left = ((side - size) // 2 for size in ink.shape)
    square = np.zeros((side, side))
    square[above : above + ink.shape[0], left : left + ink.shape[1]] = ink
    small = square.repeat(box, 0).repeat(box, 1).reshape(box, side, box, side).mean(axis=(1, 3))
    small = np.rint(small * (255 / small.max()))
    rows, columns = np.mgrid[:box, :box] + 0.5
    y = int(np.clip(np.floor(height / 2 + 1 - np.average(rows, weights=small)), 0, height - box))
    x = int(np.clip(np.floor(width / 2 + 1 - np.average(columns, weights=small)), 0, width - box))
    image = np.zeros((height, width))
    image[y : y + box, x : x + box] = small
    return image


@pytest.mark.parametrize(
    ("brush", "length", "width"), [(2, 0.8, 2.5), (7, 0.9, 2.5), (7, 0.4, 2.98), (14, 0.2, 4), (7, 0.08, 4)]
)
def test_strokes_are_as_wide_as_those_of_mnist_whatever_the_brush(browser, shipped, brush, length, width):
    """Between 2.5 and 4 of the 20 pixels of the longer side: 0.07 / (0.4 + 0.07) · 20 = 2.98."""
    browser.open(shipped)
    browser.run("document.getElementById('brush').value = arguments[0]", brush)
    draw(browser, [[(0.3, 0.5 - length / 2), (0.3, 0.5 + length / 2)]])
    assert seen(browser).reshape(28, 28)[14].sum() / 255 == pytest.approx(width, abs=0.15)


def test_a_tap_is_a_dot_and_undo_and_clear_go_back(browser, shipped):
    browser.open(shipped)
    draw(browser, [[(0.3, 0.3)]])
    dot = seen(browser).reshape(28, 28)
    left, top, right, bottom = mnist.tight_box(dot > 127)
    assert 18 <= right - left <= 20
    assert 18 <= bottom - top <= 20
    browser.click("clear")
    draw(browser, DIGITS["4"])
    four = seen(browser)
    draw(browser, [[(0.1, 0.1), (0.9, 0.1)]])
    assert not np.array_equal(seen(browser), four)
    browser.click("undo")
    np.testing.assert_array_equal(seen(browser), four)
    browser.click("clear")
    browser.driver.find_element("id", "pad").send_keys(Keys.CONTROL, "z")
    np.testing.assert_array_equal(seen(browser), four)
    assert browser.text("answer") == "4"


def test_a_one_is_drawn_by_keyboard_and_told_to_a_screen_reader(browser, shipped):
    browser.open(shipped)
    pad = browser.driver.find_element("id", "pad")
    pad.send_keys(*[Keys.ARROW_UP] * 8, " ", *[Keys.ARROW_DOWN] * 16, " ", Keys.ARROW_LEFT)
    assert browser.text("answer") == "1"
    tree = browser.cdp("Accessibility.getFullAXTree", {})["nodes"]
    spoken = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree]
    assert ("application", "Drawing pad") in spoken
    assert any(role == "image" and name.startswith("Hidden layer 1, 128 units: ") for role, name in spoken)
    share = browser.run("return document.querySelectorAll('#classes .share')[1].textContent")
    assert ("button", f"1 {share}") in spoken
    pad.send_keys(Keys.DELETE)
    assert browser.text("answer") == "–"


def test_another_class_can_be_chosen_and_the_command_for_trace_follows(browser, shipped):
    browser.open(shipped)
    draw(browser, DIGITS["7"])
    assert browser.text("command") == "mlp trace drawing.png --label 7"
    buttons = browser.driver.find_elements("css selector", "#classes button")
    buttons[2].click()
    assert [button.get_attribute("aria-pressed") for button in buttons].index("true") == 2
    assert browser.text("command") == "mlp trace drawing.png --label 2"
    assert browser.text("answer") == "7"
    buttons[2].click()
    assert browser.text("command") == "mlp trace drawing.png --label 7"


def test_an_answer_below_the_threshold_is_shown_as_refused(browser, shipped):
    star = [[(0.2, 0.2), (0.8, 0.8)], [(0.8, 0.2), (0.2, 0.8)], [(0.1, 0.5), (0.9, 0.5)], [(0.5, 0.1), (0.5, 0.9)]]
    browser.open(shipped)
    confidence = []
    for strokes in (star, DIGITS["0"]):
        draw(browser, strokes)
        confidence.append(max(browser.run("return mlp.read(mlp.pixels).probabilities")))
        browser.click("clear")
    assert confidence[0] < confidence[1]
    metadata = msgspec.structs.replace(shipped.metadata, threshold=sum(confidence) / 2)
    browser.open(Checkpoint(shipped.path, shipped.network, metadata, shipped.tensors))
    draw(browser, star)
    assert browser.text("answer") == "–"
    assert "Not a digit: the largest probability" in browser.text("reason")
    assert browser.run("return mlp.read(mlp.pixels).digit") is None
    browser.click("clear")
    draw(browser, DIGITS["0"])
    assert browser.text("answer") == "0"


DROP = """
const [data, type, done] = [arguments[0], arguments[1], arguments[2]];
const bytes = Uint8Array.from(data), transfer = new DataTransfer();
transfer.items.add(new File([bytes], "picture.png", {type: "image/png"}));
const event = type === "drop" ? new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true})
  : new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true});
const message = document.getElementById("message");
message.textContent = "";
document.getElementById("pad").dispatchEvent(event);
const wait = () => message.textContent ? done(message.textContent) : setTimeout(wait, 5);
wait();
"""


def test_pictures_are_dropped_pasted_and_opened(browser, shipped, tmp_path):
    images = load_mnist("test").images
    browser.open(shipped)
    exact, scan = tmp_path / "exact.png", tmp_path / "scan.png"
    Image.fromarray(images[0].reshape(28, 28)).save(exact)  # a 7
    browser.driver.execute_async_script(DROP, list(exact.read_bytes()), "drop")
    np.testing.assert_array_equal(seen(browser), images[0])
    assert browser.text("answer") == "7"
    browser.click("clear")
    grey = np.full((300, 400), 225, np.uint8)  # dark ink on paper, with a speck of dust: a 2
    grey[40:264, 100:324] -= np.asarray(Image.fromarray(images[1].reshape(28, 28)).resize((224, 224))) // 5 * 4
    grey[280:284, 20:24] = 20  # dust
    Image.fromarray(grey).save(scan)
    browser.driver.execute_async_script(DROP, list(scan.read_bytes()), "paste")
    assert browser.text("answer") == "2"
    assert np.abs(seen(browser).astype(int) - images[1]).mean() < 12
    browser.click("clear")
    browser.driver.find_element("id", "file").send_keys(str(exact))
    wait_for(lambda: browser.text("answer") != "–")
    np.testing.assert_array_equal(seen(browser), images[0])
    browser.click("clear")
    assert "not a picture" in browser.driver.execute_async_script(DROP, [1, 2, 3], "drop")
    browser.click("clear")
    Image.new("L", (50, 50), 200).save(exact)
    assert "is blank" in browser.driver.execute_async_script(DROP, list(exact.read_bytes()), "drop")
    assert browser.text("answer") == "–"
    assert browser.complaints() == []


def test_a_hairline_in_a_picture_is_thickened_and_a_small_picture_prepared(browser, shipped, tmp_path):
    reader = mlp_cli.load("mnist")
    browser.open(shipped)
    line = np.zeros((120, 90), np.uint8)
    line[10:110, 30] = 255
    small = np.full((28, 28), 255, np.uint8)  # not centred, not grey at its edges: not an image of MNIST
    small[2:20, 3] = 0
    for number, picture in enumerate((line, small)):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        browser.driver.execute_async_script(DROP, list((tmp_path / f"{number}.png").read_bytes()), "drop")
        image = seen(browser).reshape(28, 28)
        assert browser.text("answer") == "1"
        assert image.any(axis=1).sum() == 20
        prepared = reader.read(tmp_path / f"{number}.png").image
        assert image[14].sum() / 255 == pytest.approx(prepared[14].sum() / 255, abs=0.2)
        assert image[14].sum() / 255 > 1.9


def test_the_page_fits_every_screen_and_axe_finds_nothing(browser, shipped):
    browser.open(shipped)
    draw(browser, DIGITS["3"])
    axe = Axe()
    for width, scheme in itertools.product((360, 768, 1920), ("light", "dark")):
        browser.show(width, 800, scheme)
        size = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert size == [width, width]
        results = axe.run(browser.driver)
        assert results["violations"] == [], json.dumps(results["violations"], indent=1)[:3000]
    assert browser.complaints() == []
