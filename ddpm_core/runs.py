"""What a user calls: a run from seeds to images, step by step; several runs in one; or the final images only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddpm_core import imaging
from ddpm_core.model import Model, ModelSpec, check_same_images, check_variance
from ddpm_core.names import SAMPLERS, Sampler, Spacing, Variance
from ddpm_core.noise import Noise, check_seeds, gaussian_batch, seeded_noise
from ddpm_core.predict import Prediction, label_tensor, network_device, predict
from ddpm_core.process import check_signal
from ddpm_core.samplers import (
    Predict,
    Step,
    consistency,
    consistency_sigmas,
    ddim,
    ddim_sigmas,
    ddpm,
    ddpm_sigmas,
    solve,
)
from ddpm_core.solvers import SOLVERS, check_start, solver
from ddpm_core.timesteps import Pairs, model_pairs


@dataclass(frozen=True)
class SamplerSettings:
    """Which steps a run takes, and what noise they add. The fields are those arguments of `trajectory`."""

    steps: int | None = None
    sampler: Sampler | None = None
    variance: Variance | None = None
    spacing: Spacing | None = None
    eta: float = 0.0
    start: int | None = None

    def of(self, model: ModelSpec) -> SamplerSettings:
        """These settings with the model's own steps and sampler where none are given: 50 of "ddpm", or a student's."""
        student = model.student
        steps, sampler = (50, "ddpm") if student is None else (student.steps, student.sampler)
        return replace(self, steps=self.steps if self.steps is not None else steps, sampler=self.sampler or sampler)

    def check(self, model: ModelSpec, guidance: float | None = None) -> tuple[Pairs, Variance]:
        """The pairs (t, s) of such a run, and the variance for the sampler "ddpm".

        Raises ValueError for what this model or guidance does not allow.
        """
        own, student = self.of(model), model.student
        assert own.steps is not None and own.sampler is not None
        if own.sampler not in SAMPLERS:
            raise ValueError(f"unknown sampler {own.sampler!r}: choose from {', '.join(SAMPLERS)}")
        pairs = model_pairs(model, own.steps, own.spacing, own.sampler, self.start)
        check_signal(model.prediction, model.schedule.alpha_bar[pairs[0][0]])
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta must lie between 0 and 1, got {self.eta}")
        if student is not None:
            student.check(own.sampler, pairs, self.eta if own.sampler == "ddim" else 0.0)
        if self.variance is not None and own.sampler != "ddpm":
            raise ValueError(f"variance belongs to the sampler 'ddpm', and this run has {own.sampler!r}: leave it out")
        if self.eta and own.sampler != "ddim":
            raise ValueError(f"eta belongs to the sampler 'ddim', and this run has {own.sampler!r}: leave it out")
        if own.sampler == "ddpm":
            return pairs, check_variance(model, self.variance, pairs, guidance)
        if own.sampler in SOLVERS:
            check_start(own.sampler, model.schedule, pairs)
        return pairs, model.variance


def trajectory(
    model: Model,
    seeds: Sequence[int] | None = None,
    steps: int | None = None,
    sampler: Sampler | None = None,
    variance: Variance | None = None,
    spacing: Spacing | None = None,
    eta: float = 0.0,
    clip: bool | None = None,
    labels: int | Sequence[int] | None = None,
    guidance: float | None = None,
    x_T: Tensor | None = None,
    noise: Noise | None = None,
    start: int | None = None,
) -> Iterator[Step]:
    """The steps of a run, computed one by one as they are asked for.

    seeds: one image each, whole numbers 0..2^63 − 1; may be left out where x_T and noise are given. steps: 1..T,
    None for 50. sampler: one of names.SAMPLERS, None for "ddpm". variance: one of names.VARIANCES, None for the
    checkpoint's own; ignored by samplers other than "ddpm". spacing: one of names.SPACINGS, None for "linspace";
    "optimised" needs a model that has such steps: see timesteps.model_pairs. For a student None is what it was made
    for: see student.Student. eta: 0..1, DDIM's σ = η √β̃; ignored by other samplers. clip: clip x̂_0 to [−1, 1], None as
    the checkpoint asks for. labels, guidance: see predict.label_tensor and predict.predict. x_T: (N, C, H, W) instead
    of the seeded start; the state has its dtype. noise(index, x) -> tensor like x, instead of the seeded noise of step
    `index`. start: 1..T, the t at which the chain starts, with `steps` of 1..start; below T its state x_start must be
    given as x_T (`latents.encode` makes one).

    Raises ValueError, before anything is computed, for values outside these.
    """
    _check_start(model, start, x_T)
    settings = SamplerSettings(steps, sampler, variance, spacing, eta, start)
    checked, x, label_ids = _start(model, seeds, labels, guidance, x_T, noise)
    evaluate = partial(predict, model, labels=label_ids, guidance=guidance, clip=clip)
    _, run = _run(model, evaluate, checked, x, settings, guidance, noise)
    return (step.clone() for step in run)


def side_by_side(
    model: Model,
    seeds: Sequence[int],
    lanes: Sequence[Mapping[str, Any]],
    clip: bool | None = None,
    labels: int | Sequence[int] | None = None,
    guidance: float | None = None,
    x_T: Tensor | None = None,
) -> Iterator[tuple[int, Step]]:
    """Several runs from one x_T, as (lane, step) in order of falling t, so that all lanes progress together.

    lanes: for each run, the fields of `SamplerSettings`, `start` the same in all, and "model" and "labels" where they
    are not the other lanes'. Its steps are those that `trajectory` gives for them: the noise depends on the seeds and
    on the lane's own step numbers. Lanes of one model that are at the same t are evaluated in one batch. The other
    arguments, and errors, are those of `trajectory`; models must agree in image size and channels.
    """
    models = [lane.get("model", model) for lane in lanes]
    check_same_images([model, *models])
    for lane, own in zip(lanes, models, strict=True):
        _check_start(own, lane.get("start"), x_T)
        if lane.get("start") != lanes[0].get("start"):
            raise ValueError("lanes that share one state must start at the same t")
    states: dict[int, tuple[int, Tensor]] = {}  # of each lane that is not finished: t, x_t
    ready: dict[int, Prediction] = {}
    label_ids: list[Tensor | None] = []  # of each lane

    def evaluate(lane: int, x: Tensor, t: int) -> Prediction:
        if lane not in ready:
            here = [other for other, (time, _) in states.items() if time == t and models[other] is models[lane]]
            batch = torch.cat([states[other][1] for other in here])
            chosen = [ids for ids in (label_ids[other] for other in here) if ids is not None]
            parts = predict(models[lane], batch, t, torch.cat(chosen) if chosen else None, guidance, clip)
            split = ((None,) * len(here) if part is None else part.split(len(x)) for part in parts)
            ready.update(zip(here, map(Prediction._make, zip(*split, strict=True)), strict=True))
        return ready.pop(lane)

    runs = []
    for i, lane in enumerate(lanes):
        checked, x, ids = _start(models[i], seeds, lane.get("labels", labels), guidance, x_T)
        settings = SamplerSettings(**{name: value for name, value in lane.items() if name not in ("model", "labels")})
        pairs, run = _run(models[i], partial(evaluate, i), checked, x, settings, guidance)
        runs.append(run)
        label_ids.append(ids)
        states[i] = pairs[0][0], x

    def steps() -> Iterator[tuple[int, Step]]:
        while states:
            lane = max(states, key=lambda i: states[i][0])
            step = next(runs[lane])
            states[lane] = step.s, step.x
            if step.s == 0:
                del states[lane]
            yield lane, step.clone()

    return steps()


def _check_start(model: Model, start: int | None, x_T: Tensor | None) -> None:
    """ValueError where a chain would start below T from the noise of T."""
    if start not in (None, model.schedule.T) and x_T is None:
        raise ValueError(f"a chain that starts at t = {start} needs its state there: give it as x_T")


def _start(
    model: Model,
    seeds: Sequence[int] | None,
    labels: int | Sequence[int] | None,
    guidance: float | None,
    x_T: Tensor | None,
    noise: Noise | None = None,
) -> tuple[list[int], Tensor, Tensor | None]:
    """The seeds (none where x_T and noise replace them), x_T and labels, checked and on the network's device."""
    checked = [] if seeds is None else check_seeds(seeds)
    if seeds is None and (x_T is None or noise is None or not len(x_T)):
        raise ValueError("give a seed for each image, or both x_T and noise")
    n = len(checked) if x_T is None or seeds is not None else len(x_T)
    label_ids = label_tensor(model, labels, n, guidance)
    shape = (model.channels, model.image_size, model.image_size)
    x = gaussian_batch(checked, 0, shape) if x_T is None else x_T
    if x.ndim != 4 or x.shape[:2] != (n, model.channels) or not x.is_floating_point():
        raise ValueError(f"x_T must be a float tensor of shape {(n, *shape)}, got {tuple(x.shape)} {x.dtype}")
    if guidance is not None and not abs(guidance) <= torch.finfo(x.dtype).max:  # NaN is refused too
        raise ValueError(f"guidance must be a finite number in {str(x.dtype).removeprefix('torch.')}, got {guidance}")
    x = x.detach().to(network_device(model.network) or x.device, copy=True)  # the caller may change x_T
    return checked, x, label_ids if label_ids is None else label_ids.to(x.device)


def _run(
    model: Model,
    evaluate: Predict,
    seeds: list[int],
    x: Tensor,
    settings: SamplerSettings,
    guidance: float | None,
    noise: Noise | None = None,
) -> tuple[Pairs, Iterator[Step]]:
    """The pairs (t, s) of a run, and the steps of its sampler on them."""
    pairs, variance = settings.check(model, guidance)
    sampler = settings.of(model).sampler

    def own(index: int, x: Tensor) -> Tensor:
        assert noise is not None
        return noise(index, x.clone())  # it may draw in place

    draw = seeded_noise(seeds) if noise is None else own
    if sampler == "ddpm":
        run = partial(ddpm, noise=draw, variance=variance, gamma=model.gamma)
    elif sampler == "ddim":
        run = partial(ddim, noise=draw, eta=settings.eta)
    elif sampler == "consistency":
        run = partial(consistency, noise=draw)
    else:
        assert sampler is not None
        run = partial(solve, advance=solver(sampler, model.schedule, pairs))
    return pairs, run(evaluate, model.schedule, pairs, x)


def sigmas(
    model: ModelSpec,
    steps: int | None = None,
    sampler: Sampler | None = None,
    variance: Variance | None = None,
    spacing: Spacing | None = None,
    eta: float = 0.0,
) -> Sequence[float | None]:
    """σ of the noise that each step of such a run adds, None where only the network knows it (learned variances).

    Arguments and errors are those of `trajectory`.
    """
    settings = SamplerSettings(steps, sampler, variance, spacing, eta)
    pairs, checked = settings.check(model)
    sampler = settings.of(model).sampler
    if sampler == "ddpm":
        return ddpm_sigmas(model.schedule, pairs, checked, model.gamma)
    if sampler == "consistency":
        return consistency_sigmas(model.schedule, pairs)
    return ddim_sigmas(model.schedule, pairs, eta if sampler == "ddim" else 0.0)


def sample(model: Model, seeds: Sequence[int] | None = None, steps: int | None = None, **options: Any) -> np.ndarray:
    """The final images, uint8 (N, H, W, C). Arguments and errors are those of `trajectory`."""
    (last,) = deque(trajectory(model, seeds, steps, **options), maxlen=1)  # the last step
    return imaging.to_uint8(last.x)
