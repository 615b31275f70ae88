"""Check requests: which requests are accepted, how large they may be, and which response a failed request gets.

gradio has many more routes than the page needs. Some fetch URLs for anybody, run programs on uploads or write files. So
only the routes listed here are accepted, and gradio gets a request only when it is complete.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from http.cookies import CookieError, SimpleCookie

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.machine import temporary_files
from ui.machine.event_log import EventLog
from ui.machine.limits import Places, Refused
from ui.models.figures import REFS
from ui.runs.visitors import neighbourhood
from ui.serving.origins import Foreign, Origins

MAX_REQUEST = 1 << 20  # maximum bytes of a request of the page; two pictures of 256 × 256 need up to 0.53 MB
MAX_OTHER = 1 << 16  # maximum bytes of any other request; requests of scripts have up to 42 kB
# maximum number of values in a request, because parsing blocks the server for milliseconds; 20 drawings have 16,000
VALUES = 25_000
MAX_PATH = 2000  # maximum number of characters of the path, and of the query after the ?
# maximum length of the name of a session, which the client chooses; names of the page have about 70 characters
NAME = 100
# maximum number of requests at the same time: in all, and from one address; a page sends at most six
REQUESTS, REQUESTS_OF_ONE = 1024, 128
CROWDED = "There are too many requests at once ({}): try again in a moment"
# Maximum number of responses of /kept at the same time: in all, and to one address. Each response holds the pictures of
# a run until it is sent, but most of these pictures are stored anyway (`RECORDING_BYTES` of ui/runs/pages.py).
FILES, FILES_OF_ONE = 64, 16
CROWDED_FILES = "There are too many files at once ({}): try again in a moment"
PIECE = 10.0  # seconds within which the next piece of a request must arrive
SLOWEST = 20e3  # bytes per second; a request that arrives more slowly is rejected
WRONG, WINDOW = 10, 300.0  # an address may enter WRONG wrong passwords within WINDOW seconds
REMEMBERED = 4096  # maximum number of addresses whose wrong passwords are remembered

_HASH = r"[\w-]{1,64}"  # the name of a session or event
_API = r"/gradio_api"
ROUTES = {
    "GET": (
        r"/|/essay|/figure|/preview\.png|/app\.webmanifest|/config/?",
        r"/web/\w{12}/[\w./-]+",
        r"/kept/\w{1,64}",
        rf"/checkpoints/(?:{'|'.join(REFS)})/(?:\w+/)?\w+\.(?:json|safetensors)",
        rf"{_API}/(?:info|startup-events/?)",
        # A path, on Windows with a drive. Not allowed: paths on other machines (//host/share), and URLs to fetch
        # (http:).
        rf"{_API}/file=(?:(?!\w+:|//)[^\\]+|[A-Za-z]:[\\/](?![\\/])[^:]+)",
        rf"{_API}/queue/data",
        rf"{_API}/heartbeat/{_HASH}",
        rf"{_API}/call/(?:v2/)?\w{{1,64}}/{_HASH}/?",
    ),
    "POST": (
        r"/login/?",
        rf"{_API}/cancel/?",
        rf"{_API}/queue/join",
        rf"{_API}/(?:call|call/v2)/\w{{1,64}}/?",
        r"/ask|/run",
    ),
}
_ALLOWED = {method: re.compile("|".join(paths)) for method, paths in ROUTES.items()}
_ALLOWED["HEAD"] = _ALLOWED["GET"]
# Paths that need no login: the page (which then is the login page), its files, and the address at which gradio checks
# whether the app runs.
_OPEN = re.compile(rf"/|/essay|/figure|/preview\.png|/app\.webmanifest|/web/.*|/login/?|{_API}/startup-events/?")
# Headers of every response to an accepted request.
HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]
_GRADIOS = re.compile(rf"(?:{_API}|/login|/config).*")

log = logging.getLogger(__name__)


class Rejected(Exception):
    """A request is rejected. Contains the status and the sentence of the response."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


UNCLEAR = "This request could not be understood"
NOTHING = Rejected(404, "There is nothing at this address")


class Gate:
    """ASGI middleware that answers /health and passes on the requests that ROUTES lists, complete and limited in size.

    requests: limits how many are handled at the same time. admits: returns whether a visitor with these cookies has
    entered the password, or no password is needed.
    """

    def __init__(
        self,
        app: ASGIApp,
        events: EventLog,
        origins: Origins,
        requests: Places,
        admits: Callable[[Callable[[], Mapping[str, str]]], bool],
    ):
        self._app, self._events, self._origins, self._requests, self._admits = app, events, origins, requests, admits
        self._files = Places(CROWDED_FILES, FILES, FILES_OF_ONE)
        self._wrong: dict[str | None, deque[float]] = {}  # for each address, the times of its last wrong passwords
        self._login = asyncio.Lock()  # one login at a time, so that each wrong password counts before the next

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and pass it on, or send an error response."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send) if scope["type"] == "lifespan" else None
        asked = _Asked(scope)
        try:
            if b"transfer-encoding" in asked.headers:
                raise Rejected(411, "A request has to say how long it is (Content-Length)")
            if asked.path == "/health" and asked.method in ("GET", "HEAD"):
                return await _send_json(send, 200, self._events.read())
            self._check(asked)
            is_file = asked.path.startswith("/kept/")
            with self._requests.occupy(asked.address), self._files.occupy(asked.address) if is_file else nullcontext():
                body = b""
                if asked.method == "POST":
                    body = await _body(receive, MAX_REQUEST if asked.is_own else MAX_OTHER)
                    if not asked.is_own:
                        _check_for_gradio(body)
                async with self._login if asked.is_login else nullcontext():
                    if asked.is_login:
                        self._check_passwords(asked.address)
                    await self._let_in(asked, body, receive, send)
        except Rejected as rejected:
            await _send_json(send, rejected.status, {"detail": str(rejected)})
        except Refused as refused:
            await _send_json(send, 403 if isinstance(refused, Foreign) else 503, {"detail": str(refused)})

    def _check(self, asked: _Asked) -> None:
        """Raise Rejected or Foreign if the request is not allowed, regardless of its body."""
        self._origins.check(asked.headers)
        allowed = _ALLOWED.get(asked.method)
        if not allowed or len(asked.path) > MAX_PATH or "\0" in asked.path or not allowed.fullmatch(asked.path):
            raise NOTHING
        if len(asked.query) > MAX_PATH:
            raise Rejected(414, f"This address is too long: up to {MAX_PATH:,} characters after the ? are taken")
        if not _OPEN.fullmatch(asked.path) and not self._admits(asked.cookies):
            raise Rejected(401, "This page asks for a name and a password")

    def _check_passwords(self, address: str | None) -> None:
        """Raise Rejected if this address entered too many wrong passwords."""
        times = self._wrong.get(address, ())
        if len(times) == WRONG and (left := times[0] + WINDOW - time.monotonic()) > 0:
            raise Rejected(429, f"Too many wrong passwords from your address: try again in {left:.0f} s")

    def _note_wrong_password(self, address: str | None) -> None:
        """Count a wrong password of this address."""
        times = self._wrong.pop(address, deque(maxlen=WRONG))
        times.append(time.monotonic())
        self._wrong[address] = times  # moves the address to the end, because the first address is forgotten first
        if len(self._wrong) > REMEMBERED:
            del self._wrong[next(iter(self._wrong))]

    async def _let_in(self, asked: _Asked, body: bytes, receive: Receive, send: Send) -> None:
        """Pass on the request with its body, and add our headers to the response."""
        started, unread = False, [body]

        async def received() -> Message:
            """Return the body, which was received before, and later messages as they arrive."""
            return {"type": "http.request", "body": unread.pop(), "more_body": False} if unread else await receive()

        async def sent(message: Message) -> None:
            """Send a message of the response, with our headers."""
            nonlocal started
            if message["type"] == "http.response.start":
                started, headers = True, [*message["headers"], *HEADERS]
                if asked.path.startswith(f"{_API}/file="):
                    headers += [(b"content-security-policy", b"default-src 'none'; sandbox")]
                elif not self._origins.any_host:  # if any host is allowed, other sites may embed the page, as Spaces do
                    ancestors = " ".join(["frame-ancestors 'self'", *self._origins.frames])
                    headers += [(b"content-security-policy", ancestors.encode())]
                if asked.is_login:
                    headers = [(name, _cookie(value) if name == b"set-cookie" else value) for name, value in headers]
                    if message["status"] == 400:
                        self._note_wrong_password(asked.address)
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(asked.scope, received, sent)
        except Exception as error:  # errors must not stop the server, and the response must not show the traceback
            status, sentence = 500, f"The app failed unexpectedly ({type(error).__name__}): its log says more"
            if temporary_files.is_full(error):
                status, sentence = 507, temporary_files.FULL
                log.warning("the disk for temporary files is full: %s %s", asked.method, asked.path)
            elif _GRADIOS.fullmatch(asked.path):  # an error of gradio usually means that the request was malformed
                status, sentence = 400, UNCLEAR
                log.info("gradio did not understand: %s %s", asked.method, asked.path, exc_info=True)
            else:
                log.exception("a request failed: %s %s", asked.method, asked.path)
            if not started:  # if the response has begun, the connection is closed instead
                await _send_json(send, status, {"detail": sentence})


class _Asked:
    """A request without its body."""

    def __init__(self, scope: Scope):
        self.scope, self.method, self.path = scope, scope["method"], scope["path"]
        root = scope.get("root_path", "").rstrip("/")
        if root and self.path.startswith(f"{root}/"):  # some proxies don't remove the root path from the path
            self.path = self.path[len(root) :]
        self.headers: dict[bytes, bytes] = dict(scope.get("headers", ()))
        self.query: str = scope.get("query_string", b"").decode("latin-1")
        self.address = neighbourhood((scope.get("client") or ("",))[0])
        self.is_login = self.path.startswith("/login")
        self.is_own = self.path in ("/ask", "/run")  # a request of our page, not of a gradio client

    def cookies(self) -> dict[str, str]:
        """Return the cookies by name; {} if they are malformed."""
        try:
            cookies = SimpleCookie(self.headers.get(b"cookie", b"").decode("latin-1"))
        except CookieError:
            return {}
        return {name: morsel.value for name, morsel in cookies.items()}


def _cookie(value: bytes) -> bytes:
    """Return a cookie of gradio's login, changed so that requests of other sites don't carry it. On a Space, which is
    embedded in another site, leave it unchanged.
    """
    if "SPACE_ID" in os.environ:
        return value
    kept = [part for part in value.split(b";") if not part.strip().lower().startswith(b"samesite")]
    return b";".join([*kept, b" SameSite=lax"])


async def _body(receive: Receive, most: int) -> bytes:
    """Return the body of a request. Raises Rejected if it is too large, arrives too slowly, or has too many values."""
    body, size, begun, more = bytearray(), 0, time.monotonic(), True
    while more:
        try:
            async with asyncio.timeout(PIECE):
                message = await receive()
        except TimeoutError:
            message = None
        if message is None or time.monotonic() - begun > PIECE + size / SLOWEST:
            raise Rejected(408, "This request came too slowly: try again")
        if message["type"] == "http.disconnect":
            raise Rejected(400, "This request was broken off")
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size <= most:
            body += part
        elif size > 2 * most or not more:  # a client reads the response only after it has sent the whole body
            raise Rejected(413, f"This request is too large: up to {most / 1e6:.2g} MB are taken")
    if sum(map(body.count, (b",", b"[", b"{"))) > VALUES:
        raise Rejected(413, f"This request has too many values: up to {VALUES:,} are taken")
    return bytes(body)


def _check_for_gradio(body: bytes) -> None:
    """Raise Rejected for a body that gradio must not get: gradio stores the name of a session of any length, and looks
    up the path of every file in a request, which may be on another machine.
    """

    def check(part: dict[str, object]) -> dict[str, object]:
        """Raise Rejected if this part of the body names a file."""
        meta = part.get("meta")
        if isinstance(meta, dict) and "_type" in meta:  # the mark of a file in gradio
            raise Rejected(400, "A request can't name a file")
        return part

    try:
        content = json.loads(body, object_hook=check)
    except RecursionError:
        raise Rejected(400, UNCLEAR) from None
    except ValueError:
        return  # gradio itself answers that the body is not JSON
    for name in ("session_hash", "event_id") if isinstance(content, dict) else ():
        if isinstance(content.get(name), str) and len(content[name]) > NAME:
            raise Rejected(400, f"{name} is too long: up to {NAME} characters are taken")


async def unclear(_request: Request, error: Exception) -> Response:
    """Respond to a request whose values have wrong types. The response describes the first mistake."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse({"detail": f"{UNCLEAR}: {first['msg']} ({'.'.join(map(str, first['loc'][1:]))})"}, 422)


async def _send_json(send: Send, status: int, content: dict[str, object]) -> None:
    """Send a response of JSON."""
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(b"x-content-type-options", b"nosniff")]
    headers += [(b"cache-control", b"no-store"), (b"connection", b"close")] if status in (408, 411, 413) else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
