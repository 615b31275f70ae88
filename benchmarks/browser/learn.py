"""Time a training in the visitor's browser: `python -m benchmarks browser learn`.

It has four parts. All run in headless Chromium (playwright), with the default settings of Train's form (learn.js):

- image: times the gradient of an image on one thread, in the page and in PyTorch in float32, in turns.
- digits: a network learns digits from random weights. After every 1,280 images it pauses, and the classifier of
  `benchmarks digits` counts how many of 200 pictures show the requested digit.
- drawings: a network learns 20 drawings of one kind. The column "number" is the page's measure of its pictures: 0 means
  copies of the drawings, 1 means as varied as the drawings. The sheets in --out show 24 pictures of the network, and
  below them the drawings.
- loaded: measures a worker's memory, and the bytes that a visitor downloads before and after opening Train.

The seconds include the learning and the samples that Train shows. The tables also show the CPU seconds of both
workers together. The folder of --out also gets all numbers, in learn.json.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

import ddpm_core
from benchmarks import digits
from benchmarks._measure import Row, describe, table, times
from benchmarks.app import ARGS
from benchmarks.browser.opening import RUN, THERE, compress_file, serve_folder
from benchmarks.browser.step import ROOT, WARM, Files
from ddpm_core import imaging
from ddpm_core.commands.reading import Parser
from ddpm_core.disk import files
from ddpm_core.engines.from_diffusers import UNet2DModel
from train.data.sample import ImageSample
from ui.static.folder import CLIENT, write
from ui.web.scripts import ENTRY, FIRST, WORKER, imports_of, module

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

MODULE = "/benchmarks/browser/learn.js"
DRAWINGS = ROOT / "tests/page/drawings.json"  # twenty drawings of each kind; a drawing is one stroke
BATCHES, TURN = (8, 32), 64  # BATCHES: the timed batch sizes; TURN: number of images in one timing
EVERY, ASKED = 1280, 200  # EVERY: number of images between two tests; ASKED: number of digits in a test
WAY = digits.Way("ddim:10:trailing")  # the page draws its samples with these settings
ENOUGH = 0.9  # the training stops when this share of the digits is right
COLUMNS, LARGER = 6, 4  # COLUMNS: number of a sheet's columns; LARGER: factor that enlarges its pictures
# Matches the paths of files that only a training needs.
TRAINING = re.compile(
    r"(^|/)(learning/|parts/train/|words/learning|network/(batch|group_norm|parameters|tape|winograd)|digits\.npz)"
)


def call_module(page: Page, what: str, asked: object = None) -> None:
    """Call a function of learn.js and store its result in the page as `window.{what}`."""
    page.evaluate(f"async (asked) => {{ window.{what} = await (await import('{MODULE}')).{what}(asked); }}", asked)


# --- The gradient of an image


def pytorch_timer(config: Row, batch: int) -> Callable[[], tuple[float, float]]:
    """Return a function that computes the gradients of TURN images with PyTorch. It returns the elapsed seconds and the
    CPU seconds.
    """
    network = UNet2DModel(**{name: value for name, value in config.items() if name[0] != "_"})
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    shape = (batch, config["in_channels"], config["sample_size"], config["sample_size"])
    x = torch.randn(*shape).to(memory_format=torch.channels_last)
    t, labels = torch.randint(0, 1000, (batch,)), torch.randint(0, 10, (batch,))

    def gradients() -> tuple[float, float]:
        """Compute the gradients and return the seconds."""
        clock, processor = time.perf_counter(), time.thread_time()
        for _ in range(TURN // batch):
            network.zero_grad()
            network(x, t, labels).sample.square().sum().backward()
        return time.perf_counter() - clock, time.thread_time() - processor

    return gradients


def page_timer(page: Page, devtools: CDPSession, batch: int) -> Callable[[], tuple[float, float]]:
    """Return a function like that of `pytorch_timer`, but for the page's code in the page's main thread."""

    def cpu_seconds() -> float:
        """Return the CPU seconds of the page's thread."""
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in metrics if one["name"] == "TaskDuration")

    def gradients() -> tuple[float, float]:
        """Compute the gradients and return the seconds."""
        before = cpu_seconds()
        seconds = page.evaluate(f"measuredNetwork.learn({TURN // batch}, {batch})")
        return seconds, cpu_seconds() - before

    return gradients


def time_gradient(page: Page, seconds: float) -> Iterator[Row]:
    """Yield the time of an image's gradient in the page and in PyTorch, measured in turns."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    call_module(page, "measuredNetwork")
    config = page.evaluate("measuredNetwork.config")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for batch in BATCHES:
        both = page_timer(page, devtools, batch), pytorch_timer(config, batch)
        for gradients in both * WARM:
            gradients()
        turns, end = [], time.monotonic() + seconds
        while not turns or time.monotonic() < end:
            turns.append([gradients() for gradients in both])
        for i, clock in enumerate(("CPU", "clock")):
            own, theirs = np.array(turns)[:, :, 1 - i].T * 1000 / TURN
            yield {
                "gradient of an image, ms": f"{batch} at once, {clock}",
                "page": round(float(np.median(own)), 2),
                "PyTorch": round(float(np.median(theirs)), 2),
                "ratio": times((own / theirs).tolist()),
            }
    torch.set_num_threads(threads)


# --- Trainings


class Training:
    """A training in the page. drawings: the drawings that it learns; None for digits."""

    def __init__(self, page: Page, drawings: list | None = None):
        self._page = page
        self._browser = page.context.browser.new_browser_cdp_session()  # pyright: ignore[reportOptionalMemberAccess]
        call_module(page, "training", drawings)
        self._seconds = 0.0

    def _cpu_seconds(self) -> float:
        """Return the CPU seconds of all pages of this browser."""
        found = self._browser.send("SystemInfo.getProcessInfo")["processInfo"]
        return sum(one["cpuTime"] for one in found if one["type"] == "renderer")

    def until(self, images: int, after: str) -> Row:
        """Learn from at least `images` images, until the next event `after` ("step" or "grid"), and pause.

        Return the numbers of images and seconds, and whether the training is over.
        """
        before = self._cpu_seconds()
        found = self._page.evaluate(f"training.until({images}, '{after}')")
        self._seconds += self._cpu_seconds() - before
        return found | {"processor": self._seconds}

    def sheet(self) -> Row:
        """Return the pixels of the newest samples, and their distance from the drawings."""
        return self._page.evaluate("training.sheet()")

    def save(self, folder: Path) -> None:
        """Write the learned model as a checkpoint."""
        for name, content in self._page.evaluate("training.files()"):
            (folder / name).write_bytes(base64.b64decode(content))


def pictures(numbers: str) -> np.ndarray:
    """Decode pictures of the page to uint8 (N, 28, 28, 1)."""
    return np.frombuffer(base64.b64decode(numbers), np.uint8).reshape(-1, digits.SIZE, digits.SIZE, 1)


def save_sheet(path: Path, *parts: np.ndarray) -> None:
    """Write pictures into one file, with a white line below each part."""
    grids = [
        np.pad(imaging.grid(part, columns=COLUMNS)[..., 0], ((0, 2), (0, 0)), constant_values=255) for part in parts
    ]
    Image.fromarray(np.concatenate(grids).repeat(LARGER, 0).repeat(LARGER, 1)).save(path)


def learn_digits(page: Page, limit: int, out: Path) -> Iterator[Row]:
    """Learn digits until enough are right, and yield a row for each test."""
    training = Training(page)
    for images in range(EVERY, limit + 1, EVERY):
        found = training.until(images, "step")
        with tempfile.TemporaryDirectory() as folder:
            training.save(Path(folder))
            model = ddpm_core.load(folder, device="cpu", engine="torch", precision="fp32")
            samples, asked = digits.samples(model, WAY, ASKED)
        seen, _ = digits.judge(digits.load_classifier(), samples)
        right = float((seen == asked).mean())
        save_sheet(out / f"digits-{found['images']:05}.png", samples[: 8 * COLUMNS])
        yield {
            "digits": f"{found['images']:,} images",
            "right": f"{100 * right:.1f} %",
            "s": round(found["seconds"], 1),
            "CPU s": round(found["processor"], 1),
            "images/s": round(found["images"] / found["seconds"]),
        }
        if right >= ENOUGH or found["isOver"]:
            break


def learn_drawings(page: Page, limit: int, out: Path) -> Iterator[Row]:
    """Learn the drawings of each kind, and yield the rows."""
    for what, drawings in json.loads(DRAWINGS.read_text("utf-8")).items():
        page.reload()  # reloading ends the workers of the previous kind
        yield from learn_kind(page, what, [[line] for line in drawings], limit, out)


def learn_kind(page: Page, what: str, drawings: list, limit: int, out: Path) -> Iterator[Row]:
    """Learn the drawings of one kind, and yield a row for each test."""
    training = Training(page, drawings)
    originals = pictures(page.evaluate("training.originals"))
    for images in range(2 * EVERY, limit + 1, 2 * EVERY):
        found = training.until(images, "grid")
        sheet = training.sheet()
        save_sheet(out / f"{what}-{found['images']:05}.png", pictures(sheet["pixels"]), originals)
        yield {
            "drawings": what,
            "images": f"{found['images']:,}",
            "number": round(sheet["likeness"], 2),
            "s": round(found["seconds"], 1),
            "CPU s": round(found["processor"], 1),
        }
        if found["isOver"]:
            break


# --- Downloads and memory of a visitor


def measure_downloads(browser: Browser, page: Page) -> Iterator[Row]:
    """Yield the memory of a worker, and the bytes that the static page downloads."""
    call_module(page, "measuredNetwork")
    memory = page.evaluate("measuredNetwork.memory()")
    yield {"what": "memory of a worker", "for Train": f"{memory / 1e6:.1f} MB", "all": ""}
    first = [name for name in imports_of(*FIRST, CLIENT, ENTRY) + imports_of(WORKER) if TRAINING.search(name)]
    inside = sum(len(module(name)) for name in first)
    with tempfile.TemporaryDirectory() as temporary:
        write(Path(temporary, "lab"), ["mnist-tiny"])
        with serve_folder(Path(temporary)) as (address, _):
            # The service worker is blocked, because it would download files for offline use.
            context = browser.new_context(service_workers="block")
            asked: set[str] = set()
            context.on("request", lambda request: asked.add(request.url.removeprefix(address).split("?")[0]))
            visit = context.new_page()

            def row(what: str) -> Row:
                """Return a row with the bytes that were downloaded so far."""
                sizes = {
                    path: len(compress_file(file))
                    for path in asked
                    if (file := Path(temporary, path.lstrip("/"))).is_file()
                }
                own = sum(size for path, size in sizes.items() if TRAINING.search(path))
                return {
                    "what": what,
                    "for Train": f"{(own + inside) / 1000:.0f} kB",
                    "all": f"{sum(sizes.values()) / 1000:.0f} kB",
                }

            visit.goto(f"{address}/lab/")
            visit.evaluate(THERE, RUN)
            visit.wait_for_load_state("networkidle")
            yield row("download before Train is opened")
            visit.click("#places [data-place=train]")
            visit.wait_for_selector(".train[data-state=idle]")
            visit.wait_for_load_state("networkidle")
            yield row("after it is opened")
            visit.click(".train .start")
            visit.wait_for_selector(".train[data-state=running]:not([data-grids='0'])", timeout=300_000)
            yield row("until the first samples")
            context.close()


@contextmanager
def open_page(browser: Browser, address: str) -> Iterator[Page]:
    """Open a page of this checkout for the block. Closing it also ends its workers."""
    page = browser.new_page()
    page.set_default_timeout(0)
    page.goto(address)
    yield page
    page.close()


PARTS = "image", "digits", "drawings", "loaded"


def main(arguments: Sequence[str]) -> None:
    """Run the selected parts and save the report."""
    from playwright.sync_api import sync_playwright

    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m benchmarks browser learn", description=__doc__, formatter_class=raw)
    parser.add_argument("--out", type=Path, default=Path("learn"), help="folder of the sheets and learn.json")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=30, help="for the gradient, for each number of images at once")
    parser.add_argument("--images", type=int, default=25600, help="how many a training sees; half for drawings")
    parser.add_argument("--data", help="real digits, to train the classifier where there is none")
    options = parser.parse_args(arguments)
    if "digits" in options.only and not digits.kept_classifier().is_file():
        if not options.data:
            parser.error("there is no classifier of digits yet: name real digits with --data")
        digits.ready_classifier(ImageSample(options.data, "train", digits.SIZE, channels=1))
    options.out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"machine": describe(torch.device("cpu"))}
    print(json.dumps(report["machine"]))
    path = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium"))), None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server, sync_playwright() as playwright:
        Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)

        measures: dict[str, Callable[[Page], Iterator[Row]]] = {
            "image": lambda page: time_gradient(page, options.seconds),
            "digits": lambda page: learn_digits(page, options.images, options.out),
            "drawings": lambda page: learn_drawings(page, options.images // 2, options.out),
            "loaded": lambda page: measure_downloads(browser, page),
        }
        for name in options.only:
            with open_page(browser, f"http://127.0.0.1:{server.server_port}/") as page:
                report[name] = table(measures[name](page))
            files.write_json(options.out / "learn.json", report)
        browser.close()
        server.shutdown()
