"""What strangers can take of a page by asking without listening, by connections without requests, by sessions without
number, and from other websites. The app is on this machine, and an address is what X-Forwarded-For says.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from soak.served import ServedApp

ASKERS = 4  # at once
FILES = 1024  # that the app may open: what `ulimit -n` often says
ORIGINS = ("https://evil.example", "http://localhost:1", "http://127.0.0.1:1", "null", "https://huggingface.co")
HOSTS = ("evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example")
RUN = {"checkpoint": "mnist-tiny", "steps": 2, "count": 1}


def _order(app: ServedApp, address: str = "198.51.100.1") -> int:
    headers = {"X-Forwarded-For": address}
    return app.http.post(f"{app.url}/call/v2/sample", json=RUN, headers=headers).status_code


def unheard(folder: Path, checkpoint: str, seconds: float, rate: float) -> dict[str, Any]:
    """So many runs a second to which nobody listens, of one address and of another for each: how long another visitor
    waits for a first step meanwhile.
    """
    result: dict[str, Any] = {"rate": rate}
    passed = True
    with ServedApp(folder, checkpoint) as app:
        app.warm_up()
        result["alone_seconds"] = max(app.seconds_to_first_step() for _ in range(5))
        for name in ("one address", "many addresses"):
            over, statuses = threading.Event(), Counter[int]()

            def ask(first: int, name: str = name, over: threading.Event = over, statuses: Any = statuses) -> None:
                begun = time.monotonic()
                for number in count(first, ASKERS):
                    if over.wait(max(0.0, begun + number / rate - time.monotonic())):
                        return
                    address = f"198.51.100.{number % 250}" if name == "many addresses" else "198.51.100.1"
                    statuses[_order(app, address)] += 1

            askers = [threading.Thread(target=ask, args=(first,)) for first in range(ASKERS)]
            for asker in askers:
                asker.start()
            waits, end = [], time.monotonic() + seconds
            time.sleep(min(5.0, seconds / 3))
            while time.monotonic() < end:
                with contextlib.suppress(Exception):  # all places before the line are taken
                    waits.append(app.seconds_to_first_step())
                time.sleep(0.2)
            over.set()
            for asker in askers:
                asker.join()
            result[name] = {
                "statuses": dict(statuses),
                "first_steps": len(waits),
                "slowest_seconds": max(waits or [99]),
            }
            passed = passed and max(waits or [99]) < 2
            time.sleep(6)  # until the last of them has ended
        return {**result, "errors": app.errors(), "passed": passed and not app.errors()}


def half_heads(folder: Path, checkpoint: str, connections: int, streams: int) -> dict[str, Any]:
    """So many connections with half a head, and so many heartbeats of one address, in an app that may open FILES files:
    how long /health takes meanwhile, and when the half heads are closed.
    """
    with ServedApp(folder, checkpoint, files=FILES) as app:
        app.warm_up()
        port = httpx.URL(app.url).port or 0
        half, begun = [], time.monotonic()
        for _ in range(connections):
            half.append(socket.create_connection(("127.0.0.1", port), timeout=30))
            half[-1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        opened = time.monotonic() - begun
        health = [_seconds(app) for _ in range(5)]
        for one in half:
            with contextlib.suppress(OSError):
                one.recv(100)
            one.close()
        closed = time.monotonic() - begun
        statuses: Counter[str] = Counter()
        with contextlib.ExitStack() as here:
            for number in range(streams):
                one = here.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
                head = (
                    f"GET /gradio_api/heartbeat/x{number} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.1"
                )
                one.sendall(f"{head}\r\n\r\n".encode())
                statuses[one.recv(12)[-3:].decode()] += 1
            health += [_seconds(app) for _ in range(5)]
            first = app.seconds_to_first_step()
        return {
            "half_heads": connections,
            "opened_seconds": opened,
            "closed_seconds": closed,
            "heartbeats": dict(statuses),
            "health_seconds": max(health),
            "first_step_seconds": first,
            "errors": app.errors(),
            "passed": max(health) < 2 and first < 2 and closed < opened + 20 and not app.errors(),
        }


def _seconds(app: ServedApp) -> float:
    begun = time.monotonic()
    httpx.get(app.root + "/health", timeout=30, trust_env=False).raise_for_status()
    return time.monotonic() - begun


def remembered(folder: Path, checkpoint: str, runs: int) -> dict[str, Any]:
    """So many runs, half of them with a run to its end, and as many with a name of 60 kB: what stays in memory."""
    with ServedApp(folder, checkpoint) as app:
        app.warm_up()
        statuses: Counter[int] = Counter()

        def some(count: int) -> None:
            for number in range(count):
                if number % 2:
                    statuses[_order(app, f"198.51.100.{number % 250}")] += 1
                else:
                    app.sample(**RUN)

        some(runs // 5)  # fills what has a bound
        before = app.memory()
        some(runs)
        time.sleep(min(20.0, runs / 5))
        after = app.memory()
        named = {"data": [], "session_hash": "x" * 60_000}
        posts = (app.http.post(f"{app.url}/call/sample", json=named) for _ in range(min(runs, 1200)))
        long = Counter(answer.status_code for answer in posts)
        return {
            "sessions": runs,
            "memory_mb": [before / 1e6, after / 1e6, app.memory() / 1e6],
            "statuses": dict(statuses),
            "long_names": dict(long),
            "errors": app.errors(),
            "passed": app.memory() < 1.05 * before and set(long) == {400} and not app.errors(),
        }


def foreign(folder: Path, checkpoint: str) -> dict[str, Any]:
    """Each route from each of these websites, and under each of these names: all are refused, and none may read."""
    routes = ["", "config", *(f"gradio_api/{name}" for name in ("info", "heartbeat/x", "queue/data", "call/sample/x"))]
    posts = ["login", "ask", "run", *(f"gradio_api/{name}" for name in ("cancel", "queue/join", "call/sample"))]
    with ServedApp(folder, checkpoint) as app:
        root, wrong, tried = f"{app.root}/", [], 0
        for headers in [*({"Origin": one} for one in ORIGINS), *({"Host": one} for one in HOSTS)]:
            for method, path in [*(("GET", one) for one in routes), *(("POST", one) for one in posts)]:
                answer = app.http.request(method, root + path, headers=headers)
                tried += 1
                if answer.status_code != 403 or any("access-control" in name.lower() for name in answer.headers):
                    wrong.append((method, path, headers, answer.status_code))
        return {"tried": tried, "wrong": wrong, "errors": app.errors(), "passed": not wrong and not app.errors()}
