"""What a run tells while it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

import ddpm_core
from ddpm_core.imaging import to_uint8
from ui.runs.plan import Plan

FINAL = ("stopped", "finished", "error")  # states


@dataclass(frozen=True)
class Frame:
    """The pictures of a lane after its step k: x is x_s, x0_hat is x̂_0 predicted from x_t, both uint8 (N, H, W, C)."""

    lane: int
    k: int
    sigma: float
    x: np.ndarray
    x0_hat: np.ndarray


@dataclass(frozen=True)
class Update:
    """The state of a run, and the kept frames since the last update.

    state: one of those in web/player/messages.js. progress: 0 to 1. left: seconds. plan: once, with or before the first
    frame.
    """

    state: str
    text: str = ""
    progress: float | None = None
    left: float | None = None
    plan: Plan | None = None
    frames: list[Frame] = field(default_factory=list)


def frame(lane: int, step: ddpm_core.Step) -> Frame:
    """The pictures of a step."""
    sigma = float(step.sigma) if isinstance(step.sigma, int | float) else float(step.sigma.mean())
    return Frame(lane, step.index, sigma, to_uint8(step.x), to_uint8(step.x0_hat))
