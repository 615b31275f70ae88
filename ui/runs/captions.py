"""What the sampler of a lane is called, and its steps."""

from __future__ import annotations

from typing import Any

from ddpm_core.model import ModelSpec
from ddpm_core.runs import make_chain
from ui.forms import units
from ui.runs.settings import Settings, options_of

Row = tuple[int, int, float, "float | None"]  # of a step: t, s, ᾱ_t, σ; σ None where only the network knows it


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


def step_table(lane: Settings, model: ModelSpec) -> list[Row]:
    """The steps of a resolved lane. Raises ValueError for a run that the model does not allow."""
    chain = make_chain(model, **lane.sampling)
    alpha_bar = model.schedule.alpha_bar.tolist()
    return [(t, s, alpha_bar[t], sigma) for (t, s), sigma in zip(chain.pairs, chain.sigmas, strict=True)]
