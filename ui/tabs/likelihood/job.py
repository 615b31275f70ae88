"""The task of the Likelihood tab: progressive decoding, then the bound of one picture after another.

Something is to be seen within a second: the first picture is decoded alone, one time after another, as a network is
compiled for each new size of a batch; and its short chains come before the whole one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

import ddpm_core
from ddpm_core import imaging
from ddpm_core.likelihood import BATCH, BitsPerDim, chain, progressive_decoding, rechain
from ddpm_core.model import Model, ModelSpec
from ddpm_core.noise import Noise, gaussian_batch
from ddpm_core.prediction import label_tensor
from ddpm_core.timesteps import timestep_pairs
from ui.runs import formats
from ui.runs.frames import picture_uri
from ui.runs.pace import PACE
from ui.runs.plan import LOSSLESS, frame_format
from ui.runs.source import ModelSource
from ui.runs.task import Task
from ui.tabs.likelihood.wanted import Wanted, lengths, variances

DECODED = 6  # pictures whose decoding is shown
EIGHTHS = range(8, -1, -1)  # of T: the times of the decoding
POINTS = 160  # of a curve over t
EARLY = 3  # of the first picture's short chains that are measured before its whole one


class LikelihoodJob(Task):
    """bound: of all pictures that are done, with the first of `variances`.

    Its results, by "kind": "plan" once; "decoding" of the first picture; "early", its bits/dim with each of a few short
    chains; "decoding" of all that are shown; "bits" after every picture.
    """

    def __init__(self, wanted: Wanted, models: ModelSource, visitor: Hashable = None):
        super().__init__(wanted.settings, models, visitor)
        self.wanted = wanted
        self.bound: BitsPerDim | None = None

    @property
    def together(self) -> int:
        return BATCH

    def check(self, model: ModelSpec) -> None:
        images, labels = self.wanted.pictures(model)
        label_tensor(model, labels, len(images), None)
        chain(model, variances(model)[0], model.schedule.T, "linspace")  # a student has not learned it

    def compute(self, model: Model) -> None:
        images, labels = self.wanted.pictures(model)
        T = model.schedule.T
        self.expect(evaluations(len(images), model))
        self.give(
            kind="plan",
            T=T,
            count=len(images),
            pixelated=model.image_size <= LOSSLESS,
            variances=[(formats.VARIANCE[name], name) for name in variances(model)],
            lengths=[*lengths(model), T],
            published=_published() if self.wanted.is_cifar10(model) else None,
        )
        rows = self._decode(model, images, labels, range(1), together=1)
        self._measure_early(model, images, labels)
        others = range(1, min(len(images), DECODED))
        if others:
            self._decode(model, images, labels, others, len(EIGHTHS), rows)
        began = time.perf_counter()
        for i in range(len(images)):
            self._measure(model, images, labels, i)
            PACE.note(self.settings.checkpoint, BATCH, (time.perf_counter() - began) / (i + 1) / T * BATCH)

    def _decode(
        self,
        model: Model,
        images: np.ndarray,
        labels: list[int] | None,
        which: range,
        together: int,
        before: Sequence[str] = (),
    ) -> list[str]:
        """The receiver's guesses of these pictures, so many times at once. Gives and returns a row for each picture,
        after those from before.
        """
        times, noise, guesses = _times(model), _noise(which), []
        some = images[which.start : which.stop]
        for first in range(0, len(times), together):
            guesses += progressive_decoding(
                model,
                some,
                times[first : first + together],
                None if labels is None else labels[which.start : which.stop],
                noise=lambda index, x: noise(first + index, x),  # noqa: B023
                progress=self._counter(),
            )
        columns = [imaging.to_uint8(guess) for guess in guesses] + [some]
        format = frame_format(model.image_size, model.channels)
        # np.stack gives (pictures, times and x_0, H, W, C)
        rows = [*before, *(picture_uri(row, format) for row in np.stack(columns, 1))]
        self.give(kind="decoding", times=times, rows=rows)
        return rows

    def _measure_early(self, model: Model, images: np.ndarray, labels: list[int] | None) -> None:
        """Short chains of the first picture. Their x_t are the whole chain's, so these numbers stay as they are."""
        T, noise = model.schedule.T, _noise(range(1))
        for steps in lengths(model)[:EARLY]:
            pairs = timestep_pairs(T, steps, "linspace")
            bound = ddpm_core.bits_per_dim(
                model,
                images[:1],
                variances(model)[0],
                steps,
                "linspace",
                labels=None if labels is None else labels[:1],
                noise=lambda index, x: noise(T - pairs[index][0], x),  # noqa: B023
                progress=self._counter(),
            )
            self.give(kind="early", steps=steps, bits=bound.total.item())

    def _measure(self, model: Model, images: np.ndarray, labels: list[int] | None, i: int) -> None:
        """The bound of picture i, and what follows for all so far."""
        one = ddpm_core.bits_per_dim(
            model,
            images[i : i + 1],
            variances(model)[0],
            labels=None if labels is None else labels[i : i + 1],
            noise=_noise(range(i, i + 1)),
            progress=self._counter(),
        )
        self.bound = one if self.bound is None else self.bound.with_images(one)
        self.give(kind="bits", done=i + 1, **summary(self.bound, model, images[: i + 1]))

    def _counter(self) -> Callable[[int, int], None]:
        """A `progress` of ddpm_core that counts into this task's."""
        before = 0

        def progress(done: int, _total: int) -> None:
            nonlocal before
            self.count(done - before)
            before = done

        return progress


def evaluations(pictures: int, model: ModelSpec) -> int:
    """Of the network on single pictures."""
    early = sum(lengths(model)[:EARLY])
    return pictures * model.schedule.T + min(pictures, DECODED) * len(_times(model)) + early


def _times(model: ModelSpec) -> list[int]:
    """The times of the decoding."""
    T = model.schedule.T
    return list(dict.fromkeys(max(1, round(T * eighth / 8)) for eighth in EIGHTHS))


def summary(full: BitsPerDim, model: ModelSpec, images: np.ndarray) -> dict[str, Any]:
    """What the page shows of a bound: means over the pictures, ± the standard error where there are several.

    full: the whole chain with the first of `variances`. Returns {chains: {variance: {steps: [bits/dim, error, L_T,
    L_0]}}, curves: {variance: {L, rate}}, rmse, times}, the curves at these times.
    """
    first, *others = variances(model)
    T = len(full.times)
    bounds: dict[tuple[str, int], BitsPerDim] = {(first, T): full}
    for name in (first, *others):
        for steps in (*lengths(model), T):
            if (name, steps) not in bounds:
                bounds[name, steps] = rechain(full, model, images, name, steps, "linspace")  # pyright: ignore[reportArgumentType]
    times = sorted({int(t) for t in np.geomspace(1, T, POINTS).round()} | set(range(1, T + 1, max(1, T // 20))))
    at = [t - 1 for t in times]
    chains: dict[str, dict[str, list[float | None]]] = {name: {} for name in (first, *others)}
    curves = {}
    for (name, steps), bound in bounds.items():
        error = bound.total.std().item() / len(images) ** 0.5 if len(images) > 1 else None
        chains[name][str(steps)] = [
            bound.total.mean().item(),
            error,
            bound.prior.mean().item(),
            bound.terms[:, 0].mean().item(),
        ]
        if steps == T:
            rates = bound.prior[:, None] + bound.terms.sum(1, keepdim=True) - bound.terms.cumsum(1)
            curves[name] = {"L": bound.terms.mean(0)[at].tolist(), "rate": rates.mean(0)[at].clamp(min=0).tolist()}
    rmse = 127.5 * full.mse.sqrt().mean(0)[at]
    return {"chains": chains, "curves": curves, "rmse": rmse.tolist(), "times": times}


def _noise(rows: range) -> Noise:
    """Noise that depends on the picture, not on what it is measured with: as `train evaluate` has it."""
    return lambda index, x: gaussian_batch(rows, index + 1, x.shape[1:])


def _published() -> dict[str, Any]:
    """The paper's Table 4, by t."""
    from train.evaluate.published import RATE_DISTORTION, RATE_DISTORTION_SOURCE

    return {"source": RATE_DISTORTION_SOURCE, "rows": [[t, *values] for t, values in sorted(RATE_DISTORTION.items())]}
