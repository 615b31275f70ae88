"""The server: uvicorn in a thread, on a socket that listens already. Slow connections: uvicorn waits for the rest of a
request's head for ever, and takes as many as the system allows.

uvicorn 0.54 has a time-out for idle connections only (uvicorn issue #157): when it has one for the head of a request,
`HEAD` can be that. Bodies are the gate's business.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections import Counter, OrderedDict
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from ui.runs.visitors import is_here, neighbourhood

HEAD = 10.0  # seconds until the head of a request has to be there
OF_ONE = 256  # connections of one address; a browser opens six
MOST = 4096  # in all, if the system allows twice as many files
AT_ONCE = 128  # that are accepted before the first of them can be counted; uvicorn's own number is 2048
LAST = 0.5  # seconds for the server to end when it breaks off what is under way
FILES = 65_536  # that the app asks the system for
READS, LEAST = 10.0, 50_000  # seconds in which a client reads so many bytes of an answer that waits for it, at least
READ = 4096  # bytes of a connection that are parsed at once

log = logging.getLogger(__name__)


def raise_file_limit() -> int:
    """Let this process open as many files as it may; returns how many connections leave enough for all else, and for
    those that are just being accepted or closed.
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

    host: as an address of the page has it. url: that address on this machine.
    """

    def __init__(self, app: ASGIApp, listening: socket.socket, host: str):
        # One parser, whatever is installed: httptools would take a head of any length, and a request of two hosts.
        # Without WebSockets, which the page has none of: uvicorn would give their connections to another protocol, and
        # `patient` would count them for ever. And without warnings: each is about a request that strangers chose.
        config = uvicorn.Config(app, http="h11", ws="none", log_level="error", backlog=AT_ONCE)
        config.load()
        config.http_protocol_class = patient(config.http_protocol_class, Connections(raise_file_limit()))
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

    def enter(self, guest: AbstractAsyncContextManager[Any]) -> None:
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
    """The connections of one server. most: at once; beyond it those go whose request is not here yet, oldest first."""

    def __init__(self, most: int):
        self.most = most
        self.of: Counter[str] = Counter()  # by address
        self.waiting: OrderedDict[Any, None] = OrderedDict()  # for the head of a request, the first ones first


def patient(protocol: type, all: Connections) -> type:
    """uvicorn's protocol that closes a connection on which no request comes, and reads no more
    than what can be answered.
    """

    class Patient(protocol):
        _ends: Any = None  # the timer while no request is under way
        _stalls: Any = None  # the timer while an answer waits to be read
        _peer = ""
        _unread: bytearray

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._unread = bytearray()
            self.app_state = {**self.app_state, "abort": transport.abort}  # for the gate
            self._peer = neighbourhood(self.client[0] if self.client else "")
            all.of[self._peer] += 1
            proxies = getattr(self.config.loaded_app, "trusted_hosts", ())  # they ask for many
            if all.of[self._peer] > OF_ONE and not is_here(self._peer) and self.client[0] not in proxies:
                return transport.abort()
            if all.of.total() > all.most:
                oldest = next(iter(all.waiting), self)
                oldest._wait(False)
                oldest.transport.abort()
            self._wait()

        def data_received(self, data: bytes) -> None:
            self._unread += data
            self._read()
            self._wait()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._read()

        def _read(self) -> None:
            """Parse what has come, but nothing that follows a request before that is answered; and no body in pieces,
            which the gate refuses: each would cost as much as a request, however small it is.
            """
            while self._unread and not self.transport.is_closing():
                if asked := self.cycle:
                    in_pieces = any(name == b"transfer-encoding" for name, _ in asked.scope["headers"])
                    if in_pieces and asked.response_complete:
                        return self.transport.close()
                    if in_pieces or not (asked.more_body or asked.response_complete):
                        return self.flow.pause_reading()
                part = self._unread[:READ]
                del self._unread[:READ]
                super().data_received(bytes(part))

        def pause_writing(self) -> None:
            super().pause_writing()
            self._look(None)

        def resume_writing(self) -> None:
            self._stalls.cancel()
            super().resume_writing()

        def _look(self, before: int | None) -> None:
            """Close the connection where the client has hardly read any of the bytes that waited before."""
            waiting = self.transport.get_write_buffer_size()
            if before and waiting > before - LEAST:
                return self.transport.abort()
            self._stalls = self.loop.call_later(READS, self._look, waiting)

        def connection_lost(self, exc: Exception | None) -> None:
            self._wait(False)
            if self._stalls:
                self._stalls.cancel()
            all.of[self._peer] -= 1
            if not all.of[self._peer]:
                del all.of[self._peer]
            super().connection_lost(exc)

        def _wait(self, is_open: bool = True) -> None:
            """Begin to wait for a request, or end that. The time goes on while only a part of it is here."""
            waits = is_open and not self.transport.is_closing() and (not self.cycle or self.cycle.response_complete)
            if waits and self._ends is None:
                self._ends = self.loop.call_later(HEAD, self.transport.abort)
                all.waiting[self] = None
            elif not waits and self._ends is not None:
                self._ends.cancel()
                self._ends = None
                all.waiting.pop(self, None)

    return Patient
