"""What is known of a run before it starts: its lanes, the noise of their steps, and which frames are kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ddpm_core.image_files import MODES, WITH_ALPHA
from ddpm_core.model import ModelSpec
from ddpm_core.timesteps import model_pairs
from ui.runs import formats
from ui.runs.offered import short_name
from ui.runs.settings import ANY, Settings

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


def make_plan(lanes: Sequence[Settings], model: ModelSpec) -> Plan:
    """The plan of a run of these lanes, which differ in the parameters of settings.LANE only.

    Raises ValueError for a model whose images cannot be shown.
    """
    if model.channels not in MODES:
        raise ValueError(f"this model makes images of {model.channels} channels: only 1 to 4 can be shown as a picture")
    first = lanes[0]
    rows = [Lane(name, _steps(lane, model)) for name, lane in zip(names(lanes), lanes, strict=True)]
    return Plan(
        summary(lanes), model.image_size, model.channels, first.seeds, model.schedule.T, rows, caption(lanes, model)
    )


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
    one_length = len({lane.steps for lane in lanes}) == 1
    parts = [
        short_name(first.checkpoint),
        *([f"{first.steps} step{'s' if first.steps > 1 else ''}"] if one_length else []),
        " against ".join(names(lanes)),
        *([first.label] if first.label != ANY else []),
        f"seed {first.seed}",
    ]
    return " · ".join(parts)


def names(lanes: Sequence[Settings]) -> list[str]:
    """A name for each lane: what determines its noise, and its steps where the lanes differ in them."""
    one_length = len({lane.steps for lane in lanes}) == 1
    return [way(lane) if one_length else f"{way(lane)}, {lane.steps} steps" for lane in lanes]


def way(settings: Settings) -> str:
    """The sampler and what determines its noise."""
    if settings.sampler == "ddpm":
        return f"DDPM {formats.VARIANCE[settings.variance]}"
    return f"DDIM η {settings.eta:g}"


def caption(lanes: Sequence[Settings], model: ModelSpec) -> str:
    """What two lanes share, and how much noise the variance of each leaves in the picture; "" for one lane."""
    if len(lanes) < 2:
        return ""
    if len({lane.steps for lane in lanes}) == 1:
        shared = "Both lanes have one x_T and the same noise z in every step; only its σ differs."
    else:
        shared = "Both lanes have one x_T; their steps differ, so the noise of the steps is not shared."
    return " ".join(filter(None, [shared, _last_noise(lanes, model)]))


def _last_noise(lanes: Sequence[Settings], model: ModelSpec) -> str:
    """The noise of the last step that adds any, compared with what the final step expects to find."""
    here = _noise_left(lanes, None, model)
    if here is None:
        return ""
    called = names(lanes)
    steps = f" at {lanes[0].steps} steps" if len({lane.steps for lane in lanes}) == 1 else ""
    adds = ", ".join(
        f"{name} adds σ = {formats.sigma(sigma)} ({formats.grey(sigma)} grey levels)"
        for name, (sigma, _) in zip(called, here, strict=True)
    )
    hard = [name for name, (sigma, expected) in zip(called, here, strict=True) if sigma > HARD * expected]
    text = f"Last noisy step{steps}: {adds}"
    if hard:
        text += f"; the final step can hardly remove that of {' or '.join(hard)}"
    T = model.schedule.T
    other = T if lanes[0].steps < T else min(10, T)
    there = _noise_left(lanes, other, model)
    if steps and other != lanes[0].steps and there is not None:
        text += f". At {other} steps: {' and '.join(formats.sigma(sigma) for sigma, _ in there)}"
    return text + "."


def _noise_left(lanes: Sequence[Settings], steps: int | None, model: ModelSpec) -> list[tuple[float, float]] | None:
    """For each lane, σ of the last step that adds noise, and √(1 − ᾱ_s), the noise that the network expects after it.

    steps: instead of the lanes' own. None where a lane has no such step, or only the network knows its σ; nor are
    there optimised steps of every number.
    """
    found = []
    for lane in lanes:
        if steps is not None and lane.spacing == "optimised":
            return None
        rows = _steps(lane if steps is None else replace(lane, steps=steps), model)
        if len(rows) < 2 or (sigma := rows[-2][3]) is None:
            return None
        found.append((sigma, math.sqrt(1 - rows[-1][2])))
    return found


def _steps(settings: Settings, model: ModelSpec) -> list[Row]:
    from ddpm_core.runs import sigmas  # here for the start time: see ui/__init__.py

    pairs = model_pairs(model, settings.steps, settings.spacing, settings.sampler)
    noise = sigmas(
        model,
        steps=settings.steps,
        sampler=settings.sampler,
        variance=settings.variance,
        spacing=settings.spacing,
        eta=settings.eta,
    )
    alpha_bar = model.schedule.alpha_bar.tolist()
    return [(t, s, alpha_bar[t], sigma) for (t, s), sigma in zip(pairs, noise, strict=True)]
