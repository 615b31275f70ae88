"""What gradio 6.31 lacks on a page of strangers, and when each of these can go. What is wrong with single routes is
kept out by `ROUTES` of the gate.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import gradio
import gradio.queueing
import gradio.routes
import gradio.utils
from fastapi import Request
from gradio.context import LocalContext
from gradio.route_utils import CustomCORSMiddleware
from starlette.middleware import Middleware

from ui.machine import zero_gpu
from ui.runs.visitors import neighbourhood

UNHEARD, UNHEARD_OF_ONE = 128, 64  # events under way that nobody listens to, in all and of one address
GRACE = 10.0  # seconds for which an event that is over can still be listened to
LOOKS = 0.02  # seconds between two looks for new events

log = logging.getLogger(__name__)

_info: ContextVar[Any] = ContextVar("info", default=None)


class OwnInfo:
    """The attribute `api_info` of gradio's app. gradio keeps the answer to the first /info for all, with the address
    that its asker gave to the app. Here each request has its own. It can go when gradio keeps none; elsewhere it has
    not kept that address since its pull request #7374.
    """

    def __get__(self, app: Any, kind: type | None = None) -> Any:
        return _info.get()

    def __set__(self, app: Any, info: Any) -> None:
        _info.set(info)


def without_cors(middleware: Sequence[Middleware]) -> list[Middleware]:
    """Without what lets every website ask, with the visitor's cookies, and read the answer, unless the app's name is
    localhost (gradio issue #10276). It can go when `launch` takes the allowed origins (as its pull request #13562 did).
    """
    return [one for one in middleware if one.cls is not CustomCORSMiddleware]


def log_tracebacks() -> None:
    """gradio prints a traceback to stderr for each request that is none. An error that it raises itself is such a
    request; any other is ours, and is logged as that.
    """

    def print_exc(*_: object, **__: object) -> None:
        frame = list(traceback.walk_tb(sys.exc_info()[2]))[-1][0]
        is_gradios = frame.f_globals.get("__name__", "").startswith("gradio")
        log.log(logging.INFO if is_gradios else logging.ERROR, "an event failed", exc_info=True)

    gradio.routes.traceback = gradio.queueing.traceback = SimpleNamespace(print_exc=print_exc)


def without_plots() -> None:
    """gradio imports matplotlib, where it is installed, for each event that it begins. The first run would wait for it,
    and for the fonts that it looks up and notes below the home folder. This can go when gradio imports it only for
    functions that draw plots.
    """
    gradio.utils.MatplotlibBackendMananger = nullcontext


def tell_spaces(request: Request) -> None:
    """On ZeroGPU, tell the package `spaces` for whom the run of this request is: it reads whose quota that is from the
    headers of the request that gradio notes for its own events.
    """
    if zero_gpu.is_here():
        LocalContext.request.set(gradio.Request(request))


def wait_at_most(server: Any, seconds: float) -> None:
    """gradio waits five seconds for the requests that are under way when it closes a server. From here on it waits so
    many at most. server: None for an app that was not served. This can go when `close` takes the seconds.
    """
    if server is not None:
        join = server.thread.join
        server.thread.join = lambda timeout: join(timeout=min(timeout, seconds))


@dataclass(eq=False)
class Asked:
    """An event. id: "" until the queue has given it one."""

    address: str
    session: str | None
    id: str = ""


class Events:
    """The events of one app's queue.

    There an event waits until one of a few dozen places is free, and its visitor is told nothing; one that nobody
    listens to holds its place for some seconds. So few of these are taken, and there are places for all others at once:
    who computes when is said by `Turns`. This stays.

    And gradio keeps for ever which events each session has asked for (its issues #11602 and #13154 were about what it
    kept besides). When it forgets them, `_look_after` can go.

    It looks a thousand times a second for new events, and a hundred times for progress, of which there is none here:
    `LOOKS` can go when it waits for them.
    """

    def __init__(self, heard: Counter[str]):
        """heard: how many streams of each event and session are open."""
        self._heard = heard
        self._asked: dict[str, Asked] = {}  # by id: under way, or over for less than about GRACE
        self._coming: set[Asked] = set()
        self._queue: Any = None

    def __len__(self) -> int:
        return len(self._asked)

    def tend(self, queue: Any, places: int) -> None:
        """Look after gradio's queue. places: for events that are under way at once."""
        self._queue = queue
        queue.active_jobs.extend([None] * places)
        queue.sleep_when_free, queue.progress_update_sleep_when_free = LOOKS, 1.0
        push, send = queue.push, queue.send_message

        async def bounded(body: Any, request: Any, username: str | None) -> tuple[bool, Any, str]:
            asked = Asked(neighbourhood(request.client.host if request.client else ""), body.session_hash)
            if sentence := self._too_many(asked):
                return False, sentence, "queue_full"
            self._coming.add(asked)
            try:
                success, said, state = await push(body=body, request=request, username=username)
            finally:
                self._coming.discard(asked)
            if success:
                asked.id, asked.session = said, body.session_hash
                self._asked[said] = asked
                _later(self._look_after, asked)
            return success, said, state

        def send_message(event: Any, message: Any) -> None:
            """gradio's queue ends, for everybody and for good, at an event that waits in it when its listener has gone.
            Here that event alone ends.
            """
            try:
                send(event, message)
            except KeyError:
                event.alive = False

        queue.push, queue.send_message = bounded, send_message

    def listener(self) -> Callable[[], bool]:
        """Whether somebody listens to the event that is under way. To be called in its own function."""
        names = LocalContext.event_id.get(None), getattr(LocalContext.request.get(None), "session_hash", None)
        return lambda: any(map(self._is_heard, names))

    def _is_heard(self, name: str | None) -> bool:
        return bool(name) and self._heard[name] > 0

    def is_here(self, name: str) -> bool:
        """Whether this is an event, or a session with one, to whom can be listened."""
        return name in self._asked or any(asked.session == name for asked in self._asked.values())

    def _too_many(self, asked: Asked) -> str:
        """Why one more can't be taken, "" where it can."""
        unheard = [*self._coming, *(one for one in list(self._asked.values()) if self._goes_on(one, heard=False))]
        of_one = sum(one.address == asked.address for one in unheard)
        if of_one < UNHEARD_OF_ONE and len(unheard) < UNHEARD:
            return ""
        limits = f"at most {UNHEARD}, {UNHEARD_OF_ONE} of one address"
        return f"Too many runs were asked for to which nobody listens ({limits}): try again in a few seconds"

    def _goes_on(self, asked: Asked, heard: bool) -> bool:
        is_heard = self._is_heard(asked.id) or self._is_heard(asked.session)
        return asked.id in self._queue.event_ids_to_events and is_heard is heard

    def _look_after(self, asked: Asked) -> None:
        """Forget an event that is over and that nobody listens to."""
        over = asked.id not in self._queue.event_ids_to_events
        if not over or self._is_heard(asked.id) or self._is_heard(asked.session):
            return _later(self._look_after, asked)
        del self._asked[asked.id]
        ids = self._queue.pending_event_ids_session.get(asked.session, set())
        ids.discard(asked.id)
        if not ids:
            self._queue.pending_event_ids_session.pop(asked.session, None)
            self._queue.pending_messages_per_session.pop(asked.session, None)


def _later(act: Callable[[Asked], None], asked: Asked) -> None:
    asyncio.get_running_loop().call_later(GRACE, act, asked)
