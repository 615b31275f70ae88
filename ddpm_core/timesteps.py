"""The times that a chain visits, as descending pairs (t, s): each step goes from x_t to x_s, and the last to s = 0.

A spacing chooses whole times. You can also give the times yourself, as real numbers; whole numbers then become ints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from shlex import quote
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import numpy as np

from ddpm_core.names import OPTIMISED_FOR, Sampler, Spacing

if TYPE_CHECKING:  # only for annotations, because ddpm_core.model imports torch, which takes seconds
    from ddpm_core.model import ModelSpec

Pairs = Sequence[tuple[float, float]]  # (t, s) of each step, with descending t; whole times are ints
Steps = SupportsIndex | Sequence[SupportsIndex | float] | np.ndarray  # a number of steps, or their times, descending


# Each of these functions returns the n ascending times of a spacing, within 1..T; `timestep_pairs` has the formulas.


def _linspace(T: int, n: int) -> list[int]:
    """Return the n times of the spacing "linspace", ascending: see `timestep_pairs`."""
    return (1 + np.linspace(0, T - 1, n).round().astype(int)).tolist()


def _leading(T: int, n: int) -> list[int]:
    """Return the n times of the spacing "leading", ascending: see `timestep_pairs`."""
    return [1 + k * (T // n) for k in range(n)]


def _trailing(T: int, n: int) -> list[int]:
    """Return the n times of the spacing "trailing", ascending: see `timestep_pairs`."""
    return [int(np.round(T - k * T / n)) for k in reversed(range(n))]


def _quadratic(T: int, n: int) -> list[int]:
    """Return t = 1 + ⌊(k √(0.8T)/(n − 1))²⌋, k = 0..n − 1, as in the DDIM authors' code: the largest is near 0.8T."""
    return _distinct(T, [1 + int((k * np.sqrt(0.8 * T) / (n - 1)) ** 2) for k in range(n)])


def _quadratic_T(T: int, n: int) -> list[int]:
    """Return t = 1 + (T − 1)(k/(n − 1))², rounded, k = 0..n − 1: like "quadratic", but with T as the largest time.

    This spacing is this project's own.
    """
    share = np.arange(n) / (n - 1)
    return _distinct(T, (1 + ((T - 1) * share * share).round().astype(int)).tolist())


def _distinct(T: int, t: list[int]) -> list[int]:
    """Return n distinct times within 1..T that are near n given ascending times.

    Rounded squares can be equal if n is large. Each duplicate moves up by one; then times too near to T move down.
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
FORMULAS = tuple(_TIMES)  # all spacings except "optimised", whose times depend on the model


@overload
def timestep_pairs(T: int, n: int, spacing: Spacing = ..., start: int | None = ...) -> list[tuple[int, int]]: ...


@overload
def timestep_pairs(T: int, n: Steps, spacing: Spacing = ..., start: float | None = ...) -> Pairs: ...


def timestep_pairs(T: int, n: Steps, spacing: Spacing = "linspace", start: float | None = None) -> Pairs:
    """Return the n steps [(t, s), ...] of a strided chain, descending in t. Each s is the next t, and the last s is 0.

    Arguments:
        T: the number of steps of the forward process.
        n: the number of steps, 1..T. n = 1 gives [(T, 0)] in every spacing, and n = T the whole chain. Or the times
            themselves: falling real numbers, at most T and above 0. Then `spacing` is not used, and the run's x_T
            serves as x_t at the first time.
        spacing: one of FORMULAS, here with k = 0..n − 1. "linspace" is even: t = 1 + k (T − 1)/(n − 1). "leading" is
            t = 1 + k ⌊T/n⌋, and "trailing" is t = T − k T/n. "quadratic" is the spacing of the DDIM authors' code. Its
            first t is 1 + ⌊0.8T⌋, which is 801 for T = 1000; there, x_T serves as x_801. "quadratic_T" stretches these
            squares so that they start at T; it is this project's own.
        start: the time where the chain starts, above 0 and at most T; None for T. Below T, the chain has the steps of a
            process with T = start, rounded up, and n is 1..start. Its first step is always at t = start, because the
            network must be evaluated at the time of x_start.

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
    if spacing not in FORMULAS:  # not `in _TIMES`, because a dict raises TypeError if spacing is a list
        raise ValueError(f"unknown spacing {spacing!r}: choose from {', '.join(FORMULAS)}, or optimised")
    if not 1 <= (n := _whole(n, T)) <= T:
        raise _wrong_number(n, T)
    times = [T] if n == 1 else _TIMES[spacing](T, n)
    return _pairs(times[::-1])


def whole_pairs(pairs: Pairs, what: str) -> list[tuple[int, int]]:
    """Return the same pairs as ints. Raise ValueError if a time is not whole.

    what: the name of the thing that needs whole times, for the message.
    """
    for t, _ in pairs:
        if not isinstance(t, int):
            raise ValueError(f"{what} needs whole times, got t = {t:.6g}")
    return [(int(t), int(s)) for t, s in pairs]


def own_times(steps: object) -> list[float] | None:
    """Return the times if `steps` is a list of times; return None if it is a number of steps."""
    times = getattr(steps, "tolist", lambda: steps)()  # converts an array or a tensor to a list
    return list(times) if isinstance(times, Sequence) and not isinstance(times, str) else None


def _own_pairs(T: int, times: list[float], start: float | None) -> list[tuple[float, float]]:
    """Return the pairs (t, s) of these times.

    Raise ValueError unless they fall, lie above 0 and at most at T, and begin at `start` if that is given.
    """
    if not times or not all(_is_time(t, T) for t in times) or any(a <= b for a, b in pairwise(times)):
        raise ValueError(f"your own times must be falling numbers, at most {T} and above 0, got {times!r}")
    if start not in (None, T, times[0]):
        raise ValueError(f"a chain that starts at t = {start} must have it as its first time, got {times[0]}")
    return _pairs([as_time(t) for t in times])


def as_time(t: float) -> float:
    """Return a time as an int if it is whole, else as a float."""
    return int(t) if float(t).is_integer() else float(t)


def model_pairs(model: ModelSpec, n: Steps, spacing: Spacing | None, sampler: str, start: float | None = None) -> Pairs:
    """Return the steps of a run of this model: from `timestep_pairs`, its optimised steps, or a student's own steps.

    Arguments:
        model: its specification is enough.
        n: the number of steps, or the times themselves, without a spacing.
        spacing: None means "linspace"; for a student, it means its own steps. "optimised" means the steps that a search
            found for this model and sampler (ddpm_core.few_steps.optimised).
        sampler: the sampler's name. Samplers that add noise use DDIM's optimised steps, because DDIM also is a
            first-order method.
        start: as for `timestep_pairs`. Optimised steps always start at T; a student's steps can start at each of its
            times.

    Raises:
        ValueError: the errors of `timestep_pairs`; and if the model has no such steps. The message says what to do.
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
    """Return the default number of steps and sampler of a run: 50 steps of "ddpm", or a student's own."""
    return (50, "ddpm") if model.student is None else (model.student.steps, model.student.sampler)


def chain_length(model: ModelSpec, t: float, steps: int) -> int:
    """Return the number of steps for a chain from t down to 0: `steps`, or fewer if there are fewer times up to t.

    A student has only its own times. Raise ValueError if `steps` is not a whole number.
    """
    steps = _whole(steps, model.schedule.T)
    return min(steps, math.ceil(t) if model.student is None else sum(own <= t for own in model.student.times))


def quarters(model: ModelSpec, which: Sequence[int] = (4, 3, 2, 1)) -> list[int]:
    """Return the times T · k/4 for k in `which`, without duplicates. For a student, its own times nearest to these."""
    times = [model.schedule.T * quarter // 4 for quarter in which]
    if model.student is not None:
        own = model.student.times
        times = [min(own, key=lambda time: abs(time - t)) for t in times]
    return list(dict.fromkeys(times))


def ranges(numbers: Iterable[int]) -> str:
    """Return whole numbers as text, such as "1 to 8, 10"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in runs)


def _pairs(descending: Sequence[float]) -> list[tuple[float, float]]:
    """Return the pairs (t, s) of a chain: each time with the next one, and the last time with 0."""
    return list(zip(descending, [*descending[1:], 0], strict=True))


# With few steps of equal length in t, too many steps are where x_t is almost pure noise. Solvers do better with small
# steps at small t (docs/findings.md). So up to _FEW steps, the page uses the spacings in _SUITED for the solvers.
# DDPM and DDIM keep "linspace", so that old links to the page give the same pictures.
_FEW = 20
_SUITED: dict[Sampler, Spacing] = {"dpm++": "quadratic", "unipc": "quadratic", "heun": "quadratic"}


def suited_spacing(model: ModelSpec, sampler: Sampler, steps: int) -> Spacing | None:
    """Return the spacing for a sampler, model and number of steps that the page uses for "auto"; None for a student.

    "optimised" is returned only if the optimised steps are a part of the published checkpoint. Steps that were searched
    on this machine are used only on request: otherwise, a link would give other pictures after a search.
    """
    if model.student is not None:
        return None
    if steps > _FEW or steps >= model.schedule.T or sampler not in _SUITED:
        return "linspace"
    shared = model.optimised if model.source and model.source.fixed else None
    return "optimised" if shared and steps in shared.get(sampler, {}) else _SUITED[sampler]


def _whole(n: Any, T: int) -> int:
    """Return a number of steps as an int. Raise ValueError if it is not a whole number."""
    if not _is_whole(n):
        raise _wrong_number(n, T)
    return int(n)


def _wrong_number(n: object, T: int) -> ValueError:
    """Return the error for a number of steps that is not in 1..T."""
    return ValueError(f"steps must be a whole number from 1 to {T}, or a list of times, got {n!r}")


def _start(start: Any, T: int) -> float:
    """Return the start of a chain, as an int if it is whole. Raise ValueError unless it is above 0 and at most T."""
    if not _is_time(start, T):
        raise ValueError(f"a chain starts at a t above 0 and at most {T}, got {start!r}")
    return as_time(start)


def _is_time(value: object, T: int) -> bool:
    """Return whether the value is a number above 0 and at most T."""
    return (_is_whole(value) or isinstance(value, (float, np.floating))) and bool(0 < value <= T)  # pyright: ignore[reportOperatorIssue]


def _is_whole(value: object) -> bool:
    """Return whether a value is an int, or NumPy's; for True the result is False."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
