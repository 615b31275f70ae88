"""Background work when the app starts: load the first model, time its steps, and ask the Hub for the others."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable

import ddpm_core
from ui.lab import Lab

STEPS = 5  # of the measurement

log = logging.getLogger(__name__)


class Warmup:
    """Loads the first model and times its steps, and looks up the offered checkpoints, in a background thread each.

    ready, known: set when the first and the second are done, also when they failed.
    """

    def __init__(self, lab: Lab):
        self.ready = threading.Event()
        self.known = threading.Event()
        self._stop = threading.Event()
        self._lab = lab

    def stop(self) -> None:
        """End the measurement after the current step."""
        self._stop.set()

    def start(self) -> None:
        for work, done in ((self._measure, self.ready), (self._lab.models.refresh, self.known)):
            threading.Thread(target=self._run, args=(work, done), daemon=True).start()

    def _run(self, work: Callable[[], None], done: threading.Event) -> None:
        try:
            work()
        except Exception as error:  # a run reports it where it matters
            log.info("warming up: %s", error)
        done.set()

    def _measure(self) -> None:
        models, turns, ref = self._lab.models, self._lab.turns, self._lab.first
        if models.peek(ref) is None:
            return
        models.preload(ref)
        seconds = []
        with turns.turn(self):
            model = models.loaded(ref)
            if model is None:  # another one has replaced it
                return
            for _ in ddpm_core.trajectory(model, [0], steps=model.student.steps if model.student else STEPS):
                if len(turns) > 1 or self._stop.is_set():  # a run waits
                    return
                seconds.append(time.perf_counter())
        if len(seconds) > 1:
            pace = min(now - before for before, now in itertools.pairwise(seconds))
            self._lab.pace.note(ref, 1, pace, guess=True)
