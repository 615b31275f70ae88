"""The server: uvicorn in a thread, on a socket that listens already. It limits how many connections a client may have,
and for how long.

uvicorn 0.54 has a time-out for idle connections only (uvicorn issue #157). When it gets one for the head of a request,
`HEAD` can go. The gate limits bodies.
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

HEAD = 10.0  # seconds within which the head of a request must come
OF_ONE = 256  # most connections from one address; a browser opens six
MOST = 4096  # most connections in all, if the system allows twice as many open files
AT_ONCE = 128  # so many connections wait to be accepted, uncounted; uvicorn's default is 2048
LAST = 0.5  # seconds for the server to end once it breaks off the requests under way
FILES = 65_536  # the app asks the system for so many open files
READS, LEAST = 10.0, 50_000  # within these seconds, a client must read so many bytes of an answer that waits for it
LOOKS = 1  # seconds between two checks for slow connections
READ = 4096  # bytes that are read from a connection at once, before others have their turn
BODY = 1 << 18  # bytes that are read at once of a body of known length, as it needs no parsing

log = logging.getLogger(__name__)


def raise_file_limit() -> int:
    """Let this process open as many files as the system allows. Returns how many connections it can have, so that
    enough files are left for everything else, and for connections that are just being accepted or closed.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):  # macOS allows less than it says
            log.info("the limit of open files stays at %s", soft)
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // 2)


class Server(uvicorn.Server):
    """uvicorn in a thread, on a socket that listens already.

    host: the host in the address of the page. url: the address of the page on this machine.
    """

    def __init__(self, app: ASGIApp, listening: socket.socket, host: str):
        self.connections = Connections(raise_file_limit())
        # One parser, whatever is installed: httptools would take a head of any length, and a request of two hosts.
        # Without WebSockets, which the page has none of: uvicorn would give their connections to another protocol, and
        # they would count for ever. And without warnings: each is about a request that strangers chose.
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
        """Serve. Returns when requests are answered."""
        self._thread.start()
        while self._thread.is_alive() and not self.started:
            time.sleep(1e-3)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def enter(self, guest: AbstractAsyncContextManager[object]) -> None:
        """Enter a context in the server's loop, and leave it when the server ends."""
        asyncio.run_coroutine_threadsafe(self._guests.enter_async_context(guest), self._loop).result()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        await self._guests.aclose()

    def close(self, seconds: float) -> None:
        """End when the requests under way are answered. After so many seconds break them off, threads or not."""
        self.should_exit = True
        self._thread.join(seconds)
        self.force_exit = True
        self._thread.join(LAST)


class Connections:
    """The connections of one server. most: how many at once; beyond it, the oldest without a request are closed."""

    def __init__(self, most: int):
        self.most = most
        self.of: Counter[str | None] = Counter()  # by address
        self.waiting: OrderedDict[Connection, float] = OrderedDict()  # those without a request, and since when
        self.unread: dict[
            Connection, tuple[float, int]
        ] = {}  # at the last check: when it was, and how many bytes waited

    async def close_slow(self) -> None:
        """Close connections on which no request comes, and those whose client hardly reads its answer."""
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
    """uvicorn's protocol, which also reads little at once and counts itself among all connections."""

    all: ClassVar[Connections]

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        self._address = neighbourhood(peer)
        self.all.of[self._address] += 1
        self.all.waiting[self] = time.monotonic()
        proxies = getattr(self.config.loaded_app, "trusted_hosts", ())  # they have connections for many visitors
        if self.all.of[self._address] > OF_ONE and self._address and peer not in proxies:
            transport.abort()
        elif len(self.connections) > self.all.most:
            self.all.waiting.popitem(last=False)[0].transport.abort()

    def get_buffer(self, sizehint: int) -> bytearray:
        headers = dict(self.cycle.scope["headers"]) if self.cycle and self.cycle.more_body else {}
        is_plain = b"content-length" in headers and b"transfer-encoding" not in headers
        self._buffer = bytearray(BODY if is_plain else READ)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._buffer[:nbytes]))
        self._wait()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait()

    def _wait(self) -> None:
        """Note that this connection waits for a request from now on, unless it already did, or one is under way. While
        only a part of a head is here, it keeps waiting.
        """
        if self.transport.is_closing() or (self.cycle and not self.cycle.response_complete):
            self.all.waiting.pop(self, None)
        else:
            self.all.waiting.setdefault(self, time.monotonic())

    def pause_writing(self) -> None:
        super().pause_writing()
        self.all.unread[self] = time.monotonic(), self.transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.all.unread.pop(self, None)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.all.of[self._address] -= 1
        if not self.all.of[self._address]:
            del self.all.of[self._address]
        self.all.waiting.pop(self, None)
        self.all.unread.pop(self, None)
