"""Time the first seconds of the page without a server: `python -m benchmarks browser opening`.

This writes the static folder, serves it compressed by gzip under a sub-path, and opens it in new profiles of a headless
browser (playwright). It presses Run as soon as possible. It measures the seconds from opening until the first digit is
drawn, until Run can be pressed, until the run shows its first frame, and until the run ends. It also counts the
requests before Run can be pressed, the bytes before these events, and the main thread's tasks over 50 ms from the press
on Run until the page has played the run. --slow simulates a distant visitor with HTTP/1.1: 150 ms per request, 1.6
Mbit/s, and a processor that is four times slower.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import http.server
import json
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks._measure import describe, table, times
from benchmarks.app import ARGS, CLICK
from ddpm_core.commands.reading import Parser
from ui.static.folder import write

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MODELS = ["mnist-tiny", "cifar10-tiny", "emoji-tiny"]  # models in the folder; the page starts with the first model
RUN = ".part-watch[data-described] .run:enabled"
# JavaScript that the browser evaluates in the page. It returns the milliseconds until an element exists. The page's
# content security policy forbids playwright's wait_for_function.
THERE = """(selector) => new Promise((done) => {
  const look = () => (document.querySelector(selector) ? done(performance.now()) : requestAnimationFrame(look));
  look();
})"""
LONG = 50  # milliseconds: the benchmark counts longer tasks of the main thread
PLAYED = 6000  # milliseconds: the page plays a run within this time after its end
DRAWN = ".early[data-drawn], .ddpm-player[data-k]:not([data-k='0'])"
# conditions of --slow: LATENCY in seconds, BANDWIDTH in bytes per second, SLOWDOWN as a factor, PIECE in bytes
LATENCY, BANDWIDTH, SLOWDOWN, PIECE = 0.15, 200e3, 4, 4096
LATER = "sw.js"  # the service worker's file; later files are for offline use and don't count


@functools.cache
def compress_file(path: Path) -> bytes:
    """Return a file as the server sends it: compressed by gzip."""
    return gzip.compress(path.read_bytes(), 6)


class Compressed(http.server.SimpleHTTPRequestHandler):
    """Serves all files compressed. With `slow`, it simulates a slow line."""

    protocol_version = "HTTP/1.1"
    sent: list[tuple[str, int]]  # the name and the compressed size, in bytes, of each file that was sent
    slow: threading.Lock | None  # a response holds this lock while it uses the slow line; None for a fast line

    def do_GET(self) -> None:
        """Send a file."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            return self.send_error(404)
        content = compress_file(path)
        self.sent.append((path.name, len(content)))
        self.send_response(200)
        for name, value in {
            "content-type": self.guess_type(str(path)),
            "content-encoding": "gzip",
            "content-length": str(len(content)),
            "cache-control": "max-age=600",  # the caching time of GitHub Pages
        }.items():
            self.send_header(name, value)
        if not self.slow:
            self.end_headers()
            self.wfile.write(content)
            return
        time.sleep(LATENCY)
        self.end_headers()
        for start in range(0, len(content), PIECE):
            piece = content[start : start + PIECE]
            with self.slow:
                time.sleep(len(piece) / BANDWIDTH)
            with suppress(ConnectionError):  # the browser has closed the connection
                self.wfile.write(piece)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
        pass


@contextmanager
def serve_folder(folder: Path, slow: bool = False) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Serve a folder for the block. Yield the server's URL, and the list of the files sent so far."""
    handler = type("Handler", (Compressed,), {"sent": [], "slow": threading.Lock() if slow else None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler.sent
    server.shutdown()


def visit_page(browser: Browser, address: str, sent: list[tuple[str, int]], slow: bool = False) -> dict[str, float]:
    """Visit the page in a new profile, and return the measured times, tasks, requests and bytes."""
    sent.clear()
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    if slow:
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
    page.goto(address, wait_until="commit")
    drawn, bytes_before = page.evaluate(THERE, DRAWN), _bytes(sent)
    pressed, asked = page.evaluate(THERE, RUN), len(sent)
    before_run = _bytes(sent)
    metrics = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
    with record_trace(browser, page) as events:
        first, last = page.evaluate(CLICK)
        bytes_after = _bytes(sent)
        page.wait_for_timeout(PLAYED)
    tasks = _tasks(events)
    found = {
        "first digit, s": drawn / 1000,
        "Run can be pressed, s": pressed / 1000,
        "main thread until then, CPU s": metrics["TaskDuration"],
        "first frame of a run, s": (pressed + first) / 1000,
        "end of this run, s": (pressed + last) / 1000,
        "its tasks over 50 ms": sum(wall > LONG for wall, _ in tasks),
        "longest task, ms": max(wall for wall, _ in tasks),
        "tasks over 50 CPU ms": sum(own > LONG for _, own in tasks),
        "longest task, CPU ms": max(own for _, own in tasks),
        "requests until Run": asked,
        "MB until the first digit": bytes_before / 1e6,
        "MB until Run": before_run / 1e6,
        "MB until the end of the run": bytes_after / 1e6,
    }
    context.close()
    return found


@contextmanager
def record_trace(browser: Browser, page: Page) -> Iterator[list[dict[str, Any]]]:
    """Record Chromium's trace events during the block. The list is complete after the block."""
    session = browser.new_browser_cdp_session()
    events: list[dict[str, Any]] = []
    over: list[Any] = []
    session.on("Tracing.dataCollected", lambda found: events.extend(found["value"]))
    session.on("Tracing.tracingComplete", lambda found: over.append(found))
    config = {"includedCategories": ["devtools.timeline", "toplevel"]}
    session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": config})
    yield events
    session.send("Tracing.end")
    while not over:
        page.wait_for_timeout(50)
    session.detach()


def _tasks(events: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """Return (elapsed milliseconds, CPU milliseconds) of each task of the page's main thread."""
    thread = itemgetter("pid", "tid")
    mains = {thread(e) for e in events if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"}
    layouts = Counter(thread(e) for e in events if e["name"] == "Layout")
    main = max(mains, key=lambda one: layouts[one])  # the main thread of the visible page does the most layouts
    runs = [e for e in events if thread(e) == main and e["name"].endswith("RunTask") and "dur" in e]
    tasks, end = [], 0.0
    for e in sorted(runs, key=lambda e: (e["ts"], -e["dur"])):
        if e["ts"] >= end:  # skips tasks that are part of the previous task
            end = e["ts"] + e["dur"]
            tasks.append((e["dur"] / 1000, e.get("tdur", 0) / 1000))
    return tasks


def _bytes(sent: list[tuple[str, int]]) -> int:
    """Return the bytes that were sent before the service worker was requested."""
    names = [name for name, _ in sent]
    return sum(size for _, size in sent[: names.index(LATER) if LATER in names else None])


def main(arguments: list[str]) -> None:
    """Visit the page several times and print the table."""
    from playwright.sync_api import sync_playwright

    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m benchmarks browser opening", description=__doc__, formatter_class=raw)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--slow", action="store_true", help="far away, and on a slow processor")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        write(Path(temporary, "lab"), MODELS)
        path = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium"))), None)
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        with serve_folder(Path(temporary), options.slow) as (address, sent):
            visits = [visit_page(browser, f"{address}/lab/", sent, options.slow) for _ in range(options.rounds)]
        browser.close()
    print(json.dumps(describe(torch.device("cpu"))))
    line = "far away" if options.slow else "local"
    table({"opening": name, line: times([visit[name] for visit in visits])} for name in visits[0])
