"""Repairs of gradio 6.31, which an API for strangers needs, and when each can go. Only scripts use gradio's queue.

Two places here touch gradio's internals. A third, in `before_gradio`, makes its import faster, and a fourth, in
`Api.join`, replaces the server that it would start. `tell_spaces` repairs nothing: ZeroGPU needs it. `ROUTES` of the
gate keeps out requests to single routes with faults.
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

GRACE = 10.0  # seconds at least for which a script can still listen to an event that is over
LOOKS = 0.02  # seconds between two checks for new events
_STREAM = re.compile(r".*/gradio_api/(?:queue/data|call/(?:v2/)?\w+/(?P<event>[^/]+))/?")


def calm(queue: Queue) -> None:
    """Let gradio's queue rest, and survive events whose listener has gone.

    A thousand times a second it checks for new events, and a hundred times for progress, which is never there: this
    takes 4 % of a core, and 1 % with these numbers. And it tells each event that begins to all that wait. If the
    listener of one of them has gone, the queue ends for everybody and for good. We found no issue about either; the
    nearest is https://github.com/gradio-app/gradio/issues/2261. The numbers can go when the queue waits for events, and
    the last line when `launch` takes the `status_update_rate` of `Blocks.queue`.
    """
    queue.sleep_when_free, queue.progress_update_sleep_when_free = LOOKS, 1.0
    queue.live_updates = False


class Events:
    """The events of gradio's queue.

    The queue never forgets an event whose end nobody has heard (https://github.com/gradio-app/gradio/issues/13154 was
    about other things that it kept). When it does, `forgetting` can go.
    """

    def __init__(self, queue: Callable[[], Queue]):
        self._queue = queue
        self._heard: Counter[str] = Counter()  # how many streams of each event and session are open

    @contextmanager
    def stream(self, scope: Scope) -> Iterator[None]:
        """Pass on a request. Raises HTTPException if it asks for a stream of an event or a session that is not here."""
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
            self._heard += Counter()  # drops names without streams

    def is_heard(self, session: str | None) -> bool:
        """Whether somebody listens to an event of this session."""
        names = (session, *self._queue().pending_event_ids_session.get(session or "", ()))
        return any(self._heard[name] > 0 for name in names if name)

    @asynccontextmanager
    async def forgetting(self, _app: object) -> AsyncIterator[None]:
        """While the server runs, forget events that are over and that nobody listens to."""
        task = asyncio.create_task(self._forget())
        yield
        task.cancel()

    async def _forget(self) -> None:
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
    """On ZeroGPU, tell the package `spaces` whose quota the run of this request uses. It reads this from the headers of
    the request that gradio notes for its own events.
    """
    if zero_gpu.is_here():
        LocalContext.request.set(gradio.Request(request))
