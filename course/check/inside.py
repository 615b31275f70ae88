"""Notebook 6, what does the middle know."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course.check.exercise import Case, Exercise
from course.check.hidden import noise

# --- fit_reader


def _solved(a: Tensor, x_0: Tensor) -> Tensor:
    return torch.linalg.lstsq(a.flatten(0, 1), x_0.flatten(0, 1)).solution


def _over_all(x: Tensor) -> Tensor:
    return x.mean((0, 1), keepdim=True).expand_as(x[:1])[0]


def _reader(
    mean: Callable[[Tensor], Tensor] = lambda x: x.mean(0),
    solve: Callable[[Tensor, Tensor], Tensor] = _solved,
    constants: Callable[[Tensor, Tensor], Tensor] = lambda x_0, found: x_0 - found,
    centred: tuple[bool, bool] = (True, True),
) -> Callable:
    def fit_reader(a: Tensor, x_0: Tensor) -> tuple[Tensor, Tensor]:
        mean_a, mean_x_0 = mean(a), mean(x_0)
        weights = solve(a - mean_a * centred[0], x_0 - mean_x_0 * centred[1])
        return weights, constants(mean_x_0, mean_a @ weights)

    return fit_reader


def _reader_cases() -> list[Case]:
    cases = []
    for runs in (9, 20):
        a = noise(0, (runs, 3, 4)) + 2 * noise(1, (3, 4)) + 1
        x_0 = a @ noise(2, (4, 2)) + noise(3, (3, 2)) + 0.5 * noise(4, (runs, 3, 2)) - 0.5
        cases.append(Case(f"{runs} runs", (a, x_0)))
    return cases


fit_reader = Exercise(
    name="fit_reader",
    right=_reader(),
    cases=_reader_cases,
    mistakes={
        "You take one mean for all places. Each place has a mean of its own: the corners are black in all digits.": (
            _reader(mean=_over_all)
        ),
        "The weights are fitted to numbers that are not centred: subtract both means before least squares.": _reader(
            centred=(False, False)
        ),
        "The numbers of the block are not centred: subtract their mean over the runs too.": _reader(
            centred=(False, True)
        ),
        "The constants are the mean pictures. Take away what the weights already make of the mean of a.": _reader(
            constants=lambda x_0, found: x_0
        ),
        "The sign of the constants is wrong: for the mean of a, the reader must give the mean of x_0.": _reader(
            constants=lambda x_0, found: found - x_0
        ),
        "You multiply aᵀ and x_0 only. Channels that say the same are counted twice: solve for the weights.": (
            _reader(solve=lambda a, x_0: a.flatten(0, 1).T @ x_0.flatten(0, 1))
        ),
        "You fit weights for each place. All places share them: put the places of all runs below each other.": _reader(
            solve=lambda a, x_0: torch.linalg.lstsq(a.transpose(0, 1), x_0.transpose(0, 1)).solution,
            constants=lambda x_0, found: x_0 - found.diagonal(dim1=0, dim2=1).T,
        ),
    },
    hint="Centre a and x_0 over the runs, solve least squares over all runs and places, and let the means agree.",
    outputs=("the weights", "the constants"),
)


# --- r_squared


def _share(
    error: Callable[[Tensor], Tensor] = lambda x: x.square().sum(),
    mean: Callable[[Tensor], Tensor | float] = lambda x: x.mean(0),
    share: Callable[[Tensor, Tensor], Tensor] = lambda wrong, spread: 1 - wrong / spread,
) -> Callable:
    return lambda x_0, read: share(error(x_0 - read), error(x_0 - mean(x_0)))


def _share_cases() -> list[Case]:
    x_0 = noise(0, (7, 3, 2)) + noise(1, (3, 2)) + 0.5
    return [Case("a good reader", (x_0, x_0 + 0.3 * noise(2, x_0.shape))), Case("a bad one", (x_0, -x_0))]


r_squared = Exercise(
    name="r_squared",
    right=_share(),
    cases=_share_cases,
    mistakes={
        "That is the share that was not read: a perfect reader should get 1.": _share(
            share=lambda wrong, spread: wrong / spread
        ),
        "You compare with the mean of all pixels. Who knows nothing can still give the mean picture, pixel by pixel.": (
            _share(mean=lambda x: x.mean())
        ),
        "You compare with a picture of zeros: subtract the mean picture in the second sum.": _share(mean=lambda x: 0.0),
        "The squares are missing: these are sums of absolute values.": _share(error=lambda x: x.abs().sum()),
        "The roots do not belong here: R² compares squares.": _share(
            share=lambda wrong, spread: 1 - (wrong / spread).sqrt()
        ),
        "You divide pixel by pixel and take the mean. Sum first, then divide once.": _share(
            error=lambda x: x.square().sum(0), share=lambda wrong, spread: (1 - wrong / spread).mean()
        ),
    },
    hint="1 − Σ (x_0 − read)² / Σ (x_0 − mean over the runs)², with sums over everything.",
)

EXERCISES = (fit_reader, r_squared)
