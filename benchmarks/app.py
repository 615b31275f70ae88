"""Compare the app's speed with that of the sampler alone: `python -m benchmarks app`.

Two measurements alternate: `ddpm_core.sample`, and the same run in the app. The app's run is first a job without a
page. Then a page starts it, and the time lasts from the press on Run to the last frame. The browser uses the same cores
as the app.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

import ddpm_core
from benchmarks._measure import Row, describe, quartiles, spread, table
from ddpm_core.commands import defaults
from ddpm_core.commands.reading import Parser
from ddpm_core.disk import files
from ui import build
from ui.models.services import Services
from ui.parts.sampling import Sampling, SamplingAsked
from ui.runs.asked import LaneAsked
from ui.runs.jobs import Job

if TYPE_CHECKING:  # playwright is optional: without it, the page is not measured
    from playwright.sync_api import Browser

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# {name of a run: (number of images, number of steps)}
RUNS = {"1 image": (1, 50), "4 images": (4, 50), "4 images, 500 steps": (4, 500)}
SEED, VARIANCE = defaults.SEED, "beta_tilde"  # the page's default seed and variance

# JavaScript that the browser evaluates in the page. It presses Run, and returns the times from the press to the run's
# first and last frame, in milliseconds.
CLICK = """() => new Promise((done) => {
  const part = document.querySelector(".part-watch"), before = part.dataset.run, start = performance.now();
  const player = part.querySelector(".ddpm-player"), old = player.dataset.frames;
  let first = null;
  const observer = new MutationObserver(() => {
    if (part.dataset.run === before) return;
    if (player.dataset.frames !== old) first ??= performance.now() - start;
    if (part.dataset.state !== "finished") return;
    observer.disconnect();
    requestAnimationFrame(() => done([first, performance.now() - start]));
  });
  observer.observe(part, { attributes: true, subtree: true });
  part.querySelector(".run").click();
})"""


def run_sampler(model: ddpm_core.Model, run: tuple[int, int]) -> None:
    """Compute the run with the sampler alone."""
    count, steps = run
    ddpm_core.sample(model, range(SEED, SEED + count), steps, variance=VARIANCE)


def run_job(services: Services, run: tuple[int, int]) -> None:
    """Compute the run as a job of the app."""
    count, steps = run
    lane = LaneAsked.model_validate(
        {"checkpoint": defaults.CHECKPOINT, "steps": steps, "sampler": "ddpm", "variance": VARIANCE}
    )
    seeds = [*range(SEED, SEED + count)]
    asked = SamplingAsked(lanes=[lane], seeds=seeds, clip=None, attention=False, touch=[])
    for _ in Job(Sampling(services, asked), services).updates():
        pass


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """Return the seconds of one call."""
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def measure_job(rounds: int) -> Iterator[dict]:
    """Yield the time of each run as a job, compared with the sampler alone."""
    services = build().services
    model = services.models.get(defaults.CHECKPOINT)
    for name, run in RUNS.items():
        seconds(run_sampler, model, run)  # this line and the next line warm up and are not counted
        seconds(run_job, services, run)
        pairs = [(seconds(run_sampler, model, run), seconds(run_job, services, run)) for _ in range(rounds)]
        yield {"job": name, "bare_seconds": statistics.median(pair[0] for pair in pairs)} | {
            "ratio": spread([ours / alone for alone, ours in pairs])
        }


@contextmanager
def serve_app() -> Iterator[tuple[str, float]]:
    """Start an app in a new process for the block. Yield its URL, and the seconds until it printed the URL."""
    started = time.perf_counter()
    command = [sys.executable, "app.py", "--port", "0", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = re.search(r"http\S+", server.stdout.readline())
        if address is None:
            sys.exit("the app did not start")
        yield address[0], time.perf_counter() - started
    finally:
        server.terminate()
        server.wait()


def measure_start(chromium: Browser) -> Iterator[dict]:
    """Yield the time from starting the app until its page can be used."""
    for _ in range(2):  # only the second start counts, because the system's cache then has the files
        started = time.perf_counter()
        with serve_app() as (url, address):
            page = chromium.new_page(viewport={"width": 1280, "height": 720})
            page.goto(url)
            page.wait_for_selector("html[data-ready=true]")
            usable = time.perf_counter() - started
            page.close()
    yield {"start": "python app.py", "address_seconds": address, "usable_page_seconds": usable}


def measure_runs(chromium: Browser, rounds: int) -> Iterator[dict]:
    """Yield the time of each run in the page, compared with the sampler alone."""
    model = ddpm_core.load(defaults.CHECKPOINT)
    with serve_app() as (url, _):
        for name, run in RUNS.items():
            page = chromium.new_page(viewport={"width": 1280, "height": 720})
            page.goto(f"{url}?steps={run[1]}&count={run[0]}&seed={SEED}")
            page.wait_for_selector("html[data-ready=true]")
            page.wait_for_selector(".part-watch[data-ready=true]")
            seconds(run_sampler, model, run)  # this line and the next line warm up and are not counted
            page.evaluate(CLICK)
            first, ratios, alone = [], [], []
            for _ in range(rounds):
                alone.append(seconds(run_sampler, model, run))
                to_first, to_last = page.evaluate(CLICK)
                first.append(to_first / 1000)
                ratios.append(to_last / 1000 / alone[-1])
                page.wait_for_timeout(500)
            page.close()
            yield {"page": name, "bare_seconds": statistics.median(alone), "first_frame_seconds": spread(first)} | {
                "ratio": spread(ratios)
            }


def table_row(result: dict) -> Row:
    """Return a result as a row of a table."""
    if "start" in result:
        names = {"address_seconds": "address, s", "usable_page_seconds": "page can be used, s"}
        return {"": result["start"]} | {name: f"{result[key]:.1f}" for key, name in names.items()}
    what = "job" if "job" in result else "page"
    row = {f"{what}, mnist-tiny": result[what], "sampler alone, s": f"{result['bare_seconds']:.2f}"}
    if what == "page":
        row["first frame, s"] = quartiles(result["first_frame_seconds"])
    return row | {f"{what}, × sampler alone": quartiles(result["ratio"])}


def main(arguments: list[str]) -> None:
    """Measure jobs, the start and runs in the page."""
    parser = Parser(
        prog="python -m benchmarks app", description="Time the app as its users meet it, against the bare sampler."
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path, help="write the results there")
    options = parser.parse_args(arguments)
    if options.rounds < 2:
        parser.error("--rounds must be at least 2")
    report = {"machine": describe(torch.device("cpu")), "results": []}
    print(json.dumps(report["machine"], indent=1))

    def print_and_save(results: Iterator[dict]) -> None:
        """Print the results as a table while they arrive, and add them to the report."""

        def rows() -> Iterator[Row]:
            """Yield the rows of the table, and save the report after each result."""
            for result in results:
                report["results"].append(result)
                if options.json:
                    files.write_json(options.json, report)
                yield table_row(result)

        table(rows())

    print_and_save(measure_job(options.rounds))
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("the page was not measured: playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=ARGS)
        print_and_save(measure_start(chromium))
        print_and_save(measure_runs(chromium, options.rounds))
        chromium.close()
