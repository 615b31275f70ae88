"""Attacks on a public page that once stopped it for everybody: what another visitor gets alone, and beside the attack.

The app is on this machine, and an address is what X-Forwarded-For says.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from pieces import unpacked

from soak.calls import lanes
from soak.served import ServedApp

PUBLIC = {"SPACE_ID": "owner/space"}
ATTACKERS = 8  # threads
VISITOR, LOUD = "198.51.100.1", "203.0.113.{}"

Result = dict[str, Any]


class Page:
    """A public page of its own process."""

    def __init__(self, app: ServedApp):
        self.app, self.port = app, httpx.URL(app.root).port or 0

    def opened(self, method: str, path: str, address: str, body: bytes = b"", more: str = "") -> socket.socket:
        """A connection on which this was sent."""
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(30)
        one.connect(("127.0.0.1", self.port))
        length = "" if "chunked" in more else f"Content-Length: {len(body)}\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\n{length}{more}\r\n"
        with contextlib.suppress(ConnectionError):  # it was refused meanwhile
            one.sendall(head.encode() + body)
        return one

    def status(self, *request: Any) -> str:
        """Of the answer to a request; "none" where there is none."""
        try:
            with contextlib.closing(self.opened(*request)) as one:
                return one.recv(12)[-3:].decode() or "none"
        except OSError:
            return "none"

    def run(self, part: str, steps: int, count: int) -> str:
        """The name of a visitor's run that has finished."""
        asked = {"part": part, "page": "a page", "values": lanes(self.app.checkpoint, steps, count)}
        answer = self.app.http.post(f"{self.app.root}/run", json=asked, headers={"X-Forwarded-For": VISITOR})
        return unpacked(answer.content)[-1]["run"]

    def seconds(self, path: str) -> float:
        """Until a visitor has what is there. Asks again while the app says that there are too many."""
        begun = time.monotonic()
        while True:
            with contextlib.suppress(httpx.TransportError):
                headers = {"X-Forwarded-For": VISITOR}
                answer = httpx.get(self.app.root + path, headers=headers, timeout=30, trust_env=False)
                if answer.status_code != 503:
                    answer.raise_for_status()
                    return time.monotonic() - begun
            if time.monotonic() - begun > 30:
                return 99.0
            time.sleep(0.1)

    def slowest(self, path: str, over: threading.Event) -> list[float]:
        """The slowest of many times until this is set, and how many."""
        times = [self.seconds(path)]
        while not over.wait(0.1):
            times.append(self.seconds(path))
        return [max(times), len(times)]

    def result(self, alone: float, beside: float, most: float = 2.0, **more: Any) -> Result:
        errors = self.app.errors()
        times = {"alone_seconds": alone, "beside_seconds": beside}
        return {**times, **more, "errors": errors, "passed": beside < most and not errors}


@contextlib.contextmanager
def _page(folder: Path, checkpoint: str) -> Iterator[Page]:
    with ServedApp(folder, checkpoint, PUBLIC) as app:
        app.warm_up()
        yield Page(app)


def _many(count: int, attack: Callable[[int], str]) -> Counter[str]:
    """How so many attacks were answered, ATTACKERS at once."""
    said: Counter[str] = Counter()

    def some(first: int) -> None:
        for number in range(first, count, ATTACKERS):
            said[attack(number)] += 1

    threads = [threading.Thread(target=some, args=(first,)) for first in range(ATTACKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def handshakes(folder: Path, checkpoint: str, count: int) -> Result:
    """WebSocket handshakes of one address. Where the package `websockets` is installed each counted as an open
    connection for ever.
    """
    more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    more += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    with _page(folder, checkpoint) as page:
        alone = max(page.seconds("/health") for _ in range(20))
        said = _many(count, lambda _: page.status("GET", "/config", LOUD.format(1), b"", more))
        said += _many(count, lambda _: page.status("GET", "/config", LOUD.format(1)))
        beside = max(page.seconds("/health") for _ in range(20))
        installed = importlib.util.find_spec("websockets") is not None
        return page.result(alone, beside, handshakes=count, statuses=dict(said), websockets_installed=installed)


def worthless(folder: Path, checkpoint: str, count: int) -> Result:
    """Requests of one address that can't be computed: whether another visitor's finished run is still here."""
    kind = "Content-Type: application/json\r\n"

    def wrong(number: int) -> bytes:
        return json.dumps({"part": "watch", "page": f"page {number}", "values": lanes(checkpoint, steps=0)}).encode()

    with _page(folder, checkpoint) as page:
        kept = f"/kept/{page.run('watch', 2, 1)}"
        alone = page.seconds(kept)
        said = _many(count, lambda number: page.status("POST", "/run", LOUD.format(1), wrong(number), kind))
        try:
            beside = page.seconds(kept)
        except httpx.HTTPStatusError:  # 404
            beside = 99.0
        return page.result(alone, beside, requests=count, statuses=dict(said))


def unread(folder: Path, checkpoint: str, sockets: int, steps: int) -> Result:
    """Sockets of two addresses that ask for what files are made of and read none of it: how long another visitor waits
    for the same. Each asks eight times: the system takes a first answer of 1.4 MB from the app, and no more.
    """
    with _page(folder, checkpoint) as page, contextlib.ExitStack() as here:
        kept = f"/kept/{page.run('watch', steps, 16)}"
        alone = max(page.seconds(kept) for _ in range(5))
        files, begun = page.app.open_files(), time.monotonic()
        for number in range(sockets):
            address = LOUD.format(number % 2)
            one = here.enter_context(contextlib.closing(page.opened("GET", kept, address)))
            one.sendall(f"GET {kept} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n\r\n".encode() * 7)
        time.sleep(0.5)
        beside = max(page.seconds(kept) for _ in range(5))
        while page.app.open_files() > files and time.monotonic() < begun + 60:
            time.sleep(0.2)
        return page.result(alone, beside, sockets=sockets, closed_after_seconds=time.monotonic() - begun)


def bodies(folder: Path, checkpoint: str, connections: int) -> Result:
    """Bodies of a megabyte that take long to read: JSON of many values, JSON that is repeated in what is wrong with it,
    and one byte at a time. How long /health takes meanwhile.
    """
    kind = "Content-Type: application/json\r\n"
    many = b'{"part":[' + b",".join([b"{}"] * 330_000) + b"]}"
    pieces = b"1\r\nx\r\n" * 170_000
    with _page(folder, checkpoint) as page:
        alone = max(page.seconds("/health") for _ in range(20))
        over, times = threading.Event(), []
        watch = threading.Thread(target=lambda: times.extend(page.slowest("/health", over)))
        watch.start()
        said = _many(connections, lambda n: page.status("POST", "/ask", LOUD.format(n % 50), many, kind))
        said += _many(
            8, lambda n: page.status("POST", "/ask", LOUD.format(n), pieces, f"{kind}Transfer-Encoding: chunked\r\n")
        )
        over.set()
        watch.join()
        return page.result(alone, times[0], connections=connections, asked=times[1], statuses=dict(said))


def terminated(folder: Path, checkpoint: str, runs: int) -> Result:
    """SIGTERM on a quiet page, and on one with runs of minutes and open streams: how long the app takes to end. Docker
    kills it after ten seconds.
    """
    seconds = []
    for load in (0, runs):
        app = ServedApp(folder, checkpoint, PUBLIC)
        app.warm_up()
        page = Page(app)
        body = {"values": lanes(checkpoint, 1000, 16), "part": "watch"}
        kind = "Content-Type: application/json\r\n"
        with contextlib.ExitStack() as here:
            for number in range(load):
                content = json.dumps(body | {"page": f"page {number}"}).encode()
                run = page.opened("POST", "/run", LOUD.format(number), content, kind)
                stream = page.opened("GET", f"/gradio_api/heartbeat/x{number}", LOUD.format(number))
                for one in (run, stream):
                    here.enter_context(contextlib.closing(one))
                threading.Thread(target=_read, args=(run,), daemon=True).start()
            time.sleep(3)
            begun = time.monotonic()
            app.process.send_signal(signal.SIGTERM)
            app.process.wait(60)
            seconds.append(time.monotonic() - begun)
    return page.result(*seconds, most=10, runs=runs, exit_code=app.process.returncode)


def _read(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while one.recv(1 << 16):
            pass
