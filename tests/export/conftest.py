"""Networks of every kind to export, and a browser for the page."""

import json
import os
import shutil

import numpy as np
import pytest
from selenium import webdriver

from mlp_cli.config import Config, NetworkConfig
from mlp_cli.export.page import page
from mlp_cli.model.checkpoint import FORMAT, Metadata, load_checkpoint, to_bytes
from mlp_cli.model.find import BUNDLED
from mlp_cli.nn import MLP


@pytest.fixture(scope="session")
def shipped():
    return load_checkpoint(BUNDLED["mnist"])


@pytest.fixture
def checkpoint(tmp_path):
    """checkpoint(shape=(8, 6), classes="abcd", hidden=(5,), activation="tanh", …) -> a Checkpoint, not trained."""

    def make(shape=(28, 28), classes="0123456789", hidden=(16, 8), activation="relu", **metadata):
        network = MLP([shape[0] * shape[1], *hidden, len(classes)], activation, rng=1)
        for b in network.parameters.b:
            b[...] = np.linspace(-0.2, 0.2, b.size)
        config = Config(network=NetworkConfig(hidden=tuple(hidden), activation=activation))
        facts = {"format": FORMAT, "config": config, "data": "some data", "data_sha256": {}, "epoch": 0, "step": 0}
        path = tmp_path / "made.safetensors"
        path.write_bytes(
            to_bytes(network, Metadata(**facts, classes=tuple(classes), image_shape=tuple(shape), **metadata))
        )
        return load_checkpoint(path)

    return make


def _new_browser():
    paths = [shutil.which("chromium"), shutil.which("chromedriver")]
    if not all(paths):
        missing = "no Chromium to draw in: apt-get install chromium chromium-driver"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(paths[1]))


class Browser:
    """Chromium without a window, with one page in it: see `open`."""

    def __init__(self, driver, folder):
        self.driver = driver
        self.folder = folder
        self.run = driver.execute_script
        self.cdp = driver.execute_cdp_cmd
        self.opened = 0

    def open(self, checkpoint):
        self.opened += 1
        path = self.folder / f"{self.opened}.html"
        path.write_bytes(page(checkpoint))
        self.show()
        self.driver.get(path.as_uri())

    def show(self, width=1280, height=900, scheme="light"):
        """Make the window look like this one."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.cdp("Emulation.setDeviceMetricsOverride", size)
        self.cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def text(self, identity):
        return self.run("return document.getElementById(arguments[0]).textContent", identity)

    def click(self, identity):
        self.driver.find_element("id", identity).click()

    def press(self, identity):
        """A click without moving the mouse to the button first: five times as fast."""
        self.run("document.getElementById(arguments[0]).click()", identity)

    def complaints(self):
        """What the console says, and every request since the last call that is not for a file or data of the page."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        own = (self.folder.as_uri(), "data:", "about:blank")
        return [entry["message"] for entry in self.driver.get_log("browser")] + [
            url for url in sent if not url.startswith(own)
        ]


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    driver = _new_browser()
    driver.get("about:blank")
    yield Browser(driver, tmp_path_factory.mktemp("pages"))
    driver.quit()
