"""Measure how much of a picture flashes, as WCAG 2.3.1 defines it: `python tests/helpers/flashing.py` measures the
page.

A flash is a pair of opposing changes of the relative luminance by at least a tenth of its maximum, where the darker
value is below 0.8. More than three flashes in any second are dangerous if they fill a quarter of ten degrees of sight:
341 × 256 CSS pixels at the usual distance. Here a place is a square of 16 CSS pixels.

https://www.w3.org/TR/WCAG22/#dfn-general-flash-and-red-flash-thresholds
"""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

import numpy as np

SIDE = 16  # side of a place, in CSS pixels
SIGHT = (256 // SIDE, 341 // SIDE)  # height and width of ten degrees of sight, in places
# Records the canvases of a player at every change: the time, and one pixel of each place.
RECORD = """
(selector) => {
  const found = { width: 0, height: 0, shots: [] };
  let before = "";
  const look = () => {
    if (window.watched !== found) return;
    const [canvas] = [...document.querySelectorAll(selector)].filter((one) => one.getClientRects().length);
    const { width, height } = canvas.getBoundingClientRect();
    const small = document.createElement("canvas");
    [small.width, small.height] = [found.width, found.height] = [width, height].map((v) => Math.round(v / SIDE));
    const context = small.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingEnabled = canvas.width > small.width;
    context.drawImage(canvas, 0, 0, small.width, small.height);
    const { data } = context.getImageData(0, 0, small.width, small.height);
    const now = btoa(String.fromCharCode(...data));
    if (now !== before) found.shots.push([performance.now(), now]);
    before = now;
    requestAnimationFrame(look);
  };
  window.watched = found;
  look();
}
""".replace("SIDE", str(SIDE))


def luminance(rgb: np.ndarray) -> np.ndarray:
    """Return the relative luminance, 0 to 1, of sRGB colours: uint8 (..., 3)."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def turns(values: np.ndarray) -> list[int]:
    """Return the indices at which the luminance of one place has turned by a tenth or more. Two turns are a flash."""
    found, extreme, way = [], values[0], 0
    for at, value in enumerate(values):
        change = value - extreme
        if way and change * way > 0:
            extreme = value  # the change goes on in the same direction
        elif abs(change) >= 0.1 and min(value, extreme) < 0.8:
            found.append(at)
            extreme, way = value, np.sign(change)
    return found


def flashing(seconds: np.ndarray, shots: np.ndarray) -> float:
    """Return the largest share of a field of sight that flashes more than three times in one second, 0 to 1.

    seconds (n,): when each picture came; shots (n, height, width, 3), uint8: a pixel for each place.
    """
    values = luminance(shots)
    n, height, width = values.shape
    # of each place: the moments at which the last second has more than three flashes, which is seven turns
    times = np.zeros((n, height, width), bool)
    for y in range(height):
        for x in range(width):
            at = turns(values[:, y, x])
            for first, last in zip(at, at[6:], strict=False):
                times[last:, y, x] |= (seconds[last:] <= seconds[first] + 1) & (seconds[last] - seconds[first] <= 1)
    rows, columns = min(SIGHT[0], height), min(SIGHT[1], width)
    sums = np.pad(times.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    fields = (
        sums[:, rows:, columns:] - sums[:, :-rows, columns:] - sums[:, rows:, :-columns] + sums[:, :-rows, :-columns]
    )
    return float(fields.max() / (SIGHT[0] * SIGHT[1]))


def played(page, selector: str, press: str, ended: str) -> tuple[np.ndarray, np.ndarray]:
    """Press a key of a page, and return the pictures on a canvas until it has ended, with their times: see
    `flashing`.
    """
    page.evaluate(RECORD, selector)
    page.keyboard.press(press)
    page.wait_for_function(ended)
    found = page.evaluate("() => { const found = window.watched; window.watched = null; return found; }")
    pixels = [np.frombuffer(base64.b64decode(shot), np.uint8) for _, shot in found["shots"]]
    shots = np.stack(pixels).reshape(-1, found["height"], found["width"], 4)
    return np.array([at for at, _ in found["shots"]]) / 1000, shots[..., :3]


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from browser import ARGS, chromium_path
    from playwright.sync_api import sync_playwright
    from screenshots import served

    playing = "document.querySelector('.play').ariaLabel === 'Play'"
    with served(static=True) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGS)
        for model in ("mnist-tiny", "cifar10-tiny"):
            for width, height in ((1280, 800), (1920, 1080)):
                page = browser.new_page(
                    viewport={"width": width, "height": height}, bypass_csp=True, reduced_motion="no-preference"
                )
                page.goto(f"{url}?tab=watch&checkpoint={model}&steps=100")
                page.click(".part-watch .run:enabled")
                page.wait_for_selector(".part-watch[data-state=finished]", timeout=300_000)
                for speed in ("1", "4"):
                    page.select_option(".speed", speed)
                    page.keyboard.press("f")
                    page.keyboard.press("End")
                    seconds, shots = played(page, "figure.x canvas", " ", playing)
                    page.keyboard.press("f")
                    share = flashing(seconds, shots)
                    said = f"{len(shots)} pictures in {np.ptp(seconds):.1f} s, {share:.0%} of a field of sight flashes"
                    print(f"{model}, {width} × {height}, {speed}×: {said}", flush=True)
                page.close()
        browser.close()


if __name__ == "__main__":
    main()
