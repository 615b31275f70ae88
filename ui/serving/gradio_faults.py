"""Work around faults of gradio 6.31 that matter for a public API, and say when each workaround can go. Only scripts use
gradio's queue.

Two functions here change gradio's internals. `before_gradio` makes gradio's import faster, and `Api.join` replaces the
server that gradio would start. `tell_spaces` is no workaround: ZeroGPU needs it. The gate's `ROUTES` block requests to
other faulty routes.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import parse_qs

import gradio
from fastapi import HTTPException, Request
from gradio.context import LocalContext
from gradio.queueing import Queue
from starlette.types import Scope

from ui.machine import zero_gpu
from ui.runs.log import GONE

GRACE = 10.0  # minimum seconds for which a script can still read an event after its end
LOOKS = 0.02  # seconds between two checks for new events
_STREAM = re.compile(r".*/gradio_api/(?:queue/data|call/(?:v2/)?\w+/(?P<event>[^/]+))/?")


def fix_queue(queue: Queue) -> None:
    """Reduce the load of gradio's queue, and let it survive events whose client has left.

    By default it checks for new events 1000 times per second, and 100 times for progress, which we never report. This
    takes 4 % of a core, and 1 % with these numbers. It also informs all waiting clients about each event that begins;
    if one of them has left, the queue stops for everybody. We found no issue about either fault; the nearest issue is
    https://github.com/gradio-app/gradio/issues/2261. The numbers can be removed when the queue waits for events instead
    of polling, and the last line when `launch` accepts the `status_update_rate` of `Blocks.queue`.
    """
    queue.sleep_when_free, queue.progress_update_sleep_when_free = LOOKS, 1.0
    queue.live_updates = False


class Events:
    """The events of gradio's queue, and which of them have a connected client.

    gradio's queue keeps events for ever if no client reads their end (https://github.com/gradio-app/gradio/issues/13154
    is about similar leaks). `forgetting` can be removed when gradio drops them.
    """

    def __init__(self, queue: Callable[[], Queue]):
        self._queue = queue
        self._heard: Counter[str] = Counter()  # number of open streams for each event and session

    @contextmanager
    def stream(self, scope: Scope) -> Iterator[None]:
        """Count the stream that a request opens, if it opens one, while the request is handled. Raises HTTPException if
        the event or session of the stream does not exist.
        """
        match = _STREAM.fullmatch(scope["path"]) if scope["method"] in ("GET", "HEAD") else None
        if not match:
            yield
            return
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        name = match["event"] or query.get("session_hash", [""])[0]
        sessions = self._queue().pending_event_ids_session
        if name not in sessions and not any(name in events for events in sessions.values()):
            raise HTTPException(404, GONE)
        self._heard[name] += 1
        try:
            yield
        finally:
            self._heard[name] -= 1
            self._heard += Counter()  # removes names without open streams

    def is_heard(self, session: str | None) -> bool:
        """Return whether a client has a stream of this session, or of one of its events, open."""
        names = (session, *self._queue().pending_event_ids_session.get(session or "", ()))
        return any(self._heard[name] > 0 for name in names if name)

    @asynccontextmanager
    async def forgetting(self, _app: object) -> AsyncIterator[None]:
        """While the server runs, drop events that are over and have no client."""
        task = asyncio.create_task(self._forget())
        yield
        task.cancel()

    async def _forget(self) -> None:
        """Drop, every GRACE seconds, the sessions that were over in two checks."""
        over: set[str] = set()
        while True:
            await asyncio.sleep(GRACE)
            queue, before = self._queue(), over
            over = {
                session
                for session, events in queue.pending_event_ids_session.items()
                if events.isdisjoint(queue.event_ids_to_events) and not self.is_heard(session)
            }
            for session in over & before:
                queue.pending_event_ids_session.pop(session, None)
                queue.pending_messages_per_session.pop(session, None)


def tell_spaces(request: Request) -> None:
    """Tell the package `spaces` on ZeroGPU whose quota this request's run uses. The package reads the headers of the
    request that gradio stores in its context.
    """
    if zero_gpu.is_here():
        LocalContext.request.set(gradio.Request(request))
