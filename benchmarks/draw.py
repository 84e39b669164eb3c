"""What a movement of the pen costs on the page of `mlp draw`: from the event to everything shown, in headless Chromium.

    python benchmarks/draw.py mnist runs/001

Milliseconds of script per movement over a scribble of 500, whose yardstick is, in the same page, the network alone: one
forward pass and one backward pass. A screen shows a new picture every 16.7 ms. Needs Chromium and its driver (Debian:
chromium, chromium-driver), and selenium, as the tests do.
"""

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from common import machine, print_table
from selenium import webdriver

from mlp_cli.export.page import page
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import find_model

SCRIBBLE = """
const [moves, done] = arguments, pad = document.getElementById("pad"), box = pad.getBoundingClientRect();
const ask = requestAnimationFrame.bind(window), script = [], network = [];
window.requestAnimationFrame = callback => ask(time => {
  const started = performance.now();
  callback(time);
  script.push(performance.now() - started);
});
pad.setPointerCapture = () => {};  // these events have no pointer
const send = (type, x, y) => pad.dispatchEvent(new PointerEvent(type, {
  pointerId: 1, clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true, buttons: 1,
}));
(async () => {
  send("pointerdown", 0.5, 0.2);
  for (let i = 0; i < moves; i++) {
    send("pointermove", 0.5 + 0.25 * Math.sin(i / 25) * Math.cos(i / 250), 0.5 + 0.3 * Math.cos(i / 28));
    await new Promise(resolve => ask(() => setTimeout(resolve)));
    const pixels = mlp.pixels, started = performance.now();
    mlp.gradient(pixels, 3);
    network.push(performance.now() - started);
  }
  send("pointerup", 0.5, 0.5);
  done([script, network]);
})();
"""


def main():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or sys.exit("Chromium is not installed")
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1280,900"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_script_timeout(120)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for model in sys.argv[1:] or ["mnist"]:
            checkpoint = load_checkpoint(find_model(model))
            path = Path(folder) / "draw.html"
            path.write_bytes(page(checkpoint))
            driver.get(path.as_uri())
            script, network = driver.execute_async_script(SCRIBBLE, 500)
            median, alone = statistics.median(script), statistics.median(network)
            late = sum(taken > 1000 / 60 for taken in script) / len(script)
            sizes = "-".join(map(str, checkpoint.network.sizes))
            rows.append([sizes, f"{median:.1f}", f"{sorted(script)[int(0.95 * len(script))]:.1f}", f"{late:.1%}"])
            rows[-1] += [f"{alone:.1f}", f"{median / alone:.1f}"]
    browser = f"Chromium {driver.capabilities['browserVersion']}"
    driver.quit()
    print(f"{machine()} {browser}.\n")
    header = ["network", "median, ms", "95% below, ms", "above 16.7 ms", "network alone, ms", "times the network"]
    print_table("A movement of the pen", header, rows)


if __name__ == "__main__":
    main()
