"""Calls every route of the running app with random and boundary values, as a stranger might.

    python -m benchmarks fuzz --calls 5000

The app is started here as a public page, with a home folder and a folder of temporary files of its own. Bars: no answer
of 500 or more, no stack trace, no answer later than 10 s, no file outside the temporary folder, and at the end a run
gives the right picture.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks._calls import API, RUN, Call, Fuzz, json_call

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 10.0  # until there is an answer
THREADS = 8
TRACE = re.compile(r"Traceback|File \"[^\"]+\", line|site-packages")


class Answer(NamedTuple):
    status: int
    text: str
    seconds: float


def send(port: int, call: Call) -> Answer:
    """The answer to a call; of a stream only what comes in the first moments."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS + 5)
    started = time.monotonic()
    try:
        connection.request(call.method, call.path, call.body or None, call.headers)
        response = connection.getresponse()
        stream = "event-stream" in response.headers.get("Content-Type", "")
        text = b"" if stream else response.read(1 << 20)
        return Answer(response.status, text.decode("utf-8", "replace"), time.monotonic() - started)
    finally:
        connection.close()


def judged(call: Call, answer: Answer) -> str:
    """What is wrong with an answer; "" for nothing."""
    if answer.status >= 500:
        return f"status {answer.status}: {answer.text[:200]}"
    if answer.seconds > SECONDS:
        return f"took {answer.seconds:.1f} s"
    if TRACE.search(answer.text) and not call.path.startswith("/assets"):
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


class App:
    """The app as a public page, in a process of its own."""

    def __init__(self, folder: Path):
        self.home, self.temporary = folder / "home", folder / "temporary"
        for place in (self.home, self.temporary):
            place.mkdir()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "DDPM_"))}
        environment |= {"HOME": str(self.home), "GRADIO_TEMP_DIR": str(self.temporary), "HF_HUB_OFFLINE": "1"}
        environment |= {"SPACE_ID": "owner/space", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(self.temporary)}
        self.log = (folder / "log").open("w+")
        flags = ["--port", "0", "--no-browser", "--log-json"]
        self.process = subprocess.Popen(
            [sys.executable, "app.py", *flags],
            cwd=ROOT,
            env=environment | {"DDPM_CACHE": str(self.home / "cache")},
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        self.port = int(re.findall(r":(\d+)/", line)[0])
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()

    def files(self) -> set[str]:
        """All files of the project and of the app's home, but for its caches."""
        found = {str(path) for path in self.home.rglob("*") if "cache" not in path.relative_to(self.home).parts[0]}
        skipped = (".git", "node_modules", "__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis")
        for path in ROOT.rglob("*"):
            if path.is_file() and not any(part in skipped for part in path.parts):
                found.add(str(path))
        return found


def sample(port: int, seed: int) -> bytes:
    """The picture of a short run, through the API."""
    call = json_call(f"{API}/call/sample", {"data": list((RUN | {"seed": seed}).values())})
    event = json.loads(send(port, call).text)["event_id"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", f"{API}/call/sample/{event}")
    text = connection.getresponse().read().decode()
    path = json.loads(text.rsplit("event: complete\ndata: ", 1)[1].splitlines()[0])[0][0]["path"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", f"{API}/file={path}")
    return connection.getresponse().read()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks fuzz", description=__doc__)
    parser.add_argument("--calls", type=int, default=5000, help="how many calls (5000)")
    parser.add_argument("--seed", type=int, default=0, help="of the calls (0)")
    options = parser.parse_args(arguments)
    wrong: list[str] = []
    statuses: Counter[int] = Counter()
    slowest = [0.0]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        app = App(Path(name))
        try:
            before = sample(app.port, 7)
            files = app.files()
            fuzz = Fuzz(json.loads(send(app.port, Call("GET", "/config")).text), options.seed)
            calls = [fuzz.call() for _ in range(options.calls)]

            def one(call: Call) -> None:
                try:
                    answer = send(app.port, call)
                    problem = judged(call, answer)
                    statuses[answer.status] += 1
                    if "event_id" in answer.text and random.random() < 0.5:
                        problem = problem or heard(app.port, call, answer)
                    slowest[0] = max(slowest[0], answer.seconds)
                except (OSError, http.client.HTTPException) as error:
                    problem = f"no answer: {type(error).__name__} {error}"
                if problem:
                    wrong.append(f"{call.method} {call.path[:120]} {call.body[:300]!r}: {problem}")
                    print(wrong[-1], flush=True)

            started = time.monotonic()
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(one, calls))
            seconds = time.monotonic() - started
            if sample(app.port, 7) != before:
                wrong.append("a run gave another picture after the calls than before")
            new = app.files() - files
            if new:
                wrong.append(f"files were written outside the temporary folder: {sorted(new)[:5]}")
            health = send(app.port, Call("GET", "/health")).text
            code = app.stop()
            if code:
                wrong.append(f"the app ended with {code}")
        finally:
            app.process.kill()
            app.log.seek(0)
            log = app.log.read()
    said = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    print(f"{options.calls} calls in {seconds:.0f} s, the slowest {slowest[0]:.1f} s; {said}")
    print(f"health at the end: {health}")
    errors = Counter(re.findall(r"^(?:\w+\.)*\w*(?:Error|Exception)\b.*", log, re.MULTILINE))
    print(f"tracebacks in the app's log: {log.count('Traceback')}")
    for error, count in errors.most_common(20):
        print(f"- {count} × {error[:160]}")
    print(f"{len(wrong)} problems" + "".join(f"\n- {line[:500]}" for line in wrong))
    raise SystemExit(bool(wrong))
