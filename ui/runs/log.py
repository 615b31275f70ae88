"""The runs that pages have: the messages of each, kept for a while, and which run is whose."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing
from contextvars import copy_context
from typing import Any

from ui.forms import units
from ui.models.lab import Lab
from ui.runs import listeners
from ui.runs.jobs import ENDED, Computation, Job, Update, unforeseen

KEPT = 64  # ended runs whose results can still be asked for
REMEMBERED = 4  # of these, runs whose messages are kept
KEPT_BYTES = 500e6  # for the pictures of ended runs that can still be saved; one run has at most about 30 MB
GONE = "This run is no longer here: press Run again"

Values = dict[str, Any]

log = logging.getLogger(__name__)


class Run:
    """A run as one page sees it: its messages. They are kept for a while, for a page that is loaded again.

    It begins when somebody listens to it, and goes on until its end, or until nobody has listened for
    `listeners.PATIENCE` seconds.
    """

    def __init__(self, job: Job | None, error: str = ""):
        self.id = secrets.token_hex(8)
        self.job = job
        self._error = error
        self._said: list[Values] = []  # messages
        self._started = False
        self._over = False  # there will be no other
        self._heard = listeners.clock()  # when somebody listened last
        self._news = threading.Condition()

    @property
    def computation(self) -> Any:
        """Raises ValueError where the settings were wrong."""
        if self.job is None:
            raise ValueError(self._error)
        return self.job.computation

    def save(self, kind: str) -> tuple[str, bytes]:
        """A file of it: see `Computation.save`."""
        return self.computation.save(kind, self.job.about if self.job else [])

    @property
    def goes_on(self) -> bool:
        return self._started and not self._over

    @property
    def has_messages(self) -> bool:
        """Whether who comes back finds all of them."""
        return bool(self._said) or not self._over

    def messages(self) -> Iterator[Values]:
        """All messages from the first one on, also those to come; the state of the last one is final.

        {run, seq: 1, 2, …, state, text, progress, left, results}: see `jobs.Update` and web/shared/run/stream.js.
        """
        said, seen = self._said, 0  # they may be forgotten meanwhile, but not for who listens
        with self._news:
            started, self._started = self._started, True
        if not started:
            # In the context of the request, from which ZeroGPU takes whose quota a run uses.
            threading.Thread(target=copy_context().run, args=(self._run,), daemon=True, name="messages").start()
        while True:
            with self._news:
                self._heard = listeners.clock()
                self._news.wait_for(lambda: len(said) > seen or self._over, timeout=1)  # noqa: B023
                news, over = said[seen:], self._over
            yield from news
            seen += len(news)
            if over:
                return

    def forget_messages(self) -> None:
        """A page that comes back does not find them any more."""
        if self._over:
            self._said = []

    def _run(self) -> None:
        try:
            if self.job is None:
                return self._say(Update("error", self._error))
            with closing(self.job.updates()) as updates:
                for update in updates:
                    self._say(update)
                    if update.state not in ENDED and listeners.clock() - self._heard > listeners.PATIENCE:
                        return self._say(Update("stopped", str(listeners.NobodyListens())))
        except Exception as error:  # the job tells its own: this is of `shown`
            log.exception("a result could not be shown")
            self._say(Update("error", unforeseen(error, self.computation.images)))
        finally:
            with self._news:
                self._over = True
                self._news.notify_all()

    def _say(self, update: Update) -> None:
        final = update.state in ENDED
        message = {
            "run": self.id,
            "seq": len(self._said) + 1,
            "state": update.state,
            "text": update.text,
            "progress": None if final else update.progress,
            "left": None if final else update.left,
            "results": [self.computation.shown(result) for result in update.results],
        }
        with self._news:
            self._said.append(message)
            self._news.notify_all()

    def stop(self) -> None:
        if self.job is not None:
            self.job.stop()


class Runs:
    """The runs of all pages. A page has one at a time of each part."""

    def __init__(self, lab: Lab, computation: Callable[[str, Values], Computation]):
        """computation: of a part, from what its page asks for. Raises ValueError, one sentence."""
        self._lab, self._computation = lab, computation
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._current: dict[tuple[str, str], str] = {}  # (page, part) -> id

    def begin(self, part: str, values: Values, page: str, address: str | None = None) -> Run:
        """A new run of a page, which replaces its last one of this part. address: where the page is, if known."""
        try:
            run = Run(Job(self._computation(part, values), self._lab, page, address))
        except ValueError as error:
            run = Run(None, units.sentence(error))
        last = self._runs.get(self._current.get((page, part), ""))
        if last:
            last.stop()
        self._runs[run.id], self._current[page, part] = run, run.id
        for old in list(self._runs.values())[:-REMEMBERED]:
            old.forget_messages()
        for old in [one for one in self._runs.values() if not one.goes_on][:-KEPT]:
            del self._runs[old.id]
            self._current = {key: id for key, id in self._current.items() if id != old.id}
        self._make_room()
        return run

    def _make_room(self) -> None:
        """Let ended runs forget their pictures, the first ones first, until all have at most KEPT_BYTES."""
        jobs = [run.job for run in self._runs.values() if run.job]
        excess = sum(job.computation.bytes for job in jobs) - KEPT_BYTES
        for job in jobs:
            if excess > 0 and job.ended:
                excess -= job.computation.bytes
                job.computation.forget()

    def find(self, id: object) -> Run:
        """Raises ValueError for a run that is none of the newest."""
        run = self._runs.get(str(id))
        if run is None:
            raise ValueError(GONE)
        return run

    def resumed(self, id: object) -> Run:
        """Raises ValueError for a run whose messages are not here any more."""
        run = self.find(id)
        if not run.has_messages:
            raise ValueError(GONE)
        return run
