"""Who listens to a run: open streams of events, and the end of a run that nobody listens to."""

from __future__ import annotations

import asyncio
import math
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs

import anyio
import anyio.to_thread

PATIENCE = 5.0  # seconds that a run goes on while nobody listens: a page that is loaded again is back by then
clock = time.monotonic

_PATH = re.compile(r"/gradio_api/(?:queue/data|call/(?:v2/)?[^/]+/(?P<event>[^/]+))/?$")
# Threads for runs only: waiting runs would use up those that serve files and everything else. How many there can be is
# what `Turns` admits, and a few that it is about to refuse.
_THREADS = anyio.CapacityLimiter(math.inf)

Item = TypeVar("Item")


class NobodyListens(Exception):
    """Nobody listens to the run."""

    def __str__(self) -> str:
        return "The run was stopped, because its page or script was gone"


class Listener(Protocol):
    """Whom a run is for."""

    async def comes(self) -> bool: ...

    def is_lost(self) -> bool: ...


async def in_thread(items: Iterator[Item], stop: Callable[[], None], listener: Listener) -> AsyncGenerator[Item, None]:
    """Iterate in background threads while somebody listens. However that ends, stop() is called.

    Nothing starts before somebody listens. Raises NobodyListens when nobody has listened for PATIENCE seconds.
    gradio's own way to run a generator loses one that is cancelled before its first item: it would run to its end.
    """
    try:
        if not await listener.comes():
            raise NobodyListens
        while (item := await anyio.to_thread.run_sync(next, items, None, limiter=_THREADS)) is not None:
            if listener.is_lost():
                raise NobodyListens
            yield item
    finally:
        stop()  # closing the iterator is not possible while the other thread is inside it


class Streams:
    """The open streams of events, counted.

    gradio notices a listener that leaves, but not one that never came: a run that was requested with a POST alone would
    compute to its end, and all others would wait for it.
    """

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    def counting(self, app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """ASGI middleware: the app, with its streams counted."""

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            name = _stream(scope)
            if name is None:
                return await app(scope, receive, send)
            self._count(name, 1)
            try:
                await app(scope, receive, send)
            finally:
                self._count(name, -1)

        return counted

    def is_open(self, name: str | None) -> bool:
        """name: the id of an event, or the hash of a page's session."""
        return self._open[name] > 0 if name else False

    def _count(self, name: str, change: int) -> None:
        with self._lock:
            self._open[name] += change
            if not self._open[name]:
                del self._open[name]


def _stream(scope: Any) -> str | None:
    """The event's id or the session's hash in a request for a stream of events; None for any other request."""
    found = _PATH.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
    if found is None:
        return None
    sessions = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])
    return found["event"] or sessions[0]


class StreamListener:
    """Whoever has one of these streams open: the id of an event, the hash of a page's session."""

    def __init__(self, streams: Streams, *names: str | None):
        self._streams, self._names = streams, names
        self._heard = clock()

    def is_lost(self) -> bool:
        """Whether nobody has listened for PATIENCE seconds. To be called more often than that."""
        now = clock()
        if self._is_here():
            self._heard = now
        return now - self._heard > PATIENCE

    async def comes(self) -> bool:
        """Wait at most PATIENCE seconds for somebody to listen; returns whether somebody does."""
        while not self._is_here():
            if self.is_lost():
                return False
            await asyncio.sleep(0.02)
        return True

    def _is_here(self) -> bool:
        return any(map(self._streams.is_open, self._names))
