"""What the lanes of a sampling run are called, and their steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ddpm_core.model import ModelSpec
from ddpm_core.runs import make_chain
from ui.forms import units
from ui.models.catalogue import short_name
from ui.runs.settings import Settings, Touched, options_of

Row = tuple[int, int, float, "float | None"]  # of a step: t, s, ᾱ_t, σ; σ None where only the network knows it


def names(lanes: Sequence[Settings]) -> list[str]:
    """A name for each lane: its sampler with what determines its noise, and what else the lanes differ in."""
    return [
        f"touched at t = {max(stroke.t for stroke in lane.touch)}"
        if isinstance(lane, Touched)
        else ", ".join(
            [
                *([] if _one("prompt", lanes) else [f"“{lane.prompt}”" if lane.prompt else "no words"]),
                *([] if _one("checkpoint", lanes) else [short_name(lane.checkpoint)]),
                sampler_and_noise(lane),
                *(
                    []
                    if _one("guidance", lanes)
                    else ["its guidance" if lane.guidance is None else f"w = {lane.guidance:g}"]
                ),
                *([] if _one("steps", lanes) else [_count(lane.steps)]),
                *([] if _one("spacing", lanes) else [lane.spacing or "its own times"]),
            ]
        )
        for lane in lanes
    ]


def sampler_and_noise(run: Any) -> str:
    """Name the sampler of a run with its options."""
    own = [_option(name, value) for name, value in options_of(run).items()]
    return " ".join([units.SAMPLER[run.sampler], *own])


def _option(name: str, value: Any) -> str:
    """Write an option of a sampler as a lane's name has it."""
    title = Settings.kinds()[name].title
    if isinstance(value, bool):
        return title if value else f"no {title}"
    return units.VARIANCE[value] if name == "variance" else f"{title} {value:g}"


def _one(parameter: str, lanes: Sequence[Settings]) -> bool:
    """Whether all lanes have one value of a parameter."""
    return len({getattr(lane, parameter) for lane in lanes}) == 1


def _count(steps: int) -> str:
    return f"{steps} step{'s' if steps > 1 else ''}"


def step_table(lane: Settings, model: ModelSpec) -> list[Row]:
    """The steps of a resolved lane. Raises ValueError for a run that the model does not allow."""
    chain = make_chain(model, **lane.sampling)
    alpha_bar = model.schedule.alpha_bar.tolist()
    return [(t, s, alpha_bar[t], sigma) for (t, s), sigma in zip(chain.pairs, chain.sigmas, strict=True)]
