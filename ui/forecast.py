"""How long runs that share the network have to wait."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class RemainingWork(NamedTuple):
    """A run. seconds: of computing that are left, infinite where that is not known; turn: those of one turn."""

    visitor: Hashable
    seconds: float
    turn: float


@dataclass(frozen=True)
class Outlook:
    """What a run can expect.

    begun: whether it has had a turn. before: of a run that has not, how many begin before it. sharers: others that
    have had one. start, end: seconds until its first turn and until its end if nobody comes or leaves, None where that
    is not known. holder: whose turn it is.
    """

    begun: bool
    before: int
    sharers: int
    start: float | None
    end: float | None
    holder: object | None


def forecast(
    running: Sequence[RemainingWork],
    waiting: Sequence[RemainingWork],
    may_begin: Callable[[float, Sequence[float]], bool],
    rest: float = 0.0,
) -> list[tuple[float, float]]:
    """Seconds until the first turn and until the end of those that run and, in their order, of those that wait.

    The runs that take turns share the time in equal parts, and a place that comes free is taken by the first that may
    begin, as may_begin(its work, works of those that take turns) says. Infinite is what is not known.
    rest: seconds that the turn under way still takes.
    """
    runs = [*running, *waiting]
    starts, ends = [math.inf] * len(runs), [math.inf] * len(runs)
    now = level = 0.0  # level: seconds that each run has computed that is there from the beginning
    shared = [(work.seconds, i) for i, work in enumerate(running)]  # (the level at which it ends, which run)
    heapq.heapify(shared)
    starts[: len(running)] = [0.0] * len(running)
    left = list(range(len(running), len(runs)))
    turns = rest  # of those that begin at the same time, one after another
    while True:
        for i in list(left):
            visitor, seconds, turn = runs[i]
            if any(runs[other].visitor == visitor for _, other in shared):
                continue
            if may_begin(seconds, [end - level for end, _ in shared]):
                left.remove(i)
                starts[i] = now + turns
                turns += min(turn, seconds)
                heapq.heappush(shared, (level + seconds, i))
        if not shared or math.isinf(shared[0][0]):
            return list(zip(starts, ends, strict=True))
        end, i = shared[0]
        now += (end - level) * len(shared)
        turns = 0.0
        level = end
        heapq.heappop(shared)
        ends[i] = now
