"""Optimised time steps: the best times for few steps of a deterministic sampler, found by a search for given weights.

A teacher, which is a chain of many steps, draws a few images. Dynamic programming (step_search) proposes times for each
sampler and number of steps. The proposals, and the named spacings that are good with few steps, are tried on the same
images. The best chain is refined: each time is moved a third of the way to its neighbours, and the move is kept if x_0
comes nearer to the teacher's x_0.

Distances are measured between sharpened pictures (`sharpen`). Without sharpening, a chain that leaves out the details
of a photograph would win.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ddpm_core.few_steps.step_search import best_chains, first_order_errors, second_order_errors, start_errors
from ddpm_core.model import Model, OptimisedTimes, is_number, is_whole
from ddpm_core.names import OPTIMISED_FOR, Sampler, Spacing
from ddpm_core.noise import check_seeds, gaussian_batch
from ddpm_core.prediction import Denoised, Labels, label_tensor, network_device, predict
from ddpm_core.samplers import NAMED
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.timesteps import timestep_pairs

STEPS = (4, 5, 6, 8, 10, 15, 20)  # default numbers of steps for which times are searched
SEEDS = range(16)  # default seeds of the images on which chains are compared
POINTS = 60  # default number of steps of the teacher chain; it has a far smaller error than 20 steps
# Chains with more steps than this are not refined, because the work grows with the square of the number of steps and
# the gain falls.
REFINED = 10
# Values of `growth` that are tried in step_search.best_chains. The paper of GITS has 1.15 for distances; here, errors
# are squared distances.
GROWTHS = (1.0, 1.15**2)
TRIED: tuple[Spacing, ...] = ("quadratic", "trailing")  # spacings that are compared with the searched chains
REACH = 1 / 3  # refinement moves a time by this fraction of the distance to its neighbour
CURVE = 1.3  # exponent of the teacher's times t ∝ k^1.3, which are denser at small t
BATCH = 32  # number of images evaluated at once
MOST_DETAIL = 2  # maximum of the argument `detail`
MEMORY = 2**28  # maximum bytes of the teacher's states of a batch

Times = tuple[int, ...]  # the times t of a chain, descending


@dataclass(frozen=True)
class OptimisedSteps:
    """The result of a search.

    Attributes:
        times: for each sampler and number of steps n, the n times t, descending.
        errors: for each sampler and number of steps, the mean distance of x_0 from the teacher's x_0: the root mean
            square over a sharpened image.
        images: the number of images on which the errors were measured.
    """

    times: OptimisedTimes
    errors: dict[Sampler, dict[int, float]]
    images: int


def optimise_timesteps(
    model: Model,
    steps: Sequence[int] | None = None,
    seeds: Sequence[int] = SEEDS,
    points: int = POINTS,
    labels: Labels = None,
    progress: Callable[[int, int], None] | None = None,
    detail: float = 1.0,
    samplers: Sequence[Sampler] = OPTIMISED_FOR,
) -> OptimisedSteps:
    """Search the best times for each number of steps, for samplers without noise. Return the result.

    Arguments:
        model: a model from `load`, or your own Model.
        steps: numbers of steps, any of 1..points; None for the numbers in STEPS up to points.
        seeds: the seeds of the images that the teacher draws.
        points: the number of times that the teacher visits.
        labels: a class for all images or one for each; None means all classes in turn.
        progress: progress(done, total) counts evaluations of the network. An exception that it raises ends the search.
        detail: how much the details of a picture count, 0..2, see `sharpen`: 1 for photographs, less for drawings and
            digits.
        samplers: any of names.OPTIMISED_FOR.

    Raises:
        ValueError: before anything is computed, for steps outside 1..points, a detail outside 0..2, samplers that are
            not in names.OPTIMISED_FOR, wrong labels or seeds, and for students.
    """
    if model.student is not None:
        raise ValueError("a student takes only the times that it has learned: search the times of its teacher")
    seeds = check_seeds(seeds)
    if not is_number(detail, 0, MOST_DETAIL):
        raise ValueError(f"detail must be a number from 0 to {MOST_DETAIL}, got {detail!r}")
    searched = list(samplers) if isinstance(samplers, Iterable) else []
    if not searched or not all(sampler in OPTIMISED_FOR for sampler in searched):
        raise ValueError(f"samplers must be some of {', '.join(OPTIMISED_FOR)}, got {samplers!r}")
    times = teacher_times(model.schedule, points)
    wanted = _checked([n for n in STEPS if n <= len(times)] or [1] if steps is None else steps, len(times))
    if labels is None and model.num_classes:
        labels = [seed % model.num_classes for seed in seeds]
    total = len(times) + len(searched) * sum(map(_evaluations, wanted))  # evaluations of the network for one image

    def report(done: int) -> None:
        """Call progress with the evaluations for all images. done: the evaluations so far for one image."""
        if progress:
            progress(done * len(seeds), total * len(seeds))

    trial = _Trial(model, seeds, label_tensor(model, labels, len(seeds), None), detail, report)
    products = trial.teach(times)
    start, first = start_errors(products), first_order_errors(model.schedule, times, products)
    second = second_order_errors(model.schedule, times, products)
    found: dict[Sampler, dict[int, tuple[Times, float]]] = {}
    for sampler in searched:
        # A step of DDIM does not depend on the step before it.
        jump = np.broadcast_to(first, second.shape) if sampler == "ddim" else second
        proposed = [best_chains(start, first, jump, max(wanted), growth) for growth in GROWTHS]
        found[sampler] = {}
        for n in wanted:
            chains = [tuple(times[i] for i in one[n]) for one in proposed]
            found[sampler][n] = trial.best(sampler, [*chains, *named_chains(model.schedule, n)])
    return OptimisedSteps(
        {sampler: {n: chain for n, (chain, _) in chains.items()} for sampler, chains in found.items()},
        {sampler: {n: error for n, (_, error) in chains.items()} for sampler, chains in found.items()},
        len(seeds),
    )


def teacher_times(schedule: NoiseSchedule, points: int = POINTS) -> list[int]:
    """Return the teacher's times, at most `points`, descending from T to 1.

    If ᾱ_T = 0, they start at T − 1, because no solver can start at ᾱ = 0. Raise ValueError for fewer than two points,
    and for a process with only one possible first time.
    """
    T = schedule.T if schedule.alpha_bar[schedule.T] > 0 else schedule.T - 1
    if not is_whole(points, 2):
        raise ValueError(f"points must be a whole number of at least 2, got {points!r}")
    if T < 2:
        raise ValueError("a process of so few steps leaves nothing to choose")
    share = np.linspace(0, 1, points) ** CURVE
    return np.unique((1 + share * (T - 1)).round().astype(int))[::-1].tolist()


def sharpen(images: Tensor, detail: float = 1.0) -> Tensor:
    """Return images (..., H, W) with amplitudes multiplied by (1 + f²)^(detail/2), f in cycles per image.

    The result is scaled so that white noise keeps its mean square. The power of photographs falls approximately as 1/f²
    (Field 1987, "Relations between the statistics of natural images and the response properties of cortical cells"). So
    with detail 1, all frequencies have about the same weight; with 0, images do not change.
    """
    height, width = images.shape[-2:]
    squares = 1 + (torch.fft.fftfreq(height) * height)[:, None] ** 2 + (torch.fft.fftfreq(width) * width) ** 2
    power = squares**detail
    gain = (power / power.mean()).sqrt()[:, : width // 2 + 1].to(images.device)
    return torch.fft.irfft2(torch.fft.rfft2(images.float()) * gain, s=(height, width))


def _checked(steps: Sequence[int], most: int) -> list[int]:
    """Return the numbers of steps, ascending, each once. Raise ValueError for numbers outside 1..most."""
    if not isinstance(steps, Collection):
        raise ValueError(f"steps are a list of whole numbers, such as [4, 8], got {steps!r}")
    wrong = [n for n in steps if not is_whole(n, 1, most)]
    if wrong or not len(steps):
        raise ValueError(f"steps must be whole numbers from 1 to {most}, got {wrong[0] if wrong else 'none'}")
    return sorted({int(n) for n in steps})


def named_chains(schedule: NoiseSchedule, n: int) -> list[Times]:
    """Return the chains of n steps with the spacings TRIED, without chains from ᾱ = 0, where solvers can't start."""
    chains = [tuple(int(t) for t, _ in timestep_pairs(schedule.T, n, spacing)) for spacing in TRIED]
    return [chain for chain in chains if schedule.alpha_bar[chain[0]] > 0]


def moves(schedule: NoiseSchedule, chain: Times, i: int, reach: float) -> list[Times]:
    """Return up to two chains in which time i is moved: towards the time before it, and towards the time after it.

    reach: the move as a fraction of the distance to that neighbour. Impossible chains are left out.
    """
    t, earlier, later = chain[i], chain[i - 1] if i else schedule.T + 1, [*chain, 0][i + 1]
    times = t + round(reach * (earlier - t)), t - round(reach * (t - later))
    possible = [time for time in times if later < time < earlier and time != t and schedule.alpha_bar[time] > 0]
    return [(*chain[:i], time, *chain[i + 1 :]) for time in possible]


def _evaluations(n: int) -> int:
    """Return the maximum number of evaluations for one image in `_Trial.best`, for chains of n steps."""
    return n * (len(GROWTHS) + len(TRIED)) + (n * (n + 1) if n <= REFINED else 0)


class _Trial:
    """Measures the errors of chains on some images. report(n) gets the number of evaluations so far for one image."""

    def __init__(
        self,
        model: Model,
        seeds: Sequence[int],
        labels: Tensor | None,
        detail: float,
        report: Callable[[int], None],
    ):
        self._model, self._detail = model, detail
        shape = (model.channels, model.image_size, model.image_size)
        x_T = gaussian_batch(seeds, 0, shape)
        self._x_T = x_T.to(network_device(model.network) or x_T.device)
        self._labels = labels
        self._report, self._done = report, 0.0
        self._exact = torch.empty(0)  # x_0 of the teacher for each image, set by `teach`

    def teach(self, times: Sequence[int]) -> np.ndarray:
        """Run the teacher, store its x_0, and return the mean inner products of its states, for step_search."""
        images, states = len(self._x_T), 2 * len(times) + 1
        values = self._x_T[0].numel()
        products, exact = torch.zeros(states, states, dtype=torch.float64), []
        rows = torch.arange(images).split(max(1, min(BATCH, MEMORY // (4 * values * states))))
        for part in rows:
            x, guesses = [self._x_T[part].cpu()], []
            for step, prediction in self._run("dpm++", times, part):
                x.append(step.cpu())
                guesses.append(prediction.x0.cpu())
            for image in torch.stack([*x, *guesses], 1):
                flat = sharpen(image, self._detail).flatten(1).double()
                products += flat @ flat.T
            exact.append(x[-1])
        self._exact = torch.cat(exact)
        return (products / (values * images)).numpy()

    def best(self, sampler: Sampler, chains: Sequence[Times]) -> tuple[Times, float]:
        """Return the best of several chains of n steps, after refinement, and its error."""
        n, before = len(chains[0]), self._done
        tried = [(*self._error(sampler, chain), chain) for chain in chains]
        error, predictions, chain = min(tried, key=lambda one: one[0])
        for i in range(n if n <= REFINED else 0):
            for moved in moves(self._model.schedule, chain, i, REACH):
                found, its_predictions = self._error(sampler, moved, predictions[:i])
                if found < error:
                    error, predictions, chain = found, its_predictions, moved
        self._count(before + _evaluations(n) - self._done)
        return chain, error

    def _error(self, sampler: Sampler, chain: Times, known: Sequence[Denoised] = ()) -> tuple[float, list[Denoised]]:
        """Return the mean distance of x_0 from the teacher's x_0, and the predictions of all steps.

        known: the predictions of the first steps, if they are already computed.
        """
        steps = list(self._run(sampler, chain, torch.arange(len(self._x_T)), known))
        difference = sharpen(steps[-1][0].cpu() - self._exact, self._detail)
        error = difference.double().square().flatten(1).mean(1).sqrt().mean().item()
        return error, [prediction for _, prediction in steps]

    def _run(
        self, sampler: Sampler, chain: Sequence[int], rows: Tensor, known: Sequence[Denoised] = ()
    ) -> Iterable[tuple[Tensor, Denoised]]:
        """Yield x_s and the prediction of each step for some images. known: the predictions of the first steps."""
        pairs = list(zip(chain, [*chain[1:], 0], strict=True))
        step = NAMED[sampler].start(self._model.schedule, pairs)
        x = self._x_T[rows.to(self._x_T.device)]
        for k, (t, s) in enumerate(pairs):
            prediction = known[k] if k < len(known) else self._predict(x, t, rows)
            x, _ = step(prediction, k, t, s, x, lambda _, x: x)  # these samplers never use noise, the last argument
            yield x, prediction

    def _predict(self, x: Tensor, t: int, rows: Tensor) -> Denoised:
        """Return the predictions for some images, in batches. rows: their positions among all images."""
        parts = []
        for x_part, row_part in zip(x.split(BATCH), rows.split(BATCH), strict=True):
            labels = None if self._labels is None else self._labels[row_part]
            parts.append(predict(self._model, x_part, t, labels))
            self._count(len(x_part) / len(self._x_T))
        x0, eps, x0_hat, _ = (None if part[0] is None else torch.cat(part) for part in zip(*parts, strict=True))
        assert x0 is not None and eps is not None and x0_hat is not None
        return Denoised(x0, eps, x0_hat, None)

    def _count(self, evaluations: float) -> None:
        """Add a number of evaluations, for one image, and report the sum."""
        self._done += evaluations
        self._report(round(self._done))
