"""How long a step takes on this machine."""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

RECENT = 3.0  # seconds: how far back a run looks for its pace


class StepKind(NamedTuple):
    """A kind of step. ref: the checkpoint. batch: images per evaluation. lanes: of it, which share evaluations."""

    ref: str
    batch: int
    lanes: int = 1


class StepTimes:
    """Seconds per step as last measured, by its kind. Thread-safe."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, int], dict[int, float]] = {}
        self._guessed: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def note(self, kind: StepKind, seconds: float, guess: bool = False) -> None:
        """Remember a measurement. guess: it is of few steps only, and is dropped as soon as a run has been measured."""
        key = (kind.ref, kind.lanes)
        with self._lock:
            if guess:
                self._guessed.add(key)
            elif key in self._guessed:
                self._guessed.remove(key)
                self._seconds.pop(key)
            self._seconds.setdefault(key, {})[kind.batch] = seconds

    def forget(self, ref: str) -> None:
        """Drop all measurements of a checkpoint: its files hold another network now."""
        with self._lock:
            for key in [key for key in self._seconds if key[0] == ref]:
                del self._seconds[key]
                self._guessed.discard(key)

    def measured(self, ref: str) -> list[tuple[int, int, float]]:
        """Return the lanes, images and seconds of each step that was measured of a checkpoint."""
        with self._lock:
            return [
                (lanes, batch, seconds)
                for (of, lanes), known in self._seconds.items()
                if of == ref
                for batch, seconds in known.items()
            ]

    def seconds(self, kind: StepKind) -> float | None:
        """Seconds per step, scaled in proportion from the nearest measured batch; None when nothing was measured.

        Lanes share evaluations, so a step of one of two lanes is quicker than a step alone. Until that is measured, the
        time of a step alone is given.
        """
        ref, batch, lanes = kind
        with self._lock:
            known = dict(self._seconds.get((ref, lanes)) or self._seconds.get((ref, 1)) or {})
        if not known:
            return None
        nearest = min(known, key=lambda measured: abs(math.log(measured / batch)))
        return known[nearest] * batch / nearest


class Stopwatch:
    """Times the steps of one kind in a run, and notes the pace of the last seconds: it changes when other programs
    begin to compute. In `RECENT` seconds, what was measured counts less by a factor e.

    The first step of each lane can be much slower, as it prepares memory, kernels and threads: its time is a guess, for
    where nothing is known.
    """

    def __init__(self, pace: StepTimes, kind: StepKind):
        self._pace, self._kind = pace, kind
        self._calls, self._steps, self._seconds = 0, 0.0, 0.0

    def note(self, seconds: float, steps: float = 1) -> None:
        """So many steps of any of the lanes took so long."""
        self._calls += 1
        if self._calls > self._kind.lanes:
            kept = math.exp(-seconds / RECENT)
            self._seconds, self._steps = kept * self._seconds + seconds, kept * self._steps + steps
            self._pace.note(self._kind, self._seconds / self._steps)
        elif self._calls == 1 and self._pace.seconds(self._kind) is None:
            self._pace.note(self._kind, seconds / steps, guess=True)
