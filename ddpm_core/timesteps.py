"""The times that a chain visits: n steps as descending pairs (t, s), each from x_t to x_s, the last to s = 0.

A spacing visits whole times. Times of your own are real numbers; whole ones among them are ints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from shlex import quote
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import numpy as np

from ddpm_core.names import OPTIMISED_FOR, Sampler, Spacing

if TYPE_CHECKING:  # it imports torch, which takes seconds
    from ddpm_core.model import ModelSpec

Pairs = Sequence[tuple[float, float]]  # (t, s) of each step, descending; whole times are ints
Steps = SupportsIndex | Sequence[SupportsIndex | float] | np.ndarray  # how many, or the times themselves, descending


def _linspace(T: int, n: int) -> list[int]:
    return (1 + np.linspace(0, T - 1, n).round().astype(int)).tolist()


def _leading(T: int, n: int) -> list[int]:
    return [1 + k * (T // n) for k in range(n)]


def _trailing(T: int, n: int) -> list[int]:
    return [int(np.round(T - k * T / n)) for k in reversed(range(n))]


def _quadratic(T: int, n: int) -> list[int]:
    """t = 1 + ⌊(k √(0.8T)/(n − 1))²⌋, as the DDIM authors' code has it: the first x_t, near 0.8T, is x_T."""
    return _distinct(T, [1 + int((k * np.sqrt(0.8 * T) / (n - 1)) ** 2) for k in range(n)])


def _quadratic_T(T: int, n: int) -> list[int]:
    """t = 1 + (T − 1)(k/(n − 1))², rounded: as "quadratic", but from T itself. Ours: no other code has it."""
    share = np.arange(n) / (n - 1)
    return _distinct(T, (1 + ((T - 1) * share * share).round().astype(int)).tolist())


def _distinct(T: int, t: list[int]) -> list[int]:
    """Small squares collide when n is large: a duplicate moves up by one, and the whole list is capped from the top so
    that n distinct times within 1..T remain.
    """
    for k in range(1, len(t)):
        t[k] = max(t[k], t[k - 1] + 1)
    return [min(time, T - (len(t) - 1 - k)) for k, time in enumerate(t)]


_TIMES: dict[Spacing, Callable[[int, int], list[int]]] = {
    "linspace": _linspace,
    "quadratic": _quadratic,
    "quadratic_T": _quadratic_T,
    "leading": _leading,
    "trailing": _trailing,
}
FORMULAS = tuple(_TIMES)  # the spacings that are the same for every model


@overload
def timestep_pairs(T: int, n: int, spacing: Spacing = ..., start: int | None = ...) -> list[tuple[int, int]]: ...


@overload
def timestep_pairs(T: int, n: Steps, spacing: Spacing = ..., start: float | None = ...) -> Pairs: ...


def timestep_pairs(T: int, n: Steps, spacing: Spacing = "linspace", start: float | None = None) -> Pairs:
    """Return the n steps [(t, s), ...] of a strided chain, descending in t. Each s is the next t, and the last s is 0.

    Arguments:
        T: steps of the forward process.
        n: 1..T. n = 1 is [(T, 0)] in every spacing, and n = T the whole chain. Or the times themselves, falling real
            numbers, at most T and above 0. Then there is no spacing, and x_T is used as x_t at the first time.
        spacing: one of FORMULAS. "linspace" is even, t = 1 + k (T − 1)/(n − 1); "leading" 1 + k ⌊T/n⌋; "trailing" T − k
            T/n. "quadratic" is as in the DDIM authors' code: its first t is 1 + ⌊0.8T⌋, 801 of 1000, and x_T is used as
            x_801. "quadratic_T" has the same squares, stretched to start at T; this one is ours.
        start: the time where the chain starts, above 0 and at most T, None for T. Below T, the steps are those of a
            process of `start` steps, rounded up (n is 1..start). In every spacing the first one is at t = start,
            because x_start must be evaluated at its own time.

    Raises:
        ValueError: for n outside 1..T (or 1..start), for times that do not fall or are not above 0 and at most T, for
            an unknown spacing, and for a start that is not above 0 and at most T.
    """
    start = None if start is None else _start(start, T)
    times = own_times(n)
    if times is not None:
        return _own_pairs(T, times, start)
    if spacing == "optimised":
        raise ValueError(f"optimised steps belong to a model and a sampler: choose from {', '.join(FORMULAS)} here")
    if start is not None and start != T:
        (_, s), *rest = timestep_pairs(math.ceil(start), n, spacing)
        return [(start, s), *rest]
    if spacing not in FORMULAS:  # a tuple: whatever it is given
        raise ValueError(f"unknown spacing {spacing!r}: choose from {', '.join(FORMULAS)}, or optimised")
    if not 1 <= (n := _whole(n, T)) <= T:
        raise _wrong_number(n, T)
    times = [T] if n == 1 else _TIMES[spacing](T, n)
    return _pairs(times[::-1])


def whole_pairs(pairs: Pairs, what: str) -> list[tuple[int, int]]:
    """Return the pairs of a chain that visits whole times. Raise ValueError for another.

    what: the name of the thing that needs them.
    """
    for t, _ in pairs:
        if not isinstance(t, int):
            raise ValueError(f"{what} needs whole times, got t = {t:.6g}")
    return [(int(t), int(s)) for t, s in pairs]


def own_times(steps: object) -> list[float] | None:
    """Return the times if `steps` gives times, else None."""
    times = getattr(steps, "tolist", lambda: steps)()  # steps may be an array or a tensor
    return list(times) if isinstance(times, Sequence) and not isinstance(times, str) else None


def _own_pairs(T: int, times: list[float], start: float | None) -> list[tuple[float, float]]:
    """The steps that visit these times. ValueError for what are no times, or begin elsewhere than at `start`."""
    if not times or not all(_is_time(t, T) for t in times) or any(a <= b for a, b in pairwise(times)):
        raise ValueError(f"your own times must be falling numbers, at most {T} and above 0, got {times!r}")
    if start not in (None, T, times[0]):
        raise ValueError(f"a chain that starts at t = {start} must have it as its first time, got {times[0]}")
    return _pairs([as_time(t) for t in times])


def as_time(t: float) -> float:
    """Return a time as an int if it is whole, else as a float."""
    return int(t) if float(t).is_integer() else float(t)


def model_pairs(model: ModelSpec, n: Steps, spacing: Spacing | None, sampler: str, start: float | None = None) -> Pairs:
    """Return `timestep_pairs`, or the steps that belong to the model: its optimised steps, or a student's own.

    n: may be the times themselves, without a spacing. spacing: None means a student's own steps, and "linspace" for
    other models. "optimised" means the steps that were found for this model and sampler
    (ddpm_core.few_steps.optimised). Samplers that add noise take those of DDIM, which is of first order too. start: as
    for `timestep_pairs`. Optimised steps exist only for whole chains, a student's from each of its times. If there are
    none for n steps, raises ValueError, which says what to do.
    """
    if own_times(n) is not None:
        if spacing is not None:
            raise ValueError("your own times replace the spacing: leave the spacing out")
        return timestep_pairs(model.schedule.T, n, start=start)
    number = _whole(n, model.schedule.T)
    if spacing is None and model.student is not None:
        return [*model.student.pairs(number, None if start is None else _start(start, model.schedule.T))]
    if spacing != "optimised":
        pairs = timestep_pairs(model.schedule.T, n, spacing or "linspace", start)
        if (
            spacing == "leading"
            and start in (None, model.schedule.T)
            and pairs[0][0] + model.leading_offset <= model.schedule.T
        ):
            pairs = _pairs([t + model.leading_offset for t, _ in pairs])
        return pairs
    if start not in (None, model.schedule.T):
        raise ValueError("optimised steps start at T: choose another spacing")
    if model.student is not None:
        raise ValueError("a student has no optimised steps: use its own steps (auto on the page)")
    source = model.source
    folder = "FOLDER" if source is None or source.fixed else quote(source.ref)
    copy = f"`python -m ddpm_core export {quote(source.ref)} FOLDER` and " if source and source.fixed else ""
    search = f"run {copy}`python -m train schedule {folder}"
    if model.optimised is None and model.trained_on is not model.schedule:
        raise ValueError(
            "these weights have no optimised steps on this schedule: save the model, run `python -m train schedule "
            "FOLDER`, or choose another spacing"
        )
    if model.optimised is None:
        raise ValueError(f"these weights have no optimised steps yet: {search}`, or choose another spacing")
    own_or_ddim = sampler if sampler in OPTIMISED_FOR else "ddim"
    found = model.optimised.get(own_or_ddim, {})
    if number not in found:
        there = f"optimised steps for {ranges(found)} steps" if found else f"no optimised steps for {own_or_ddim}"
        raise ValueError(f"there are {there}, not for {n}: {search} --steps {n}`, or choose another spacing")
    return _pairs(found[number])


def own_run(model: ModelSpec) -> tuple[int, Sampler]:
    """Return the steps and the sampler of a run that names none: 50 steps of "ddpm", or a student's own."""
    return (50, "ddpm") if model.student is None else (model.student.steps, model.student.sampler)


def chain_length(model: ModelSpec, t: float, steps: int) -> int:
    """Return how many steps a chain from t down to 0 has, if `steps` are wanted: at most the number of times, or a
    student's own. Raise ValueError if `steps` is not a valid number.
    """
    steps = _whole(steps, model.schedule.T)
    return min(steps, math.ceil(t) if model.student is None else sum(own <= t for own in model.student.times))


def quarters(model: ModelSpec, which: Sequence[int] = (4, 3, 2, 1)) -> list[int]:
    """Return these quarters of T, each time once; for a student, the nearest of its own times."""
    times = [model.schedule.T * quarter // 4 for quarter in which]
    if model.student is not None:
        own = model.student.times
        times = [min(own, key=lambda time: abs(time - t)) for t in times]
    return list(dict.fromkeys(times))


def ranges(numbers: Iterable[int]) -> str:
    """Return whole numbers as text: "1 to 8, 10"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in runs)


def _pairs(descending: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(descending, [*descending[1:], 0], strict=True))


# With few steps, equal steps in t spend too many of them where x_t is almost pure noise; small steps at small t suit a
# solver better (docs/performance.md). DDPM and DDIM keep the times that the page has always given them.
_FEW = 20  # steps
_SUITED: dict[Sampler, Spacing] = {"dpm++": "quadratic", "unipc": "quadratic", "heun": "quadratic"}


def suited_spacing(model: ModelSpec, sampler: Sampler, steps: int) -> Spacing | None:
    """Return the spacing for a sampler, model and number of steps if nobody has chosen one; None is a student's own.

    Optimised steps count only if everybody who has the checkpoint has them. Steps that were found on this machine are
    used only on request; otherwise a link would give other pictures after a search.
    """
    if model.student is not None:
        return None
    if steps > _FEW or steps >= model.schedule.T or sampler not in _SUITED:
        return "linspace"
    shared = model.optimised if model.source and model.source.fixed else None
    return "optimised" if shared and steps in shared.get(sampler, {}) else _SUITED[sampler]


def _whole(n: Any, T: int) -> int:
    if not _is_whole(n):
        raise _wrong_number(n, T)
    return int(n)


def _wrong_number(n: object, T: int) -> ValueError:
    return ValueError(f"steps must be a whole number from 1 to {T}, or a list of times, got {n!r}")


def _start(start: Any, T: int) -> float:
    if not _is_time(start, T):
        raise ValueError(f"a chain starts at a t above 0 and at most {T}, got {start!r}")
    return as_time(start)


def _is_time(value: object, T: int) -> bool:
    return (_is_whole(value) or isinstance(value, (float, np.floating))) and bool(0 < value <= T)  # pyright: ignore[reportOperatorIssue]


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
