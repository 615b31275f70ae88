"""The door of the server: which requests come in, how large they may be, and what is said when one fails.

gradio has many more routes than the page needs: some fetch addresses of the internet for whoever asks, run programs on
uploads or write files. Only what is listed here gets through.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from ui.machine import temporary_files
from ui.machine.event_log import Counts
from ui.machine.limits import ServerLimits

MAX_REQUEST = 1 << 20  # bytes of a request that is no upload; the largest of the page has 70 kB
MAX_PATH = 2000  # characters
FORM = 1 << 16  # bytes of an upload around the file

_HASH = r"[\w-]{1,64}"  # of a session, an event or an upload
_API = r"/gradio_api"
ROUTES = {
    "GET": (
        r"/|/preview\.png|/app\.webmanifest|/config/?|/login_check/?|/logout",
        r"/web/\w{12}/[\w./-]+",
        rf"{_API}/(?:info|openapi\.json|app_id|user|login_check|startup-events)/?",
        # A path, on Windows with a drive; none of another machine (//host/share), and no address to fetch (http:).
        rf"{_API}/file=(?:(?!\w+:|//)[^\\]+|[A-Za-z]:[\\/](?![\\/])[^:]+)",
        rf"{_API}/queue/data",
        rf"{_API}/heartbeat/{_HASH}",
        rf"{_API}/call/(?:v2/)?\w{{1,64}}/{_HASH}/?",
    ),
    "POST": (
        r"/login/?",
        rf"{_API}/(?:upload|cancel|reset)/?",
        rf"{_API}/queue/join",
        rf"{_API}/(?:run|call|call/v2)/\w{{1,64}}/?",
    ),
}
_ALLOWED = {method: re.compile("|".join(paths)) for method, paths in ROUTES.items()}
_ALLOWED["HEAD"] = _ALLOWED["GET"]

App = Callable[..., Awaitable[None]]

log = logging.getLogger(__name__)


class TooLarge(Exception):
    """A request has more bytes than are allowed."""


class Gate:
    """ASGI middleware: answers /health itself, and lets through what ROUTES lists, up to a size."""

    def __init__(self, app: App, limits: ServerLimits, counts: Counts):
        self._app = app
        self._limits = limits
        self._counts = counts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send) if scope["type"] == "lifespan" else None
        method, path = scope["method"], _path(scope)
        if path == "/health" and method in ("GET", "HEAD"):
            return await _answer(send, 200, self._counts.read())
        if method not in _ALLOWED or len(path) > MAX_PATH or "\0" in path or not _ALLOWED[method].fullmatch(path):
            return await _answer(send, 404, {"detail": "There is nothing at this address"})
        upload = path.startswith(f"{_API}/upload")
        most = int(self._limits.upload_mb * 1e6) + FORM if upload else MAX_REQUEST
        body = _Body(receive, most)
        started = False

        async def sent(message: Any) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if message["status"] == 500 and path.startswith(f"{_API}/run/"):
                    message = {**message, "status": 400}  # gradio calls every error of an event the server's own
            await send(message)

        try:
            await self._app(scope, body.receive, sent)
        except Exception as error:
            if started:
                raise
            if body.is_too_large:
                sentence = f"This request is too large: up to {most / 1e6:,.1f} MB are taken"
                return await _answer(send, 413, {"detail": sentence})
            if temporary_files.is_full(error):
                log.warning("the disk for temporary files is full: %s %s", method, path)
                return await _answer(send, 507, {"detail": temporary_files.FULL})
            # gradio's own routes run into what they did not expect, and so does a value that is none of ours.
            log.info("a request could not be understood: %s %s (%s)", method, path, type(error).__name__, exc_info=True)
            await _answer(send, 400, {"detail": "This request could not be understood"})


class _Body:
    """The body of a request, counted."""

    def __init__(self, receive: Any, most: int):
        self._receive = receive
        self._left = most
        self.is_too_large = False

    async def receive(self) -> Any:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.is_too_large = True
            raise TooLarge
        return message


def _path(scope: Any) -> str:
    """The path of a request, without the root path that a proxy may leave on it."""
    path, root = scope["path"], scope.get("root_path", "").rstrip("/")
    return path[len(root) :] or "/" if root and path.startswith(f"{root}/") else path


async def _answer(send: Any, status: int, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(b"cache-control", b"no-store"), (b"connection", b"close")] if status == 413 else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
