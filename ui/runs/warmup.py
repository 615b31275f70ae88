"""Background work when the app starts: load the default model, time its steps, and ask the Hub for the others."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable

import ddpm_core
from ui.runs.line import LINE
from ui.runs.models import Models
from ui.runs.pace import PACE
from ui.runs.settings import Settings

log = logging.getLogger(__name__)


class Warmup:
    """Loads the first model and times its steps, and looks up the offered checkpoints, in a background thread each.

    ready, known: set when the first and the second are done, also when they failed.
    """

    def __init__(self, models: Models, checkpoint: str):
        self.ready = threading.Event()
        self.known = threading.Event()
        self._stop = threading.Event()
        self._models = models
        self._checkpoint = checkpoint

    def stop(self) -> None:
        """End the measurement after the current step."""
        self._stop.set()

    def start(self) -> None:
        for work, done in ((self._measure, self.ready), (self._models.refresh, self.known)):
            threading.Thread(target=self._run, args=(work, done), daemon=True).start()

    def _run(self, work: Callable[[], None], done: threading.Event) -> None:
        try:
            work()
        except Exception as error:  # a run reports it where it matters
            log.info("warming up: %s", error)
        done.set()

    def _measure(self) -> None:
        if self._models.peek(self._checkpoint) is None:
            return
        self._models.preload(self._checkpoint)
        seconds = []
        with LINE.turn(self):
            model = self._models.loaded(self._checkpoint)
            if model is None:  # another one has replaced it
                return
            settings = Settings(checkpoint=self._checkpoint, steps=min(5, model.schedule.T), count=1)
            for _ in ddpm_core.trajectory(model, **settings.arguments(model)):
                if len(LINE) > 1 or self._stop.is_set():  # a run waits
                    return
                seconds.append(time.perf_counter())
        if len(seconds) > 1:
            pace = min(now - before for before, now in itertools.pairwise(seconds))
            PACE.note(self._checkpoint, settings.batch, pace, guess=True)
