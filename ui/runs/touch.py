"""A touch: what a hand has changed of x_t on the way from noise to a picture, and the run that goes on from there.

In an address it is strokes, as in "490-noise-100-7.7-8.7_490-255.0.0-50-3.3": when (t), what, how strong (in per cent),
and the cells, each as column.row.
"""

from __future__ import annotations

import inspect
import math
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import ddpm_core
from ddpm_core.model import ModelSpec
from ddpm_core.noise import gaussian_batch
from ui.forms.fields import Picture

CELLS = 16  # a side, about: a cell is a whole square of pixels
MOST = 40_000  # characters
STROKES = 200  # the page adds no more
STROKE = re.compile(r"\d{1,7}-(noise|clean|\d{1,3}\.\d{1,3}\.\d{1,3})-\d{1,3}(-\d{1,3}\.\d{1,3})+")


class Stroke(NamedTuple):
    """t: about when. what: "noise", "clean" for less of it, or a colour, "255.0.0". strength: in per cent."""

    t: int
    what: str
    strength: int
    cells: tuple[tuple[int, ...], ...]


# By s of each state x_s that is touched: √ᾱ_s, and its strokes as `touched` takes them.
Touches = Mapping[int, tuple[float, list[Any]]]


@dataclass(frozen=True)
class TouchField(Picture):
    """Strokes, in the order in which they were made."""

    def check(self, value: object) -> tuple[Stroke, ...]:
        text = str(value or "").strip()
        if len(text) > MOST or text.count("_") >= STROKES:
            raise ValueError(f"{self.title} has at most {STROKES} strokes and {MOST:,} characters: undo some")
        parts = text.split("_") if text else []
        strokes = [_stroke(part) for part in parts if STROKE.fullmatch(part)]
        fits = [stroke for stroke in strokes if stroke.strength <= 100 and max(_colour(stroke.what, 3)) <= 1]
        if len(fits) < len(parts):
            raise ValueError(f"{self.title} is strokes such as 490-noise-100-7.7: paint it again")
        return tuple(fits)

    def write(self, value: Sequence[Stroke]) -> str:
        return written(value)

    def form(self) -> dict[str, object]:
        return super().form() | {"kind": "picture", "holds": "strokes"}  # a link has it after the #, as it is long


def _stroke(text: str) -> Stroke:
    t, what, strength, *cells = text.split("-")
    places = tuple(tuple(map(int, cell.split("."))) for cell in cells)
    return Stroke(int(t), what, int(strength), places)


def written(strokes: Sequence[Stroke]) -> str:
    """Strokes as a text."""
    return "_".join(
        "-".join([str(one.t), one.what, str(one.strength), *(f"{column}.{row}" for column, row in one.cells)])
        for one in strokes
    )


def _colour(what: str, channels: int) -> list[float]:
    """Of a stroke, in [−1, 1] and as the model has it: grey, or red, green and blue; then opacity. 0 of others."""
    if what in ("noise", "clean"):
        return [0.0] * channels
    rgb = [float(int(one) / 127.5 - 1) for one in what.split(".")]
    return ([float(sum(rgb) / 3)] if channels < 3 else rgb) + ([1.0] if channels in (2, 4) else [])


def cell_size(model: ModelSpec) -> int:
    """Pixels, or numbers of a latent, a side of a cell."""
    return max(1, (model.image_size + CELLS // 2) // CELLS)


def placed(strokes: Sequence[Stroke], times: Sequence[int]) -> tuple[Stroke, ...]:
    """Return each stroke at the state of the run that is nearest to its t, at the earlier of two. times: the s of the
    run, descending. Raises ValueError for a run without such a state.
    """
    way = [s for s in times if s > 0]
    if not way:
        raise ValueError("A run of one step has no state on its way that could be touched: take more steps")

    def nearest(t: int) -> int:
        at = bisect_left(way, -t, key=lambda s: -s)
        return min(way[max(0, at - 1) : at + 1], key=lambda s: abs(s - t))

    return tuple(stroke._replace(t=nearest(stroke.t)) for stroke in strokes)


def touches(strokes: Sequence[Stroke], model: ModelSpec) -> Touches:
    """The strokes of each state that is touched; strokes: `placed`. Raises ValueError for what this model does not
    allow.
    """
    side = -(-model.image_size // cell_size(model))
    if any(place >= side for stroke in strokes for cell in stroke.cells for place in cell):
        raise ValueError(f"The touch lies outside this model's {side}×{side} cells: undo it, and touch again")
    if model.latent and any(stroke.what not in ("noise", "clean") for stroke in strokes):
        raise ValueError("A latent has no colours: add noise to its cells, or take noise away")
    alpha_bar = model.schedule.alpha_bar
    found: dict[int, tuple[float, list[Any]]] = {}
    for stroke in strokes:
        colour = _colour(stroke.what, model.channels)
        what = stroke.what if stroke.what in ("noise", "clean") else colour
        _, strokes_here = found.setdefault(stroke.t, (math.sqrt(float(alpha_bar[stroke.t])), []))
        strokes_here.append((what, float(stroke.strength / 100), list(stroke.cells)))
    return found


# A script has these as they are.
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
    signal, strokes = at[step.s]
    # noise that no step of a run has
    z = gaussian_batch(seeds, 2**32 + step.s, step.x.shape[1:]).to(step.x)
    return touched(step.x, signal * step.x0_hat, z, strokes, cell)


SOURCE = "\n\n".join(map(inspect.getsource, (touched, touch))).replace(": Touches", "").replace(": Sequence[int]", "")


def on_step(at: Touches, seeds: Sequence[int], model: ModelSpec) -> partial[Any]:
    """For the lane that is touched; it can be pickled, for ZeroGPU."""
    return partial(touch, at=at, seeds=list(seeds), cell=cell_size(model))
