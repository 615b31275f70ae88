"""What is known of a run before it starts: its lanes, the noise of their steps, and which frames are kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ddpm_core.image_files import MODES, WITH_ALPHA
from ddpm_core.model import ModelSpec, check_same_images
from ui.runs import formats
from ui.runs.offered import short_name
from ui.runs.settings import ANY, Settings, resolved

Row = tuple[int, int, float, "float | None"]

FRAME_BYTES = 24e6  # limit for the frames of one run on their way to the page
LOSSLESS = 64  # pictures up to this size are sent lossless, as their single pixels are visible
HARD = 3  # the final step can hardly remove noise that is so many times what the network was trained to find there


@dataclass(frozen=True)
class Lane:
    """steps: (t, s, ᾱ_t, σ) each, σ None where only the network knows it."""

    name: str
    steps: list[Row]


@dataclass(frozen=True)
class Plan:
    title: str
    size: int
    channels: int
    seeds: range
    T: int
    lanes: list[Lane]
    caption: str  # what two lanes show; "" for one

    @property
    def pixelated(self) -> bool:
        """Whether the pictures are small, and so enlarged without smoothing."""
        return self.size <= LOSSLESS

    @property
    def format(self) -> str:
        return frame_format(self.size, self.channels)


def make_plan(lanes: Sequence[Settings], models: Sequence[ModelSpec]) -> Plan:
    """The plan of a run of these lanes, each with its model; they differ in the parameters of settings.LANE only.

    Raises ValueError for models whose images cannot be shown, or not beside each other.
    """
    check_same_images(models)
    size, channels = models[0].image_size, models[0].channels
    if channels not in MODES:
        raise ValueError(f"this model makes images of {channels} channels: only 1 to 4 can be shown as a picture")
    lanes = resolved(lanes, models)
    rows = [Lane(name, _steps(lane, model)) for name, lane, model in zip(names(lanes), lanes, models, strict=True)]
    T = max(model.schedule.T for model in models)
    return Plan(summary(lanes), size, channels, lanes[0].seeds, T, rows, caption(lanes, models))


def frame_format(size: int, channels: int) -> str:
    """The file format of frames: "bmp" is fast to write and read, "jpeg" is small, "png" can have alpha."""
    if channels in WITH_ALPHA:
        return "png"
    return "bmp" if size <= LOSSLESS else "jpeg"


def kept_steps(steps: int, size: int, count: int, channels: int = 3) -> set[int]:
    """The step indices whose frames are kept: all, or as many as fit into FRAME_BYTES, evenly spaced, with both ends.

    count: pictures in a frame, those of other lanes included. A pixel of noise in a data-URI takes 4 bytes as BMP, 1.2
    as JPEG of quality 80, and 1.4 per channel as PNG (measured: 4.13, 1.09 and 1.34).
    """
    picture = {"bmp": size**2 * 4 + 400, "jpeg": size**2 * 1.2 + 1000, "png": size**2 * 1.4 * channels + 400}
    frame = 2 * count * picture[frame_format(size, channels)]
    fit = max(2, int(FRAME_BYTES / frame))
    if steps <= fit:
        return set(range(steps))
    return {round(i * (steps - 1) / (fit - 1)) for i in range(fit)}


def summary(lanes: Sequence[Settings]) -> str:
    """A run in one line."""
    first = lanes[0]
    parts = [
        *([short_name(first.checkpoint)] if _one("checkpoint", lanes) else []),
        *([_count(first.steps)] if _one("steps", lanes) else []),
        *([first.spacing] if _one("spacing", lanes) and first.spacing not in ("linspace", None) else []),
        " against ".join(names(lanes)),
        *([first.label] if first.label != ANY else []),
        f"seed {first.seed}",
    ]
    return " · ".join(parts)


def names(lanes: Sequence[Settings]) -> list[str]:
    """A name for each lane: its sampler with what determines its noise, and what else the lanes differ in."""
    return [
        ", ".join(
            [
                *([] if _one("checkpoint", lanes) else [short_name(lane.checkpoint)]),
                way(lane),
                *([] if _one("steps", lanes) else [_count(lane.steps)]),
                *([] if _one("spacing", lanes) else [lane.spacing or "its own times"]),
            ]
        )
        for lane in lanes
    ]


def _one(parameter: str, lanes: Sequence[Settings]) -> bool:
    """Whether all lanes have one value of a parameter."""
    return len({getattr(lane, parameter) for lane in lanes}) == 1


def _count(steps: int) -> str:
    return f"{steps} step{'s' if steps > 1 else ''}"


def way(settings: Settings) -> str:
    """The sampler and what determines its noise."""
    title = formats.SAMPLER[settings.sampler]
    if settings.sampler == "ddpm":
        return f"{title} {formats.VARIANCE[settings.variance]}"
    return f"{title} η {settings.eta:g}" if settings.sampler == "ddim" else title


def caption(lanes: Sequence[Settings], models: Sequence[ModelSpec]) -> str:
    """What two lanes share, and how much noise each leaves in the picture; "" for one lane."""
    if len(lanes) < 2:
        return ""
    noisy = [lane.adds_noise for lane in lanes]
    if not any(noisy):
        shared = f"Both lanes have one x_T and add no noise. {_way_on(lanes)}".strip()
    elif not all(noisy):
        silent = names(lanes)[noisy.index(False)]
        shared = f"Both lanes have one x_T; {silent} adds no noise after it."
    elif not _one("steps", lanes):
        shared = "Both lanes have one x_T; their steps differ, so the noise of the steps is not shared."
    elif _one("sampler", lanes) and _one("spacing", lanes) and _one("checkpoint", lanes):
        shared = "Both lanes have one x_T and the same noise z in every step; only its σ differs."
    else:
        shared = "Both lanes have one x_T and the same noise z in every step."
    return " ".join(filter(None, [shared, _last_noise(lanes, models) if any(noisy) else ""]))


_USES = {
    "ddim": "the newest x̂₀ alone",
    "dpm++": "the newest x̂₀ and the one before",
    "unipc": "the newest x̂₀ and the one before, and corrects xₜ with the newest first",
}


def _way_on(lanes: Sequence[Settings]) -> str:
    """How samplers without noise differ in their way from x_t to x_s."""
    if _one("sampler", lanes):
        return ""
    one, other = (f"{formats.SAMPLER[lane.sampler]} uses {_USES[lane.sampler]}" for lane in lanes)
    return f"To get xₛ, {one}; {other}."


def _last_noise(lanes: Sequence[Settings], models: Sequence[ModelSpec]) -> str:
    """The noise of the last step that adds any, compared with what the final step expects to find."""
    here = _noise_left(lanes, None, models)
    if here is None:
        return ""
    called = names(lanes)
    one_length = _one("steps", lanes)
    steps = f" at {_count(lanes[0].steps)}" if one_length else ""
    adds = ", ".join(
        f"{name} adds σ = {formats.sigma(sigma)} ({formats.grey(sigma)} grey levels)"
        for name, (sigma, _) in zip(called, here, strict=True)
    )
    hard = [name for name, (sigma, expected) in zip(called, here, strict=True) if sigma > HARD * expected]
    text = f"Last noisy step{steps}: {adds}"
    if hard:
        text += f"; the final step can hardly remove that of {' or '.join(hard)}"
    T = min(model.schedule.T for model in models)
    other = T if lanes[0].steps < T else min(10, T)
    there = _noise_left(lanes, other, models)
    if one_length and other != lanes[0].steps and there is not None:
        text += f". At {_count(other)}: {' and '.join(formats.sigma(sigma) for sigma, _ in there)}"
    return text + "."


def _noise_left(
    lanes: Sequence[Settings], steps: int | None, models: Sequence[ModelSpec]
) -> list[tuple[float, float]] | None:
    """For each lane, σ of the last step that adds noise, and √(1 − ᾱ_s), the noise that the network expects after it.

    steps: instead of the lanes' own. None where a lane has no such step, or only the network knows its σ; and where
    the lane's steps are optimised or a student's own, which are not there for every number.
    """
    found = []
    for lane, model in zip(lanes, models, strict=True):
        if steps is not None and lane.spacing in ("optimised", None):
            return None
        rows = _steps(lane if steps is None else replace(lane, steps=steps), model)
        if len(rows) < 2 or (sigma := rows[-2][3]) is None:
            return None
        found.append((sigma, math.sqrt(1 - rows[-1][2])))
    return found


def _steps(settings: Settings, model: ModelSpec) -> list[Row]:
    from ddpm_core.runs import SamplerSettings  # here for the start time: see ui/__init__.py

    chain = SamplerSettings(**settings.resolved(model).sampling).chain(model)
    alpha_bar = model.schedule.alpha_bar.tolist()
    return [(t, s, alpha_bar[t], sigma) for (t, s), sigma in zip(chain.pairs, chain.sigmas, strict=True)]
