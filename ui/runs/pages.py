"""The runs that pages have: which is whose, and how long their messages and pictures are kept."""

from __future__ import annotations

import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator

from ui.forms import units
from ui.models.services import Services
from ui.protocol import RunMessage, State
from ui.runs import listeners
from ui.runs.jobs import Job
from ui.runs.log import RunLog, Values
from ui.runs.plans import Computation

KEPT = 64  # ended runs whose results can still be asked for
LOG_BYTES = 200e6  # for the messages of ended runs, which a page that is loaded again reads once more
RECORDING_BYTES = 500e6  # for the pictures of ended runs that can still be saved; one run has at most about 40 MB
GONE = "This run is no longer here: press Run again"

Number = tuple[str, int]  # of a run, as its page counts: of which load of the page, and its number in that


class Run:
    """A run as its page sees it. It begins when somebody listens, and ends early when nobody has for
    `listeners.PATIENCE` seconds. What it can't compute is said in its only message.
    """

    def __init__(self, job: Job | None, state: State = "error", text: str = ""):
        self.id = secrets.token_hex(8)
        self.job = job
        self.log = job.log if job else RunLog()
        self._text = text
        if job is None:
            self.log.say(state, text)

    def kept(self) -> Values:
        """What files are made of: {values, about, …}. values: of its request. about: see `Job`. The rest is
        `Recording.kept`. Raises ValueError where nothing was computed.
        """
        if self.job is None:
            raise ValueError(self._text)
        kept = self.job.recording.kept()
        return {"values": self.job.computation.request.written(), "about": self.job.about, **kept}

    @property
    def address(self) -> str | None:
        """Where its page is, if known."""
        return self.job and self.job.address

    @property
    def failed(self) -> bool:
        """Whether it has ended without computing anything."""
        return self.log.state == "error" and not (self.job and self.job.computed)

    @property
    def goes_on(self) -> bool:
        return self.job is not None and self.job.started and not self.log.ended

    def messages(self) -> Iterator[RunMessage[object]]:
        """Return all messages from the first one on, also those to come; the state of the last one is final."""
        if self.job:
            self.job.start()
        for message in self.log.read():
            yield {
                "run": self.id,
                "seq": message.seq,
                "state": message.state,
                "text": message.text,
                "progress": message.progress,
                "left": message.left,
                "results": [*message.results],
            }

    def stop(self) -> None:
        if self.job:
            self.job.stop()


class Runs:
    """The runs of all pages. A page has one at a time of each part."""

    def __init__(self, services: Services, computation: Callable[[str, Values], Computation]):
        """computation: of a part, from what its page asks for. Raises ValueError, one sentence."""
        self._services, self._computation = services, computation
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._current: dict[tuple[str, str], tuple[str, Number | None]] = {}  # of a page and a part: id, number

    def begin(
        self, part: str, values: Values, page: str, address: str | None = None, number: Number | None = None
    ) -> Run:
        """A new run of a page, which replaces its last one of this part, unless that has a higher number: requests may
        overtake each other. address: where the page is, if known.
        """
        last, newest = self._current.get((page, part), ("", None))
        if number and newest and number[0] == newest[0] and number[1] < newest[1]:
            return Run(None, "stopped", "A newer run of this page has replaced it")
        replaced = self._runs.get(last)
        before = replaced.job.recording if replaced and replaced.job else None
        try:
            computation = self._computation(part, values)
            run = Run(Job(computation, self._services, page, address, computation.shown, listeners.PATIENCE, before))
        except ValueError as error:
            run = Run(None, text=units.sentence(error))
        if replaced:
            replaced.stop()
            self._runs.pop(last)  # nobody asks for it any more
        self._runs[run.id], self._current[page, part] = run, (run.id, number)
        for old in _excess([one for one in self._runs.values() if not one.goes_on], lambda one: 1, KEPT):
            del self._runs[old.id]
        self._current = {key: one for key, one in self._current.items() if one[0] in self._runs}
        self._make_room()
        return run

    def _make_room(self) -> None:
        """Let ended runs forget messages and pictures, until all have at most so many bytes."""
        jobs = {run: run.job for run in self._runs.values() if run.job}
        for run in _excess(jobs, lambda run: jobs[run].log.bytes, LOG_BYTES):
            jobs[run].log.forget()
        for run in _excess(jobs, lambda run: jobs[run].recording.bytes, RECORDING_BYTES):
            jobs[run].recording.forget()

    def find(self, id: object) -> Run:
        """Raises ValueError for a run that is none of the newest."""
        run = self._runs.get(str(id))
        if run is None:
            raise ValueError(GONE)
        return run

    def resumed(self, id: object) -> Run:
        """Raises ValueError for a run whose messages are not here any more."""
        run = self.find(id)
        if not run.log.is_whole:
            raise ValueError(GONE)
        return run


def _excess(runs: Iterable[Run], size: Callable[[Run], int], most: float) -> Iterator[Run]:
    """The ended runs that have to go until the others have at most so much: first those that failed, then each time
    the oldest one of the address whose runs have most. So nobody pushes out the runs of visitors who have fewer.
    """
    sizes = {run: size(run) for run in runs}
    while sum(sizes.values()) > most:
        of: Counter[str | None] = Counter()
        for run, has in sizes.items():
            of[run.address] += has
        ended = [run for run, has in sizes.items() if has and not run.goes_on]
        if not ended:
            return
        goes = max(ended, key=lambda run: (run.failed, of[run.address]))
        del sizes[goes]
        yield goes
