"""Measure what the parts of a U-Net contribute: `python -m benchmarks inside mnist-tiny --data mnist`.

It switches parts off in all steps, in the first half or in the second half. It also replaces the middle block's output
by that of another run (a graft), and omits the class in some steps. For digits, it counts how many runs still show the
right digit. For other pictures, it measures the distance from the pictures of the whole network. This takes hours of
processor time, or minutes with few `--seeds`. Each result is saved in `--out` at once, so that the measurement can be
continued. `--keep` also adds the numbers to the file of `python -m train readers` beside the weights. The page reads
them there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

import ddpm_core
from benchmarks._measure import describe
from benchmarks.digits import DIGITS, SIZE, judge, ready_classifier
from ddpm_core.checkpoint.sidecars import readers_file
from ddpm_core.commands.reading import Parser
from ddpm_core.disk import files
from ddpm_core.engines.readers import Readers
from ddpm_core.runs import make_chain
from train.data.sample import ImageSample

STEPS = 20
BATCH = 50
TURN = 3  # a graft takes the middle block's output of another run, of class (class + TURN) mod number of classes
HALVES = {"all": "all steps", "first": "first half", "second": "second half"}
GRAFTED = {"all": (1, 20), "1-10": (1, 10), "6-15": (6, 15), "11-20": (11, 20)}  # first and last step of each graft


class Runs:
    """The runs of a model, in batches: with DDIM, or with the settings of a distilled student. Seeds and labels are
    those of `benchmarks digits`.
    """

    def __init__(self, model: ddpm_core.Model, seeds: int, prompts: list[str] | None):
        self.model, self.opened = model, ddpm_core.inside(model)
        way: dict[str, Any] = {} if model.student else {"steps": STEPS, "sampler": "ddim"}
        self.way = way
        self.times: list[float] = [t for t, _ in make_chain(model, **way).pairs]
        self.batches = [range(first, min(first + BATCH, seeds)) for first in range(0, seeds, BATCH)]
        self.prompts = prompts
        self.halfway: list[Tensor] = []  # x_t of the unchanged runs at the start of their second half

    def condition(self, seeds: range, turn: int = 0) -> dict[str, Any]:
        """Return the prompts or labels of the runs with these seeds. turn: number to add to their indices."""
        if self.prompts:
            return {"prompts": [self.prompts[(i + turn) % len(self.prompts)] for i in seeds]}
        return {"labels": [(i + turn) % self.model.num_classes for i in seeds]} if self.model.num_classes else {}

    def half(self, t: float) -> str:
        """Return the half of the run, "first" or "second", that contains time t."""
        return "first" if self.times.index(t) < len(self.times) // 2 else "second"

    def number(self, t: float) -> int:
        """Return the number of the step at time t, from 1."""
        return self.times.index(t) + 1

    def whole(self) -> Tensor:
        """Compute the unchanged runs. Return their x_0, and store their states halfway."""
        self.opened.restore()
        middle, ends = len(self.times) // 2, []
        for seeds in self.batches:
            for step in ddpm_core.trajectory(self.opened.model, seeds, **self.way, **self.condition(seeds)):
                if step.index == middle - 1:
                    self.halfway.append(step.x)
                last = step.x
            ends.append(last)  # pyright: ignore[reportPossiblyUnboundVariable]
        return torch.cat(ends)

    def cut(self, names: tuple[str, ...], half: str) -> Tensor:
        """Return x_0 of runs with parts switched off. If only the second half changes, begin at `whole`'s states."""
        self.opened.restore()
        self.opened.cut(*names, when=lambda t: half in ("all", self.half(t)))
        return self._finish_runs(later=half == "second" and len(self.halfway) == len(self.batches))

    def conditioned(self, during: Callable[[int], bool]) -> Tensor:
        """Return x_0 of runs that get the condition only in steps n where during(n) is true."""
        self.opened.restore()
        self.opened.cut("condition", when=lambda t: not during(self.number(t)))
        return self._finish_runs()

    def grafted(self, first: int, last: int) -> Tensor:
        """Return x_0 of runs whose middle block's output comes from another run in the steps first..last. The other run
        has the same noise, and its class is TURN classes further on.
        """
        ends = []
        for seeds in self.batches:
            self.opened.restore()
            other = ddpm_core.trajectory(self.opened.model, seeds, **self.way, **self.condition(seeds, TURN))
            given = {step.t: self.opened.taps["middle"] for step in other}
            self.opened.change("middle", partial(self._choose_output, given, first, last))
            *_, end = ddpm_core.trajectory(self.opened.model, seeds, **self.way, **self.condition(seeds))
            ends.append(end.x)
        return torch.cat(ends)

    def _choose_output(self, given: Mapping[float, Tensor], first: int, last: int, found: Tensor, t: float) -> Tensor:
        """Return the middle block's output at time t: `given[t]` in the steps first..last, else its own, `found`."""
        return given[t] if first <= self.number(t) <= last else found

    def _finish_runs(self, later: bool = False) -> Tensor:
        """Return x_0 of the runs. later: begin at the states that `whole` has stored halfway."""
        ends = []
        for i, seeds in enumerate(self.batches):
            after = (self.times[len(self.times) // 2], self.halfway[i]) if later else None
            *_, end = ddpm_core.trajectory(self.opened.model, seeds, **self.way, **self.condition(seeds), after=after)
            ends.append(end.x)
        return torch.cat(ends)


def parts(runs: Runs) -> dict[str, tuple[str, ...]]:
    """Return {name of a part: its names for `Inside.cut`} for the parts that are switched off."""
    opened, attends = runs.opened, any("attention" in block.parts for block in runs.opened.blocks.values())
    one = ["middle"] * ("middle" in opened.blocks) + list(reversed(opened.skips)) + ["attention"] * attends
    one += ["condition"] * has_condition(runs.model) + ["time"]
    return {name: (name,) for name in one} | {"all skips": opened.skips}


def has_condition(model: ddpm_core.Model) -> bool:
    """Return whether the model can also run without a condition."""
    return model.null_label is not None or model.text is not None


def tasks(runs: Runs) -> dict[str, Callable[[], Tensor]]:
    """Return the functions that compute x_0 for each measurement, by the name of its file."""
    found: dict[str, Callable[[], Tensor]] = {"whole": runs.whole}
    for name, names in parts(runs).items():
        found |= {f"off {name} {half}": partial(runs.cut, names, half) for half in HALVES}
    if not runs.model.student and has_condition(runs.model):
        found["condition 6-15"] = partial(runs.conditioned, lambda n: 6 <= n <= 15)
        found["condition not 6-15"] = partial(runs.conditioned, lambda n: not 6 <= n <= 15)
        found |= {f"graft {name}": partial(runs.grafted, *steps) for name, steps in GRAFTED.items()}
    return found


def draw_all(runs: Runs, out: Path) -> dict[str, np.ndarray]:
    """Return the pictures of every task, uint8 (N, H, W, C). Load the pictures that exist in `out`; compute and save
    the other pictures.
    """
    found = {}
    with tqdm(tasks(runs).items(), unit="part", smoothing=0) as bar:
        for name, task in bar:
            bar.set_description(name)
            file = out / f"{name.replace(' ', '_')}.npy"
            if not file.is_file():
                pictures = runs.model.pictures(task())
                with files.replacing(file) as opened:
                    np.save(opened, pictures)
            found[name] = np.load(file)
    return found


def shares(pictures: np.ndarray, model: ddpm_core.Model) -> dict[str, float]:
    """Return the shares of pictures that show the requested digit ("right") and the digit TURN classes further on
    ("other").
    """
    classes = [int(text) for text in model.class_names or DIGITS]
    digits = judge(ready_classifier(), pictures)[0]
    asked = np.array([[classes[(i + turn) % len(classes)] for i in range(len(digits))] for turn in (0, TURN)])
    return dict(zip(("right", "other"), (digits == asked).mean(1).tolist(), strict=True))


def distance(pictures: np.ndarray, whole: np.ndarray) -> float:
    """Return the root mean square difference of two sets of pictures on the scale [−1, 1], so the result is in 0..2.

    pictures, whole: uint8 (N, H, W, C). Raises ValueError if their shapes differ.
    """
    return float(np.sqrt(np.square((pictures.astype(float) - whole) / 127.5).mean()))


def figures(runs: Runs, pictures: Mapping[str, np.ndarray], judged: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the numbers that are saved and shown, as a dict with these keys.

    seeds, steps: the number of runs, and of the steps of each.
    unit: what the following numbers measure: "right", the share of runs that show the requested digit, or "rms", the
        distance from the unchanged runs.
    judge: {right, digits}, the classifier's accuracy on test digits; None for "rms".
    whole: the number for the unchanged runs.
    off: {part: {all, first, second}}, the numbers with a part switched off in all steps or in a half of them.
    condition: {steps that get the condition: number}.
    graft: {grafted steps: {own, other}}. own: the number, as `unit` says. other: the share of runs that show the digit
        of the other run; absent for "rms".
    """
    unit = "rms" if judged is None else "right"

    def value(name: str) -> float:
        """Return the measured number of a task, in the unit `unit`."""
        if judged is None:
            return round(distance(pictures[name], pictures["whole"]), 4)
        return round(shares(pictures[name], runs.model)["right"], 4)

    def graft(name: str) -> dict[str, float]:
        """Return {own, other} for a graft, see `figures`."""
        other = {} if judged is None else {"other": round(shares(pictures[name], runs.model)["other"], 4)}
        return {"own": value(name), **other}

    return {
        "seeds": len(pictures["whole"]),
        "steps": len(runs.times),
        "unit": unit,
        "judge": judged,
        "whole": value("whole"),
        "off": {name: {half: value(f"off {name} {half}") for half in HALVES} for name in parts(runs)},
        "condition": {
            name.removeprefix("condition "): value(name) for name in pictures if name.startswith("condition ")
        },
        "graft": {name.removeprefix("graft "): graft(name) for name in pictures if name.startswith("graft ")},
    }


def tables(found: Mapping[str, Any], readers: Readers | None, late: float) -> str:
    """Return the numbers as Markdown tables. late: the second time t at which R² is shown; the first is the largest
    measured t.
    """

    def cell(value: float) -> str:
        """Return a number as text."""
        return f"{value:.1%}".replace("%", " %") if found["unit"] == "right" else f"{value:.2f}"

    what = "show the digit asked for" if found["unit"] == "right" else "RMS from the whole runs"
    lines = [f"| switched off ({what}) | {' | '.join(HALVES.values())} |", "| --- " * 4 + "|"]
    lines += [f"| nothing | {cell(found['whole'])} | | |"] if found["unit"] == "right" else []
    lines += [f"| {name} | {' | '.join(cell(its[half]) for half in HALVES)} |" for name, its in found["off"].items()]
    if found["condition"]:
        lines += ["", f"| the condition only in steps | {what} |", "| --- | --- |"]
        lines += [f"| {name} | {cell(value)} |" for name, value in found["condition"].items()]
        others = [" | the other run's |" if found["unit"] == "right" else " |", " --- |" * (found["unit"] == "right")]
        lines += ["", f"| another run's middle in steps | {what}{others[0]}", f"| --- | --- |{others[1]}"]
        lines += [f"| {name} | {' | '.join(map(cell, its.values()))} |" for name, its in found["graft"].items()]
    if readers is not None:
        times = (readers.measured[-1], late)
        lines += ["", f"| R² of x̂_0 | {' | '.join(f't = {t}' for t in times)} |", "| --- " * (1 + len(times)) + "|"]
        lines += [f"| {name} | {' | '.join(f'{readers.r2(name, t):.2f}' for t in times)} |" for name in readers.blocks]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Measure a checkpoint and print the tables."""
    parser = Parser(prog="python -m benchmarks inside", description="What a U-Net's parts are for.")
    parser.add_argument("checkpoint", nargs="?", default="mnist-tiny", help="embedded name, folder or Hub id")
    parser.add_argument("--data", default="mnist", help="MNIST for the judge of digits: what `benchmarks digits` takes")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--prompts", type=Path, help="of a model that takes words: a text file with one on each line")
    parser.add_argument("--out", type=Path, help="folder of the pictures, to go on from; default: inside-CHECKPOINT")
    parser.add_argument("--keep", action="store_true", help="keep the figures beside the weights, where readers are")
    options = parser.parse_args(arguments)
    if options.seeds < 2:
        parser.error("--seeds must be at least 2")
    model = ddpm_core.load(options.checkpoint, device="cpu", engine="torch", precision="fp32", batched=True)
    prompts = options.prompts.read_text(encoding="utf-8").split("\n") if options.prompts else None
    runs = Runs(model, options.seeds, [line for line in prompts if line.strip()] if prompts else None)
    try:
        readers = ddpm_core.readers(model)
    except ValueError as error:
        if options.keep:
            parser.error(str(error))
        readers = None
    judged = None
    if model.num_classes and model.channels == 1 and set(model.class_names or DIGITS) <= set(DIGITS):
        training, test = (ImageSample(options.data, split, SIZE, channels=1) for split in ("train", "test"))
        right = judge(ready_classifier(training), test.pixels())[0] == test.labels(DIGITS)
        judged = {"right": round(float(right.mean()), 4), "digits": len(right)}
    out = options.out or Path(f"inside-{Path(options.checkpoint).name}")
    settings = {"checkpoint": str(options.checkpoint), "seeds": options.seeds, "prompts": prompts}
    if (out / "settings.json").is_file() and json.loads((out / "settings.json").read_text()) != settings:
        parser.error(f"{out} has the pictures of other settings: give another --out")
    files.write_json(out / "settings.json", settings)
    print(json.dumps(describe(torch.device("cpu"))))
    found = figures(runs, draw_all(runs, out), judged)
    if options.keep and readers is not None:
        print(readers_file.write(model, replace(readers, figures=found)))
    print(json.dumps({name: found[name] for name in ("seeds", "steps", "judge")}))
    print(tables(found, readers, runs.times[3 * len(runs.times) // 4]))
