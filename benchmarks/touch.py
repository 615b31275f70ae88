"""When is it decided what a picture shows? `python -m benchmarks touch`.

Cells in the middle of x_t are made white at a time t, as by hand in Watch, and the chain goes on from there. The
classifier of `python -m benchmarks digits` says for how many seeds the digit at the end is another one than without the
touch. The page's lesson "When is it decided?" shows what `--json ui/parts/touch_curves.json` wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ddpm_core
from benchmarks._measure import describe
from benchmarks.digits import BATCH, judge, ready_classifier
from ddpm_core.commands.reading import Parser
from ddpm_core.disk import files
from ddpm_core.noise import gaussian_batch
from train.data.sample import ImageSample
from ui.runs.touch import cell_size, touched

TIMES = tuple(range(1000, 0, -100))
STEPS = 50


def states(model: ddpm_core.Model, seeds: Sequence[int]) -> dict[int, Tensor]:
    """Every x_s of an untouched run by its s, from x_T to x_0."""
    shape = (model.channels, model.image_size, model.image_size)
    found = {model.schedule.T: gaussian_batch(seeds, 0, shape)}
    return found | {step.s: step.x for step in ddpm_core.trajectory(model, seeds, STEPS)}


def white(model: ddpm_core.Model, x: Tensor, side: int) -> Tensor:
    """x_t with the middle side × side cells white."""
    cell = cell_size(model)
    first = (model.image_size // cell - side) // 2
    cells = [(column, row) for row in range(first, first + side) for column in range(first, first + side)]
    return touched(x, x, x, [([1.0] * model.channels, 1.0, cells)], cell)


def endings(model: ddpm_core.Model, seeds: Sequence[int], times: Sequence[int], side: int) -> Iterator[np.ndarray]:
    """Of the untouched run; then of the run that is touched at each time, or at the state next to it."""
    way = states(model, seeds)
    yield model.pictures(way[0])
    for t in times:
        s = min((s for s in way if s > 0), key=lambda s: abs(s - t))
        *_, last = ddpm_core.trajectory(model, seeds, STEPS, after=(s, white(model, way[s], side)))
        yield model.pictures(last.x)


def changed(model: ddpm_core.Model, count: int, times: Sequence[int], side: int) -> list[float]:
    """By time, the share of seeds 0 to count − 1 of which another digit comes."""
    classifier = ready_classifier()
    others = np.zeros(len(times))
    for first in range(0, count, BATCH):
        seeds = range(first, min(first + BATCH, count))
        plain, *after = (judge(classifier, images)[0] for images in endings(model, seeds, times, side))
        others += [(found != plain).sum() for found in after]
    return (others / count).tolist()


def main(arguments: list[str]) -> None:
    """The command."""
    parser = Parser(prog="python -m benchmarks touch", description="When it is decided which digit a picture shows.")
    parser.add_argument("checkpoint", nargs="?", default="mnist-tiny", help="a model of digits")
    parser.add_argument("--data", help="MNIST, as for `benchmarks digits`, where there is no classifier yet")
    parser.add_argument("--seeds", type=int, default=200, help="how many runs")
    parser.add_argument("--times", type=int, nargs="+", default=TIMES)
    parser.add_argument("--sides", type=int, nargs="+", default=(1, 3), help="cells a side of what is touched")
    parser.add_argument("--json", type=Path, help="write the results there")
    options = parser.parse_args(arguments)
    if options.data:
        ready_classifier(ImageSample(options.data, "train", 28, channels=1))
    model = ddpm_core.load(options.checkpoint)
    report: dict[str, Any] = {"machine": describe(torch.device("cpu")), "seeds": options.seeds, "curves": []}
    for side in options.sides:
        shares = changed(model, options.seeds, options.times, side)
        report["curves"].append({"side": side, "points": list(zip(options.times, shares, strict=True))})
        print(json.dumps(report["curves"][-1]), flush=True)
        if options.json:
            files.write_json(options.json, report)
