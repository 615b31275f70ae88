"""Find out whether a client still reads the messages of a run. A run ends when no client reads them.

A page gets all messages of its run in one response; when its connection closes, nobody reads the run's log. A script
gets its run from gradio's queue, which continues to ask for results after the script has gone. So `Listener` checks
whether the script is still connected.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TypeVar

import anyio
import anyio.to_thread

PATIENCE = 5.0  # seconds for which a run continues without a client; a page that reloads reconnects within this time
# maximum number of scripts' runs that wait for their client: in all, and from one address
UNHEARD, UNHEARD_OF_ONE = 128, 64
NOBODY = "Too many runs have nobody listening ({}): wait a moment and try again"
clock = time.monotonic

# Threads of runs don't count against anyio's limit, so that waiting runs leave threads for files and other requests.
# They need no limit, because `Turns` limits the number of runs.
_THREADS = anyio.CapacityLimiter(math.inf)

Item = TypeVar("Item")


class NobodyListens(Exception):
    """No client reads the messages of a run."""

    def __str__(self) -> str:
        """Return the error message."""
        return "The run was stopped, because its page or script was gone"


async def in_thread(items: Iterator[Item]) -> AsyncGenerator[Item, None]:
    """Yield the items. A background thread waits for each item. Cancellation waits for the current item."""
    while (item := await anyio.to_thread.run_sync(next, items, None, limiter=_THREADS)) is not None:
        yield item


class Listener:
    """Notices when a script has left its run. is_here: returns whether the script has a stream of the run open now."""

    def __init__(self, is_here: Callable[[], bool]):
        self._is_here = is_here
        self._heard = clock()

    def is_lost(self) -> bool:
        """Return whether no client was connected for PATIENCE seconds. Call this method more often than that."""
        now = clock()
        if self._is_here():
            self._heard = now
        return now - self._heard > PATIENCE

    async def wait_for_client(self) -> None:
        """Wait until the client connects. Raises NobodyListens after PATIENCE seconds."""
        while not self._is_here():
            if self.is_lost():
                raise NobodyListens
            await asyncio.sleep(0.02)

    async def follow(self, items: Iterator[Item], stop: Callable[[], None]) -> AsyncGenerator[Item, None]:
        """Yield the items, as `in_thread` does, while the client is connected. At the end, for any reason, call stop().

        Raises NobodyListens if no client was connected for PATIENCE seconds.
        """
        try:
            async for item in in_thread(items):
                if self.is_lost():
                    raise NobodyListens
                yield item
        finally:
            stop()  # items.close() would fail while the other thread is inside the iterator
