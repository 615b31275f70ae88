"""Coordinates: the input and output of networks that were trained on the same process in another form.

Each Gaussian process x = a (x_0 + σ z) is our process x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε with ᾱ_t = 1/(1 + σ²), multiplied
by a number. So one sampler serves all these networks. A class for each family of networks says how to translate x_t and
t into the network's input, and its output into a prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from ddpm_core.names import Prediction
from ddpm_core.process import Time, as_column, cast, check_time, is_whole_time, to_device
from ddpm_core.schedule import Levels, NoiseSchedule


class Translation(NamedTuple):
    """The numbers that translate between x_t and a network's input and output.

    The network computes F = network(scale · x_t + shift, time, labels). The prediction is keep · x_t + gain · F.

    Attributes:
        time: float64, a number for each t of the schedule: (T + 1,) for t = 0..T. Entry 0 is never used.
        scale, shift, keep, gain: tensors like time, or one number for all t.
    """

    time: Tensor
    scale: Tensor | float = 1.0
    shift: Tensor | float = 0.0
    keep: Tensor | float = 0.0
    gain: Tensor | float = 1.0


class Coordinates(Protocol):
    """The input that a network expects instead of x_t and t − 1, and the prediction that follows from its output.

    Instances must not change: a model computes the translation at all whole times once and stores it. For times that
    are not whole, `translation` gets `Levels` instead of the schedule. `Levels`, too, has t, alpha_bar and sigma.
    """

    @property
    def gives(self) -> Prediction | None:
        """The kind of prediction after the translation, one of names.PREDICTIONS; None for the model's `prediction`."""
        ...

    def translation(self, schedule: NoiseSchedule | Levels) -> Translation:
        """Return the translation at the schedule's times 0..T, float64 (T + 1,), or at the times of the levels."""
        ...


@dataclass(frozen=True)
class VarianceExploding:
    """Networks that get y + σ z and σ, and return the score ∇ log p = −z/σ (Song et al. 2021, "variance exploding").

    low: their data y lie in [low, 1]. For [0, 1], their σ is half of ours, because our data lie in [−1, 1]. early: the
    time at which the authors' chains end, as a fraction of the whole time; the authors use 1e-5. Because their chains
    do not end at 0, the network gets the σ of a slightly later time.
    """

    low: float = -1.0
    early: float = 0.0

    @property
    def gives(self) -> Prediction:
        """The prediction, "epsilon"."""
        return "epsilon"

    def translation(self, schedule: NoiseSchedule | Levels) -> Translation:
        """Return the translation between x_t and these networks: see `Coordinates`."""
        half = (1 - self.low) / 2  # half the width of the data's range [low, 1]
        sigma, whole = half * schedule.sigma, schedule.schedule
        ends = half * whole.sigma[[1, -1]]
        # At t = 1..T, the network gets the σ of a time that is later by these fractions of the whole time.
        later = self.early * torch.linspace(1, 0, whole.T, dtype=torch.float64)
        if schedule is not whole:
            later = torch.from_numpy(np.interp(schedule.t.numpy(), whole.t[1:].numpy(), later.numpy()))
        else:
            later = torch.cat([later[:1], later])
        seen = sigma * (ends[1] / ends[0]) ** later
        return Translation(seen, half / schedule.alpha_bar.sqrt(), (1 + self.low) / 2, gain=-sigma)


@dataclass(frozen=True)
class EDM:
    """Networks F with x̂_0 = c_skip y + c_out F(c_in y, c_noise) and y = x_0 + σ z (Karras et al. 2022, Table 1).

    sigma_data: the standard deviation of the data. sigma_min: the σ at which x̂_0 is y itself. sigma_min is 0 for EDM,
    and the smallest σ for consistency models (Song et al. 2023, Appendix C). times: c_noise is ln σ/4 times this
    number.
    """

    sigma_data: float = 0.5
    sigma_min: float = 0.0
    times: float = 1000.0

    @property
    def gives(self) -> Prediction:
        """The prediction, "x0"."""
        return "x0"

    def translation(self, schedule: NoiseSchedule | Levels) -> Translation:
        """Return the translation between x_t and these networks: see `Coordinates`."""
        sigma, signal, of_data = schedule.sigma, schedule.alpha_bar.sqrt(), self.sigma_data**2
        above = sigma - self.sigma_min
        c_in = 1 / (sigma**2 + of_data).sqrt()
        c_skip, c_out = of_data / (above**2 + of_data), self.sigma_data * above * c_in
        return Translation(self.times * sigma.log() / 4, c_in / signal, keep=c_skip / signal, gain=c_out)


@dataclass(frozen=True)
class RectifiedFlow:
    """Rectified flows (Liu et al. 2023): networks that get (1 − τ) x_0 + τ ε and τ, and return ε − x_0.

    σ is τ/(1 − τ), so τ = √(1 − ᾱ_t) / (√ᾱ_t + √(1 − ᾱ_t)).

    times: the network gets τ times this number, for example 1000 if it embeds its time in the same way as t − 1.
    """

    times: float = 1.0

    @property
    def gives(self) -> Prediction:
        """The prediction, "flow"."""
        return "flow"

    def translation(self, schedule: NoiseSchedule | Levels) -> Translation:
        """Return the translation between x_t and these networks: see `Coordinates`."""
        signal, noise = schedule.alpha_bar.sqrt(), (1 - schedule.alpha_bar).sqrt()
        return Translation(self.times * noise / (signal + noise), 1 / (signal + noise))


@dataclass(frozen=True)
class TrainedOn:
    """Networks that are used on another schedule than `trained`, the schedule of their training.

    inner: the coordinates in which the network was trained; None for this library's own. A network with inner=None gets
    the t − 1 that had the same σ in training; between two times of the training, t is interpolated in ln σ. A network
    with inner coordinates gets the input that they compute from σ. If σ is outside the range of the training, the
    network gets the nearest end of this range, because it has learned nothing beyond.
    """

    trained: NoiseSchedule
    inner: Coordinates | None = None

    @property
    def gives(self) -> Prediction | None:
        """The prediction of `inner`; None without inner coordinates."""
        return None if self.inner is None else self.inner.gives

    def translation(self, schedule: NoiseSchedule | Levels) -> Translation:
        """Return the translation to those times of the training that have the same σ: see `Coordinates`."""
        if self.inner is not None:
            return self._within(self.inner, schedule)
        known, wanted = self.trained.sigma[1:].log().numpy(), schedule.sigma.log().numpy()
        finite = np.isfinite(known)
        times = np.interp(wanted, known[finite], np.flatnonzero(finite))
        times = np.where(wanted == np.inf, self.trained.T - 1, times)
        return Translation(torch.from_numpy(times))

    def _within(self, inner: Coordinates, schedule: NoiseSchedule | Levels) -> Translation:
        """Return the translation of `inner`. Where σ is outside the training's range, use the nearest end of it."""
        below, above = schedule.sigma < self.trained.sigma[1], schedule.sigma > self.trained.sigma[-1]

        def within(wanted: Any, known: Any) -> Any:
            """Return one part of the translation: `wanted`, or an end of `known` where σ is outside its range."""
            if not isinstance(wanted, Tensor):
                return wanted
            return torch.where(below, known[1], torch.where(above, known[-1], wanted))

        return Translation(*map(within, inner.translation(schedule), inner.translation(self.trained)))


def inner(coordinates: Coordinates | None) -> Coordinates | None:
    """Return the coordinates in which a network was trained; None for this library's own."""
    return coordinates.inner if isinstance(coordinates, TrainedOn) else coordinates


def network_input(coordinates: Coordinates, schedule: NoiseSchedule, x_t: Tensor, t: Time) -> tuple[Tensor, Tensor]:
    """Return the network's two inputs: scale · x_t + shift, like x_t, and its time (N,).

    The time is float64 if x_t is, else float32.
    """
    at = _at(coordinates, schedule, x_t, t)
    return _of(at.scale, x_t) * x_t + _of(at.shift, x_t), network_times(at.time, x_t)


def network_times(times: Tensor, x: Tensor) -> Tensor:
    """Return real times as a network takes them: (N,), one for each image of x, float64 if x is, else float32."""
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    return to_device(times.flatten().expand(len(x)), x.device, wide)


def predicted(coordinates: Coordinates, schedule: NoiseSchedule, output: Tensor, x_t: Tensor, t: Time) -> Tensor:
    """Return the prediction keep · x_t + gain · output. All have the shape of x_t."""
    at = _at(coordinates, schedule, x_t, t)
    scaled = _of(at.gain, x_t) * output
    return scaled if isinstance(at.keep, float) and at.keep == 0 else _of(at.keep, x_t) * x_t + scaled


def check(coordinates: Coordinates, schedule: NoiseSchedule, prediction: Prediction) -> None:
    """Raise ValueError if a model with this schedule and prediction can't have these coordinates."""
    name = type(coordinates).__name__
    if coordinates.gives not in (None, prediction):
        raise ValueError(f"{name} coordinates are for the prediction {coordinates.gives!r}, got {prediction!r}")
    for of, table in _translation(coordinates, schedule)._asdict().items():
        if isinstance(table, Tensor) and (table.shape != (schedule.T + 1,) or not bool(table[1:].isfinite().all())):
            raise ValueError(f"{of} of {name} coordinates must be {schedule.T + 1} finite numbers with this schedule")


_made: WeakKeyDictionary[NoiseSchedule, tuple[Coordinates, Translation]] = WeakKeyDictionary()


def _translation(coordinates: Coordinates, schedule: NoiseSchedule) -> Translation:
    """Return the translation at t = 0..T. For each schedule, the translation of the latest coordinates is stored."""
    known = _made.get(schedule)
    if known is None or known[0] is not coordinates:
        known = _made[schedule] = coordinates, coordinates.translation(schedule)
    return known[1]


def _at(coordinates: Coordinates, schedule: NoiseSchedule, x: Tensor, t: Time) -> Translation:
    """Return the translation at t: each part is a number for all images, or (N, 1, 1, 1)."""
    found = check_time(t, x, 1, schedule.T)
    if is_whole_time(found):
        rows: Any = found.cpu() if isinstance(found, Tensor) else found
        parts: Any = (part[rows] if isinstance(part, Tensor) else part for part in _translation(coordinates, schedule))
    else:
        parts = coordinates.translation(schedule.at(found))
    return Translation(*(as_column(part, x) if isinstance(part, Tensor) else part for part in parts))


def _of(part: Tensor | float, x: Tensor) -> Tensor | float:
    """Return a part of a translation in the dtype and on the device of x."""
    return cast(part, x) if isinstance(part, Tensor) else part
