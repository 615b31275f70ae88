"""What a sampling run is called, and what its lanes show, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ddpm_core.model import ModelSpec
from ddpm_core.runs import make_chain
from ui.forms import units
from ui.forms.fields import ANY
from ui.models.catalogue import short_name
from ui.runs.settings import OF_SAMPLERS, Settings, Touched, options_of

Row = tuple[int, int, float, "float | None"]  # of a step: t, s, ᾱ_t, σ; σ None where only the network knows it

HARD = 3  # the final step can hardly remove noise that is so many times what the network was trained to find there

_USES = {
    "ddim": "the newest x̂₀ alone",
    "dpm++": "the newest x̂₀ and the one before",
    "unipc": "the newest x̂₀ and the one before, and corrects xₜ with the newest first",
}


def summary(lanes: Sequence[Settings]) -> str:
    """A run in one line."""
    first = lanes[0]
    parts = [
        *([short_name(first.checkpoint)] if _one("checkpoint", lanes) else []),
        *([_count(first.steps)] if _one("steps", lanes) else []),
        *([first.spacing] if _one("spacing", lanes) and first.spacing not in ("linspace", "auto", None) else []),
        " against ".join(names(lanes)) if len(lanes) < 3 else f"{len(lanes)} ways",
        *([first.label] if first.label != ANY else []),
        *([f"“{first.prompt}”"] if first.prompt and _one("prompt", lanes) else []),
        f"noise no. {first.seed}",
    ]
    return " · ".join(parts)


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


def unknown(words: Sequence[str]) -> str:
    """What is said of words that a model has never seen, "" for none."""
    return f"I don’t know {' and '.join(f'“{word}”' for word in words)}: what is drawn is a guess." if words else ""


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


def caption(lanes: Sequence[Settings], models: Sequence[ModelSpec], steps: Sequence[list[Row]]) -> str:
    """What two lanes share, and how much noise each leaves in the picture; "" for one lane, for more than two, and
    for a touch.

    lanes: resolved. steps: of each lane.
    """
    if len(lanes) != 2 or isinstance(lanes[1], Touched):
        return ""
    noisy = [any(sigma != 0 for *_, sigma in lane) for lane in steps]
    told = _told(lanes)
    if not any(noisy):
        way = _way_on(lanes) or (f"Only {told} differ." if told else "")
        shared = f"Both begin with the same noise and add none. {way}".strip()
    elif not all(noisy):
        silent = names(lanes)[noisy.index(False)]
        shared = f"Both begin with the same noise; {silent} adds none after it."
    elif not _one("steps", lanes):
        shared = "Both begin with the same noise; their steps differ, so the noise of the steps is not shared."
    elif _one("sampler", lanes) and _one("spacing", lanes) and _one("checkpoint", lanes):
        shared = "Both begin with the same noise, and each step adds the same noise z; only "
        if told and all(_one(name, lanes) for name in OF_SAMPLERS):
            return f"{shared}{told} differ."
        shared += f"its σ and {told} differ." if told else "its σ differs."
    else:
        shared = "Both begin with the same noise, and each step adds the same noise z."
    return " ".join(filter(None, [shared, _last_noise(lanes, models, steps) if any(noisy) else ""]))


def _told(lanes: Sequence[Settings]) -> str:
    """In what lanes are told other things to draw, "" where they are told the same."""
    what = {"prompt": "the words", "guidance": "the scales of guidance"}
    return " and ".join(words for name, words in what.items() if not _one(name, lanes))


def _one(parameter: str, lanes: Sequence[Settings]) -> bool:
    """Whether all lanes have one value of a parameter."""
    return len({getattr(lane, parameter) for lane in lanes}) == 1


def _count(steps: int) -> str:
    return f"{steps} step{'s' if steps > 1 else ''}"


def _way_on(lanes: Sequence[Settings]) -> str:
    """How samplers without noise differ in their way from x_t to x_s."""
    if _one("sampler", lanes) or not all(lane.sampler in _USES for lane in lanes):
        return ""
    one, other = (f"{units.SAMPLER[lane.sampler]} uses {_USES[lane.sampler]}" for lane in lanes)
    return f"To get xₛ, {one}; {other}."


def _last_noise(lanes: Sequence[Settings], models: Sequence[ModelSpec], steps: Sequence[list[Row]]) -> str:
    """The noise of the last step that adds any, compared with what the final step expects to find."""
    here = _noise_left(steps)
    if here is None:
        return ""
    called = names(lanes)
    one_length = _one("steps", lanes)
    at = f" at {_count(lanes[0].steps)}" if one_length else ""
    adds = ", ".join(
        f"{name} adds σ = {units.sigma(sigma)}{_grey_levels(sigma, models[0])}"
        for name, (sigma, _) in zip(called, here, strict=True)
    )
    hard = [name for name, (sigma, expected) in zip(called, here, strict=True) if sigma > HARD * expected]
    text = f"Last noisy step{at}: {adds}"
    if hard:
        text += f"; the final step can hardly remove that of {' or '.join(hard)}"
    T = min(model.schedule.T for model in models)
    other = T if lanes[0].steps < T else min(10, T)
    # Optimised steps and a student's own are not there for every number.
    if one_length and other != lanes[0].steps and not any(lane.spacing in ("optimised", None) for lane in lanes):
        there = _noise_left(
            [step_table(replace(lane, steps=other), model) for lane, model in zip(lanes, models, strict=True)]
        )
        if there is not None:
            text += f". At {_count(other)}: {' and '.join(units.sigma(sigma) for sigma, _ in there)}"
    return text + "."


def _grey_levels(sigma: float, model: ModelSpec) -> str:
    """What a σ of pixels means to the eye."""
    return "" if model.latent else f" ({units.grey(sigma)} grey levels)"


def _noise_left(steps: Sequence[list[Row]]) -> list[tuple[float, float]] | None:
    """For each lane, σ of the last step that adds noise, and √(1 − ᾱ_s), the noise that the network expects after it.

    None where a lane has no such step, or only the network knows its σ.
    """
    found = []
    for lane in steps:
        if len(lane) < 2 or (sigma := lane[-2][3]) is None:
            return None
        found.append((sigma, math.sqrt(1 - lane[-1][2])))
    return found


def step_table(lane: Settings, model: ModelSpec) -> list[Row]:
    """The steps of a resolved lane. Raises ValueError for a run that the model does not allow."""
    chain = make_chain(model, **lane.sampling)
    alpha_bar = model.schedule.alpha_bar.tolist()
    return [(t, s, alpha_bar[t], sigma) for (t, s), sigma in zip(chain.pairs, chain.sigmas, strict=True)]
