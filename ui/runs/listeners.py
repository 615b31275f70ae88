"""Whether somebody listens to a run. A run ends when nobody does.

A page gets the messages of its run as one response: when its connection closes, nobody reads the run's log any more. A
script gets its run through gradio's queue, which asks for the results even if the script has gone: so `Listener` looks.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TypeVar

import anyio
import anyio.to_thread

PATIENCE = 5.0  # seconds for which a run continues while nobody listens: a page that reloads is back by then
UNHEARD, UNHEARD_OF_ONE = 128, 64  # most runs of scripts that wait for a listener, in all and from one address
NOBODY = "Too many runs have nobody listening ({}): wait a moment and try again"
clock = time.monotonic

# Runs have their own threads: waiting runs would use up those that serve files and everything else. There are as many
# as `Turns` admits, and a few that it is about to refuse.
_THREADS = anyio.CapacityLimiter(math.inf)

Item = TypeVar("Item")


class NobodyListens(Exception):
    """Nobody listens to the run."""

    def __str__(self) -> str:
        return "The run was stopped, because its page or script was gone"


async def in_thread(items: Iterator[Item]) -> AsyncGenerator[Item, None]:
    """Iterate in background threads. If this is cancelled, it first waits for the next item."""
    while (item := await anyio.to_thread.run_sync(next, items, None, limiter=_THREADS)) is not None:
        yield item


class Listener:
    """Notices when a script stops listening to its run. is_here: whether it has a stream of the run open now."""

    def __init__(self, is_here: Callable[[], bool]):
        self._is_here = is_here
        self._heard = clock()

    def is_lost(self) -> bool:
        """Return whether nobody has listened for PATIENCE seconds. Call this more often than that."""
        now = clock()
        if self._is_here():
            self._heard = now
        return now - self._heard > PATIENCE

    async def comes(self) -> None:
        """Wait until somebody listens. Raises NobodyListens after PATIENCE seconds."""
        while not self._is_here():
            if self.is_lost():
                raise NobodyListens
            await asyncio.sleep(0.02)

    async def hears(self, items: Iterator[Item], stop: Callable[[], None]) -> AsyncGenerator[Item, None]:
        """Iterate in background threads while somebody listens. However this ends, it calls stop().

        Raises NobodyListens when nobody has listened for PATIENCE seconds.
        """
        try:
            async for item in in_thread(items):
                if self.is_lost():
                    raise NobodyListens
                yield item
        finally:
            stop()  # not items.close(), which fails while the other thread is inside the iterator
