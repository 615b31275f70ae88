"""The figure of the course's card "One seed, from 1 step to 1000": teacher beside student, and how far each is from the
end. `python -m ui.recorded few-steps` draws it anew, after one of the two models has been trained again. The card's
table, in course.html, has the numbers.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from PIL import Image

from ddpm_core import imaging
from ddpm_core.checkpoint.refs import embedded
from ddpm_core.commands import defaults
from ddpm_core.disk import files
from ui.runs.settings import Settings
from ui.web import FILES

STEPS = (1, 2, 4, 10, 50, 1000)
# As in the two lanes of the card's button. A student takes as many steps as it has learned times.
LANES = {
    "teacher": Settings("mnist-tiny", sampler="ddim", label="5"),
    "student": Settings("mnist-tiny-consistency", sampler="consistency", label="5"),
}
SEEDS = range(defaults.SEED, defaults.SEED + 32)  # the first one's pictures are shown, the distance is of all
PICTURE = FILES / "examples" / "course" / "few-steps.webp"  # a row for each lane, a column for each number of steps
NUMBERS = PICTURE.with_suffix(".json")
PRECISION = "bf16"  # of the pictures: in one step a student's rounding shows, and "auto" differs between machines


def draw(name: str, steps: int, seeds: range) -> np.ndarray | None:
    """x_0 of these seeds, uint8 (N, H, W, C); None where the lane's model does not take so many steps."""
    import ddpm_core  # here for the start time: see ui/__init__.py

    lane = replace(LANES[name], steps=steps)
    model = ddpm_core.load(lane.checkpoint, precision=PRECISION)
    if model.student is not None and steps > len(model.student.times):
        return None
    arguments: dict[str, Any] = lane.resolved(model).arguments(model) | {"seeds": seeds}
    return ddpm_core.sample(model, **arguments)


def weights(name: str) -> str:
    """The hash of the weights that a lane's pictures are drawn with."""
    return files.sha256(embedded()[LANES[name].checkpoint] / "diffusion_pytorch_model.safetensors")


def record() -> None:
    """Draw the pictures, and measure how far they are from the end: about a minute."""
    found = {(name, steps): draw(name, steps, SEEDS) for name, steps in product(LANES, STEPS)}
    end = found["teacher", STEPS[-1]]
    assert end is not None
    shown = [np.full_like(end[0], 128) if x is None else x[0] for x in found.values()]
    grid = imaging.grid(np.stack(shown), len(STEPS), gap=0)
    Image.fromarray(grid.squeeze()).save(PICTURE, lossless=True, method=6)
    numbers = {
        "weights": {name: weights(name) for name in LANES},
        "distance": {name: [_distance(found[name, steps], end) for steps in STEPS] for name in LANES},
    }
    files.write_bytes(NUMBERS, (json.dumps(numbers, indent=1) + "\n").encode())


def _distance(x: np.ndarray | None, end: np.ndarray) -> float | None:
    """The mean over the pictures of the root mean squared difference of their pixels, in grey levels."""
    if x is None:
        return None
    squares = (x.astype(float) - end) ** 2
    return round(float(np.sqrt(squares.mean((1, 2, 3))).mean()), 1)
