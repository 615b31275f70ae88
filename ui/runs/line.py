"""A process-wide FIFO lock: one run uses the network at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Member(Protocol):
    """Something that holds the lock or waits for it."""

    def stop(self) -> None:
        """Release the lock, or give up waiting, as soon as possible."""


class Line:
    """The FIFO lock that is held while a network is loaded or evaluated.

    gradio's queue limits are not enough: cancelling an event frees its slot while the current step still computes.
    """

    def __init__(self) -> None:
        self._members: list[Member] = []  # the first one holds the lock
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, who: Member, wait: Callable[[int, Member], None] = lambda before, first: None) -> Iterator[None]:
        """Hold the lock. wait(number of members before, holder of the lock) is called while waiting, and may raise."""
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
        """Stop all members, new ones included; returns whether the line was empty within so many seconds."""
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
        """How many hold the lock or wait for it."""
        return len(self._members)


LINE = Line()
