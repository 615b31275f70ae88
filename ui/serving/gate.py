"""The gate of the server: who comes in, with which requests, how large they may be, and what is said when one fails.

gradio has many more routes than the page needs: some fetch addresses of the internet for whoever asks, run programs on
uploads or write files. Only what is listed here gets through, and gradio sees a request when the whole of it is here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TypeVar
from urllib.parse import parse_qs
from weakref import WeakValueDictionary

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.machine import temporary_files
from ui.machine.event_log import EventLog
from ui.machine.limits import Refused
from ui.runs.visitors import neighbourhood
from ui.serving.origins import Origins

MAX_REQUEST = 1 << 20  # bytes of a request of the page: two pictures of 256 × 256 have up to 0.53 MB
MAX_OTHER = 1 << 16  # and of any other one: what a script can ask has up to 42 kB
VALUES = 25_000  # in a request; 20 drawings have 16,000. While they are read, for some milliseconds, nobody is answered
MAX_PATH = 2000  # characters, and of what follows the ?
NAME = 100  # characters of what a client calls its session; the page's have about 70
REQUESTS, REQUESTS_OF_ONE = 1024, 128  # under way at once, in all and of one address; a page has six at most
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
_STREAM = re.compile(rf"{_API}/(?:queue/data|call/(?:v2/)?\w+/(?P<event>[^/]+))/?")

T = TypeVar("T")

log = logging.getLogger(__name__)


class Rejected(Exception):
    """A request that does not come in: status and sentence of the answer."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


UNCLEAR = "This request could not be understood"
NOTHING = Rejected(404, "There is nothing at this address")


@dataclass
class Access:
    """What the gate asks the app. any_site: other sites may show the page in theirs, as Spaces are shown; and
    logs_in_there: with its login.

    is_locked: whether there is a login. knows: whether these cookies come from one. is_here: whether gradio has an
    event or a session of this name. heard: how many streams of each are open.
    """

    counts: EventLog
    origins: Origins = field(default_factory=lambda: Origins(any_host=True))
    any_site: bool = True
    logs_in_there: bool = True
    is_locked: Callable[[], bool] = lambda: False
    knows: Callable[[Mapping[str, str]], bool] = lambda cookies: True
    is_here: Callable[[str], bool] = lambda name: True
    heard: Counter[str] = field(default_factory=Counter)
    clock: Callable[[], float] = time.monotonic


class Gate:
    """ASGI middleware: answers /health itself, and lets through what ROUTES lists, whole and up to a size."""

    def __init__(self, app: ASGIApp, access: Access):
        self._app, self._access = app, access
        self._here: Counter[str] = Counter()  # requests under way, by address; "" for all
        self._files: dict[_Asked, None] = {}  # of these that get what files are made of, the first ones first
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()  # when an address gave a wrong password
        self._logins: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # of each address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send) if scope["type"] == "lifespan" else None
        asked = _Asked(scope)
        if b"transfer-encoding" not in asked.headers and asked.path == "/health" and asked.method in ("GET", "HEAD"):
            return await _answer(send, 200, self._access.counts.read())
        try:
            self._check(asked)
            with self._counted(asked):
                most = MAX_REQUEST if asked.is_own else MAX_OTHER
                body = await _whole(receive, self._access.clock, most) if asked.method == "POST" else b""
                _check_content(body, asked.is_own)
                async with self._in_turn(asked):
                    await self._let_in(asked, _again(body, receive), send)
        except Rejected as rejected:
            await _answer(send, rejected.status, {"detail": str(rejected)})

    def _check(self, asked: _Asked) -> None:
        """Raises Rejected for what does not come in, whatever its body is."""
        if b"transfer-encoding" in asked.headers:
            raise Rejected(411, "A request has to say how long it is (Content-Length)")
        try:
            self._access.origins.check(asked.headers)
        except Refused as refused:
            raise Rejected(403, str(refused)) from None
        allowed = _ALLOWED.get(asked.method)
        if not allowed or len(asked.path) > MAX_PATH or "\0" in asked.path or not allowed.fullmatch(asked.path):
            raise NOTHING
        if len(asked.query) > MAX_PATH:
            raise Rejected(414, f"This address is too long: up to {MAX_PATH:,} characters after the ? are taken")
        if self._access.is_locked() and not _OPEN.fullmatch(asked.path) and not self._access.knows(asked.cookies()):
            raise Rejected(401, "This page asks for a name and a password")
        if (listened := asked.listens_to()) is not None and not self._access.is_here(listened):
            raise Rejected(404, "This run is no longer here: press Run again")

    @contextmanager
    def _counted(self, asked: _Asked) -> Iterator[None]:
        """Raises Rejected where too many are under way."""
        if self._here[asked.address] >= REQUESTS_OF_ONE or self._here[""] >= REQUESTS:
            limits = f"at most {REQUESTS}, {REQUESTS_OF_ONE} of one address"
            raise Rejected(503, f"There are too many requests at once ({limits}): try again in a moment")
        if asked.path.startswith("/kept/"):
            self._make_room(asked.address)
            self._files[asked] = None
        listened = filter(None, [asked.listens_to()])
        try:
            with _among(self._here, ["", asked.address]), _among(self._access.heard, list(listened)):
                yield
        finally:
            self._files.pop(asked, None)

    def _make_room(self, address: str) -> None:
        """Where all places for files are taken, the address with most of them gives up its oldest one for an address
        that then still has no more than it. Raises Rejected where there is none.
        """
        if len(self._files) < FILES:
            return
        of = Counter(one.address for one in self._files)
        busiest, most = of.most_common(1)[0]
        if most < of[address] + 2:
            raise Rejected(503, f"There are too many files at once (at most {FILES}): try again in a moment")
        oldest = next(one for one in self._files if one.address == busiest)
        del self._files[oldest]
        oldest.scope["state"]["abort"]()

    @asynccontextmanager
    async def _in_turn(self, asked: _Asked) -> AsyncIterator[None]:
        """One login of an address after the other: those before it have been answered, so their wrong passwords count.

        Raises Rejected where there were too many.
        """
        if not asked.is_login:
            yield
            return
        async with self._logins.setdefault(asked.address, asyncio.Lock()):
            if left := self._locked_out(asked.address):
                raise Rejected(429, f"Too many wrong passwords from your address: try again in {left:.0f} s")
            yield

    async def _let_in(self, asked: _Asked, receive: Receive, send: Send) -> None:
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = self._answered(asked, message)
            await send(message)

        try:
            await self._app(asked.scope, receive, sent)
        except Exception as error:
            if temporary_files.is_full(error) and not started:
                log.warning("the disk for temporary files is full: %s %s", asked.method, asked.path)
                return await _answer(send, 507, {"detail": temporary_files.FULL})
            # gradio's own routes run into what they did not expect, and so does a value that is none of ours.
            what = "a request could not be understood: %s %s (%s)"
            log.info(what, asked.method, asked.path, type(error).__name__, exc_info=True)
            if not started:  # else the connection is closed
                await _answer(send, 400, {"detail": UNCLEAR})

    def _answered(self, asked: _Asked, message: Message) -> Message:
        """The head of an answer as it leaves."""
        if asked.is_login and message["status"] == 400:
            self._wrong.setdefault(asked.address, []).append(self._access.clock())
            self._wrong.move_to_end(asked.address)
            while len(self._wrong) > REMEMBERED:
                self._wrong.popitem(last=False)
        headers = [
            (name, self._cookie(value) if name == b"set-cookie" else value) for name, value in message["headers"]
        ]
        headers += [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]
        if asked.path.startswith(f"{_API}/file="):
            headers += [(b"content-security-policy", b"default-src 'none'; sandbox")]
        elif not self._access.any_site:
            headers += [(b"content-security-policy", b"frame-ancestors 'self'")]
        return {**message, "headers": headers}

    def _cookie(self, value: bytes) -> bytes:
        """A cookie of gradio's login, which other sites' requests bear only where they may show the page."""
        if self._access.logs_in_there:
            return value
        kept = [part for part in value.split(b";") if not part.strip().lower().startswith(b"samesite")]
        return b";".join([*kept, b" SameSite=lax"])

    def _locked_out(self, address: str) -> float:
        """Seconds until this address may try a password again, 0 for now."""
        times = [when for when in self._wrong.get(address, ()) if self._access.clock() - when < WINDOW]
        return max(1.0, WINDOW - (self._access.clock() - times[-WRONG])) if len(times) >= WRONG else 0.0


class _Asked:
    """A request, without its body."""

    def __init__(self, scope: Scope):
        self.scope, self.method, self.path = scope, scope["method"], _path(scope)
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

    def listens_to(self) -> str | None:
        """The event or the session whose stream is asked for; None where it is no stream."""
        found = _STREAM.fullmatch(self.path) if self.method in ("GET", "HEAD") else None
        return found and (found["event"] or parse_qs(self.query).get("session_hash", [""])[0])


@contextmanager
def _among(counter: Counter[T], names: list[T]) -> Iterator[None]:
    """These count once more meanwhile."""
    counter.update(names)
    try:
        yield
    finally:
        counter.subtract(names)
        for name in [name for name in names if not counter[name]]:
            del counter[name]


async def _whole(receive: Receive, clock: Callable[[], float], most: int) -> bytes:
    """The body of a request. Raises Rejected where it is too large, or comes too slowly."""
    parts, size, begun, more = [], 0, clock(), True
    while more:
        try:
            message = await asyncio.wait_for(receive(), PIECE)
        except TimeoutError:
            message = None
        if message is None or clock() - begun > PIECE + size / SLOWEST:
            raise Rejected(408, "This request came too slowly: try again")
        if message["type"] == "http.disconnect":
            raise Rejected(400, "This request was broken off")
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > most:
            parts.clear()
            if size > 2 * most or not more:  # a client that sends on would not see the answer
                raise Rejected(413, f"This request is too large: up to {most / 1e6:.2g} MB are taken")
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """`receive` of a request whose body is here already."""
    first: list[bytes] = [body]

    async def received() -> Message:
        return {"type": "http.request", "body": first.pop(), "more_body": False} if first else await receive()

    return received


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


def _path(scope: Scope) -> str:
    """The path of a request, without the root path that a proxy may leave on it."""
    path, root = scope["path"], scope.get("root_path", "").rstrip("/")
    return path[len(root) :] or "/" if root and path.startswith(f"{root}/") else path


async def _answer(send: Send, status: int, content: dict[str, object]) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(b"x-content-type-options", b"nosniff")]
    headers += [(b"cache-control", b"no-store"), (b"connection", b"close")] if status in (408, 411, 413) else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
