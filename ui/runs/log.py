"""The log of a run. Its job writes states and results, and listeners read the messages from any point."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ui.pictures.encoded import Encoded
from ui.protocol import RunMessage, RunStatus, State
from ui.runs.listeners import NobodyListens
from ui.runs.states import ENDED, NEXT

INTERVAL = 0.1  # seconds at least between two messages: each costs the server and the browser about 15 ms of a core
HEARTBEAT = 0.5  # seconds at most between two messages, so that a closed page is noticed in time

GONE = "This run is no longer here: press Run again"

Values = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """The state of a run, and its results since the message before.

    The fields are those of RunMessage. seq: 0 before the message has a number.
    """

    state: State
    text: str = ""
    status: RunStatus | None = None
    progress: float | None = None
    left: float | None = None
    results: tuple[object, ...] = ()
    seq: int = 0

    def of(self, run: str) -> RunMessage[object]:
        """Return the message as a page gets it."""
        return {
            "run": run,
            "seq": self.seq,
            "state": self.state,
            "status": self.status,
            "text": self.text,
            "progress": self.progress,
            "left": self.left,
            "results": [*self.results],
        }


class Stopped(Exception):
    """The job was asked to stop."""


class Gone(ValueError):
    """A run, or what another run needs of it, is not here any more."""

    end = Message("error", status={"kind": "gone"})
    """the last message of a run that needs it"""

    def __init__(self) -> None:
        super().__init__(GONE)


class RunLog:
    """The messages of one run, under one condition. Thread-safe.

    A new state or result becomes a message at once. But after results, or while a model loads, the next message comes
    INTERVAL seconds later at the earliest, with everything that has come meanwhile. While somebody reads, there is a
    message at least every HEARTBEAT seconds. The first state of ENDED is the last message.
    """

    def __init__(
        self,
        updated: Callable[[Message], Message] = lambda said: said,
        patience: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ):
        """updated: brings a message up to date, such as its time left. patience: seconds for which nobody may read."""
        self._updated, self._patience, self._clock = updated, patience, clock
        self._messages: list[Message] = []
        self._said = self._written = Message("queued")  # the last state, and the last that is in a message
        self.state: State = "queued"
        self.ended = False
        self.stopping = False  # whether its job must do no more: it was stopped, or has ended
        self._results: list[object] = []  # results that no message holds yet
        self.bytes = 0  # about how much the results in its messages take
        self._at = -math.inf  # when the last message was written
        self._heard = math.inf  # when somebody read last
        self._news = threading.Condition()

    @property
    def is_whole(self) -> bool:
        """Whether all messages are still here."""
        return bool(self._messages) or not self.ended

    # --- For the job

    def say(self, said: Message) -> None:
        """Write a new state. Drops a state that can't follow: after the end, any; while it stops, all but an end."""
        with self._news:
            if said.state not in NEXT[self.state]:
                return
            if replace(said, left=None) != replace(self._said, left=None):
                self._said, self.state, self.ended = said, said.state, said.state in ENDED
                self.stopping = self.ended or self.state == "stopping"
                self._write()
                self._news.notify_all()

    def stop(self, end: Message) -> None:
        """Let the run stop: after the step that it computes, or else at once, with this end."""
        with self._news:
            if self.state == "running":
                self.say(Message("stopping"))
            elif not self.stopping:
                self.say(end)

    def give(self, *results: object) -> None:
        """Put results into the next message."""
        with self._news:
            if results and not self.ended:
                self._results += results
                self._write()
                self._news.notify_all()

    def check(self) -> None:
        """Raise Stopped if the job must do no more. Raise NobodyListens if somebody has read the log, but nobody for
        longer than the patience.
        """
        if self.stopping:
            raise Stopped
        if self._clock() - self._heard > self._patience:
            raise NobodyListens

    # --- For listeners

    def read(self, after: int = 0) -> Iterator[Message]:
        """Yield the messages after this number, and wait for those to come, until the last one."""
        messages = self._messages  # `forget` makes a new list, so that this reader keeps the old one
        while True:
            with self._news:
                self._heard = self._clock()
                due = self._write()
                if len(messages) == after and not self.ended:
                    self._news.wait(due)
                    continue
                news, over = messages[after:], self.ended
            yield from news
            after += len(news)
            if over:
                return

    def forget(self) -> None:
        """Keep no messages of a run that has ended: a page that comes back does not find them any more."""
        with self._news:
            if self.ended:
                self._messages, self.bytes = [], 0

    def _write(self) -> float:
        """Write a message if one is due. Returns in how many seconds one is due."""
        if self._written.state in ENDED:
            return 0.0
        last = self._messages[-1] if self._messages else None
        is_new = self._results or self._said is not self._written
        gap = INTERVAL if last and (last.results or last.state == "loading") else 0.0
        due = self._at + (0.0 if self.ended else gap if is_new else HEARTBEAT) - self._clock()
        if due <= 0:
            message = replace(self._updated(self._said), results=tuple(self._results), seq=len(self._messages) + 1)
            self._messages.append(message)
            self.bytes += size_of(message.results)
            self._written, self._results, self._at = self._said, [], self._clock()
            self._news.notify_all()  # other readers, who may wait longer
        return due


def size_of(result: object) -> int:
    """Return about how many bytes a result takes."""
    if isinstance(result, str):
        return len(result)
    if isinstance(result, np.ndarray | Encoded):
        return result.nbytes
    if isinstance(result, dict):
        return sum(map(size_of, result.values()))
    return sum(map(size_of, result)) if isinstance(result, list | tuple) else 8
