"""Take pictures of every part of the page: `python tests/helpers/screenshots.py FOLDER`. For the page without a server,
use `python tests/helpers/screenshots.py FOLDER static`.

Each part is shown as it opens and at the end of a run, at 1280, 1024 and 390 pixels, light and dark; the projector view
is shown at four sizes. `python tests/helpers/screenshots.py icons` makes the pictures of ui/web/icons, `gifs` those of
docs/, and `stills` the pictures of the essay for readers without scripts.
"""

from __future__ import annotations

import functools
import http.server
import io
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from browser import ARGS, chromium_path
from parts import ON_PAGE, QUICK, WITH_RUNS
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import ui
from ui.models.catalogue import EMBEDDED
from ui.static.folder import write
from ui.web import FILES

SIZES = {"desktop": (1280, 800), "tablet": (1024, 768), "phone": (390, 844)}
PROJECTORS = ((1024, 768), (1280, 720), (1280, 800), (1920, 1080))
# These runs take some seconds. With this class and seed, the digits of Compare are clear after 10 steps.
COMPARE = "tab=compare&steps=10&steps_b=10&variance=beta&variance_b=beta_tilde&count=4&label=3&seed=42"
RUNS = {part: f"tab={part}{QUICK.get(part, '')}" for part in WITH_RUNS} | {
    "compare": COMPARE,
    "grid": "tab=grid&columns=5,10,20",
    "latents": "tab=latents&steps=20&count=6",
}
ICONS = FILES / "icons"
STILLS = FILES / "examples/essay"
DOCS = Path(__file__).resolve().parents[2] / "docs"


def opened(page: Page, url: str, query: str) -> None:
    page.goto(f"{url}?{query}")
    page.wait_for_selector("html[data-ready=true]")
    page.wait_for_timeout(1500)


def finished(page: Page, url: str, part: str) -> None:
    """Wait until a run has ended and its pictures are shown."""
    opened(page, url, RUNS[part])
    root = f".part-{part}"
    if page.locator(f"{root} .run:enabled").count() and page.get_attribute(root, "data-state") == "idle":
        page.click(f"{root} .run:enabled")
    page.wait_for_selector(f"{root}[data-state=finished]", timeout=300_000)
    page.wait_for_timeout(6000)


def shoot(browser: Browser, url: str, folder: Path) -> None:
    for name, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme, is_mobile=name == "phone"
            )
            for part in ON_PAGE:
                opened(page, url, f"tab={part}")
                page.screenshot(path=folder / f"{part}-{name}-{scheme}.png")
                if part in RUNS and name != "tablet":
                    finished(page, url, part)
                    page.screenshot(path=folder / f"{part}-end-{name}-{scheme}.png", full_page=True)
                print(part, name, scheme)
            page.close()


def project(browser: Browser, url: str, folder: Path) -> None:
    page = browser.new_page()
    for part in ("watch", "compare"):
        for width, height in PROJECTORS:
            page.set_viewport_size({"width": width, "height": height})
            opened(page, url, f"tab={part}")
            page.keyboard.press("f")
            page.wait_for_timeout(500)
            page.screenshot(path=folder / f"{part}-projector-{width}x{height}.png")
    page.close()


def animate(browser: Browser, url: str, part: str, ticks: list[int]) -> None:
    """Write a GIF of a finished run whose scrubber moves from noise to pictures."""
    page = browser.new_page(viewport={"width": 1080, "height": 760})
    finished(page, url, part)
    still = "* { animation: none !important; transition: none !important }"
    page.add_style_tag(content=f"{still} .try small, .estimate {{ display: none }}")  # hide the times of this machine
    page.evaluate("""
        for (const box of document.querySelectorAll(".how")) box.open = false;
        for (const run of document.querySelectorAll(".run")) run.textContent = "Run";
    """)
    frames = []
    for k in ticks:
        page.locator(".scrubber").fill(str(k))
        page.wait_for_selector(f".ddpm-player[data-k='{k}']")
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(300)
        frames.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    middle = frames[len(frames) // 2].quantize(160)  # one palette for all frames halves the size of a GIF
    first, *rest = (frame.quantize(palette=middle, dither=Image.Dither.NONE) for frame in frames)
    each = 3600 // len(frames)
    durations = [700, *[each] * (len(rest) - 1), 3000]
    first.save(DOCS / f"{part}.gif", save_all=True, append_images=rest, duration=durations, loop=0, optimize=True)
    page.close()


def icons(browser: Browser, url: str) -> None:
    """Write the icon in the sizes of the manifest, and the preview picture for links to the page."""
    drawing = (ICONS / "icon.svg").read_text(encoding="utf-8")
    whole = drawing.replace(' rx="14"', "")  # systems that cut icons need a square one with a margin
    shapes = (("icon-192", 192, 1, drawing), ("icon-512", 512, 1, drawing))
    for name, side, share, shape in (*shapes, ("icon-180", 180, 0.9, whole), ("icon-maskable", 512, 0.8, whole)):
        page = browser.new_page(viewport={"width": side, "height": side})
        around = "background: #c2410c" if shape is whole else ""
        style = f"body {{ margin: 0; {around} }} svg {{ display: block; width: {side}px; scale: {share} }}"
        page.set_content(f"<style>{style}</style>{shape}")
        page.screenshot(path=ICONS / f"{name}.png", omit_background=True)
        page.close()
    page = browser.new_page(viewport={"width": 960, "height": 504}, device_scale_factor=1.25)  # 1200 × 630 pixels
    opened(page, url, "tab=watch")
    page.add_style_tag(
        content=".side, .try { display: none !important } .part { grid-template-columns: 1fr !important }"
    )
    page.locator(".scrubber").fill("37")
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(500)
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(ICONS / "preview.png", optimize=True)


def stills(browser: Browser, url: str) -> None:
    """Write each figure of the essay as it opens, in the width that it has beside its text."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page.goto(f"{url}essay")
    STILLS.mkdir(exist_ok=True)
    for figure in page.locator("ddpm-figure").all():
        figure.scroll_into_view_if_needed()
        name = figure.get_attribute("name")
        page.wait_for_selector(f"ddpm-figure[name={name}][data-alive=true]:not([data-busy=true])", timeout=120_000)
        page.wait_for_timeout(4000)  # recorded pictures appear without a click
        page.wait_for_selector(f"ddpm-figure[name={name}]:not([data-busy=true])", timeout=120_000)
        shot = Image.open(io.BytesIO(figure.locator(".figure").screenshot())).convert("RGB")
        shot.save(STILLS / f"{name}.webp", quality=72, method=6)
    page.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(static: bool) -> Iterator[str]:
    """Yield the page's address."""
    if not static:
        app = ui.build()
        ui.launch(app, socket.create_server(("127.0.0.1", 0)))
        yield app.local_url
        return ui.close(app)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, "lab"), list(EMBEDDED))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/lab/"
        server.shutdown()


def main(where: str, how: str = "") -> None:
    folder = Path(where)
    with served(how == "static") as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGS)
        if where == "icons":
            icons(browser, url)
        elif where == "stills":
            stills(browser, url)
        elif where == "gifs":
            animate(browser, url, "watch", [*range(0, 20, 4), *range(20, 46, 2), *range(46, 50)])
            animate(browser, url, "compare", [*range(10)])
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shoot(browser, url, folder)
            project(browser, url, folder)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python tests/helpers/screenshots.py FOLDER [static] | icons | gifs | stills")
    main(*sys.argv[1:])
