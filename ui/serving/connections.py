"""Serve HTTP by uvicorn in a thread, and limit the number and duration of connections.

uvicorn 0.54 has a time-out for idle connections only (uvicorn issue #157). `HEAD` can be removed when uvicorn has a
time-out for the head of a request. The gate limits bodies.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections import Counter, OrderedDict
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from ui.runs.visitors import neighbourhood

HEAD = 10.0  # seconds within which the head of a request must arrive
OF_ONE = 256  # maximum number of connections from one address; a browser opens six
MOST = 4096  # maximum number of connections in all; fewer if the system allows fewer than twice as many open files
# maximum number of connections that wait to be accepted, which no other limit counts; uvicorn's default is 2048
AT_ONCE = 128
LAST = 0.5  # seconds that the server has to end after it cancelled the current requests
FILES = 65_536  # number of open files that the app requests from the system
READS, LEAST = 10.0, 50_000  # in READS seconds, a client must read at least LEAST bytes of a waiting response
LOOKS = 1  # seconds between two checks for slow connections
READ = 4096  # bytes that are read from one connection before others get their turn
BODY = 1 << 18  # bytes that are read in one go of a body of known length, which needs no parsing

log = logging.getLogger(__name__)


def raise_file_limit() -> int:
    """Raise this process's limit of open files as far as the system allows. Return how many connections it can have.
    They get half of the files. The other half is for everything else, and for connections that are being accepted or
    closed.
    """
    try:
        import resource
    except ImportError:  # Windows has no limit of open files
        return MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):  # macOS allows fewer files than it reports
            log.info("the limit of open files stays at %s", soft)
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // 2)


class Server(uvicorn.Server):
    """uvicorn in a thread, on a socket that already listens.

    host: the host in the page's URL. url: the URL of the page on this machine.
    """

    def __init__(self, app: ASGIApp, listening: socket.socket, host: str):
        self.connections = Connections(raise_file_limit())
        # http: always the same parser, because httptools would accept heads of any length and requests with two hosts.
        # ws: uvicorn would handle WebSockets by another class, so their connections would be counted for ever; the page
        # needs none. log_level: no warnings, because each is about a request that a stranger chose.
        config = uvicorn.Config(
            app,
            http=type("Counted", (Connection,), {"all": self.connections}),
            ws="none",
            backlog=AT_ONCE,
            callback_notify=self.connections.close_slow,
            timeout_notify=LOOKS,
            log_config=None,
            log_level="error",
            access_log=False,
        )
        super().__init__(config)
        self.host, self.port = host, listening.getsockname()[1]
        self.url = f"http://{'localhost' if host == '0.0.0.0' else host}:{self.port}/"
        self._thread = threading.Thread(target=self.run, args=([listening],), daemon=True, name="server")
        self._guests = AsyncExitStack()

    def start(self) -> None:
        """Start the thread. Return when requests are answered."""
        self._thread.start()
        while self._thread.is_alive() and not self.started:
            time.sleep(1e-3)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Store the thread's event loop and start."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def enter(self, guest: AbstractAsyncContextManager[object]) -> None:
        """Enter the context manager `guest` in the server's event loop. The server leaves it at its end."""
        asyncio.run_coroutine_threadsafe(self._guests.enter_async_context(guest), self._loop).result()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the server and leave the contexts."""
        await super().shutdown(sockets)
        await self._guests.aclose()

    def close(self, seconds: float) -> None:
        """End after the current requests are answered. Cancel requests that take longer than `seconds`."""
        self.should_exit = True
        self._thread.join(seconds)
        self.force_exit = True
        self._thread.join(LAST)


class Connections:
    """The connections of one server. most: the limit; beyond it, the oldest connection without a request is closed."""

    def __init__(self, most: int):
        self.most = most
        self.of: Counter[str | None] = Counter()  # number of connections of each address
        # connections without a request, and the time since which they wait
        self.waiting: OrderedDict[Connection, float] = OrderedDict()
        # for each connection whose client reads slowly: the time of the last check, and the number of bytes that waited
        self.unread: dict[Connection, tuple[float, int]] = {}

    async def close_slow(self) -> None:
        """Close connections that send no request, and connections whose client reads its response too slowly."""
        now = time.monotonic()
        while self.waiting and now - next(iter(self.waiting.values())) > HEAD:
            self.waiting.popitem(last=False)[0].transport.abort()
        for one, (then, before) in list(self.unread.items()):
            left = one.transport.get_write_buffer_size()
            if now - then > READS and left > before - LEAST:
                one.transport.abort()
            elif now - then > READS:
                self.unread[one] = now, left


class Connection(H11Protocol, asyncio.BufferedProtocol):
    """uvicorn's protocol, which also reads in small pieces and counts itself in `Connections`."""

    all: ClassVar[Connections]

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Count this connection, and close it or the oldest waiting connection if there are too many."""
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        self._address = neighbourhood(peer)
        self.all.of[self._address] += 1
        self.all.waiting[self] = time.monotonic()
        proxies = getattr(self.config.loaded_app, "trusted_hosts", ())  # proxies have connections for many visitors
        if self.all.of[self._address] > OF_ONE and self._address and peer not in proxies:
            transport.abort()
        elif len(self.connections) > self.all.most:
            self.all.waiting.popitem(last=False)[0].transport.abort()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return the buffer for the next bytes: of size BODY for a body of known length, else of size READ."""
        headers = dict(self.cycle.scope["headers"]) if self.cycle and self.cycle.more_body else {}
        is_plain = b"content-length" in headers and b"transfer-encoding" not in headers
        self._buffer = bytearray(BODY if is_plain else READ)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on the received bytes."""
        self.data_received(bytes(self._buffer[:nbytes]))
        self._wait()

    def on_response_complete(self) -> None:
        """Note that the connection waits for its next request."""
        super().on_response_complete()
        self._wait()

    def _wait(self) -> None:
        """Note that this connection waits for a request, unless a request is being answered. It also waits while only
        part of a head has arrived.
        """
        if self.transport.is_closing() or (self.cycle and not self.cycle.response_complete):
            self.all.waiting.pop(self, None)
        else:
            self.all.waiting.setdefault(self, time.monotonic())

    def pause_writing(self) -> None:
        """Begin to watch how fast the client reads."""
        super().pause_writing()
        self.all.unread[self] = time.monotonic(), self.transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        """Stop watching how fast the client reads."""
        super().resume_writing()
        self.all.unread.pop(self, None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove this connection from the counts."""
        super().connection_lost(exc)
        self.all.of[self._address] -= 1
        if not self.all.of[self._address]:
            del self.all.of[self._address]
        self.all.waiting.pop(self, None)
        self.all.unread.pop(self, None)
