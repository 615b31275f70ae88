"""Questions that cost the server much: many touches, and checkpoints with large JSON files. How long another visitor
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

from benchmarks.live.served import ServedApp
from ddpm_core.checkpoint.refs import ANALYTIC, OPTIMISED
from ddpm_core.disk.files import sha256
from soak.hostile.checkpoints import WEIGHTS, write_checkpoint

GREEDY, VISITOR, CLASS = "198.51.100.1", "198.51.100.2", "198.51.100.3"
PUPILS = 30
ENGINE = {"part": "engine", "values": {}}


class Visit:
    """Requests of one address, over one connection."""

    def __init__(self, app: ServedApp, address: str):
        self._at = app.root.removeprefix("http://")
        self._headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
        self._connection = http.client.HTTPConnection(self._at, timeout=120)

    def post(self, path: str, content: dict[str, Any]) -> int:
        """The status of the answer, when all of it is here."""
        try:
            self._connection.request("POST", path, json.dumps(content).encode(), self._headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0
        return answer.status


def touched(characters: int = 33_000) -> dict[str, Any]:
    """A question with as many touches as such a text holds."""
    stroke = "500-noise-100-7.7"
    values = {"checkpoint": "mnist-tiny", "steps": 1000, "count": 1}
    return {
        "part": "watch",
        "what": "cost",
        "values": values | {"touch": "_".join([stroke] * (characters // (1 + len(stroke))))},
    }


def starve(folder: Path, checkpoint: str, connections: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """So many connections of one address ask what a run with many touches takes, again and again. Those of a text of
    33 kB are refused since there is a limit; as many as are allowed are not.
    """
    result: dict[str, Any] = {}
    questions = {"33 kB": touched(), "allowed": touched(200 * 18)}
    with ServedApp(folder, checkpoint) as app:
        app.warm_up()
        run = _run_of(app)
        for name, question in questions.items():
            for many in connections:
                with _asked(app, [question] * many):
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
            with _asked(app, [facts] * 3):
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
        values = {"checkpoint": app.checkpoint, "steps": 2, "count": 1}
        visitor.post("/run", {"part": "watch", "values": values, "page": "visitor"})

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
def _asked(app: ServedApp, questions: list[dict[str, Any]]) -> Iterator[None]:
    """One address asks these meanwhile, each over its own connection, again and again."""
    over = threading.Event()

    def ask(question: dict[str, Any]) -> None:
        visit = Visit(app, GREEDY)
        while not over.is_set():
            if visit.post("/ask", question | {"page": "greedy"}) != 200:
                over.wait(0.1)

    askers = [threading.Thread(target=ask, args=(one,)) for one in questions]
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
    page.post("/ask", ENGINE | {"what": "models"})
    page.post("/ask", ENGINE | {"what": "facts", "values": {"ref": checkpoint}})
    page.post("/ask", {"part": "watch", "what": "cost", "values": {"checkpoint": checkpoint, "steps": 50}})
