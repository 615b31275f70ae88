"""Requests that cost the server much: many touches, and checkpoints with large JSON files. How long another visitor
waits meanwhile. The app is on this machine, and an address is what X-Forwarded-For says.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from pieces import unpacked

from ddpm_core.checkpoint.refs import ANALYTIC, OPTIMISED
from ddpm_core.disk.files import sha256
from soak.calls import lanes
from soak.hostile.checkpoints import WEIGHTS, write_checkpoint
from soak.served import ServedApp

GREEDY, VISITOR, CLASS = "198.51.100.1", "198.51.100.2", "198.51.100.3"
PUPILS = 30


class Visit:
    """Requests of one address, over one connection."""

    def __init__(self, app: ServedApp, address: str):
        self._at = app.root.removeprefix("http://")
        self._headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
        self._connection = http.client.HTTPConnection(self._at, timeout=120)

    def post(self, path: str, content: dict[str, Any]) -> bytes:
        """The answer, when all of it is here; b"" for one that says no."""
        try:
            self._connection.request("POST", path, json.dumps(content).encode(), self._headers)
            answer = self._connection.getresponse()
            found = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return b""
        return found if answer.status == 200 else b""


def touched(strokes: int, cells: int) -> dict[str, Any]:
    """A request for a short run with so many strokes of so many cells."""
    values, stroke = lanes("mnist-tiny", 2), {"t": 500, "what": "noise", "strength": 100, "cells": [[7, 7]] * cells}
    return {"part": "watch", "values": values | {"lanes": values["lanes"] * 2, "touch": [stroke] * strokes}}


def starve(folder: Path, checkpoint: str, connections: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """So many connections of one address ask for runs with many touches, again and again. More strokes than the limit
    are refused; as many as it allows, with as many cells as a request may have, are not.
    """
    result: dict[str, Any] = {}
    requests = {"refused": touched(3000, 1), "allowed": touched(200, 35)}
    with ServedApp(folder, checkpoint) as app:
        app.warm_up()
        run = _run_of(app)
        for name, request in requests.items():
            for many in connections:
                with _asked(app, "/run", [request] * many):
                    beside = _times(run, seconds)
                result[f"{name}, {many} connections"] = {"alone": _times(run, seconds / 2), "beside": beside}
        pages = [Visit(app, CLASS) for _ in range(PUPILS)]
        begun = time.monotonic()
        pupils = [threading.Thread(target=_open_page, args=(page, checkpoint)) for page in pages]
        for pupil in pupils:
            pupil.start()
        for pupil in pupils:
            pupil.join()
        result["class_of_30_opens_the_page_seconds"] = time.monotonic() - begun
        slowest = max(one["beside"]["slowest_seconds"] for one in result.values() if isinstance(one, dict))
        passed = slowest < 2 and result["class_of_30_opens_the_page_seconds"] < 5
        return {**result, "errors": app.errors(), "passed": passed and not app.errors()}


def large_json(folder: Path, checkpoint: str, megabytes: tuple[float, ...], seconds: float) -> dict[str, Any]:
    """Three connections of one address ask for the facts of a checkpoint whose JSON files have so many MB each."""
    result: dict[str, Any] = {}
    with ServedApp(folder, checkpoint) as app:
        app.warm_up()
        run, before = _run_of(app), app.memory()
        for size in megabytes:
            place = folder / f"{size} MB"
            write_checkpoint(place)
            _pad(place, int(size * 1e6))
            facts = {"part": "engine", "what": "facts", "values": {"ref": str(place)}}
            with _asked(app, "/ask", [facts] * 3):
                beside, memory = _times(run, seconds), app.memory()
            beside["memory_grew_mb"] = (memory - before) / 1e6
            result[f"{size} MB"] = {"alone": _times(run, seconds / 2), "beside": beside}
        slowest = max(one["beside"]["slowest_seconds"] for one in result.values())
        grew = max(one["beside"]["memory_grew_mb"] for one in result.values())
        return {**result, "errors": app.errors(), "passed": slowest < 2 and grew < 200 and not app.errors()}


def _pad(folder: Path, size: int) -> None:
    """Give each JSON file, of which there are all kinds, a field that nothing reads and that takes far more memory than
    bytes.
    """
    own = {"weights_sha256": sha256(folder / f"{WEIGHTS}.safetensors")}
    gamma = {"times": [1, 100], "gamma": [1.0, 1.0], "standard_error": [], "images": None}
    (folder / ANALYTIC).write_text(json.dumps(own | gamma))
    (folder / OPTIMISED).write_text(json.dumps(own | {"times": {}}))
    for path in folder.glob("*.json"):
        padding = [[]] * ((size - path.stat().st_size) // 4)
        path.write_text(json.dumps(json.loads(path.read_text()) | {"padding": padding}))


def _run_of(app: ServedApp) -> Callable[[], None]:
    visitor = Visit(app, VISITOR)

    def run() -> None:
        asked = {"part": "watch", "values": lanes(app.checkpoint, 2), "page": "visitor"}
        assert unpacked(visitor.post("/run", asked))[-1]["state"] == "finished"

    return run


def _times(run: Callable[[], None], seconds: float) -> dict[str, Any]:
    """How long a run takes, again and again for so long, and three times at least."""
    times, end = [], time.monotonic() + seconds
    while len(times) < 3 or time.monotonic() < end:
        begun = time.monotonic()
        run()
        times.append(time.monotonic() - begun)
    return {"runs": len(times), "median_seconds": median(times), "slowest_seconds": max(times)}


@contextlib.contextmanager
def _asked(app: ServedApp, path: str, requests: list[dict[str, Any]]) -> Iterator[None]:
    """One address asks these meanwhile, each as a page and over a connection of its own, again and again."""
    over = threading.Event()

    def ask(page: int, request: dict[str, Any]) -> None:
        visit = Visit(app, GREEDY)
        while not over.is_set():
            if not visit.post(path, request | {"page": f"greedy {page}"}):
                over.wait(0.1)

    askers = [threading.Thread(target=ask, args=one) for one in enumerate(requests)]
    for asker in askers:
        asker.start()
    over.wait(2)
    try:
        yield
    finally:
        over.set()
        for asker in askers:
            asker.join()


def _open_page(page: Visit, checkpoint: str) -> None:
    """The questions of a page that opens."""
    asked = {"models": {}, "facts": {"ref": checkpoint}, "pace": {"refs": [checkpoint]}}
    for what, values in asked.items():
        answer = page.post("/ask", {"part": "engine", "what": what, "values": values})
        assert answer and b'"error"' not in answer, what
