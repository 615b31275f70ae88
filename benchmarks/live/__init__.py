"""Learning by watching, timed: `python -m benchmarks live --data DATA --out FOLDER`.

Opens Train in a headless browser (playwright), starts the training of digits with its defaults, or with other
choices (`--choose prediction=epsilon objective=uniform`, as ui/training/choices.py names them), and tells when the
first samples are there, how many of the digits in each grid a classifier takes for the one asked for, and how long a
run in Watch takes, alone and beside the training. Screenshots go to FOLDER. DATA trains the classifier (benchmarks
digits) where there is none.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks import digits
from benchmarks._measure import describe
from benchmarks.app import ARGS
from benchmarks.live.served import ServedApp
from ddpm_core.commands.reading import Parser
from ddpm_core.disk import files
from ui.training.choices import OPTIONS

GAP = 2  # pixels between the digits of a grid
COLUMNS = 10  # digits 0 to 9
RUNS = 3  # in Watch, of which the median counts


def right(grid: Path) -> float:
    """The share of a grid's digits that the classifier takes for the digit of their column."""
    pixels = np.asarray(Image.open(grid).convert("L"))
    pitch = digits.SIZE + GAP
    images = [
        pixels[top : top + digits.SIZE, left : left + digits.SIZE]
        for top in range(0, pixels.shape[0], pitch)
        for left in range(0, pixels.shape[1], pitch)
    ]
    found, _ = digits.judge(digits.load_classifier(), np.stack(images)[..., None])
    return float((found == np.arange(len(images)) % COLUMNS).mean())


def run_seconds(app: ServedApp) -> float:
    """Return the seconds of a run of Watch with its defaults, by the app's API."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        app.sample()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def grids(temporary: Path) -> list[Path]:
    """Return the grids of the moving average in the order of the steps. They belong to the first run of an app."""
    return sorted(temporary.glob("ddpm-lab-*/*/run-1/samples/step-*-ema.png"))


def images_per_second(page: Page) -> str:
    """Read the speed that the page shows."""
    found = re.search(r"([\d.,]+) images/s", page.inner_text(".train"))
    return found[1] if found else "unknown"


def watch(page: Page, app: ServedApp, chosen: dict[str, str], seconds: float, out: Path) -> dict:
    """One training, from the click on. chosen: names of options by their fields."""
    alone = run_seconds(app)
    page.goto(f"{app.root}/?{urlencode({'tab': 'train', **chosen})}")
    page.wait_for_selector(".train .start")
    clicked = time.perf_counter()
    page.click(".train .start")
    page.wait_for_selector(".train[data-example=false]:not([data-grids='0'])", timeout=120_000)
    first = time.perf_counter() - clicked
    rows, known, beside = [], 0, None
    while (now := time.perf_counter() - clicked) < seconds:
        made = grids(app.temporary)
        if len(made) > known:
            known = len(made)
            steps = int(made[-1].name.split("-")[1])
            rows.append({"seconds": round(now, 1), "step": steps, "right": right(made[-1])})
            print(json.dumps(rows[-1]), flush=True)
            page.screenshot(path=out / f"{int(now):03}-seconds.png", full_page=True)
        if beside is None and now > seconds * 0.75:
            beside = run_seconds(app)
        time.sleep(0.5)
    if not rows:
        raise SystemExit(f"The training made no grid of samples within {seconds:g} seconds.")
    return {
        "chosen": chosen,
        "first_samples_seconds": round(first, 1),
        "images_per_second": images_per_second(page),
        "watch_seconds": {"alone": round(alone, 2), "beside the training": round(beside or 0, 2)},
        "grids": rows,
    }


def main(arguments: list[str]) -> None:
    """The command."""
    parser = Parser(
        prog="python -m benchmarks live", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="real digits: a parquet folder or a Hub data set")
    parser.add_argument("--out", type=Path, required=True, help="folder of the screenshots and live.json")
    parser.add_argument("--choose", nargs="+", default=[], metavar="FIELD=OPTION", help="other than the defaults")
    parser.add_argument("--seconds", type=float, default=240, help="how long to watch")
    options = parser.parse_args(arguments)
    known = {f"{name}={option}": (name, option) for name, some in OPTIONS.items() for option in some}
    if wrong := [choice for choice in options.choose if choice not in known]:
        parser.error(f"--choose can't be {wrong[0]}: choose from {', '.join(known)}")
    chosen = dict(known[choice] for choice in options.choose)
    if not digits.kept_classifier().is_file():
        digits.main(["mnist-tiny", "--data", options.data, "--samples", "10"])
    options.out.mkdir(parents=True, exist_ok=True)
    temporary = options.out / "app"
    env = {"TMPDIR": str((temporary / "temporary").resolve())}
    with ServedApp(temporary.resolve(), "mnist-tiny", env) as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGS)
        app.warm_up(4)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        result = {"machine": describe(torch.device("cpu"))} | watch(page, app, chosen, options.seconds, options.out)
        browser.close()
    files.write_json(options.out / "live.json", result)
    json.dump(result, sys.stdout, indent=1)
    print()
