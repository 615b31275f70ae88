"""The figure of a lesson: one seed at 1 to 1000 steps, teacher beside student, and how far each is from the end.

`python -m benchmarks lesson` draws the pictures anew, after one of the two embedded models has been trained again.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ddpm_core import defaults, files
from ddpm_core.checkpoint.refs import embedded
from ddpm_core.image_files import open_picture
from ui.runs.frames import data_uri
from ui.runs.settings import Settings

STEPS = (1, 2, 4, 10, 50, 1000)
# As in the two lanes of the lesson's button. A student takes as many steps as it has learned times.
DIGIT = "5"
LANES = {
    "teacher": Settings("mnist-tiny", "ddim", clip=None, label=DIGIT),
    "student": Settings("mnist-tiny-consistency", "consistency", clip=None, label=DIGIT),
}
SEEDS = range(defaults.SEED, defaults.SEED + 32)  # the first one's pictures are shown, the distance is of all
PICTURES = Path(__file__).with_name("few_steps.png")  # a row for each lane, a column for each number of steps
NUMBERS = Path(__file__).with_name("few_steps.json")
PRECISION = "bf16"  # of the pictures: in one step a student's rounding shows, and "auto" differs between machines


def draw(name: str, steps: int, seeds: range) -> np.ndarray | None:
    """x_0 of these seeds, uint8 (N, H, W, C); None where the lane's model does not take so many steps."""
    import ddpm_core  # here for the start time: see ui/__init__.py

    lane = replace(LANES[name], steps=steps)
    model = ddpm_core.load(lane.checkpoint, precision=PRECISION)
    if model.student is not None and steps > len(model.student.times):
        return None
    arguments: dict[str, Any] = lane.arguments(model) | {"seeds": seeds}
    return ddpm_core.sample(model, **arguments)


def weights(name: str) -> str:
    """The hash of the weights that a lane's pictures are drawn with."""
    return files.sha256(embedded()[LANES[name].checkpoint] / "diffusion_pytorch_model.safetensors")


def table() -> str:
    """The pictures and distances as HTML."""
    numbers: dict[str, Any] = json.loads(NUMBERS.read_text(encoding="utf-8"))
    grid = np.asarray(open_picture(PICTURES))
    rows = ""
    for name, row in zip(LANES, np.split(grid, len(LANES)), strict=True):
        pictures = np.split(row, len(STEPS), axis=1)
        cells = map(_cell, STEPS, pictures, numbers["distance"][name], [name] * len(STEPS))
        rows += f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>'
    heads = "".join(f'<th scope="col">{n}</th>' for n in STEPS)
    first, last = numbers["seeds"]
    caption = (
        f"x₀ of seed {first} and class {DIGIT} after so many steps of the lab’s digits models: the teacher with DDIM, "
        "its student with the consistency sampler. Below each: how far such pictures are from the teacher’s after 1000 "
        f"steps, in grey levels of 255 (RMS over the pixels, mean of the seeds {first} to {last})."
    )
    return f"<table><caption>{caption}</caption><tr><th>steps</th>{heads}</tr>{rows}</table>"


def _cell(steps: int, picture: np.ndarray, distance: float | None, name: str) -> str:
    if distance is None:
        return "<td>–</td>"
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    alt = f"{name}, {steps} step{'s' if steps > 1 else ''}"
    return f'<td><img src="{data_uri(file.getvalue(), "png")}" alt="{alt}">{distance:.0f}</td>'
