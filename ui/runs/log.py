"""Store the messages of a run. Its job writes states and results; clients can read the messages from any point."""

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

# minimum seconds between two messages, because each costs the server and the browser about 15 ms of a core
INTERVAL = 0.1
HEARTBEAT = 0.5  # maximum seconds between two messages, to notice soon that a page was closed

GONE = "This run is no longer here: press Run again"

Values = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """The state of a run, and its results since the previous message.

    The fields are those of RunMessage. seq: 0 until the message has a number.
    """

    state: State
    text: str = ""
    status: RunStatus | None = None
    progress: float | None = None
    left: float | None = None
    results: tuple[object, ...] = ()
    seq: int = 0

    def of(self, run: str) -> RunMessage[object]:
        """Return the message in the form that a page gets. run: the id of its run."""
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
    """The job must stop."""


class Gone(ValueError):
    """A run, or its data that another run needs, is no longer stored."""

    end = Message("error", status={"kind": "gone"})
    """the last message of a run that needs the lost data"""

    def __init__(self) -> None:
        super().__init__(GONE)


class RunLog:
    """The messages of one run. Thread-safe.

    A new state or result is sent at once. But after results, and while a model loads, the next message is sent at least
    INTERVAL seconds later, with everything that was added meanwhile. While a client reads, there is a message at least
    every HEARTBEAT seconds. The first message with a state of ENDED is the last one.
    """

    def __init__(
        self,
        updated: Callable[[Message], Message] = lambda said: said,
        patience: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ):
        """updated: returns a message with current values, such as the time left. patience: seconds without a reader
        until `check` raises.
        """
        self._updated, self._patience, self._clock = updated, patience, clock
        self._messages: list[Message] = []
        # _said: the latest state. _written: the state of the latest message.
        self._said = self._written = Message("queued")
        self.state: State = "queued"
        self.ended = False
        self.stopping = False  # whether the job must stop: it was stopped, or has ended
        self._results: list[object] = []  # results that were not sent yet
        self.bytes = 0  # approximate memory of the results in the messages
        self._at = -math.inf  # time of the latest message
        self._heard = math.inf  # time of the latest read; infinite before the first
        self._news = threading.Condition()

    @property
    def is_whole(self) -> bool:
        """Whether all messages are still stored."""
        return bool(self._messages) or not self.ended

    # --- For the job

    def set_state(self, new: Message) -> None:
        """Set a new state, which becomes the next message. Ignore a state that can't follow the current state (see
        `NEXT`).
        """
        with self._news:
            if new.state not in NEXT[self.state]:
                return
            if replace(new, left=None) != replace(self._said, left=None):
                self._said, self.state, self.ended = new, new.state, new.state in ENDED
                self.stopping = self.ended or self.state == "stopping"
                self._write()
                self._news.notify_all()

    def stop(self, end: Message) -> None:
        """Stop the run: after the current step if one is being computed, else at once with the message `end`."""
        with self._news:
            if self.state == "running":
                self.set_state(Message("stopping"))
            elif not self.stopping:
                self.set_state(end)

    def add_results(self, *results: object) -> None:
        """Add results to the next message."""
        with self._news:
            if results and not self.ended:
                self._results += results
                self._write()
                self._news.notify_all()

    def check(self) -> None:
        """Raise Stopped if the job must stop. Raise NobodyListens if clients have read the log before, but none did
        for `patience` seconds.
        """
        if self.stopping:
            raise Stopped
        if self._clock() - self._heard > self._patience:
            raise NobodyListens

    # --- For clients

    def read(self, after: int = 0) -> Iterator[Message]:
        """Yield all messages after number `after`, and wait for new messages, until the last message."""
        messages = self._messages  # `forget` replaces the list, but this reader continues with the old list
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
        """Drop the messages of an ended run. A page that reconnects can't read them."""
        with self._news:
            if self.ended:
                self._messages, self.bytes = [], 0

    def _write(self) -> float:
        """Write a message if one is due. Return the seconds until the next message is due."""
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
            self._news.notify_all()  # wakes other readers, which may wait longer
        return due


def size_of(result: object) -> int:
    """Return the approximate size of a result in bytes."""
    if isinstance(result, str):
        return len(result)
    if isinstance(result, np.ndarray | Encoded):
        return result.nbytes
    if isinstance(result, dict):
        return sum(map(size_of, result.values()))
    return sum(map(size_of, result)) if isinstance(result, list | tuple) else 8
