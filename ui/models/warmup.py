"""Work in the background: load the selected models, time their steps, and look up checkpoints on the Hub."""

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

STEPS = 5  # number of steps that are timed

log = logging.getLogger(__name__)


class Warmup:
    """Loads models, times their steps and looks up the offered checkpoints. Each task has its own background thread.

    ready: set when the first model was timed, or failed. known: set when the offered checkpoints were looked up, or the
    look-up failed.
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
        """Stop all measurements. Return whether all have stopped after at most this many seconds."""
        self.stop()
        end = time.monotonic() + seconds
        for thread in self._computing:
            thread.join(max(0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._computing)

    def start(self) -> None:
        """Start to load and time the first model, and to look up the offered checkpoints."""
        self._warm(self._services.first, self.ready)
        self._start_thread(self._services.models.refresh, self.known)

    def look(self, ref: str, typed: bool = False) -> None:
        """Look up a checkpoint that a visitor chose. If its files are here, load it and time its steps in the
        background. Raises CheckpointError.

        Do not load it while others compute, because they would have to wait. A run loads the models that it needs.
        """
        here = self._services.models.look(ref, typed)
        if here and not len(self._services.turns) and not self._is_timed(ref):
            self._warm(ref, threading.Event())

    def _is_timed(self, ref: str) -> bool:
        """Return whether a model is in memory and its steps were timed."""
        return (
            self._services.models.loaded(ref) is not None
            and self._services.step_times.seconds(StepKind(ref, 1)) is not None
        )

    def _warm(self, ref: str, done: threading.Event) -> None:
        """Start a thread that loads and times a model. done: set at the end."""
        if self._stop.is_set():
            return
        alive = [thread for thread in self._computing if thread.is_alive()]
        self._computing = [*alive, self._start_thread(partial(self._measure, ref), done)]

    def _start_thread(self, work: Callable[[], None], done: threading.Event) -> threading.Thread:
        """Start a thread for this work. done: set at its end."""
        thread = threading.Thread(target=self._run, args=(work, done), daemon=True, name="warm-up")
        thread.start()
        return thread

    def _run(self, work: Callable[[], None], done: threading.Event) -> None:
        """Do the work, log a foreseeable error, and set done."""
        try:
            work()
        except (
            UserError,
            MemoryError,
            OSError,
            RuntimeError,
            ValueError,
        ) as error:  # no visitor waits for this work; a run with this model reports the error
            log.info("warming up: %s", error)
        finally:
            done.set()

    def _measure(self, ref: str) -> None:
        """Load a model and store the time of its steps as a guess."""
        models, turns = self._services.models, self._services.turns
        if models.peek(ref) is None:
            return
        models.preload(ref)
        # as many images as in a first run, because engines compile for each batch size
        images, seconds = default_count(ref, self._services.step_times), []
        with turns.turn(self):
            model = models.loaded(ref)
            if model is None or self._is_timed(ref):  # the model was replaced meanwhile, or another thread has timed it
                return
            for _ in ddpm_core.trajectory(model, range(images), steps=model.student.steps if model.student else STEPS):
                if len(turns) > 1 or self._stop.is_set():  # a run waits for its turn, or the app ends
                    return
                seconds.append(time.perf_counter())
        if len(seconds) > 1:
            pace = min(now - before for before, now in itertools.pairwise(seconds))
            self._services.step_times.note(StepKind(ref, images), pace, guess=True)
