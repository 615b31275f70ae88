"""One network at a time: the line of those that compute with a network, or load one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Member(Protocol):
    """Who stands in the line."""

    def stop(self) -> None:
        """Leave the line as soon as possible."""


class Line:
    """The app's one lock: whoever computes with a network or loads one takes a turn, first come, first served.

    Queue limits of gradio are not enough: cancelling an event frees its slot while the step still computes.
    """

    def __init__(self):
        self._members: list[Member] = []
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, who: Member, wait: Callable[[int, Member], None] = lambda before, first: None) -> Iterator[None]:
        """Hold the lock. While others are before, wait(how many, the one whose turn it is) is called and may raise."""
        with self._changed:
            self._members.append(who)
        try:
            while before := self._before(who):
                wait(before, self._members[0])
                with self._changed:
                    self._changed.wait_for(lambda: not self._before(who), timeout=0.1)
            yield
        finally:
            with self._changed:
                self._members.remove(who)
                self._changed.notify_all()

    def stop_all(self, seconds: float) -> bool:
        """Stop everybody, those that come meanwhile as well; whether the line was empty within so many seconds."""
        end = time.monotonic() + seconds
        while True:
            with self._changed:
                members = list(self._members)
            if not members or time.monotonic() > end:
                return not members
            for member in members:
                member.stop()
            with self._changed:
                self._changed.wait_for(lambda: not self._members, timeout=0.1)

    def _before(self, who: Member) -> int:
        return self._members.index(who)

    def __len__(self) -> int:
        return len(self._members)


LINE = Line()
