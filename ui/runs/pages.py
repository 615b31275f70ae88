"""Manage the runs of all pages: which page owns a run, and how long its messages and pictures are stored."""

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

KEPT = 64  # maximum number of ended runs whose results are stored
LOG_BYTES = 200e6  # maximum bytes of the messages of ended runs, which a reloaded page reads again
# maximum bytes of the pictures of ended runs, which visitors can save; one run has at most about 40 MB
RECORDING_BYTES = 500e6
PAGES = 4096  # maximum number of pairs (page, part) whose newest run is remembered

Number = tuple[str, int]  # a page's numbering of its runs: (id that changes when the page is reloaded, count)


class Requests(Protocol):
    """A part of the page, as far as runs need it."""

    def request(self, values: Values) -> Computation:
        """Return the computation for a request. Raises ValueError, with one sentence, if the request is invalid."""
        ...


class NotBegun(Exception):
    """A run can't begin. message: its only message, for the page."""

    def __init__(self, end: Message):
        super().__init__(end.text)
        self.message = replace(end, seq=1).of(secrets.token_hex(8))


class Runs:
    """The runs of all pages. A page has one run at a time in each part."""

    def __init__(self, services: Services, parts: Mapping[str, Requests]):
        self._services, self._parts = services, parts
        self._runs: dict[str, Job] = {}  # all stored runs, the oldest first
        # for each (page, part): id and number of its newest run
        self._current: dict[tuple[str, str], tuple[str, Number | None]] = {}

    def begin(
        self, part: str, values: Values, page: str, address: str | None = None, number: Number | None = None
    ) -> Job:
        """Create a new run of a page, which starts when a client reads its messages. It replaces the page's previous
        run of this part. If the previous run has a higher number, the requests have overtaken each other, and the new
        run is dropped instead.

        The run stops if nobody reads its messages for `listeners.PATIENCE` seconds. address: the page's address, if
        known. Raises NotBegun if the run can't begin.
        """
        last, newest = self._current.pop((page, part), ("", None))
        if number and newest and number[0] == newest[0] and number[1] < newest[1]:
            self._current[page, part] = last, newest
            raise NotBegun(Message("stopped", status={"kind": "replaced"}))
        replaced = self._runs.pop(last, None)  # no page needs the replaced run any more
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
        """Return a run. Raises Gone if it is no longer stored."""
        job = self._runs.get(str(id))
        if job is None:
            raise Gone
        return job

    def find_readable(self, id: object) -> Job:
        """Return a run whose messages a page wants to read again. Raises Gone if they are no longer stored."""
        job = self.find(id)
        if not job.log.is_whole:
            raise Gone
        return job


def _excess(jobs: Iterable[Job], size: Callable[[Job], int], most: float) -> Iterator[Job]:
    """Yield the ended runs to drop until the rest has a total size of at most `most`. Failed runs are dropped first,
    then each time the oldest run of the address with the largest total. So no visitor can displace the runs of visitors
    who have fewer runs.
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
