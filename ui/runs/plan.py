"""What a run is going to do, said before it starts: its lanes, the noise of their steps, and which frames are kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ui import words
from ui.runs import models as checkpoints
from ui.runs.settings import Settings

FRAME_BYTES = 24e6  # what the frames of one run may weigh on the way to the page
LOSSLESS = 64  # models up to this size are sent without loss, as their single pixels are seen
HARD = 3  # the final step can hardly remove a noise that is so many times what it has been trained to find


@dataclass(frozen=True)
class Lane:
    """steps: (t, s, ᾱ_t, σ) each, σ None where only the network knows it."""

    name: str
    steps: list[tuple[int, int, float, float | None]]


@dataclass(frozen=True)
class Plan:
    title: str
    size: int
    channels: int
    seeds: range
    T: int
    lanes: list[Lane]
    caption: str  # what there is to see in two lanes

    @property
    def pixelated(self) -> bool:
        """Whether the pictures are so small that they are enlarged without smoothing."""
        return self.size <= LOSSLESS

    @property
    def format(self) -> str:
        return frame_format(self.size, self.channels)


def make_plan(lanes: Sequence[Settings], model) -> Plan:
    """The plan of a run of these lanes; they differ in steps, sampler, variance and η only.

    Raises ValueError for a model whose images cannot be shown.
    """
    from ddpm_core.image_files import MODES

    if model.channels not in MODES:
        raise ValueError(f"this model makes images of {model.channels} channels: only 1 to 4 can be shown as a picture")
    first = lanes[0]
    rows = [Lane(name, _steps(lane, model)) for name, lane in zip(names(lanes), lanes, strict=True)]
    return Plan(
        summary(lanes), model.image_size, model.channels, first.seeds, model.schedule.T, rows, caption(lanes, model)
    )


def frame_format(size: int, channels: int) -> str:
    """What pictures are sent as: "bmp", quick to write and read; "jpeg", small; "png", where there is alpha."""
    from ddpm_core.image_files import WITH_ALPHA

    if channels in WITH_ALPHA:
        return "png"
    return "bmp" if size <= LOSSLESS else "jpeg"


def kept_steps(steps: int, size: int, count: int, channels: int = 3) -> set[int]:
    """The step indices whose frames are kept: all, or evenly as many as fit into FRAME_BYTES, the ends always.

    count: pictures a frame, those of other lanes included. A pixel of noise weighs in a data-URI 4 bytes as BMP, 1.2 as
    JPEG of quality 80, and 1.4 for each of its channels as PNG (measured: 4.13, 1.09 and 1.34).
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
        checkpoints.name(first.checkpoint),
        *([f"{first.steps} step{'s' if first.steps > 1 else ''}"] if one_length else []),
        " against ".join(names(lanes)),
        *([first.label] if first.label != "any" else []),
        f"seed {first.seed}",
    ]
    return " · ".join(parts)


def names(lanes: Sequence[Settings]) -> list[str]:
    """What each lane is called: what sets its noise, and its steps where they are not the same for all."""
    one_length = len({lane.steps for lane in lanes}) == 1
    return [way(lane) if one_length else f"{way(lane)}, {lane.steps} steps" for lane in lanes]


def way(settings: Settings) -> str:
    """The sampler and what sets its noise."""
    if settings.sampler == "ddpm":
        return f"DDPM {words.VARIANCE[settings.variance]}"
    return f"DDIM η {settings.eta:g}"


def caption(lanes: Sequence[Settings], model) -> str:
    """What two lanes share, and what the variance of each leaves in the picture; "" for one."""
    if len(lanes) < 2:
        return ""
    if len({lane.steps for lane in lanes}) == 1:
        shared = "Both lanes have one x_T and the same noise z in every step; only its σ differs."
    else:
        shared = "Both lanes have one x_T; their steps differ, so the noise of the steps is not shared."
    return " ".join(filter(None, [shared, _last_noise(lanes, model)]))


def _last_noise(lanes: Sequence[Settings], model) -> str:
    """The noise of the last step that adds any, beside what the final step expects to find."""
    here = [_noise_left(lane, lane.steps, model) for lane in lanes]
    if any(noise is None for noise in here):
        return ""
    called = names(lanes)
    steps = f" at {lanes[0].steps} steps" if len({lane.steps for lane in lanes}) == 1 else ""
    adds = ", ".join(
        f"{name} adds σ = {words.sigma(sigma)} ({words.grey(sigma)} grey levels)"
        for name, (sigma, _) in zip(called, here, strict=True)
    )
    hard = [name for name, (sigma, expected) in zip(called, here, strict=True) if sigma > HARD * expected]
    text = f"Last noisy step{steps}: {adds}"
    if hard:
        text += f"; the final step can hardly remove that of {' or '.join(hard)}"
    T = model.schedule.T
    other = T if lanes[0].steps < T else min(10, T)
    there = [_noise_left(lane, other, model) for lane in lanes]
    if steps and other != lanes[0].steps and None not in there:
        text += f". At {other} steps: {' and '.join(words.sigma(sigma) for sigma, _ in there)}"
    return text + "."


def _noise_left(settings: Settings, steps: int, model) -> tuple[float, float] | None:
    """σ of the last step that adds noise, and √(1 − ᾱ_s), the noise that the network expects after it.

    None where there is no such step, or only the network knows.
    """
    rows = _steps(replace(settings, steps=steps), model)
    if len(rows) < 2 or rows[-2][3] is None:
        return None
    return rows[-2][3], math.sqrt(1 - rows[-1][2])


def _steps(settings: Settings, model) -> list[tuple[int, int, float, float | None]]:
    from ddpm_core.runs import sigmas
    from ddpm_core.timesteps import timestep_pairs

    pairs = timestep_pairs(model.schedule.T, settings.steps, settings.spacing)
    options = {name: getattr(settings, name) for name in ("steps", "sampler", "variance", "spacing", "eta")}
    alpha_bar = model.schedule.alpha_bar.tolist()
    return [(t, s, alpha_bar[t], sigma) for (t, s), sigma in zip(pairs, sigmas(model, **options), strict=True)]
