"""The gate of the server: who comes in, with which requests, how large they may be, and what is said when one fails.

gradio has many more routes than the page needs: some fetch addresses of the internet for whoever asks, run programs on
uploads or write files. Only what is listed here gets through, and gradio sees a request when the whole of it is here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import time
from collections import Counter, deque
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
from ui.runs.visitors import neighbourhood
from ui.serving.origins import Foreign, Origins

MAX_REQUEST = 1 << 20  # bytes of a request of the page: two pictures of 256 × 256 have up to 0.53 MB
MAX_OTHER = 1 << 16  # and of any other one: what a script can ask has up to 42 kB
VALUES = 25_000  # in a request; 20 drawings have 16,000. While they are read, for some milliseconds, nobody is answered
MAX_PATH = 2000  # characters, and of what follows the ?
NAME = 100  # characters of what a client calls its session; the page's have about 70
REQUESTS, REQUESTS_OF_ONE = 1024, 128  # under way at once, in all and of one address; a page has six at most
CROWDED = "There are too many requests at once ({}): try again in a moment"
FILES = 16  # and what files are made of: until it has left, up to 30 MB of a run stay in memory
PIECE = 10.0  # seconds in which the next piece of a request has to come
SLOWEST = 20e3  # bytes a second of a whole request, at least
WRONG, WINDOW = 10, 300.0  # passwords that an address may get wrong in so many seconds
REMEMBERED = 4096  # addresses that got one wrong

_HASH = r"[\w-]{1,64}"  # of a session or an event
_API = r"/gradio_api"
ROUTES = {
    "GET": (
        r"/|/preview\.png|/app\.webmanifest|/config/?",
        r"/web/\w{12}/[\w./-]+",
        r"/kept/\w{1,64}",
        rf"{_API}/(?:info|startup-events/?)",
        # A path, on Windows with a drive; none of another machine (//host/share), and no address to fetch (http:).
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
# What is there before the login: the page, which then is that of the login, what belongs to it, and gradio's own look
# at whether the app is up.
_OPEN = re.compile(rf"/|/preview\.png|/app\.webmanifest|/web/.*|/login/?|{_API}/startup-events/?")
HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]  # of all that is let in
_GRADIOS = re.compile(rf"(?:{_API}|/login|/config).*")

log = logging.getLogger(__name__)


class Rejected(Exception):
    """A request that does not come in: status and sentence of the answer."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


UNCLEAR = "This request could not be understood"
NOTHING = Rejected(404, "There is nothing at this address")


class Gate:
    """ASGI middleware: answers /health itself, and lets through what ROUTES lists, whole and up to a size.

    requests: how many may be under way. admits: whether who has these cookies has entered the password, if there is
    one.
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
        self._files: dict[_Asked, None] = {}  # requests that get what files are made of, the first ones first
        self._wrong: dict[str | None, deque[float]] = {}  # when an address gave the last wrong passwords
        self._login = asyncio.Lock()  # of one request after the other, so that each knows how the last one has ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send) if scope["type"] == "lifespan" else None
        asked = _Asked(scope)
        try:
            if b"transfer-encoding" in asked.headers:
                raise Rejected(411, "A request has to say how long it is (Content-Length)")
            if asked.path == "/health" and asked.method in ("GET", "HEAD"):
                return await _answer(send, 200, self._events.read())
            self._check(asked)
            with self._requests.one(asked.address):
                if asked.path.startswith("/kept/"):
                    self._make_room(asked)
                body = b""
                if asked.method == "POST":
                    body = await _whole(receive, MAX_REQUEST if asked.is_own else MAX_OTHER)
                    _check_content(body, asked.is_own)
                async with self._login if asked.is_login else nullcontext():
                    if asked.is_login:
                        self._check_passwords(asked.address)
                    await self._let_in(asked, body, receive, send)
        except Rejected as rejected:
            await _answer(send, rejected.status, {"detail": str(rejected)})
        except Refused as refused:
            await _answer(send, 403 if isinstance(refused, Foreign) else 503, {"detail": str(refused)})
        finally:
            self._files.pop(asked, None)

    def _check(self, asked: _Asked) -> None:
        """Raises Rejected or Foreign for what does not come in, whatever its body is."""
        self._origins.check(asked.headers)
        allowed = _ALLOWED.get(asked.method)
        if not allowed or len(asked.path) > MAX_PATH or "\0" in asked.path or not allowed.fullmatch(asked.path):
            raise NOTHING
        if len(asked.query) > MAX_PATH:
            raise Rejected(414, f"This address is too long: up to {MAX_PATH:,} characters after the ? are taken")
        if not _OPEN.fullmatch(asked.path) and not self._admits(asked.cookies):
            raise Rejected(401, "This page asks for a name and a password")

    def _make_room(self, asked: _Asked) -> None:
        """Where all places for files are taken, the address with most of them gives up its oldest one for an address
        that then still has no more than it. Raises Rejected where there is none.
        """
        if len(self._files) >= FILES:
            of = Counter(one.address for one in self._files)
            busiest, most = of.most_common(1)[0]
            if most < of[asked.address] + 2:
                raise Rejected(503, f"There are too many files at once (at most {FILES}): try again in a moment")
            oldest = next(one for one in self._files if one.address == busiest)
            del self._files[oldest]
            oldest.scope["state"]["abort"]()
        self._files[asked] = None

    def _check_passwords(self, address: str | None) -> None:
        """Raises Rejected where too many of this address were wrong."""
        times = self._wrong.get(address, ())
        if len(times) == WRONG and (left := times[0] + WINDOW - time.monotonic()) > 0:
            raise Rejected(429, f"Too many wrong passwords from your address: try again in {left:.0f} s")

    def _note_wrong_password(self, address: str | None) -> None:
        times = self._wrong.pop(address, deque(maxlen=WRONG))
        times.append(time.monotonic())
        self._wrong[address] = times  # behind those of all others
        if len(self._wrong) > REMEMBERED:
            del self._wrong[next(iter(self._wrong))]

    async def _let_in(self, asked: _Asked, body: bytes, receive: Receive, send: Send) -> None:
        """Pass the request on with its body, which is here already, and the answer with our headers."""
        started, unread = False, [body]

        async def received() -> Message:
            return {"type": "http.request", "body": unread.pop(), "more_body": False} if unread else await receive()

        async def sent(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started, headers = True, [*message["headers"], *HEADERS]
                if asked.path.startswith(f"{_API}/file="):
                    headers += [(b"content-security-policy", b"default-src 'none'; sandbox")]
                elif not self._origins.any_host:  # a page for strangers may be shown in other sites, as Spaces are
                    headers += [(b"content-security-policy", b"frame-ancestors 'self'")]
                if asked.is_login:
                    headers = [(name, _cookie(value) if name == b"set-cookie" else value) for name, value in headers]
                    if message["status"] == 400:
                        self._note_wrong_password(asked.address)
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(asked.scope, received, sent)
        except Exception as error:  # whatever failed, the others go on, and this one gets an answer without its trace
            status, sentence = 500, f"The app failed unexpectedly ({type(error).__name__}): its log says more"
            if temporary_files.is_full(error):
                status, sentence = 507, temporary_files.FULL
                log.warning("the disk for temporary files is full: %s %s", asked.method, asked.path)
            elif _GRADIOS.fullmatch(asked.path):  # which runs into what strangers send, and says nothing about it
                status, sentence = 400, UNCLEAR
                log.info("gradio did not understand: %s %s", asked.method, asked.path, exc_info=True)
            else:
                log.exception("a request failed: %s %s", asked.method, asked.path)
            if not started:  # else the connection is closed
                await _answer(send, status, {"detail": sentence})


class _Asked:
    """A request, without its body."""

    def __init__(self, scope: Scope):
        self.scope, self.method, self.path = scope, scope["method"], scope["path"]
        root = scope.get("root_path", "").rstrip("/")
        if root and self.path.startswith(f"{root}/"):  # which a proxy may leave on it
            self.path = self.path[len(root) :]
        self.headers: dict[bytes, bytes] = dict(scope.get("headers", ()))
        self.query: str = scope.get("query_string", b"").decode("latin-1")
        self.address = neighbourhood((scope.get("client") or ("",))[0])
        self.is_login = self.path.startswith("/login")
        self.is_own = self.path in ("/ask", "/run")  # of the page, and not of gradio

    def cookies(self) -> dict[str, str]:
        try:
            found = SimpleCookie(self.headers.get(b"cookie", b"").decode("latin-1"))
        except CookieError:
            return {}
        return {name: morsel.value for name, morsel in found.items()}


def _cookie(value: bytes) -> bytes:
    """A cookie of gradio's login, which other sites' requests bear only where they may show the page: on a Space."""
    if "SPACE_ID" in os.environ:
        return value
    kept = [part for part in value.split(b";") if not part.strip().lower().startswith(b"samesite")]
    return b";".join([*kept, b" SameSite=lax"])


async def _whole(receive: Receive, most: int) -> bytes:
    """The body of a request. Raises Rejected where it is too large, or comes too slowly."""
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
        elif size > 2 * most or not more:  # a client that sends on would not see the answer
            raise Rejected(413, f"This request is too large: up to {most / 1e6:.2g} MB are taken")
    return bytes(body)


def _check_content(body: bytes, is_own: bool) -> None:
    """Raises Rejected for a body that would take long to read, and for what gradio must not see: it keeps what a client
    calls its session, however long it is, and looks at the path of every file that a request names, which may lead to
    another machine.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > VALUES:
        raise Rejected(413, f"This request has too many values: up to {VALUES:,} are taken")
    if is_own:
        return

    def check(found: dict[str, object]) -> dict[str, object]:
        meta = found.get("meta")
        if isinstance(meta, dict) and "_type" in meta:  # gradio's mark of a file
            raise Rejected(400, "A request can't name a file")
        return found

    try:
        content = json.loads(body, object_hook=check)
    except RecursionError:
        raise Rejected(400, UNCLEAR) from None
    except ValueError:
        return  # gradio says so
    for name in ("session_hash", "event_id") if isinstance(content, dict) else ():
        if isinstance(content.get(name), str) and len(content[name]) > NAME:
            raise Rejected(400, f"{name} is too long: up to {NAME} characters are taken")


async def unclear(_request: Request, error: Exception) -> Response:
    """The answer to a request whose values have other types: what is wrong with the first one, without the value."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse({"detail": f"{UNCLEAR}: {first['msg']} ({'.'.join(map(str, first['loc'][1:]))})"}, 422)


async def _answer(send: Send, status: int, content: dict[str, object]) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(b"x-content-type-options", b"nosniff")]
    headers += [(b"cache-control", b"no-store"), (b"connection", b"close")] if status in (408, 411, 413) else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
