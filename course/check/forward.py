"""Notebook 1, the forward process."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course.check.exercise import Case, Exercise
from course.check.hidden import SCHEDULE, linear_cases, noise, per_image
from ddpm_core import NoiseSchedule
from ddpm_core.process import q_sample as _q_sample

Coefficient = Callable[[NoiseSchedule, Tensor], Tensor]


def _alpha_bar_cases() -> list[Case]:
    tables = [SCHEDULE.beta, NoiseSchedule.cosine(50).beta, torch.tensor([0, 0.1, 0.2, 0.5], dtype=torch.float64)]
    return [Case(f"T = {len(beta) - 1}", (beta,)) for beta in tables]


alpha_bar = Exercise(
    name="alpha_bar",
    right=lambda beta: (1 - beta).cumprod(0),
    cases=_alpha_bar_cases,
    mistakes={
        "That is α_t, what one single step keeps. ᾱ_t is what is left after all the steps from 1 to t: how do you "
        "combine what each of them keeps?": lambda beta: 1 - beta,
        "You multiply the β. But β_t is the share of noise that a step adds: which number is the share it keeps?": (
            lambda beta: beta.cumprod(0)
        ),
        "You add up the β. Then ᾱ falls below 0 when T is large. Each step keeps a share of what the step before has "
        "left: are shares of shares added?": lambda beta: 1 - beta.cumsum(0),
        "Your table comes one step late: at index t it has ᾱ of t − 1.": (
            lambda beta: torch.cat([beta.new_ones(1), (1 - beta).cumprod(0)[:-1]])
        ),
        "That is √ᾱ_t, the factor of the picture. ᾱ_t itself is the share of its variance.": (
            lambda beta: (1 - beta).cumprod(0).sqrt()
        ),
        "That is 1 − ᾱ_t, the variance of the noise: it should fall from 1, not rise from 0.": (
            lambda beta: 1 - (1 - beta).cumprod(0)
        ),
    },
    hint="ᾱ_t is a product over the steps 1 to t (beside Eq. 4), and ᾱ_0 = 1.",
)


def _step(of_x: Callable, of_eps: Callable) -> Callable:
    return lambda schedule, x, t, eps: of_x(schedule, t) * x + of_eps(schedule, t) * eps


def _keep(schedule: NoiseSchedule, t: int) -> Tensor:
    return schedule.alpha[t].sqrt()


def _add(schedule: NoiseSchedule, t: int) -> Tensor:
    return schedule.beta[t].sqrt()


forward_step = Exercise(
    name="forward_step",
    right=_step(_keep, _add),
    cases=lambda: linear_cases(("x", "ε")),
    mistakes={
        "The noise has the wrong strength: β_t is its variance, and ε has variance 1. Which factor gives ε the "
        "variance β_t?": _step(_keep, lambda s, t: s.beta[t]),
        "The picture has the factor 1 − β_t. Look at the root in Eq. 2: it is there so that the variance stays "
        "1.": _step(lambda s, t: s.alpha[t], _add),
        "You add noise, but the picture keeps its full strength: the variance would grow with every step. Which "
        "factor does x have in Eq. 2?": _step(lambda s, t: 1, _add),
        "You jump from x_0 to x_t: the table is ᾱ. One step from t − 1 to t needs the number of this step only.": _step(
            lambda s, t: s.alpha_bar[t].sqrt(), lambda s, t: (1 - s.alpha_bar[t]).sqrt()
        ),
        "Wrong by one step: the step from t − 1 to t has the number β_t, index t of the table.": _step(
            lambda s, t: s.alpha[t - 1].sqrt(), lambda s, t: s.beta[t - 1].sqrt()
        ),
        "The two factors are swapped: after one small step almost everything is still picture.": _step(_add, _keep),
    },
    hint="Compare the factors of x and of ε with Eq. 2, one after the other.",
)


def _mix(of_x_0: Coefficient, of_eps: Coefficient) -> Callable:
    return lambda schedule, x_0, t, eps: (
        per_image(of_x_0(schedule, t), t, x_0) * x_0 + per_image(of_eps(schedule, t), t, x_0) * eps
    )


def _whole(table: Callable[[NoiseSchedule], Tensor], late: int = 0) -> Coefficient:
    """The table itself; late: shifted, so that index t has the number of t − late."""
    return lambda schedule, t: torch.cat([table(schedule)[:late] * 0 + 1, table(schedule)])[: schedule.T + 1]


_signal, _sigma = _whole(lambda s: s.alpha_bar.sqrt()), _whole(lambda s: (1 - s.alpha_bar).sqrt())


def _q_sample_cases() -> list[Case]:
    x_0, eps = noise(0, dtype=torch.float32), noise(1, dtype=torch.float32)
    t = torch.tensor([1, 400, 1000])
    return [
        Case("t = 1, 400 and 1000", (SCHEDULE, x_0, t, 0 * eps), "x_0 alone"),
        Case("t = 1, 400 and 1000", (SCHEDULE, 0 * x_0, t, eps), "ε alone"),
        Case("t = 1, 400 and 1000", (SCHEDULE, x_0, t, eps), "both"),
    ]


q_sample = Exercise(
    name="q_sample",
    right=_q_sample,
    cases=_q_sample_cases,
    mistakes={
        "That is α where ᾱ belongs: you make one step from x_0, not all t of them.": _mix(
            _whole(lambda s: s.alpha.sqrt()), _whole(lambda s: (1 - s.alpha).sqrt())
        ),
        "The picture has the factor ᾱ_t: a root is missing.": _mix(_whole(lambda s: s.alpha_bar), _sigma),
        "The noise is multiplied by its variance 1 − ᾱ_t. Multiply ε by a standard deviation.": _mix(
            _signal, _whole(lambda s: 1 - s.alpha_bar)
        ),
        "Wrong by one step: you take the table at t − 1. ᾱ has an entry for t = 0, so index t is time t.": _mix(
            _whole(lambda s: s.alpha_bar.sqrt(), 1), lambda s, t: (1 - _whole(lambda s: s.alpha_bar, 1)(s, t)).sqrt()
        ),
        "The factor of ε is 1 − √ᾱ_t. The variances of picture and noise add up to 1, not their factors.": _mix(
            _signal, _whole(lambda s: 1 - s.alpha_bar.sqrt())
        ),
        "You add noise, but the picture keeps its full strength: it must fade.": _mix(
            _whole(lambda s: torch.ones_like(s.beta)), _sigma
        ),
        "The factors of x_0 and ε are swapped: at t = 1 almost everything is still picture.": _mix(_sigma, _signal),
    },
    hint="Compare the factors of x_0 and of ε with Eq. 4, one after the other.",
)

snr = Exercise(
    name="snr",
    right=lambda schedule: schedule.alpha_bar[1:] / (1 - schedule.alpha_bar[1:]),
    cases=lambda: [Case("T = 1000", (SCHEDULE,)), Case("T = 20", (NoiseSchedule.cosine(20),))],
    mistakes={
        "The table has T + 1 entries. At t = 0 there is no noise and the ratio is infinite: begin with t = 1.": (
            lambda schedule: schedule.alpha_bar / (1 - schedule.alpha_bar)
        ),
        "Wrong by one step: your first entry belongs to t = 0. At t = 0 there is no noise and the ratio is infinite: "
        "begin with t = 1.": lambda schedule: (schedule.alpha_bar / (1 - schedule.alpha_bar))[:-1],
        "That is a ratio of standard deviations. The signal-to-noise ratio compares variances.": (
            lambda schedule: (schedule.alpha_bar[1:] / (1 - schedule.alpha_bar[1:])).sqrt()
        ),
        "That is noise divided by signal: turn it over.": (
            lambda schedule: (1 - schedule.alpha_bar[1:]) / schedule.alpha_bar[1:]
        ),
        "That is α where ᾱ belongs: the ratio of one step. x_t has been through all steps up to t.": (
            lambda schedule: schedule.alpha[1:] / (1 - schedule.alpha[1:])
        ),
        "You divide by the standard deviation √(1 − ᾱ_t), but ᾱ_t is a variance: compare like with like.": (
            lambda schedule: schedule.alpha_bar[1:] / (1 - schedule.alpha_bar[1:]).sqrt()
        ),
    },
    hint="In Eq. 4, divide the variance that comes from x_0 (for data of variance 1) by the variance of the noise.",
)


def _cosine(f: Callable[[Tensor], Tensor], s: float = 0.008, scale: bool = True) -> Callable[[int], Tensor]:
    def alpha_bar(T: int) -> Tensor:
        u = torch.arange(T + 1, dtype=torch.float64) / T
        values = f((u + s) / (1 + s) * math.pi / 2)
        return values / values[0] if scale else values

    return alpha_bar


def _from_1(T: int) -> Tensor:
    values = _cosine(lambda angle: angle.cos() ** 2)(T)[1:]
    return values / values[0]


def _shifted(T: int) -> Tensor:
    values = _cosine(lambda angle: angle.cos() ** 2)(T)
    return torch.cat([values[:1], values[:-1]])


cosine_alpha_bar = Exercise(
    name="cosine_alpha_bar",
    right=_cosine(lambda angle: angle.cos() ** 2),
    cases=lambda: [Case("T = 10", (10,)), Case("T = 1000", (1000,))],
    mistakes={
        "The square is missing: f is cos².": _cosine(torch.cos),
        "ᾱ_0 is not quite 1: divide by f(0).": _cosine(lambda angle: angle.cos() ** 2, scale=False),
        "The offset s = 0.008 is missing.": _cosine(lambda angle: angle.cos() ** 2, s=0.0),
        "Your table comes one step late: index t has the value of t − 1.": _shifted,
        "The table has T entries: it needs one for each t from 0 to T.": (_from_1),
        "The table has T entries, from t = 0 to T − 1: it needs one for T too.": (
            lambda T: _cosine(lambda angle: angle.cos() ** 2)(T)[:-1]
        ),
        "The factor ½ of π is missing: ᾱ comes back to 1 at the end.": _cosine(lambda angle: (2 * angle).cos() ** 2),
    },
    hint="Compute f(t) for t = 0, 1, …, T first, and divide all of it by f(0).",
)


def _guess(weights: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """weights(logits, squares): a row of weights over the data for each x_t."""

    def best_guess(schedule: NoiseSchedule, data: Tensor, x_t: Tensor, t: int, signal: float | None = None) -> Tensor:
        alpha_bar = schedule.alpha_bar[t].item()
        factor = math.sqrt(alpha_bar) if signal is None else signal
        squares = (x_t.flatten(1)[:, None] - factor * data.flatten(1)[None]).square().sum(2)
        return (weights(-squares / (2 * (1 - alpha_bar)), squares) @ data.flatten(1)).reshape(x_t.shape)

    return best_guess


_bayes = _guess(lambda logits, squares: logits.softmax(1))


def _best_guess_cases() -> list[Case]:
    data = noise(2, (6, 1, 2, 2))
    cases = []
    for t in (100, 400, 900):
        x_t = _q_sample(SCHEDULE, data[:3], t, noise(3, (3, 1, 2, 2)))
        cases.append(Case(f"t = {t}", (SCHEDULE, data, x_t, t)))
    return cases


best_guess = Exercise(
    name="best_guess",
    right=lambda schedule, data, x_t, t: _bayes(schedule, data, x_t, t),
    cases=_best_guess_cases,
    mistakes={
        "You compare x_t with the pictures at full strength. In x_t they have faded: by which factor?": (
            lambda schedule, data, x_t, t: _bayes(schedule, data, x_t, t, 1.0)
        ),
        "The factor ½ in the exponent is missing.": _guess(lambda logits, squares: (2 * logits).softmax(1)),
        "The square in the exponent is missing: ‖·‖² is the sum of the squares.": _guess(
            lambda logits, squares: (logits / squares.sqrt()).softmax(1)
        ),
        "You divide by the standard deviation of the noise. In the exponent of a Gaussian stands the variance.": (
            lambda schedule, data, x_t, t: _guess(
                lambda logits, squares: (logits * (1 - schedule.alpha_bar[t]).sqrt()).softmax(1)
            )(schedule, data, x_t, t)
        ),
        "You return the most likely picture. The guess with the smallest squared error is the average of all "
        "pictures, each with its probability as weight.": _guess(
            lambda logits, squares: torch.nn.functional.one_hot(logits.argmax(1), logits.shape[1]).to(logits.dtype)
        ),
        "All pictures have the same weight. Those that fit x_t better must count more.": _guess(
            lambda logits, squares: torch.full_like(logits, 1 / logits.shape[1])
        ),
        "The sign is wrong: pictures that are far from x_t get the largest weights.": _guess(
            lambda logits, squares: (-logits).softmax(1)
        ),
        "The weights of one x_t must add up to 1: along which dimension is your softmax?": _guess(
            lambda logits, squares: logits.softmax(0)
        ),
    },
    hint="The weights are a softmax, over the pictures of the data, of −‖x_t − √ᾱ_t x_0‖² / (2 (1 − ᾱ_t)).",
)

EXERCISES = (alpha_bar, forward_step, q_sample, snr, cosine_alpha_bar, best_guess)
