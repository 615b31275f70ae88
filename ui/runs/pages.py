"""The runs of pages: which run is whose, and how long its messages and pictures are kept."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from ui.forms.fields import sentence
from ui.models.services import Services
from ui.runs import listeners
from ui.runs.jobs import Job
from ui.runs.log import Gone, Message, Values
from ui.runs.plans import Computation

KEPT = 64  # ended runs whose results can still be asked for
LOG_BYTES = 200e6  # for the messages of ended runs, which a page that is loaded again reads once more
RECORDING_BYTES = 500e6  # for the pictures of ended runs that can still be saved; one run has at most about 40 MB
PAGES = 4096  # the newest run is remembered for so many pairs of a page and a part

Number = tuple[str, int]  # how a page counts its runs: the name of this load of the page, and a number


class Requests(Protocol):
    """A part of the page, as far as its runs are concerned."""

    def request(self, values: Values) -> Computation:
        """Return the computation that is asked for. Raises ValueError with one sentence."""
        ...


class NotBegun(Exception):
    """A run can't be computed. message: its only message, for the page."""

    def __init__(self, end: Message):
        super().__init__(end.text)
        self.message = replace(end, seq=1).of(secrets.token_hex(8))


class Runs:
    """The runs of all pages. In each part, a page has one run at a time."""

    def __init__(self, services: Services, parts: Mapping[str, Requests]):
        self._services, self._parts = services, parts
        self._runs: dict[str, Job] = {}  # the oldest ones first
        self._current: dict[tuple[str, str], tuple[str, Number | None]] = {}  # (page, part): (id of its run, number)

    def begin(
        self, part: str, values: Values, page: str, address: str | None = None, number: Number | None = None
    ) -> Job:
        """Make a new run of a page. It replaces the page's last run of this part, unless that has a higher number, as
        requests may overtake each other. It begins when somebody listens, and ends early when nobody has listened for
        `listeners.PATIENCE` seconds. address: where the page is, if known. Raises NotBegun.
        """
        last, newest = self._current.pop((page, part), ("", None))
        if number and newest and number[0] == newest[0] and number[1] < newest[1]:
            self._current[page, part] = last, newest
            raise NotBegun(Message("stopped", status={"kind": "replaced"}))
        replaced = self._runs.pop(last, None)  # nobody asks for it any more
        if replaced:
            replaced.stop()
        self._current[page, part] = "", number
        if len(self._current) > PAGES:
            del self._current[next(iter(self._current))]
        try:
            computation = self._parts[part].request(values)
        except ValueError as error:
            raise NotBegun(Message("error", sentence(error))) from None
        job = Job(computation, self._services, page, address, listeners.PATIENCE)
        self._runs[job.id], self._current[page, part] = job, (job.id, number)
        for ended in _excess(self._runs.values(), lambda job: not job.goes_on, KEPT):
            del self._runs[ended.id]
        for ended in _excess(self._runs.values(), lambda job: job.log.bytes, LOG_BYTES):
            ended.log.forget()
        for ended in _excess(self._runs.values(), lambda job: job.recording.bytes, RECORDING_BYTES):
            ended.recording.forget()
        return job

    def find(self, id: object) -> Job:
        """Return a run. Raises Gone if it is none of the newest."""
        job = self._runs.get(str(id))
        if job is None:
            raise Gone
        return job

    def resumed(self, id: object) -> Job:
        """Return a run that a page wants to hear again. Raises Gone if its messages are not here any more."""
        job = self.find(id)
        if not job.log.is_whole:
            raise Gone
        return job


def _excess(jobs: Iterable[Job], size: Callable[[Job], int], most: float) -> Iterator[Job]:
    """Yield the ended runs that must go, until the others have at most `most` in all. First go those that failed, then
    each time the oldest run of the address whose runs have most. So nobody pushes out the runs of visitors who have
    fewer.
    """
    sizes = {job: size(job) for job in jobs}
    while sum(sizes.values()) > most:
        by_address: Counter[str | None] = Counter()
        for job, its_size in sizes.items():
            by_address[job.address] += its_size
        ended = [job for job, its_size in sizes.items() if its_size and not job.goes_on]
        if not ended:
            return
        first = max(ended, key=lambda job: (job.failed, by_address[job.address]))
        del sizes[first]
        yield first
