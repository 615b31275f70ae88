"""The gate of the server: which requests come in, how large they may be, and which answer a failed one gets.

gradio has many more routes than the page needs: some fetch addresses of the internet for anybody, run programs on
uploads or write files. Only the routes listed here get through, and gradio sees a request only when it is complete.
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

MAX_REQUEST = 1 << 20  # bytes of a request of the page: two pictures of 256 × 256 have up to 0.53 MB
MAX_OTHER = 1 << 16  # bytes of any other request: a script's has up to 42 kB
VALUES = 25_000  # a request has at most so many; 20 drawings have 16,000. Reading them blocks all else for milliseconds
MAX_PATH = 2000  # characters of the path, and of the query after the ?
NAME = 100  # characters of the name that a client gives its session; the page's have about 70
REQUESTS, REQUESTS_OF_ONE = 1024, 128  # most requests at once, in all and from one address; a page has six at most
CROWDED = "There are too many requests at once ({}): try again in a moment"
# Most answers of /kept at once, in all and to one address. Each holds the pictures of a run until it is sent, but most
# of these are kept anyway (`RECORDING_BYTES` of ui/runs/pages.py).
FILES, FILES_OF_ONE = 64, 16
CROWDED_FILES = "There are too many files at once ({}): try again in a moment"
PIECE = 10.0  # seconds within which the next piece of a request must come
SLOWEST = 20e3  # bytes a second at which a whole request must come, at least
WRONG, WINDOW = 10, 300.0  # an address may enter so many wrong passwords within so many seconds
REMEMBERED = 4096  # addresses that got one wrong

_HASH = r"[\w-]{1,64}"  # the name of a session or an event
_API = r"/gradio_api"
ROUTES = {
    "GET": (
        r"/|/essay|/figure|/preview\.png|/app\.webmanifest|/config/?",
        r"/web/\w{12}/[\w./-]+",
        r"/kept/\w{1,64}",
        rf"/checkpoints/(?:{'|'.join(REFS)})/(?:\w+/)?\w+\.(?:json|safetensors)",
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
# These are open before the login: the page, which then is the login page, its files, and the address at which gradio
# itself checks whether the app is up.
_OPEN = re.compile(rf"/|/essay|/figure|/preview\.png|/app\.webmanifest|/web/.*|/login/?|{_API}/startup-events/?")
# Every answer to a request that comes in has these.
HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]
_GRADIOS = re.compile(rf"(?:{_API}|/login|/config).*")

log = logging.getLogger(__name__)


class Rejected(Exception):
    """A request that does not come in, with the status and the sentence of its answer."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


UNCLEAR = "This request could not be understood"
NOTHING = Rejected(404, "There is nothing at this address")


class Gate:
    """ASGI middleware: answers /health itself, and lets through what ROUTES lists, whole and up to a size.

    requests: limits how many are answered at once. admits: says whether a visitor with these cookies has entered the
    password, if there is one.
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
        self._wrong: dict[str | None, deque[float]] = {}  # when each address entered its last wrong passwords
        self._login = asyncio.Lock()  # handles one login after another: each wrong password counts before the next

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
            is_file = asked.path.startswith("/kept/")
            with self._requests.one(asked.address), self._files.one(asked.address) if is_file else nullcontext():
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
            await _answer(send, rejected.status, {"detail": str(rejected)})
        except Refused as refused:
            await _answer(send, 403 if isinstance(refused, Foreign) else 503, {"detail": str(refused)})

    def _check(self, asked: _Asked) -> None:
        """Raise Rejected or Foreign if the request does not come in, whatever its body is."""
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
        times = self._wrong.pop(address, deque(maxlen=WRONG))
        times.append(time.monotonic())
        self._wrong[address] = times  # last, as the first one is forgotten first
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
        except Exception as error:  # whatever failed, other requests must go on; the answer must not show the trace
            status, sentence = 500, f"The app failed unexpectedly ({type(error).__name__}): its log says more"
            if temporary_files.is_full(error):
                status, sentence = 507, temporary_files.FULL
                log.warning("the disk for temporary files is full: %s %s", asked.method, asked.path)
            elif _GRADIOS.fullmatch(asked.path):  # gradio fails on odd requests without saying so
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
        if root and self.path.startswith(f"{root}/"):  # a proxy may leave the root on the path
            self.path = self.path[len(root) :]
        self.headers: dict[bytes, bytes] = dict(scope.get("headers", ()))
        self.query: str = scope.get("query_string", b"").decode("latin-1")
        self.address = neighbourhood((scope.get("client") or ("",))[0])
        self.is_login = self.path.startswith("/login")
        self.is_own = self.path in ("/ask", "/run")  # the page asks, not a client of gradio

    def cookies(self) -> dict[str, str]:
        try:
            cookies = SimpleCookie(self.headers.get(b"cookie", b"").decode("latin-1"))
        except CookieError:
            return {}
        return {name: morsel.value for name, morsel in cookies.items()}


def _cookie(value: bytes) -> bytes:
    """Mark a cookie of gradio's login so that requests of other sites don't carry it. On a Space they must."""
    if "SPACE_ID" in os.environ:
        return value
    kept = [part for part in value.split(b";") if not part.strip().lower().startswith(b"samesite")]
    return b";".join([*kept, b" SameSite=lax"])


async def _body(receive: Receive, most: int) -> bytes:
    """Return the body of a request. Raises Rejected if it is too large, comes too slowly, or takes long to read."""
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
        elif size > 2 * most or not more:  # before the client has sent all, it would not read an answer
            raise Rejected(413, f"This request is too large: up to {most / 1e6:.2g} MB are taken")
    if sum(map(body.count, (b",", b"[", b"{"))) > VALUES:
        raise Rejected(413, f"This request has too many values: up to {VALUES:,} are taken")
    return bytes(body)


def _check_for_gradio(body: bytes) -> None:
    """Raise Rejected for a body that gradio must not see: gradio keeps the name of a session, however long it is, and
    looks at the path of every file that a request names, which may lead to another machine.
    """

    def check(part: dict[str, object]) -> dict[str, object]:
        meta = part.get("meta")
        if isinstance(meta, dict) and "_type" in meta:  # gradio's mark of a file
            raise Rejected(400, "A request can't name a file")
        return part

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
    """Answer a request whose values have wrong types. The answer says what is wrong with the first one."""
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
