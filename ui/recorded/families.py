"""The figure of Compare, "One noise, four families": what each family's sampler makes of one x_T, with embedded models.

`python -m ui.recorded families` draws it anew, after one of the two models has been trained again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ddpm_core import imaging
from ui.recorded.one_path import as_flow
from ui.runs.settings import Settings
from ui.web import FILES

PICTURE = FILES / "examples" / "course" / "families.webp"  # a row for each family, a column for each moment
COLUMNS = 8
# None of the embedded models has learned its variance, or was trained as a flow: that row reads the DDPM as one.
ROWS = {
    "ddpm": Settings("mnist-tiny", label="5", count=1),
    "score": Settings("mnist-tiny", label="5", count=1, sampler="langevin"),
    "flow": Settings("mnist-tiny", label="5", count=1, sampler="ddim"),
    "consistency": Settings("mnist-tiny-consistency", label="5", count=1, sampler="consistency", steps=2),
}


def draw(name: str) -> np.ndarray:
    """x_T and the states after it, at COLUMNS moments, uint8 (COLUMNS, H, W, C)."""
    import ddpm_core  # here for the start time: see ui/__init__.py
    from ddpm_core.noise import gaussian_batch

    asked = ROWS[name]
    model = ddpm_core.load(asked.checkpoint, precision="fp32")
    model = as_flow(model) if name == "flow" else model
    arguments: dict[str, Any] = asked.resolved(model).arguments(model) | {"labels": int(asked.label)}
    x_T = gaussian_batch(asked.seeds, 0, (model.channels, model.image_size, model.image_size))
    states = [x_T, *(step.x for step in ddpm_core.trajectory(model, **arguments))]
    moments = np.linspace(0, asked.steps, COLUMNS).round().astype(int)
    return np.concatenate([imaging.to_uint8(states[k]) for k in moments])


def record() -> None:
    """Draw all rows: some seconds."""
    grid = imaging.grid(np.concatenate([draw(name) for name in ROWS]), COLUMNS, gap=0)
    Image.fromarray(grid.squeeze()).save(PICTURE, lossless=True, method=6)
