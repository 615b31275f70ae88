"""The log of a run: its job says how it stands and gives results, and listeners read the messages from any point."""

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

INTERVAL = 0.1  # least seconds between two messages: each costs the server and the browser about 15 ms of a core
HEARTBEAT = 0.5  # most seconds between two messages, so that a closed page is noticed in time

Values = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """How a run stands, and its results since the message before.

    The fields are those of RunMessage. seq: 0 of what is not numbered yet.
    """

    state: State
    text: str = ""
    status: RunStatus | None = None
    progress: float | None = None
    left: float | None = None
    results: tuple[object, ...] = ()
    seq: int = 0

    def of(self, run: str) -> RunMessage[object]:
        """The message as a page gets it."""
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


class RunLog:
    """The messages of one run, under one condition. Thread-safe.

    A new state or result is a message at once, but the next one after results, or while a model loads, comes INTERVAL
    seconds later at the earliest, with all that has come meanwhile. While somebody reads there is one every HEARTBEAT
    seconds. The first state of ENDED is the last message.
    """

    def __init__(
        self,
        updated: Callable[[Message], Message] = lambda said: said,
        patience: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ):
        """updated: what was said last, with what is known now. patience: seconds that nobody may read it."""
        self._updated, self._patience, self._clock = updated, patience, clock
        self._messages: list[Message] = []
        self._said = self._written = Message("queued")  # what was said last, and what of that is in a message
        self.state: State = "queued"
        self.ended = False
        self.stopping = False  # whether its job is to do no more: it was stopped, or has ended
        self._results: list[object] = []  # that are in no message yet
        self.bytes = 0  # of the results in its messages, about
        self._at = -math.inf  # of the last message
        self._heard = math.inf  # when somebody read last
        self._news = threading.Condition()

    @property
    def is_whole(self) -> bool:
        """Whether who reads it from the beginning finds all messages."""
        return bool(self._messages) or not self.ended

    # --- For the job

    def say(self, said: Message) -> None:
        """How the run stands now. What can't follow is dropped: all after the end, and all but that while it stops."""
        with self._news:
            if said.state not in NEXT[self.state]:
                return
            if replace(said, left=None) != replace(self._said, left=None):
                self._said, self.state, self.ended = said, said.state, said.state in ENDED
                self.stopping = self.ended or self.state == "stopping"
                self._write()
                self._news.notify_all()

    def stop(self, end: Message) -> None:
        """It is to stop: after the step under way, or at once, with this end, where none is computed."""
        with self._news:
            if self.state == "running":
                self.say(Message("stopping"))
            elif not self.stopping:
                self.say(end)

    def give(self, *results: object) -> None:
        """Results, which go into the next message."""
        with self._news:
            if results and not self.ended:
                self._results += results
                self._write()
                self._news.notify_all()

    def check(self) -> None:
        """Raises Stopped where its job is to do no more, and NobodyListens when nobody has read for longer than the
        patience, but somebody had.
        """
        if self.stopping:
            raise Stopped
        if self._clock() - self._heard > self._patience:
            raise NobodyListens

    # --- For listeners

    def read(self, after: int = 0) -> Iterator[Message]:
        """The messages after this number, also those to come, up to the last one."""
        messages = self._messages  # they may be forgotten meanwhile, but not for who reads them
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
        """Keep no messages of a run that has ended: who comes back does not find them any more."""
        with self._news:
            if self.ended:
                self._messages, self.bytes = [], 0

    def _write(self) -> float:
        """Write a message where one is due. Returns in how many seconds it is."""
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
    """The bytes of a result, about."""
    if isinstance(result, str):
        return len(result)
    if isinstance(result, np.ndarray | Encoded):
        return result.nbytes
    if isinstance(result, dict):
        return sum(map(size_of, result.values()))
    return sum(map(size_of, result)) if isinstance(result, list | tuple) else 8
