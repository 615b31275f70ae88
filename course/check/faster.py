"""Notebook 4, faster."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from course.check.exercise import Case, Exercise, Fault
from course.check.hidden import SCHEDULE, noise
from ddpm_core import NoiseSchedule
from ddpm_core import timestep_pairs as _timestep_pairs

S = NoiseSchedule

# --- timestep_pairs


def _look_at_pairs(timestep_pairs: Callable, T: int, n: int) -> Tensor:
    """The pairs as a table (n, 2)."""
    pairs = timestep_pairs(T, n)
    if pairs is None:
        raise Fault("Your function returns nothing: is there a `return` in its last line?")
    try:
        table = torch.tensor([[float(t), float(s)] for t, s in pairs], dtype=torch.float64)
        whole = all(float(x).is_integer() for pair in pairs for x in pair)
    except (TypeError, ValueError):
        raise Fault("Return a list of pairs (t, s), such as [(1000, 500), (500, 0)].") from None
    if not whole:
        raise Fault("Times are whole numbers: round them, as the network knows no time between two steps.")
    return table


def _pairs(times: Callable[[int, int], np.ndarray], end: Sequence[int] = (0,)) -> Callable:
    """Pairs of descending times, with what comes after the last of them."""

    def timestep_pairs(T: int, n: int) -> list[tuple[int, int]]:
        visited = times(T, n).round().astype(int).tolist()
        return list(zip(visited, [*visited[1:], *end], strict=False))

    return timestep_pairs


timestep_pairs = Exercise(
    name="timestep_pairs",
    right=_timestep_pairs,
    cases=lambda: [Case(f"T = {T}, n = {n}", (T, n)) for T, n in [(1000, 10), (1000, 50), (10, 4), (20, 20)]],
    mistakes={
        "The pairs go up in time. Sampling starts at T.": lambda T, n: _timestep_pairs(T, n)[::-1],
        "In each pair t and s are swapped: a step goes from t down to s.": (
            lambda T, n: [(s, t) for t, s in _timestep_pairs(T, n)]
        ),
        "The last step is missing: it goes from t = 1 to s = 0, the picture.": _pairs(
            lambda T, n: np.linspace(T, 1, n), end=()
        ),
        "Your last time t is 0. There is no noise to remove there: the n times go from T to 1, and 0 is only the end "
        "of the last step.": _pairs(lambda T, n: np.linspace(T, 0, n)),
        "Wrong by one: your times begin at T − 1. The state x_T is at t = T.": _pairs(
            lambda T, n: np.linspace(T - 1, 1, n)
        ),
        "Wrong by one: your times run from T − 1 to 0, as programs count. In the paper's count they run from T to "
        "1.": _pairs(lambda T, n: np.linspace(T - 1, 0, n)),
        "Your steps are T // n long and end above t = 1: the last step is then a large one. Space n times evenly "
        "between T and 1, both included.": _pairs(lambda T, n: T - np.arange(n) * (T // n)),
        "You make n + 1 steps.": _pairs(lambda T, n: np.linspace(T, 1, n + 1)),
    },
    hint="n times, evenly spaced from T down to 1, rounded; each goes to the next one, the last to 0.",
    outputs=("the list",),
    observe=_look_at_pairs,
)


# --- ddim_step


def _ddim(
    of_x_0: Callable[[Tensor, Tensor], Tensor] = lambda at, as_: as_.sqrt(),
    of_eps: Callable[[Tensor, Tensor], Tensor] = lambda at, as_: (1 - as_).sqrt(),
    signal: Callable[[Tensor], Tensor] = torch.sqrt,
    sigma: Callable[[Tensor], Tensor] = lambda at: (1 - at).sqrt(),
    table: str = "alpha_bar",
    to: Callable[[int, int], int] = lambda t, s: s,
) -> Callable:
    """x_s from x̂_0 = (x_t − sigma ε) / signal, with the factors of x̂_0 and ε as functions of ᾱ_t and ᾱ_s."""

    def ddim_step(schedule: S, x_t: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
        values = getattr(schedule, table)
        at, as_ = values[t], values[to(t, s)]
        x_0 = (x_t - sigma(at) * eps) / signal(at)
        return of_x_0(at, as_) * x_0 + of_eps(at, as_) * eps

    return ddim_step


def _ddim_cases(*others: object) -> list[Case]:
    a, b = noise(0), noise(1)
    parts = {"x_t alone": (a, 0 * b), "ε alone": (0 * a, b), "both": (a, b)}
    return [
        Case(f"t = {t}, s = {s}", (SCHEDULE, x_t, t, s, eps, *others), part)
        for part, (x_t, eps) in parts.items()
        for t, s in [(1000, 900), (500, 300), (2, 1), (112, 0)]
    ]


ddim_step = Exercise(
    name="ddim_step",
    right=_ddim(),
    cases=_ddim_cases,
    mistakes={
        "You return x̂_0 at once. That is the end of the chain: bring it back to the noise level of s.": _ddim(
            lambda at, as_: torch.ones_like(as_), lambda at, as_: 0 * as_
        ),
        "You go back to the noise level of t, where you came from. The new state has that of s.": _ddim(
            lambda at, as_: at.sqrt(), lambda at, as_: (1 - at).sqrt()
        ),
        "x̂_0 has the factor ᾱ_s: a root is missing.": _ddim(of_x_0=lambda at, as_: as_),
        "ε has the factor 1 − ᾱ_s, a variance: the root is missing.": _ddim(of_eps=lambda at, as_: 1 - as_),
        "Your x̂_0 is wrong: in Eq. 4 x_0 has the factor √ᾱ_t, and you divide by something else.": _ddim(
            signal=lambda at: at
        ),
        "Your x̂_0 is wrong: it takes away 1 − ᾱ_t times ε. In Eq. 4 the noise has a standard deviation as its "
        "factor.": _ddim(sigma=lambda at: 1 - at),
        "You have α where ᾱ belongs: the noise levels of x_t and x_s are those after all steps.": _ddim(table="alpha"),
        "You always go to t − 1: s may be far below.": _ddim(to=lambda t, s: t - 1),
        "Wrong by one step: you go to the noise level of s + 1. At s = 0 nothing of the noise should be left.": _ddim(
            to=lambda t, s: s + 1
        ),
        "The old noise is gone, but x̂_0 alone is not x_s: at s there is still noise, √(1 − ᾱ_s) ε.": _ddim(
            of_eps=lambda at, as_: 0 * as_
        ),
    },
    hint="First x̂_0 from x_t and ε (Eq. 4 solved for x_0); then Eq. 4 again, with ᾱ_s and the same ε.",
)


# --- ddim_step_eta


def _eta(
    sigma: Callable[[float, Tensor, Tensor], Tensor] = lambda eta, bt, b: eta * bt.sqrt(),
    rest: Callable[[Tensor, Tensor], Tensor] = lambda as_, sigma: (1 - as_ - sigma**2).sqrt(),
    strength: Callable[[Tensor], Tensor] = lambda sigma: sigma,
) -> Callable:
    """The step with σ = sigma(η, β̃, β), the factor `rest` of ε, and strength(σ) z."""

    def ddim_step_eta(schedule: S, x_t: Tensor, t: int, s: int, eps: Tensor, z: Tensor, eta: float) -> Tensor:
        at, as_ = schedule.alpha_bar[t], schedule.alpha_bar[s]
        beta = 1 - at / as_
        found = sigma(eta, (1 - as_) / (1 - at) * beta, beta)
        x_0 = (x_t - (1 - at).sqrt() * eps) / at.sqrt()
        return as_.sqrt() * x_0 + rest(as_, found) * eps + strength(found) * z

    return ddim_step_eta


def _eta_cases() -> list[Case]:
    x_t, eps, z = (noise(k) for k in range(3))
    parts = {"ε alone": (eps, 0 * z), "z alone": (0 * eps, z), "all": (eps, z)}
    return [
        Case(f"t = {t}, s = {s}, η = {eta}", (SCHEDULE, x_t, t, s, e, n, eta), part)
        for part, (e, n) in parts.items()
        for t, s, eta in [(1000, 900, 1.0), (500, 300, 0.5), (500, 300, 0.0), (112, 0, 1.0)]
    ]


ddim_step_eta = Exercise(
    name="ddim_step_eta",
    right=_eta(),
    cases=_eta_cases,
    mistakes={
        "You add new noise, but the old noise keeps its full strength: together they are too much. What must be left "
        "for ε, so that both variances add up to 1 − ᾱ_s?": _eta(rest=lambda as_, sigma: (1 - as_).sqrt()),
        "Under the root stands σ where σ² belongs: variances are subtracted from variances.": _eta(
            rest=lambda as_, sigma: (1 - as_ - sigma).sqrt()
        ),
        "You subtract σ outside of the root: it is variances that add up.": _eta(
            rest=lambda as_, sigma: (1 - as_).sqrt() - sigma
        ),
        "z has the factor σ²: multiply it by a standard deviation.": _eta(strength=lambda sigma: sigma**2),
        "σ is η β̃: a root is missing.": _eta(sigma=lambda eta, bt, b: eta * bt),
        "σ comes from β, and then the last step adds noise: take β̃, which is 0 at s = 0.": _eta(
            sigma=lambda eta, bt, b: eta * b.sqrt()
        ),
        "η does nothing: it should scale the noise, from none at 0 to that of DDPM at 1.": _eta(
            sigma=lambda eta, bt, b: bt.sqrt()
        ),
        "No new noise is added. σ z is missing.": _eta(strength=lambda sigma: 0 * sigma),
        "The root is only over η: σ is η times √β̃.": _eta(sigma=lambda eta, bt, b: math.sqrt(eta) * bt.sqrt()),
    },
    hint="σ = η √β̃; then √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε + σ z.",
)


# --- guide

guide = Exercise(
    name="guide",
    right=lambda eps_class, eps_none, w: eps_none + w * (eps_class - eps_none),
    cases=lambda: [Case(f"w = {w:g}", (noise(0), noise(1), w)) for w in (0.0, 1.0, 3.0)],
    mistakes={
        "Your w counts from 0: w = 1 should be the class as it is, and w = 0 no class at all.": (
            lambda c, n, w: (1 + w) * c - w * n
        ),
        "The two are swapped: a large w should lead towards the class.": lambda c, n, w: c + w * (n - c),
        "You go from no class in the wrong direction: look at the sign of the difference.": (
            lambda c, n, w: n + w * (n - c)
        ),
        "You add w times the class's ε, not w times the difference that the class makes.": lambda c, n, w: n + w * c,
        "w does nothing: it should be possible to go further than the class itself.": lambda c, n, w: c,
    },
    hint="Start at ε without a class, and go w times the way from there to ε with the class.",
)


# --- interpolate


def _mix(weights: Callable[[float, Tensor], tuple[Tensor | float, Tensor | float]]) -> Callable:
    """weights(λ, the angle between a and b) of a and b."""

    def interpolate(a: Tensor, b: Tensor, weight: float) -> Tensor:
        angle = torch.acos((a * b).sum() / (a.norm() * b.norm()))
        of_a, of_b = weights(weight, angle)
        return of_a * a + of_b * b

    return interpolate


def _slerp(weight: float, angle: Tensor) -> tuple[Tensor, Tensor]:
    return torch.sin((1 - weight) * angle) / torch.sin(angle), torch.sin(weight * angle) / torch.sin(angle)


interpolate = Exercise(
    name="interpolate",
    right=_mix(_slerp),
    cases=lambda: [
        Case(f"a weight of {w}", (noise(0, (1, 4, 5)), noise(1, (1, 4, 5)), w)) for w in (0.0, 0.25, 0.5, 1.0)
    ],
    mistakes={
        "That is a straight line. In its middle the noise has only half of its variance, and the network has never "
        "seen such an x_T: go along the arc.": _mix(lambda w, angle: (1 - w, w)),
        "The ends are swapped: weight 0 should give a, and weight 1 should give b.": _mix(
            lambda w, angle: _slerp(1 - w, angle)
        ),
        "You don't divide by the sine of the whole angle: at weight 0 the result is not a.": _mix(
            lambda w, angle: (torch.sin((1 - w) * angle), torch.sin(w * angle))
        ),
        "You always take a right angle. Two draws of noise are nearly at a right angle, but not quite: compute it from "
        "their scalar product.": _mix(lambda w, angle: (math.cos(w * math.pi / 2), math.sin(w * math.pi / 2))),
        "The weights are roots, √(1 − λ) and √λ. That keeps the variance, but it is not the arc that is asked for "
        "here.": _mix(lambda w, angle: (math.sqrt(1 - w), math.sqrt(w))),
        "You use the cosine of the angle as if it were the angle: torch.acos is missing.": (
            lambda a, b, w: sum(
                x * f for x, f in zip((a, b), _slerp(w, (a * b).sum() / (a.norm() * b.norm())), strict=True)
            )
        ),
    },
    hint="With φ the angle between a and b: sin((1 − λ) φ) / sin φ · a + sin(λ φ) / sin φ · b.",
)

EXERCISES = (timestep_pairs, ddim_step, ddim_step_eta, guide, interpolate)
