"""Calls every route of the running app with random and boundary values, as a stranger might.

Bars: no answer of 500 or more, no stack trace, no answer later than 10 s, no file outside the temporary folder, and at
the end a run gives the right picture.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np

from soak.calls import API, Call, Fuzz
from soak.served import ServedApp

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 10.0  # until there is an answer
THREADS = 8
TRACE = re.compile(r"Traceback|File \"[^\"]+\", line|site-packages")
# No sentence of ours for a request has these words.
FAULT = re.compile(r".{,80}(?:failed unexpectedly|validation error|to unpack).{,80}")


class Answer(NamedTuple):
    status: int
    text: str
    seconds: float


def send(port: int, call: Call) -> Answer:
    """The answer to a call; of a run what comes in the first second."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS + 5)
    started = time.monotonic()
    try:
        connection.request(call.method, call.path, call.body or None, call.headers)
        response = connection.getresponse()
        text, ends = b"", time.monotonic() + 1
        if call.path == "/run" and response.status == 200:
            while time.monotonic() < ends and (piece := response.read1(1 << 16)):
                text += piece
        else:
            text = response.read(1 << 20)
        return Answer(response.status, text.decode("utf-8", "replace"), time.monotonic() - started)
    finally:
        connection.close()


def judged(call: Call, answer: Answer) -> str:
    """What is wrong with an answer; "" for nothing."""
    if answer.status >= 500:
        return f"status {answer.status}: {answer.text[:200]}"
    if answer.seconds > SECONDS:
        return f"took {answer.seconds:.1f} s"
    if found := FAULT.search(answer.text):
        return f"a fault: {found[0]}"
    if TRACE.search(answer.text):
        return f"a stack trace: {TRACE.search(answer.text)}"
    if "root:" in answer.text or "import annotations" in answer.text or "[core]" in answer.text:
        return "the content of a file that is not to be seen"
    return ""


def heard(port: int, call: Call, answer: Answer) -> str:
    """Listen to the run that a call has asked for; returns what is wrong with it."""
    if not call.path.startswith(f"{API}/call/"):
        return ""
    path = f"{call.path.rstrip('/')}/{json.loads(answer.text)['event_id']}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2 * SECONDS)
    try:
        connection.request("GET", path)
        response, ends = connection.getresponse(), time.monotonic() + SECONDS
        while (line := response.readline()) and time.monotonic() < ends:  # a long run ends when we go
            if TRACE.search(text := line.decode("utf-8", "replace")):
                return f"a stack trace in the stream: {text[:200]}"
            if text.startswith("event: complete") or text.startswith("event: error"):
                return ""
        return ""
    finally:
        connection.close()


def listed(home: Path) -> set[str]:
    """All files of the project and of the app's home, but for its caches."""
    found = {str(path) for path in home.rglob("*") if "cache" not in path.relative_to(home).parts[0]}
    skipped = (".git", "node_modules", "__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis")
    for path in ROOT.rglob("*"):
        if path.is_file() and not any(part in skipped for part in path.parts):
            found.add(str(path))
    return found


def storm(folder: Path, calls: int, seed: int = 0) -> dict[str, Any]:
    """Random and boundary calls of every route of a public page, eight at a time."""
    home = folder / "home"
    home.mkdir()
    env = {"HOME": home, "DDPM_CACHE": home / "cache", "SPACE_ID": "owner/space", "PYTHONDONTWRITEBYTECODE": "1"}
    wrong: list[str] = []
    statuses: Counter[int] = Counter()
    slowest = 0.0
    with ServedApp(folder, "cifar10-tiny", {name: str(value) for name, value in env.items()}) as app:
        port = httpx.URL(app.url).port or 0
        before, files = app.sample(seed=7, steps=3, count=1), listed(home)
        fuzz = Fuzz(seed)

        def one(call: Call) -> None:
            nonlocal slowest
            try:
                answer = send(port, call)
                problem = judged(call, answer)
                statuses[answer.status] += 1
                if "event_id" in answer.text and random.random() < 0.5:
                    problem = problem or heard(port, call, answer)
                slowest = max(slowest, answer.seconds)
            except (OSError, http.client.HTTPException) as error:
                problem = f"no answer: {type(error).__name__} {error}"
            if problem:
                wrong.append(f"{call.method} {call.path[:120]} {call.body[:300]!r}: {problem}")

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(one, [fuzz.call() for _ in range(calls)]))
        if not np.array_equal(app.sample(seed=7, steps=3, count=1), before):
            wrong.append("a run gave another picture after the calls than before")
        if new := listed(home) - files:
            wrong.append(f"files were written outside the temporary folder: {sorted(new)[:5]}")
        health = json.loads(send(port, Call("GET", "/health")).text)
    if code := app.process.returncode:
        wrong.append(f"the app ended with {code}")
    return {
        "calls": calls,
        "slowest_seconds": round(slowest, 1),
        "statuses": dict(sorted(statuses.items())),
        "health": health,
        "tracebacks_in_the_log": app.errors(),
        "wrong": wrong,
        "passed": not wrong,
    }
