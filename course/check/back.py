"""Notebook 3, going back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from course.check.exercise import Case, Exercise, Fault
from course.check.hidden import SCHEDULE, TIMES, linear_cases, noise
from ddpm_core import Model, NoiseSchedule, process, trajectory

S = NoiseSchedule

# --- posterior


def _posterior(
    of_x_0: Callable[[S, int], Tensor], of_x_t: Callable[[S, int], Tensor], variance: Callable[[S, int], Tensor]
) -> Callable:
    return lambda s, x_0, x_t, t: (of_x_0(s, t) * x_0 + of_x_t(s, t) * x_t, variance(s, t))


def _of_x_0(s: S, t: int) -> Tensor:
    return s.alpha_bar[t - 1].sqrt() * s.beta[t] / (1 - s.alpha_bar[t])


def _of_x_t(s: S, t: int) -> Tensor:
    return s.alpha[t].sqrt() * (1 - s.alpha_bar[t - 1]) / (1 - s.alpha_bar[t])


def _beta_tilde(s: S, t: int) -> Tensor:
    return (1 - s.alpha_bar[t - 1]) / (1 - s.alpha_bar[t]) * s.beta[t]


def _posterior_cases() -> list[Case]:
    cases = linear_cases(("x_0", "x_t"))
    return [replace(case, arguments=(s, x_0, x_t, t)) for case in cases for s, x_0, t, x_t in [case.arguments]]


def _swapped(s: S, x_0: Tensor, x_t: Tensor, t: int) -> tuple[Tensor, Tensor]:
    return _posterior(_of_x_0, _of_x_t, _beta_tilde)(s, x_t, x_0, t)


posterior = Exercise(
    name="posterior",
    right=_posterior(_of_x_0, _of_x_t, _beta_tilde),
    cases=_posterior_cases,
    mistakes={
        "x_0 and x_t are swapped in the mean. For large t, most of x_{t−1} comes from x_t: which of the two factors is "
        "nearly 1 there?": _swapped,
        "Right for large t, but at t = 1 your variance is not 0, although x_0 is known: which ᾱ belongs to t − 1?": (
            _posterior(
                lambda s, t: s.alpha_bar[t].sqrt() * s.beta[t] / (1 - s.alpha_bar[t]),
                lambda s, t: s.alpha[t].sqrt(),
                lambda s, t: s.beta[t],
            )
        ),
        "The variance is β_t. That is the variance of a step forward; β̃_t is smaller, as x_0 is known too, and at "
        "t = 1 it is 0.": _posterior(_of_x_0, _of_x_t, lambda s, t: s.beta[t]),
        "You return a standard deviation: β̃_t itself is a variance.": _posterior(
            _of_x_0, _of_x_t, lambda s, t: _beta_tilde(s, t).sqrt()
        ),
        "In the mean, x_0 has the factor √ᾱ_t. The mean is about x_{t−1}: which ᾱ does Eq. 7 have there?": _posterior(
            lambda s, t: s.alpha_bar[t].sqrt() * s.beta[t] / (1 - s.alpha_bar[t]), _of_x_t, _beta_tilde
        ),
        "A root is missing in the factor of x_0: Eq. 7 has √ᾱ_{t−1}.": _posterior(
            lambda s, t: s.alpha_bar[t - 1] * s.beta[t] / (1 - s.alpha_bar[t]), _of_x_t, _beta_tilde
        ),
        "A root is missing in the factor of x_t: which α has a root in Eq. 7?": _posterior(
            _of_x_0, lambda s, t: s.alpha[t] * (1 - s.alpha_bar[t - 1]) / (1 - s.alpha_bar[t]), _beta_tilde
        ),
        "In the factor of x_t you have ᾱ where α belongs: the root is of one step only.": _posterior(
            _of_x_0,
            lambda s, t: s.alpha_bar[t].sqrt() * (1 - s.alpha_bar[t - 1]) / (1 - s.alpha_bar[t]),
            _beta_tilde,
        ),
    },
    hint="Compare the factor of x_0, that of x_t and the variance with Eq. 7, one after the other.",
    outputs=("the mean", "the variance"),
)


# --- mean_from_eps


def _mean(of_eps: Callable[[S, int], Tensor], outside: Callable[[S, int], Tensor] = lambda s, t: s.alpha[t].sqrt()):
    return lambda s, x_t, t, eps: (x_t - of_eps(s, t) * eps) / outside(s, t)


def _part(s: S, t: int) -> Tensor:
    """The share of ε that a step takes away."""
    return s.beta[t] / (1 - s.alpha_bar[t]).sqrt()


mean_from_eps = Exercise(
    name="mean_from_eps",
    right=_mean(_part),
    cases=lambda: linear_cases(("x_t", "ε")),
    mistakes={
        "You divide by √ᾱ_t, which would undo all t steps at once. One step back needs α_t.": _mean(
            _part, lambda s, t: s.alpha_bar[t].sqrt()
        ),
        "You divide by α_t: a root is missing in front of the bracket.": _mean(_part, lambda s, t: s.alpha[t]),
        "You divide ε by a variance: below β_t, Eq. 11 has the root of 1 − ᾱ_t.": _mean(
            lambda s, t: s.beta[t] / (1 - s.alpha_bar[t])
        ),
        "You take away √β_t times ε, which is α where ᾱ belongs: below β_t stands the root of 1 − ᾱ_t.": _mean(
            lambda s, t: s.beta[t].sqrt()
        ),
        "You take away all of the noise, √(1 − ᾱ_t) ε: that is the way to x_0. One step takes only a part of it.": (
            _mean(lambda s, t: (1 - s.alpha_bar[t]).sqrt())
        ),
        "Wrong by one step: you take the tables at t − 1.": lambda s, x_t, t, eps: _mean(_part)(s, x_t, t - 1, eps),
        "You add the noise once more: which sign has ε in Eq. 11?": _mean(lambda s, t: -_part(s, t)),
        "You forget to divide by √α_t: each step forward made the picture a little weaker, so each step back makes it "
        "a little stronger.": _mean(_part, lambda s, t: torch.ones_like(s.beta[t])),
    },
    hint="Compare the factor in front of the bracket and the factor of ε with Eq. 11.",
)


# --- reverse_variance

_KINDS = ("beta", "beta_tilde")


def _variance(change: Callable[[S, int, int, Tensor, Tensor], tuple[Tensor, Tensor]]) -> Callable:
    """change(schedule, t, s, β_{t|s}, β̃) gives both variances."""

    def reverse_variance(schedule: S, t: int, s: int, kind: str) -> Tensor:
        beta = 1 - schedule.alpha_bar[t] / schedule.alpha_bar[s]
        beta_tilde = (1 - schedule.alpha_bar[s]) / (1 - schedule.alpha_bar[t]) * beta
        return change(schedule, t, s, beta, beta_tilde)[_KINDS.index(kind)]

    return reverse_variance


reverse_variance = Exercise(
    name="reverse_variance",
    right=process.reverse_variance,
    cases=lambda: [
        Case(f"t = {t}, s = {s}", (SCHEDULE, t, s, kind), kind)
        for kind in _KINDS
        for t, s in [(1000, 999), (1000, 889), (500, 400), (2, 1), (112, 0)]
    ],
    mistakes={
        "That is right only for steps from t to t − 1. A step from t to s skips some: which share do all of them "
        "together keep?": _variance(
            lambda S, t, s, b, bt: (S.beta[t], (1 - S.alpha_bar[s]) / (1 - S.alpha_bar[t]) * S.beta[t])
        ),
        "The second kind always has ᾱ of t − 1. After a step from t to s you are at s.": _variance(
            lambda S, t, s, b, bt: (b, (1 - S.alpha_bar[t - 1]) / (1 - S.alpha_bar[t]) * b)
        ),
        "You return standard deviations: this function gives σ², a variance.": _variance(
            lambda S, t, s, b, bt: (b.sqrt(), bt.sqrt())
        ),
        "The two kinds are swapped: β̃ is the smaller one, and 0 at s = 0.": _variance(lambda S, t, s, b, bt: (bt, b)),
        "You give the same variance for both kinds: look at the argument `kind`.": _variance(
            lambda S, t, s, b, bt: (b, b)
        ),
        "You subtract ᾱ_t from ᾱ_s. Shares of shares are divided: what keeps ᾱ_t in all and ᾱ_s up to s?": _variance(
            lambda S, t, s, b, bt: (
                S.alpha_bar[s] - S.alpha_bar[t],
                (1 - S.alpha_bar[s]) / (1 - S.alpha_bar[t]) * (S.alpha_bar[s] - S.alpha_bar[t]),
            )
        ),
        "In β̃ the fraction is upside down: it must be smaller than 1.": _variance(
            lambda S, t, s, b, bt: (b, (1 - S.alpha_bar[t]) / (1 - S.alpha_bar[s]) * b)
        ),
    },
    hint="β_{t|s} = 1 − ᾱ_t / ᾱ_s, and β̃ is this times (1 − ᾱ_s) / (1 − ᾱ_t).",
)


# --- step_back


def _step_back(sigma: Callable[[S, int], Tensor], last: bool = False, mean: Callable = _mean(_part)) -> Callable:  # noqa: B008
    """One step with this σ; last: noise at t = 1 too."""
    return lambda s, x_t, t, eps, z: mean(s, x_t, t, eps) + (sigma(s, t) * z if t > 1 or last else 0)


def _sigma(s: S, t: int) -> Tensor:
    return s.beta[t].sqrt()


def _step_cases() -> list[Case]:
    x_t, eps, z = (noise(k) for k in range(3))
    parts = {"no noise": (x_t, eps, 0 * z), "noise": (x_t, eps, z)}
    return [Case(f"t = {t}", (SCHEDULE, x, t, e, n), part) for part, (x, e, n) in parts.items() for t in TIMES]


step_back = Exercise(
    name="step_back",
    right=_step_back(_sigma),
    cases=_step_cases,
    mistakes={
        "Right for t > 1, but you add noise at the last step too. Nothing comes after it to take this noise away: see "
        "line 3 of Algorithm 2.": _step_back(_sigma, last=True),
        "You add σ_t² z. Multiply z by a standard deviation.": _step_back(lambda s, t: s.beta[t]),
        "You add noise at the last step too, and multiply z by a variance: mend one after the other.": _step_back(
            lambda s, t: s.beta[t], last=True
        ),
        "You add no noise at all. That is the mean: a step of Algorithm 2 draws from a Gaussian around it.": _step_back(
            lambda s, t: torch.zeros_like(s.beta[t])
        ),
        "The noise has the strength √(1 − ᾱ_t) of x_t as a whole: ᾱ where α belongs. One step has σ_t² = β_t.": (
            _step_back(lambda s, t: (1 - s.alpha_bar[t]).sqrt())
        ),
        "σ_t² is β_{t−1}: wrong by one step.": _step_back(lambda s, t: s.beta[t - 1].sqrt()),
        "σ_t² is β̃_t. That is a possible choice too, but here take β_t.": _step_back(
            lambda s, t: _beta_tilde(s, t).sqrt()
        ),
        "You take the noise away instead of adding it. Its sign does not matter for one step, but keep to "
        "Algorithm 2, so that a seed gives the same picture everywhere.": _step_back(lambda s, t: -_sigma(s, t)),
        "The mean is wrong: without noise you should get mean_from_eps(schedule, x_t, t, eps). Does your ε go in?": (
            _step_back(_sigma, mean=_mean(lambda s, t: torch.zeros_like(s.beta[t])))
        ),
    },
    hint="The mean of Eq. 11 plus σ_t z with σ_t² = β_t, and z = 0 at t = 1 (Algorithm 2, lines 3 and 4).",
)


# --- sample

_T = 12
_SHORT = NoiseSchedule.linear(T=_T, beta_start=0.02, beta_end=0.4)


def _network(x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
    """Something that depends on x and on t, and knows only the times of this schedule."""
    if not isinstance(t_index, Tensor) or t_index.shape != (len(x),) or t_index.dtype != torch.int64:
        raise Fault("The network wants one whole number for each image: torch.full((len(x),), …) makes them.")
    if bool((t_index < 0).any()):
        raise Fault("Your loop asks the network about t = 0. There is no noise in x_0: the last step is at t = 1.")
    return torch.tanh(2 * x) * (0.3 + 0.05 * (t_index + 1).reshape(-1, 1, 1, 1).to(x.dtype))


def _z(t: int, x: Tensor) -> Tensor:
    return noise(t, x.shape, x.dtype)


def _right_sample(network: Callable, schedule: S, x_T: Tensor, noise: Callable[[int, Tensor], Tensor]) -> Tensor:
    model = Model(
        network=network,
        schedule=schedule,
        image_size=x_T.shape[-1],
        prediction="epsilon",
        channels=x_T.shape[1],
        clip=False,
        variance="beta",
    )

    def by_time(index: int, x: Tensor) -> Tensor:
        return noise(schedule.T - index, x)

    *_, last = trajectory(model, steps=schedule.T, sampler="ddpm", x_T=x_T, noise=by_time)
    return last.x


def _chain(times: range, late: int = 1, last: bool = False, fixed: bool = False) -> Callable:
    def sample(network: Callable, schedule: S, x_T: Tensor, noise: Callable[[int, Tensor], Tensor]) -> Tensor:
        x = x_T
        for t in times:
            eps = network(x_T if fixed else x, torch.full((len(x),), t - late))
            x = _step_back(_sigma, last)(schedule, x, t, eps, noise(t, x))
        return x

    return sample


sample = Exercise(
    name="sample",
    right=_right_sample,
    cases=lambda: [Case(f"T = {_T}", (_network, _SHORT, noise(0, (2, 1, 3, 3)), _z))],
    mistakes={
        "Your loop stops at t = 2: in range(first, end, step) the end is not included.": _chain(range(_T, 1, -1)),
        "Your loop begins at T − 1. x_T is the state at t = T.": _chain(range(_T - 1, 0, -1)),
        "Your loop runs forward in time, from 1 to T. Sampling starts at T.": _chain(range(1, _T + 1)),
        "The network gets t, but it counts from 0: give it t − 1, as in the training.": _chain(
            range(_T, 0, -1), late=0
        ),
        "Noise is added at the last step too: x_0 keeps it for ever.": _chain(range(_T, 0, -1), last=True),
        "The network is asked about x_T at every step. Ask it about the x of now.": _chain(
            range(_T, 0, -1), fixed=True
        ),
        "The chain did not move: x_T comes out as it went in.": lambda network, schedule, x_T, noise: x_T,
    },
    hint="For t = T, …, 1: ask the network at t − 1, then x = step_back(schedule, x, t, eps, noise(t, x)).",
)

EXERCISES = (posterior, mean_from_eps, step_back, sample, reverse_variance)
