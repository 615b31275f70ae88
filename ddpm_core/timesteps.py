"""Which times a chain visits: n steps as descending pairs (t, s), each going from x_t to x_s, the last to s = 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ddpm_core.names import SPACINGS, Spacing

Pairs = Sequence[tuple[int, int]]  # (t, s) of each step, descending


def _linspace(T: int, n: int) -> list[int]:
    return (1 + np.linspace(0, T - 1, n).round().astype(int)).tolist()


def _leading(T: int, n: int) -> list[int]:
    return [1 + k * (T // n) for k in range(n)]


def _trailing(T: int, n: int) -> list[int]:
    return [int(np.round(T - k * T / n)) for k in reversed(range(n))]


def _quadratic(T: int, n: int) -> list[int]:
    """t = 1 + ⌊(k √(.8T)/(n − 1))²⌋, as the DDIM authors' code has it (it starts near .8T).

    Small squares collide when n is large: a duplicate moves up by one, and the whole list is capped from the top so
    that n distinct times within 1..T remain.
    """
    t = [1 + int((k * np.sqrt(0.8 * T) / (n - 1)) ** 2) for k in range(n)]
    for k in range(1, n):
        t[k] = max(t[k], t[k - 1] + 1)
    return [min(time, T - (n - 1 - k)) for k, time in enumerate(t)]


_TIMES: dict[Spacing, Callable[[int, int], list[int]]] = {
    "linspace": _linspace,
    "quadratic": _quadratic,
    "leading": _leading,
    "trailing": _trailing,
}


def timestep_pairs(T: int, n: int, spacing: Spacing = "linspace", start: int | None = None) -> list[tuple[int, int]]:
    """The n steps [(t, s), ...] of a strided chain, descending in t, each s the next t, the last s = 0.

    T: steps of the forward process. n: 1..T. spacing: one of names.SPACINGS; n = 1 is [(T, 0)] in each of them, and
    n = T the whole chain in each but "quadratic". start: 1..T, where the chain starts, None for T. Below T the steps
    are those of a process of `start` steps (n: 1..start), and the first one is at t = start in every spacing: x_start
    is given, and must be evaluated at its own time. Raises ValueError for values outside these.
    """
    if start is not None and start != T:
        start = _whole(start, T)
        (_, s), *rest = timestep_pairs(start, n, spacing)
        return [(start, s), *rest]
    if spacing not in _TIMES:
        raise ValueError(f"unknown spacing {spacing!r}: choose from {', '.join(SPACINGS)}")
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= T:
        raise ValueError(f"steps must be a whole number from 1 to {T}, got {n!r}")
    times = [T] if n == 1 else _TIMES[spacing](T, int(n))
    descending = times[::-1]
    return list(zip(descending, [*descending[1:], 0], strict=True))


def _whole(start: object, T: int) -> int:
    if isinstance(start, bool) or not isinstance(start, (int, np.integer)) or not 1 <= start <= T:
        raise ValueError(f"a chain starts at a whole t from 1 to {T}, got {start!r}")
    return int(start)
