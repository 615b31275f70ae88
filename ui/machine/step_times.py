"""Measure how long a step takes on this machine."""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

RECENT = 3.0  # seconds after which a measurement of a run counts less by a factor of e


class StepKind(NamedTuple):
    """A kind of step, for which one duration is measured. ref: the checkpoint. batch: images per evaluation. lanes:
    number of lanes (runs side by side) of this checkpoint that share evaluations.
    """

    ref: str
    batch: int
    lanes: int = 1


class StepTimes:
    """The last measured seconds per step, for each kind of step. Thread-safe."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, int], dict[int, float]] = {}
        self._guessed: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def note(self, kind: StepKind, seconds: float, guess: bool = False) -> None:
        """Store a measurement. guess: the measurement covers few steps, so the first measurement of a run replaces
        it.
        """
        key = (kind.ref, kind.lanes)
        with self._lock:
            if guess:
                self._guessed.add(key)
            elif key in self._guessed:
                self._guessed.remove(key)
                self._seconds.pop(key)
            self._seconds.setdefault(key, {})[kind.batch] = seconds

    def forget(self, ref: str) -> None:
        """Drop all measurements of a checkpoint, because its files now contain another network."""
        with self._lock:
            for key in [key for key in self._seconds if key[0] == ref]:
                del self._seconds[key]
                self._guessed.discard(key)

    def measured(self, ref: str) -> list[tuple[int, int, float]]:
        """Return (lanes, images, seconds) of each measured kind of step of a checkpoint."""
        with self._lock:
            return [
                (lanes, batch, seconds)
                for (of, lanes), known in self._seconds.items()
                if of == ref
                for batch, seconds in known.items()
            ]

    def seconds(self, kind: StepKind) -> float | None:
        """Return the seconds per step; None if nothing was measured. If this batch size was not measured, scale the
        time of the nearest batch size in proportion.

        Lanes share evaluations, so a step of one of two lanes takes less time than a step alone. Until that is
        measured, return the time of a step alone.
        """
        ref, batch, lanes = kind
        with self._lock:
            known = dict(self._seconds.get((ref, lanes)) or self._seconds.get((ref, 1)) or {})
        if not known:
            return None
        nearest = min(known, key=lambda measured: abs(math.log(measured / batch)))
        return known[nearest] * batch / nearest


class Stopwatch:
    """Times the steps of one kind during a run, and stores the recent pace, as other programs can slow it down. A
    measurement from `RECENT` seconds ago counts less by a factor of e.

    The first step of each lane can be much slower, because it prepares memory, kernels and threads. Its time is stored
    only as a guess, if no other time is known.
    """

    def __init__(self, pace: StepTimes, kind: StepKind):
        self._pace, self._kind = pace, kind
        self._calls, self._steps, self._seconds = 0, 0.0, 0.0

    def note(self, seconds: float, steps: float = 1) -> None:
        """Add a measurement. seconds: the time that the steps took together. steps: their number, of any lanes."""
        self._calls += 1
        if self._calls > self._kind.lanes:
            kept = math.exp(-seconds / RECENT)
            self._seconds, self._steps = kept * self._seconds + seconds, kept * self._steps + steps
            self._pace.note(self._kind, self._seconds / self._steps)
        elif self._calls == 1 and self._pace.seconds(self._kind) is None:
            self._pace.note(self._kind, seconds / steps, guess=True)
