"""Edit a state by hand: a visitor changes x_t during the reverse process, and the run continues from the
edited state.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

import ddpm_core
from ddpm_core.model import ModelSpec
from ddpm_core.noise import gaussian_batch
from ui.runs.asked import Asked, unclear

if TYPE_CHECKING:
    from ddpm_core.model import Tensor

CELLS = 16  # approximate number of cells along one side; a cell is a square of whole pixels


class StrokeAsked(Asked):
    """One stroke of the brush, with which a visitor edits a state."""

    t: Annotated[int, Field(ge=1)]
    """time of the edited state, which must be a state of the run"""
    what: Annotated[str, Field(pattern=r"^(noise|clean|\d{1,3}\.\d{1,3}\.\d{1,3})$")]
    """noise (more noise), clean (less noise), or a colour such as 255.0.0"""
    strength: Annotated[int, Field(ge=0, le=100)]
    """strength in per cent"""
    cells: list[Annotated[list[Annotated[int, Field(ge=0, lt=1000)]], Field(min_length=2, max_length=2)]]
    """[column, row] of each edited cell"""


# one stroke, as `touched` takes it: (what, strength, cells)
Stroke = tuple[str | list[float], float, list[tuple[int, ...]]]
# for each time s of an edited state x_s: √ᾱ_s and the strokes
Touches = Mapping[int, tuple[float, list[Stroke]]]


def _colour(levels: str, channels: int) -> list[float]:
    """Return a stroke's colour in the model's channels, in [−1, 1]: grey, or red, green and blue; then opacity if the
    model has alpha. levels: such as 255.0.0.
    """
    rgb = [float(int(level) / 127.5 - 1) for level in levels.split(".")]
    return ([float(sum(rgb) / 3)] if channels < 3 else rgb) + ([1.0] if channels in (2, 4) else [])


def cell_size(model: ModelSpec) -> int:
    """Return the side of a cell: in pixels, or in positions of a latent."""
    return max(1, (model.image_size + CELLS // 2) // CELLS)


def touches(strokes: Sequence[StrokeAsked], model: ModelSpec, times: Sequence[int]) -> Touches:
    """Return the strokes of each edited state. times: the s of the run's states. Raises ValueError if the run has no
    such state, or the model does not allow a stroke.
    """
    side = -(-model.image_size // cell_size(model))
    by_time: dict[int, tuple[float, list[Stroke]]] = {}
    for stroke in strokes:
        what = stroke.what if stroke.what in ("noise", "clean") else _colour(stroke.what, model.channels)
        if stroke.t not in times or any(place >= side for cell in stroke.cells for place in cell):
            raise unclear("a stroke outside the run or its picture")
        if isinstance(what, list) and (model.latent or max(what) > 1):
            raise unclear("a stroke of a colour that there is not")
        signal = math.sqrt(float(model.schedule.alpha_bar[stroke.t]))
        _, strokes_here = by_time.setdefault(stroke.t, (signal, []))
        strokes_here.append((what, float(stroke.strength / 100), [tuple(cell) for cell in stroke.cells]))
    return by_time


# Exported scripts begin with these lines, and contain the two functions below unchanged.
IMPORTS = """from functools import partial
from typing import Any

from PIL import Image

import ddpm_core
from ddpm_core.noise import gaussian_batch
"""


def touched(x: Any, clean: Any, z: Any, strokes: list, cell: int) -> Any:
    """Edit x_t (N, C, H, W) by strokes (what, a, cells). "noise": x + a z. "clean" (x_t without noise) or a colour in
    [−1, 1]: x + a (goal − x).
    """
    x = x.clone()
    for what, a, cells in strokes:
        for column, row in cells:
            at = (..., slice(row * cell, (row + 1) * cell), slice(column * cell, (column + 1) * cell))
            if what == "noise":
                x[at] += a * z[at]
            else:
                goal = clean[at] if what == "clean" else x.new_tensor(what)[:, None, None]
                x[at] += a * (goal - x[at])
    return x


def touch(step: ddpm_core.Step, at: Touches, seeds: Sequence[int], cell: int) -> Any:
    """Return the edited x_s, or None if no stroke edits this state. Without noise, x_s would be √ᾱ_s x̂_0."""
    if step.s not in at:
        return None
    signal, strokes = at[int(step.s)]
    # an index that no other noise of a run uses
    z = gaussian_batch(seeds, 2**32 + int(step.s), step.x.shape[1:]).to(step.x)
    return touched(step.x, signal * step.x0_hat, z, strokes, cell)


SOURCE = "\n\n".join(map(inspect.getsource, (touched, touch))).replace(": Touches", "").replace(": Sequence[int]", "")


def on_step(at: Touches, seeds: Sequence[int], model: ModelSpec) -> partial[Tensor | None]:
    """Return the `on_step` function of an edited lane. It can be pickled, which ZeroGPU requires."""
    return partial(touch, at=at, seeds=list(seeds), cell=cell_size(model))
