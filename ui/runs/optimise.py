"""The search for a model's optimised time steps, which takes turns with runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.model import Model, ModelSpec
from ddpm_core.names import OPTIMISED_FOR, Sampler
from ddpm_core.timesteps import model_pairs
from ui.runs import formats, notices
from ui.runs.job import Stopped
from ui.runs.line import LINE, Place
from ui.runs.offered import short_name
from ui.runs.source import ModelSource

if TYPE_CHECKING:
    from ddpm_core.optimised import OptimisedSteps

MOST = 60  # steps: more than the teacher's times can't be chosen
INTERVAL = 0.5  # seconds between two updates

log = logging.getLogger(__name__)

_search = threading.Lock()  # held by the search under way: two would only slow each other down


@dataclass(frozen=True)
class Update:
    """The state of a search in a sentence. failed: it says what went wrong."""

    text: str
    failed: bool = False


def is_missing(model: ModelSpec | None, sampler: Sampler, steps: int) -> bool:
    """Whether the model has no optimised steps of this sampler and number, but could have."""
    if model is None or not 1 <= steps <= min(MOST, model.schedule.T - 1):
        return False
    try:
        model_pairs(model, steps, "optimised", sampler)
    except ValueError:
        return True
    return False


class Search:
    """Finds the optimised steps of a checkpoint, keeps them beside its weights, and gives them to the loaded model.

    A member of the line. steps: a number of steps that must be among those searched. `updates` starts it.
    """

    def __init__(self, ref: str, steps: int, models: ModelSource):
        self._ref = ref
        self._steps = steps
        self._models = models
        self._news: SimpleQueue[Update | None] = SimpleQueue()
        self._said = 0.0
        self._stop = threading.Event()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        """Stop after the evaluation under way."""
        self._stop.set()

    def updates(self) -> Iterator[Update]:
        """Search, and yield the state now and then. Never raises. Closing the iterator stops the search."""
        threading.Thread(target=self._work, daemon=True, name="search").start()
        try:
            while (update := self._news.get()) is not None:
                yield update
        finally:
            self.stop()

    def _work(self) -> None:
        try:
            self._say(f"Loading {short_name(self._ref)}")
            self._models.fetch(self._ref, lambda done, total: self._check())
            while not _search.acquire(timeout=INTERVAL):
                self._say("Waiting for another search")
                self._check()
            try:
                self._find()
            finally:
                _search.release()
        except Stopped:
            self._news.put(Update("The search was stopped"))
        except (ValueError, CheckpointError) as error:
            self._news.put(Update(notices.sentence(error), failed=True))
        except Exception as error:
            log.exception("a search for optimised steps failed")
            self._news.put(Update(f"The search failed unexpectedly ({type(error).__name__})", failed=True))
        finally:
            self._news.put(None)

    def _find(self) -> None:
        from ddpm_core.optimised import STEPS, optimise_timesteps  # here for the start time: see ui/__init__.py

        with LINE.join(self) as place:
            place.take(lambda: self._wait(place))
            model = self._models.get(self._ref)
            lacking: list[Sampler] = [sampler for sampler in OPTIMISED_FOR if is_missing(model, sampler, self._steps)]
            if not lacking:  # another page has found them meanwhile
                return
            first: list[tuple[float, int]] = []  # the first report: what came before it is preparation too

            def progress(done: int, total: int) -> None:
                self._check()
                if place.must_yield():  # runs take seconds, and need not wait for minutes
                    place.take(self._check)
                if not first:
                    first.append((time.monotonic(), done))
                started, before = first[0]
                text = f"Trying time steps: {100 * done // total} %"
                if done > before:
                    left = (time.monotonic() - started) * (total - done) / (done - before)
                    place.work, place.step = left, left / max(1, total - done)
                    text += f", {formats.duration(left)} left"
                self._say(text)

            steps = [n for n in STEPS if n < model.schedule.T] if model.optimised is None else []
            found = optimise_timesteps(model, sorted({*steps, self._steps}), progress=progress, samplers=lacking)
            self._keep(model, found)
        self._news.put(Update("Found: press Run"))

    def _keep(self, model: Model, found: OptimisedSteps) -> None:
        """Give the steps to the model, and write them to the disk, where that is possible."""
        from ddpm_core.checkpoint import optimised_file

        with suppress(CheckpointError, ValueError):  # a disk that can't be written to: they last as long as the model
            optimised_file.write(model, found, engine=getattr(model.network, "description", ""))
        model.optimised = optimised_file.merged(model.optimised, found.times)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _wait(self, place: Place) -> None:
        self._check()
        if outlook := place.outlook():
            self._say(notices.queue(outlook.before, outlook.start))

    def _say(self, text: str) -> None:
        if time.monotonic() - self._said > INTERVAL:
            self._said = time.monotonic()
            self._news.put(Update(text))
