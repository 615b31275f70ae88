"""Background work: load the models that are chosen and time their steps, and ask the Hub what is there."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from functools import partial

import ddpm_core
from ddpm_core.errors import UserError
from ui.machine.step_times import StepKind
from ui.models.form_options import default_count
from ui.models.services import Services

STEPS = 5  # of the measurement

log = logging.getLogger(__name__)


class Warmup:
    """Loads models and times their steps, and looks up the offered checkpoints, in a background thread each.

    ready, known: set when the first model is timed and the offered ones are looked up, also when that failed.
    """

    def __init__(self, services: Services):
        self.ready = threading.Event()
        self.known = threading.Event()
        self._stop = threading.Event()
        self._computing: list[threading.Thread] = []
        self._services = services

    def stop(self) -> None:
        """End the measurement after the current step."""
        self._stop.set()

    def close(self, seconds: float) -> bool:
        """End all measurements. Returns whether none computes any more, after this many seconds at most."""
        self.stop()
        end = time.monotonic() + seconds
        for thread in self._computing:
            thread.join(max(0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._computing)

    def start(self) -> None:
        self._warm(self._services.first, self.ready)
        self._begin(self._services.models.refresh, self.known)

    def look(self, ref: str, typed: bool = False) -> None:
        """Load a checkpoint that a visitor chose, and time its steps, if its files are here. Raises CheckpointError.

        Do nothing while others compute, as they would wait for it. A run loads the models that it needs.
        """
        here = self._services.models.look(ref, typed)
        if here and not len(self._services.turns) and not self._is_timed(ref):
            self._warm(ref, threading.Event())

    def _is_timed(self, ref: str) -> bool:
        return (
            self._services.models.loaded(ref) is not None
            and self._services.step_times.seconds(StepKind(ref, 1)) is not None
        )

    def _warm(self, ref: str, done: threading.Event) -> None:
        if self._stop.is_set():
            return
        alive = [thread for thread in self._computing if thread.is_alive()]
        self._computing = [*alive, self._begin(partial(self._measure, ref), done)]

    def _begin(self, work: Callable[[], None], done: threading.Event) -> threading.Thread:
        thread = threading.Thread(target=self._run, args=(work, done), daemon=True, name="warm-up")
        thread.start()
        return thread

    def _run(self, work: Callable[[], None], done: threading.Event) -> None:
        try:
            work()
        except (
            UserError,
            MemoryError,
            OSError,
            RuntimeError,
            ValueError,
        ) as error:  # a run reports it where it matters
            log.info("warming up: %s", error)
        finally:
            done.set()

    def _measure(self, ref: str) -> None:
        models, turns = self._services.models, self._services.turns
        if models.peek(ref) is None:
            return
        models.preload(ref)
        images, seconds = default_count(ref, self._services.step_times), []  # of a first run: engines compile for it
        with turns.turn(self):
            model = models.loaded(ref)
            if model is None or self._is_timed(ref):  # another one has replaced it, or another question was quicker
                return
            for _ in ddpm_core.trajectory(model, range(images), steps=model.student.steps if model.student else STEPS):
                if len(turns) > 1 or self._stop.is_set():  # a run waits
                    return
                seconds.append(time.perf_counter())
        if len(seconds) > 1:
            pace = min(now - before for before, now in itertools.pairwise(seconds))
            self._services.step_times.note(StepKind(ref, images), pace, guess=True)
