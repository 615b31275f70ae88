"""Compare runs of several pictures in a browser with one worker and with several: `python -m benchmarks browser runs`.

This writes the static folder and opens it in two pages of a headless browser (playwright). The first page is told that
the machine has one core. The pages take turns. The first turn loads models and starts workers, and is not counted. The
table shows the seconds with one worker and with all (medians), the ratio of each turn (median and quartiles), and the
ratio of the best times.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks._measure import Row, describe, table, times
from benchmarks.app import ARGS
from benchmarks.browser.opening import serve_folder
from ddpm_core.commands.reading import Parser
from ui.static.folder import write

if TYPE_CHECKING:
    from playwright.sync_api import Page

MODELS = ["mnist-tiny", "cifar10-tiny", "emoji-tiny", "emoji-tiny-3-steps"]
CIFAR = {"checkpoint": "cifar10-tiny"}
RUNS = {
    "Watch, 8 digits, 50 steps": ("watch", {"steps": 50, "count": 8}),
    "Watch, 4 photographs, 20 steps": ("watch", CIFAR | {"steps": 20, "count": 4}),
    "A and B, one digit each, 50 steps": ("compare", {"steps": 50, "steps_b": 50, "count": 1}),
    "A and B, one photograph each, 20 steps": ("compare", CIFAR | {"steps": 20, "steps_b": 20, "count": 1}),
    "Grid, 12 cells of a digit": ("grid", {"columns": "5, 10, 20, 50", "count": 1}),
    "A noisy digit, 4 rows of 4": ("latents", {"steps": 50, "count": 4}),
    "Between words, 49 pictures, 4 steps": ("between", {"checkpoint": "emoji-tiny", "steps": 4}),
    "Between words, 49 pictures, a student": ("between", {"checkpoint": "emoji-tiny-3-steps", "steps": 3}),
}
RUN = """async ([part, values]) => {
  const usual = page.knowledge.forms[part].map((field) => [field.name, String(field.default ?? "")]);
  const order = await page.knowledge.order(part, { ...Object.fromEntries(usual), ...values });
  return new Promise((done) => {
    const began = performance.now();
    const take = ({ state, text }) => {
      if (state === "finished") done((performance.now() - began) / 1000);
      if (state === "error") done(text);
    };
    page.client.run(order, take, done);
  });
}"""


def time_run(page: Page, run: tuple[str, dict[str, object]]) -> float:
    """Return the seconds of a run in the page."""
    part, values = run
    found = page.evaluate(RUN, [part, {name: str(value) for name, value in values.items()}])
    if isinstance(found, str):
        raise SystemExit(f"{part}: {found}")
    return found


def measure_run(pages: Sequence[Page], name: str, run: tuple[str, dict[str, object]], rounds: int) -> Row:
    """Time a run in both pages, in turns, and return the row of the table."""
    _, *turns = ([time_run(page, run) for page in pages] for _ in range(rounds + 1))
    one, several = zip(*turns, strict=True)
    return {
        "run": name,
        "one worker, s": f"{statistics.median(one):.2f}",
        "several, s": f"{statistics.median(several):.2f}",
        "× as quick": times([first / second for first, second in turns]),
        "best of each": f"{min(one) / min(several):.2f}",
    }


def main(arguments: Sequence[str]) -> None:
    """Time the selected runs and print the table."""
    from playwright.sync_api import sync_playwright

    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m benchmarks browser runs", description=__doc__, formatter_class=raw)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="runs whose names have this text")
    options = parser.parse_args(arguments)
    print(json.dumps(describe(torch.device("cpu"))))
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        write(Path(temporary, "lab"), MODELS)
        path = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium"))), None)
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        with serve_folder(Path(temporary)) as (address, _):
            pages = [browser.new_page() for _ in range(2)]
            for page, cores in zip(pages, (1, os.cpu_count()), strict=True):
                page.add_init_script(f"Object.defineProperty(navigator, 'hardwareConcurrency', {{ value: {cores} }})")
                page.goto(f"{address}/lab/?tab=course")
                page.wait_for_selector("html[data-ready=true]")
            table(measure_run(pages, name, run, options.rounds) for name, run in RUNS.items() if options.only in name)
        browser.close()
