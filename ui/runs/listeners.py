"""Who listens to a run, and the end of a run that nobody listens to.

A page hears its run as one response: when its connection closes, nobody reads the run's log any more. A script hears
its run through gradio's queue, which asks for the results whether the script listens or not: `Listener` looks.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TypeVar

import anyio
import anyio.to_thread

PATIENCE = 5.0  # seconds that a run goes on while nobody listens: a page that is loaded again is back by then
UNHEARD, UNHEARD_OF_ONE = 128, 64  # runs of scripts that nobody listens to yet, in all and of one address
NOBODY = "Too many runs have nobody listening ({}): wait a moment and try again"
clock = time.monotonic

# Threads for runs only: waiting runs would use up those that serve files and everything else. How many there can be is
# what `Turns` admits, and a few that it is about to refuse.
_THREADS = anyio.CapacityLimiter(math.inf)

Item = TypeVar("Item")


class NobodyListens(Exception):
    """Nobody listens to the run."""

    def __str__(self) -> str:
        return "The run was stopped, because its page or script was gone"


async def in_thread(items: Iterator[Item]) -> AsyncGenerator[Item, None]:
    """Iterate in background threads. Whoever is cancelled meanwhile waits for the next item first."""
    while (item := await anyio.to_thread.run_sync(next, items, None, limiter=_THREADS)) is not None:
        yield item


class Listener:
    """Whoever has a stream of a script's run open. is_here: whether one is open now."""

    def __init__(self, is_here: Callable[[], bool]):
        self._is_here = is_here
        self._heard = clock()

    def is_lost(self) -> bool:
        """Whether nobody has listened for PATIENCE seconds. To be called more often than that."""
        now = clock()
        if self._is_here():
            self._heard = now
        return now - self._heard > PATIENCE

    async def comes(self) -> None:
        """Wait for somebody to listen. Raises NobodyListens where nobody does within PATIENCE seconds."""
        while not self._is_here():
            if self.is_lost():
                raise NobodyListens
            await asyncio.sleep(0.02)

    async def hears(self, items: Iterator[Item], stop: Callable[[], None]) -> AsyncGenerator[Item, None]:
        """Iterate in background threads while somebody listens. However that ends, stop() is called.

        Raises NobodyListens when nobody has listened for PATIENCE seconds.
        """
        try:
            async for item in in_thread(items):
                if self.is_lost():
                    raise NobodyListens
                yield item
        finally:
            stop()  # closing the iterator is not possible while the other thread is inside it
