"""How long a step takes on this machine."""

from __future__ import annotations

import math
import threading


class Pace:
    """Seconds per step as last measured, by checkpoint, number of images the network sees at once, and lanes.

    Any thread may ask and note.
    """

    def __init__(self):
        self._seconds: dict[tuple[str, int], dict[int, float]] = {}
        self._guessed: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def note(self, ref: str, batch: int, seconds: float, lanes: int = 1, guess: bool = False) -> None:
        """Remember a measurement. guess: of a step or two, to be forgotten when a run has been measured."""
        key = (ref, lanes)
        with self._lock:
            if guess:
                self._guessed.add(key)
            elif key in self._guessed:
                self._guessed.remove(key)
                self._seconds.pop(key)
            self._seconds.setdefault(key, {})[batch] = seconds

    def forget(self, ref: str) -> None:
        """There is another network under this name now."""
        with self._lock:
            for key in [key for key in self._seconds if key[0] == ref]:
                del self._seconds[key]
                self._guessed.discard(key)

    def of(self, ref: str, batch: int, lanes: int = 1) -> float | None:
        """Seconds per step, in proportion from the nearest batch that was measured; None when none was.

        A step in one of two lanes is quicker than alone, as they share evaluations; until that is measured, as long.
        """
        with self._lock:
            known = dict(self._seconds.get((ref, lanes)) or self._seconds.get((ref, 1)) or {})
        if not known:
            return None
        nearest = min(known, key=lambda measured: abs(math.log(measured / batch)))
        return known[nearest] * batch / nearest


PACE = Pace()
