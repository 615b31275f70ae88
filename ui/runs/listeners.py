"""Who still listens: the open streams that carry the events of a run to a browser or a script."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from typing import ClassVar
from urllib.parse import parse_qs

from gradio.context import LocalContext

PATIENCE = 5.0  # seconds that a run goes on with nobody to listen

_PATH = re.compile(r"/gradio_api/(?:queue/data|call/(?:v2/)?[^/]+/(?P<event>[^/]+))/?$")


class Streams:
    """ASGI middleware that notes which streams of events are open.

    gradio notices a listener that leaves, but not one that never came: a run that was ordered with a POST alone would
    compute to its end, and hold up everybody else's.
    """

    noted = False  # whether any app has it; without it everybody is taken to be listened to
    _open: ClassVar[Counter[str]] = Counter()
    _lock = threading.Lock()

    def __init__(self, app):
        self._app = app
        Streams.noted = True

    async def __call__(self, scope, receive, send) -> None:
        name = _stream(scope)
        if name is None:
            return await self._app(scope, receive, send)
        self._count(name, 1)
        try:
            await self._app(scope, receive, send)
        finally:
            self._count(name, -1)

    @classmethod
    def is_open(cls, name: str | None) -> bool:
        """name: an event's id, or the hash of a page's session."""
        return cls._open[name] > 0 if name else False

    @classmethod
    def _count(cls, name: str, change: int) -> None:
        with cls._lock:
            cls._open[name] += change
            if not cls._open[name]:
                del cls._open[name]


def _stream(scope) -> str | None:
    """The event's id or the session's hash in a request for a stream of events; None for any other request."""
    found = _PATH.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
    if found is None:
        return None
    sessions = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])
    return found["event"] or sessions[0]


class Listener:
    """Whoever listens to the gradio event that makes this, in its own function."""

    def __init__(self):
        request = LocalContext.request.get(None)
        self._names = (LocalContext.event_id.get(None), request and request.session_hash)
        self._heard = time.monotonic()

    def is_lost(self) -> bool:
        """Whether nobody has listened for PATIENCE seconds. To be asked more often than that."""
        if self._is_here():
            self._heard = time.monotonic()
        return time.monotonic() - self._heard > PATIENCE

    async def comes(self) -> bool:
        """Wait until somebody listens, at most PATIENCE seconds; whether somebody does."""
        while not self._is_here():
            if self.is_lost():
                return False
            await asyncio.sleep(0.02)
        return True

    def _is_here(self) -> bool:
        return not Streams.noted or any(map(Streams.is_open, self._names))
