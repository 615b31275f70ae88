"""A touch: what a visitor changed by hand in x_t, on the way from noise to a picture. The run continues from there."""

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

CELLS = 16  # about so many cells on a side, as a cell is a whole square of pixels


class StrokeAsked(Asked):
    """One stroke with which a visitor changes a state."""

    t: Annotated[int, Field(ge=1)]
    """the time of the state that it changes; the run has such a state"""
    what: Annotated[str, Field(pattern=r"^(noise|clean|\d{1,3}\.\d{1,3}\.\d{1,3})$")]
    """noise, clean (less noise), or a colour such as 255.0.0"""
    strength: Annotated[int, Field(ge=0, le=100)]
    """in per cent"""
    cells: list[Annotated[list[Annotated[int, Field(ge=0, lt=1000)]], Field(min_length=2, max_length=2)]]
    """the column and row of each"""


# For each state x_s that is touched, by its s: √ᾱ_s, and its strokes as `touched` takes them.
Stroke = tuple[str | list[float], float, list[tuple[int, ...]]]
Touches = Mapping[int, tuple[float, list[Stroke]]]


def _colour(what: str, channels: int) -> list[float]:
    """Return a stroke's colour, in [−1, 1] and the model's channels: grey, or red, green and blue; then opacity."""
    rgb = [float(int(level) / 127.5 - 1) for level in what.split(".")]
    return ([float(sum(rgb) / 3)] if channels < 3 else rgb) + ([1.0] if channels in (2, 4) else [])


def cell_size(model: ModelSpec) -> int:
    """Return the side of a cell, in pixels of a picture or numbers of a latent."""
    return max(1, (model.image_size + CELLS // 2) // CELLS)


def touches(strokes: Sequence[StrokeAsked], model: ModelSpec, times: Sequence[int]) -> Touches:
    """Return the strokes of each state that is touched. times: the s of the run. Raises ValueError if the run has no
    such state, or if this model does not allow a stroke.
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


# Scripts begin with these lines, and have the two functions below as they are.
IMPORTS = """from functools import partial
from typing import Any

from PIL import Image

import ddpm_core
from ddpm_core.noise import gaussian_batch
"""


def touched(x: Any, clean: Any, z: Any, strokes: list, cell: int) -> Any:
    """x_t (N, C, H, W) after strokes (what, a, cells): x + a z for "noise", else x goes the share a of its way to its
    goal, which is x_t without noise, `clean`, or a colour in [−1, 1].
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
    """The x_s that the run goes on from, where it is touched. Without noise x_s is √ᾱ_s x̂_0."""
    if step.s not in at:
        return None
    signal, strokes = at[int(step.s)]
    # noise that no step of a run has
    z = gaussian_batch(seeds, 2**32 + int(step.s), step.x.shape[1:]).to(step.x)
    return touched(step.x, signal * step.x0_hat, z, strokes, cell)


SOURCE = "\n\n".join(map(inspect.getsource, (touched, touch))).replace(": Touches", "").replace(": Sequence[int]", "")


def on_step(at: Touches, seeds: Sequence[int], model: ModelSpec) -> partial[Tensor | None]:
    """Return the `on_step` of the touched lane. It can be pickled, as ZeroGPU needs."""
    return partial(touch, at=at, seeds=list(seeds), cell=cell_size(model))
