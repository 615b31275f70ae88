"""What a network expects and returns where it was trained on the same process in other coordinates.

Every Gaussian path x = a (x_0 + σ z) is ours, x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε with ᾱ = 1/(1 + σ²), times a number: it has
the same x_T, steps and noise. What differs is said here once for each family, and undone where the network is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from ddpm_core.names import Prediction
from ddpm_core.process import Time, at_time, cast, to_device
from ddpm_core.schedule import NoiseSchedule


class Translation(NamedTuple):
    """The network is called as F = network(scale · x_t + shift, time, labels); keep · x_t + gain · F is the prediction.

    Attributes:
        time: over t = 0..T, float64 (T + 1,). Entry 0 is never used, here and below.
        scale, shift, keep, gain: the same, or one number for all t.
    """

    time: Tensor
    scale: Tensor | float = 1.0
    shift: Tensor | float = 0.0
    keep: Tensor | float = 0.0
    gain: Tensor | float = 1.0


class Coordinates(Protocol):
    """What a network expects in the place of x_t and t − 1, and what follows from its output.

    They don't change: the translation is asked for once, when their model is made.

    gives: the prediction, one of names.PREDICTIONS; None for whatever the model says.
    """

    @property
    def gives(self) -> Prediction | None: ...

    def translation(self, schedule: NoiseSchedule) -> Translation: ...


@dataclass(frozen=True)
class VarianceExploding:
    """Networks that see y + σ z and σ, and give the score ∇ log p = −z/σ (Song et al. 2021, "variance exploding").

    low: their data y lie in [low, 1]: for [0, 1] σ is half of ours. early: they get σ as it was at this part of
    the whole time later, as the authors' chains end at 1e-5 and not at 0.
    """

    low: float = -1.0
    early: float = 0.0

    @property
    def gives(self) -> Prediction:
        return "epsilon"

    def translation(self, schedule: NoiseSchedule) -> Translation:
        half = (1 - self.low) / 2  # of the width of [low, 1], which is 1 for ours
        sigma = half * schedule.sigma
        later = self.early * torch.linspace(1, 0, schedule.T, dtype=torch.float64)  # of t = 1..T
        seen = torch.cat([sigma[:1], sigma[1:] * (sigma[-1] / sigma[1]) ** later])
        return Translation(seen, half / schedule.alpha_bar.sqrt(), (1 + self.low) / 2, gain=-sigma)


@dataclass(frozen=True)
class EDM:
    """Networks F of x̂_0 = c_skip y + c_out F(c_in y, c_noise) with y = x_0 + σ z (Karras et al. 2022, Table 1).

    sigma_data: of the data. sigma_min: where x̂_0 is y itself: 0, and for consistency models (Song et al. 2023,
    Appendix C) their smallest σ. times: c_noise is ln σ/4 times this.
    """

    sigma_data: float = 0.5
    sigma_min: float = 0.0
    times: float = 1000.0

    @property
    def gives(self) -> Prediction:
        return "x0"

    def translation(self, schedule: NoiseSchedule) -> Translation:
        sigma, signal, of_data = schedule.sigma, schedule.alpha_bar.sqrt(), self.sigma_data**2
        above = sigma - self.sigma_min
        c_in = 1 / (sigma**2 + of_data).sqrt()
        c_skip, c_out = of_data / (above**2 + of_data), self.sigma_data * above * c_in
        return Translation(self.times * sigma.log() / 4, c_in / signal, keep=c_skip / signal, gain=c_out)


@dataclass(frozen=True)
class RectifiedFlow:
    """Rectified flows (Liu et al. 2023), which see (1 − τ) x_0 + τ ε and τ, and give ε − x_0.

    τ/(1 − τ) is σ, so that τ = √(1 − ᾱ_t) / (√ᾱ_t + √(1 − ᾱ_t)).

    times: the network gets τ times this: 1000 for one that embeds its time as t − 1 is embedded.
    """

    times: float = 1.0

    @property
    def gives(self) -> Prediction:
        return "flow"

    def translation(self, schedule: NoiseSchedule) -> Translation:
        signal, noise = schedule.alpha_bar.sqrt(), (1 - schedule.alpha_bar).sqrt()
        return Translation(self.times * noise / (signal + noise), 1 / (signal + noise))


@dataclass(frozen=True)
class TrainedOn:
    """Networks of ours that were trained on another schedule: at each σ they get the t − 1 that had it there.

    Between two of its times t is interpolated in ln σ; beyond its first and last one stands the nearest.
    """

    trained: NoiseSchedule

    @property
    def gives(self) -> None:
        return None

    def translation(self, schedule: NoiseSchedule) -> Translation:
        known, wanted = (its.sigma[1:].log().numpy() for its in (self.trained, schedule))
        finite = np.isfinite(known)
        times = np.interp(wanted, known[finite], np.flatnonzero(finite))
        times[np.isinf(wanted)] = self.trained.T - 1
        return Translation(torch.from_numpy(np.concatenate([[0.0], times])))


def seen(coordinates: Coordinates, schedule: NoiseSchedule, x_t: Tensor, t: Time) -> tuple[Tensor, Tensor]:
    """What the network gets: its x, like x_t, and its time (N,), float64 where x_t is that, else float32."""
    its = _translation(coordinates, schedule)
    time = at_time(its.time, t, x_t, 1).flatten().expand(len(x_t))
    wide = torch.float64 if x_t.dtype == torch.float64 else torch.float32
    return _of(its.scale, x_t, t) * x_t + _of(its.shift, x_t, t), to_device(time, x_t.device, wide)


def predicted(coordinates: Coordinates, schedule: NoiseSchedule, output: Tensor, x_t: Tensor, t: Time) -> Tensor:
    """The prediction that follows from the network's output, which has the shape of x_t."""
    its = _translation(coordinates, schedule)
    scaled = _of(its.gain, x_t, t) * output
    return scaled if isinstance(its.keep, float) and its.keep == 0 else _of(its.keep, x_t, t) * x_t + scaled


def check(coordinates: Coordinates, schedule: NoiseSchedule, prediction: Prediction) -> None:
    """ValueError where a model of this schedule and prediction can't have these coordinates."""
    name = type(coordinates).__name__
    if coordinates.gives not in (None, prediction):
        raise ValueError(f"{name} coordinates are for the prediction {coordinates.gives!r}, got {prediction!r}")
    for of, table in _translation(coordinates, schedule)._asdict().items():
        if isinstance(table, Tensor) and (table.shape != (schedule.T + 1,) or not bool(table[1:].isfinite().all())):
            raise ValueError(f"{of} of {name} coordinates must be {schedule.T + 1} finite numbers with this schedule")


_made: WeakKeyDictionary[NoiseSchedule, tuple[Coordinates, Translation]] = WeakKeyDictionary()


def _translation(coordinates: Coordinates, schedule: NoiseSchedule) -> Translation:
    """The tables, which are made once for a schedule and the coordinates that it has been used with last."""
    known = _made.get(schedule)
    if known is None or known[0] is not coordinates:
        known = _made[schedule] = coordinates, coordinates.translation(schedule)
    return known[1]


def _of(table: Tensor | float, x_t: Tensor, t: Time) -> Tensor | float:
    return cast(at_time(table, t, x_t, 1), x_t) if isinstance(table, Tensor) else table
