"""Measure the likelihood of pictures: bits/dim, the terms L_t, rate and distortion (Eq. 5 of the DDPM paper).

The page should show a result within a second. So the first picture is decoded alone, one time t after another, because
the engine compiles the network for each new batch size. Short chains of this picture are measured before its full
chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

import ddpm_core
from ddpm_core import imaging
from ddpm_core.likelihood import BATCH, BitsPerDim, chain, progressive_decoding, rechain
from ddpm_core.model import Model, ModelSpec, check_pixels
from ddpm_core.names import LEARNED, Variance
from ddpm_core.noise import Noise, gaussian_batch
from ddpm_core.prediction import label_tensor
from ddpm_core.timesteps import timestep_pairs
from ui.machine.step_times import StepKind
from ui.models.services import Services
from ui.parts.part import Part
from ui.pictures import as_text
from ui.pictures.encoded import Sprite, encode_frames
from ui.pictures.test_sets import PictureSet, set_for
from ui.protocol import BoundCurves, MeanBound
from ui.runs.asked import Checkpoint, PictureText, Whole, unclear
from ui.runs.jobs import Job
from ui.runs.log import Values
from ui.runs.plans import Computation, Plan, Recording, by_kind

# numbers of steps of the short chains, whose bounds are shown beside the bound of the full chain
STEPS = (10, 20, 50, 100)
DECODED = 6  # number of pictures whose progressive decoding is shown
EIGHTHS = range(8, -1, -1)  # the decoding is shown at the times t that are these eighths of T
POINTS = 160  # approximate number of points in a curve over t
EARLY = 3  # number of short chains that are measured first, to show numbers soon


class Likelihood(Checkpoint):
    """A request: the pictures that are measured."""

    picture: PictureText
    """the visitor's own picture; "" for the first pictures of a shipped set"""
    count: Annotated[int, Field(ge=1, le=64)]
    """number of pictures of the shipped set"""
    labels: Annotated[list[Whole], Field(max_length=64)] | None
    """the class of each picture; None for the null label, or for a model without classes"""

    def pictures(self, model: ModelSpec) -> np.ndarray:
        """Return the pictures, uint8 (N, H, W, C). Raises ValueError if there are none of the model's size."""
        return as_text.from_text(self.picture, model) if self.picture else self.shipped_set(model).images[: self.count]

    def shipped_set(self, model: ModelSpec) -> PictureSet:
        """Return the shipped set whose pictures have the model's size. Raises ValueError if there is none."""
        found = set_for(model)
        if found is None:
            raise unclear("pictures that there are not")
        return found

    def is_cifar10(self, model: ModelSpec) -> bool:
        """Return whether the paper's numbers for CIFAR-10 are comparable with this run."""
        return not self.picture and self.shipped_set(model).name == "cifar10" and model.schedule.T == 1000


@dataclass(frozen=True)
class LikelihoodPlan(Plan):
    """The plan of a measurement. pictures: uint8 (N, H, W, C). labels: one per picture, or None. alone, together: the
    kinds of steps with one picture and with a full batch.
    """

    model: ModelSpec
    pictures: np.ndarray
    labels: list[int] | None
    alone: StepKind
    together: StepKind

    def select(self, which: range) -> tuple[np.ndarray, list[int] | None]:
        """Return the pictures with these indices, and their labels."""
        labels = None if self.labels is None else self.labels[which.start : which.stop]
        return self.pictures[which.start : which.stop], labels


class LikelihoodRecording(Recording[LikelihoodPlan]):
    """Stores the results. bound: the bound of all finished pictures, with the first variance of `variances`. found:
    the `summary` of this bound.
    """

    bound: BitsPerDim | None = None
    found: MeanBound | None = None

    def add(self, one: BitsPerDim, model: ModelSpec, images: np.ndarray) -> MeanBound:
        """Add the bound of one more picture and return the new summary. images: all finished pictures."""
        self.bound = one if self.bound is None else self.bound.with_images(one)
        self.found = summary(self.bound, model, images)
        return self.found

    def kept(self) -> Values:
        """Return the data for files. found: the `summary` of all finished pictures. T: the number of steps of the full
        chain.
        """
        return {"found": self.found or {}, "T": self.plan.model.schedule.T}


class LikelihoodRun(Computation[Likelihood, LikelihoodPlan]):
    """Measures the bound of one picture after another.

    Results, by "kind": first "plan", with the paper's numbers for these pictures; "decoding" of the first picture;
    "early", its bits/dim with each of a few short chains; "decoding" of all pictures whose decoding is shown; "bits"
    after every picture.
    """

    recording = LikelihoodRecording

    def __init__(self, services: Services, request: Likelihood):
        super().__init__(services, request, [request], BATCH)

    def plan(self, models: Sequence[ModelSpec]) -> LikelihoodPlan:
        """Return the plan of the measurement. Raises ValueError if the model's likelihood can't be measured."""
        (model,) = models
        check_pixels(model, "the likelihood")
        pictures, labels = self.request.pictures(model), self.request.labels
        T, n = model.schedule.T, len(pictures)
        label_tensor(model, labels, n, None)
        chain(model, variances(model)[0], T, "linspace")  # this raises ValueError for most distilled models
        alone, together = (StepKind(self.request.checkpoint, batch) for batch in (1, BATCH))
        others = min(n, DECODED) - 1
        evaluations = n * T + others * len(times_of(T)) + sum(lengths(model)[:EARLY])
        steps = by_kind((alone, len(times_of(T))), (together, evaluations / BATCH))
        return LikelihoodPlan(self.request, steps, model, pictures, labels, alone, together)

    def compute(self, plan: LikelihoodPlan, models: Sequence[Model], work: Job) -> None:
        """Decode the first picture, measure its short chains, decode the other pictures, then measure the bounds."""
        (model,), images = models, plan.pictures
        work.add_results({"kind": "plan", "published": _published() if self.request.is_cifar10(model) else None})
        rows = _decode(plan, model, range(1), 1, work)
        _measure_early(plan, model, work)
        others = range(1, min(len(images), DECODED))
        if others:
            _decode(plan, model, others, len(EIGHTHS), work, rows)
        for i in range(len(images)):
            _measure(plan, model, i, work)


def _decode(
    plan: LikelihoodPlan, model: Model, which: range, together: int, work: Job, before: Sequence[Sprite] = ()
) -> list[Sprite]:
    """Decode these pictures progressively: compute the receiver's guess x̂_0 at each time t; one batch has `together`
    times. Send the page one row per picture, after the rows in `before`, and return all rows.
    """
    times, noise, guesses = times_of(model.schedule.T), _noise(which), []
    images, labels = plan.select(which)
    for first in range(0, len(times), together):
        guesses += progressive_decoding(
            model,
            images,
            times[first : first + together],
            labels,
            noise=lambda index, x: noise(first + index, x),  # noqa: B023
            progress=work.counter(plan.alone if together == 1 else plan.together),
        )
    columns = [imaging.to_uint8(guess) for guess in guesses] + [images]
    # shape: (pictures, times and x_0, H, W, C)
    rows = [*before, *(encode_frames(row) for row in np.stack(columns, 1))]
    work.add_results({"kind": "decoding", "times": times, "rows": rows})
    return rows


def _measure_early(plan: LikelihoodPlan, model: Model, work: Job) -> None:
    """Measure short chains of the first picture. They use the same x_t as the full chain, so the full chain will give
    the same numbers.
    """
    T, noise = model.schedule.T, _noise(range(1))
    images, labels = plan.select(range(1))
    for steps in lengths(model)[:EARLY]:
        pairs = timestep_pairs(T, steps, "linspace")
        bound = ddpm_core.bits_per_dim(
            model,
            images,
            variances(model)[0],
            steps,
            "linspace",
            labels=labels,
            noise=lambda index, x: noise(T - int(pairs[index][0]), x),  # noqa: B023
            progress=work.counter(plan.together),
        )
        work.add_results({"kind": "early", "steps": steps, "bits": bound.total.item()})


def _measure(plan: LikelihoodPlan, model: Model, i: int, work: Job) -> None:
    """Measure the bound of picture i, and send the page the summary of all pictures so far."""
    which = range(i, i + 1)
    image, labels = plan.select(which)
    one = ddpm_core.bits_per_dim(
        model, image, variances(model)[0], labels=labels, noise=_noise(which), progress=work.counter(plan.together)
    )
    found: MeanBound = work.recording.add(one, model, plan.pictures[: i + 1])
    work.add_results({"kind": "bits", "done": i + 1, **found})


def variances(model: ModelSpec) -> list[Variance]:
    """Return the variances whose bounds are measured. The network is evaluated for the first variance.

    If the network predicts the variance or μ̃, the bound of another variance would need new evaluations
    (likelihood.rechain), so only one variance is measured.
    """
    if model.variance in LEARNED or model.prediction == "mu":
        return [model.variance]
    return ["beta_tilde", "beta", *(["analytic"] if model.gamma is not None else [])]


def lengths(model: ModelSpec) -> list[int]:
    """Return the lengths of the short chains. Their bounds follow from the evaluations of the full chain."""
    return [n for n in STEPS if n < model.schedule.T] if len(variances(model)) > 1 else []


def times_of(T: int) -> list[int]:
    """Return the times t at which the decoding is shown, descending."""
    return list(dict.fromkeys(max(1, round(T * eighth / 8)) for eighth in EIGHTHS))


def summary(full: BitsPerDim, model: ModelSpec, images: np.ndarray) -> MeanBound:
    """Return the numbers that the page shows of a bound, with standard errors if there are several pictures.

    full: the bound of the full chain with the first variance of `variances`.
    """
    first, *others = variances(model)
    T = len(full.times)
    bounds: dict[tuple[Variance, int], BitsPerDim] = {(first, T): full}
    for name in (first, *others):
        for steps in (*lengths(model), T):
            if (name, steps) not in bounds:
                bounds[name, steps] = rechain(full, model, images, name, steps, "linspace")  # pyright: ignore[reportArgumentType]
    times = sorted({int(t) for t in np.geomspace(1, T, POINTS).round()} | set(range(1, T + 1, max(1, T // 20))))
    at = [t - 1 for t in times]
    chains: dict[str, dict[str, tuple[float, float | None, float, float]]] = {name: {} for name in (first, *others)}
    curves: dict[str, BoundCurves] = {}
    for (name, steps), bound in bounds.items():
        error = bound.total.std().item() / len(images) ** 0.5 if len(images) > 1 else None
        chains[name][str(steps)] = (
            bound.total.mean().item(),
            error,
            bound.prior.mean().item(),
            bound.terms[:, 0].mean().item(),
        )
        if steps == T:
            rates = bound.prior[:, None] + bound.terms.sum(1, keepdim=True) - bound.terms.cumsum(1)
            curves[name] = {"L": bound.terms.mean(0)[at].tolist(), "rate": rates.mean(0)[at].clamp(min=0).tolist()}
    rmse = 127.5 * full.mse.sqrt().mean(0)[at]
    return {"chains": chains, "curves": curves, "rmse": rmse.tolist(), "times": times}


def _noise(rows: range) -> Noise:
    """Return the noise of these pictures. It depends only on the picture's index and the time, as in `train
    evaluate`.
    """
    return lambda index, x: gaussian_batch(rows, index + 1, x.shape[1:])


def _published() -> list[list[float]]:
    """Return the paper's Table 4: rows of [t, rate in bits/dim, RMSE in grey levels], t ascending."""
    from train.evaluate.published import RATE_DISTORTION

    return [[t, *values] for t, values in sorted(RATE_DISTORTION.items())]


class LikelihoodPart(Part):
    """The part Likelihood."""

    names = ("likelihood",)
    asked = Likelihood
    computation = LikelihoodRun
