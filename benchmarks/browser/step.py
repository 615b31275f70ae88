"""Compare a step in the browser with a step on the server: `python -m benchmarks browser step [REF ...]`. This takes
two minutes.

One evaluation of one image is timed in the page's kernel (one thread of a headless browser), in PyTorch in float32, and
in the engine that the server chooses by default. The three take turns, and a table shows the medians. With `--beside
CHECKOUT`, the page's kernel of another checkout also takes turns.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import torch
from playwright.sync_api import sync_playwright

import ddpm_core
from benchmarks._measure import Row, describe, table
from benchmarks.app import ARGS
from ddpm_core.commands.reading import Parser
from ddpm_core.prediction import label_tensor, predict

ROOT = Path(__file__).parents[2]
WARM = 3  # number of steps before the first timed step
MODELS = """async ([ref, root]) => {
    const web = (path) => `${location.origin}${root}ui/web/${path}`;
    const [{ compile }, { load }, { conditions, predict }] = await Promise.all(
        ["network/kernel.js", "network/model.js", "process/predict.js"].map((path) => import(web(path))));
    const bytes = async (path) => { const got = await fetch(path); return got.ok ? got.arrayBuffer() : null; };
    const read = (path) => bytes(`${location.origin}/checkpoints/${ref}/${path}`);
    const kernel = await compile(await bytes(web("network/kernel.wasm")));
    window.step ??= [];
    const model = await load(read, ref, kernel);
    const x = Float32Array.from({ length: model.channels * model.size ** 2 }, (_, i) => Math.sin(9 * i));
    const both = conditions(model, {});
    window.step.push(() => {
        const began = performance.now();
        predict(model, x, model.T, { both });
        return performance.now() - began;
    });
}"""


class Files(SimpleHTTPRequestHandler):
    """Serves this checkout, and another checkout under /beside/."""

    beside = ROOT

    def translate_path(self, path: str) -> str:
        """Return the path of a file in one of the checkouts."""
        self.directory = str(self.beside if path.startswith("/beside/") else ROOT)
        return super().translate_path(path.removeprefix("/beside"))

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def python_timer(ref: str, **options: str) -> Callable[[], float]:
    """Return a function that evaluates the network in Python and returns the milliseconds."""
    model = ddpm_core.load(ref, device="cpu", **options)  # pyright: ignore[reportArgumentType]
    x = torch.randn(1, model.channels, model.image_size, model.image_size)
    labels = label_tensor(model, None, 1, None)

    def step() -> float:
        """Evaluate the network once, and return the milliseconds."""
        began = time.perf_counter()
        predict(model, x, model.schedule.T, labels)
        return 1000 * (time.perf_counter() - began)

    return step


def medians(steps: Sequence[Callable[[], float]], seconds: float) -> list[float]:
    """Call the functions in turns for this many seconds. Return the median milliseconds of each function."""
    for step in list(steps) * WARM:
        step()
    found, end = [], time.monotonic() + seconds
    while not found or time.monotonic() < end:
        found.append([step() for step in steps])
    return [statistics.median(times) for times in zip(*found, strict=True)]


def main(arguments: Sequence[str]) -> None:
    """Time the models and print the table."""
    parser = Parser(prog="python -m benchmarks browser step", description=__doc__)
    parser.add_argument("refs", nargs="*", default=["mnist-tiny", "cifar10-tiny", "emoji-tiny"], metavar="REF")
    parser.add_argument("--seconds", type=float, default=30, help="for each model")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="another checkout of the project")
    options = parser.parse_args(arguments)
    roots, names = ["/"], ["kernel"]
    if options.beside:
        if not (options.beside / "ui/web/process/predict.js").is_file():
            parser.error(f"--beside: {options.beside} has no ui/web/process/predict.js. Name a checkout that has it.")
        Files.beside = options.beside.resolve()
        roots, names = ["/", "/beside/"], [*names, "the other kernel"]
    names += ["PyTorch, float32", "the server's own"]
    found = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
    print(json.dumps(describe(torch.device("cpu"))))
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server, sync_playwright() as play:
        Thread(target=server.serve_forever, daemon=True).start()
        chromium = play.chromium.launch(executable_path=found, args=ARGS)
        page = chromium.new_page()

        def measure_model(ref: str) -> Row:
            """Return the row of a model."""
            page.goto(f"http://127.0.0.1:{server.server_port}/checkpoints/")
            for root in roots:
                page.evaluate(MODELS, [ref, root])
            own = [partial(page.evaluate, f"window.step[{i}]()") for i in range(len(roots))]
            python = [python_timer(ref, engine="torch", precision="fp32"), python_timer(ref)]
            found = medians([*own, *python], options.seconds)
            return {"ms a step": ref} | {name: f"{ms:.1f}" for name, ms in zip(names, found, strict=True)}

        table(map(measure_model, options.refs))
        chromium.close()
        server.shutdown()
