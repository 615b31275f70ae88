"""The app in a process of its own, and clients of its API, for benchmarks that load it or kill it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]


class Failed(Exception):
    """A run ended with an error; str(failed) is its sentence."""


class ServedApp:
    """`python app.py` on a free port.

    folder: for its temporary files and caches. env: more variables. files: the number of files that it may open.
    """

    def __init__(self, folder: Path, checkpoint: str, env: dict[str, str] | None = None, files: int | None = None):
        self.folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir(parents=True, exist_ok=True)
        own = {"GRADIO_TEMP_DIR": self.temporary, "XDG_CACHE_HOME": folder / "cache", "HF_HUB_OFFLINE": "1"}
        known = {**os.environ, **{name: str(value) for name, value in own.items()}, **(env or {})}
        command = ["prlimit", f"--nofile={files}"] if files else []
        command += [sys.executable, "app.py", "--port", "0", "--no-browser", "--checkpoint", checkpoint]
        self.checkpoint = checkpoint
        self.log = folder / "app.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=known, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        address = re.search(r"http\S+(?=/)", self.process.stdout.readline())
        if address is None:
            sys.exit(f"the app did not start: {self.log.read_text()}")
        self.root = address[0]
        self.url = f"{self.root}/gradio_api"
        self.http = httpx.Client(timeout=None, limits=httpx.Limits(max_connections=None), trust_env=False)
        described = self.http.get(f"{self.url}/info").json()["named_endpoints"]["/sample"]["parameters"]
        self._defaults = {one["parameter_name"]: one["parameter_default"] for one in described}

    def order(self, name: str, **values: Any) -> str:
        """Ask for a run of an endpoint, without listening: the address of its events."""
        assert values.keys() <= self._defaults.keys()
        return self.ordered(name, list((self._defaults | values).values()))

    def ordered(self, name: str, data: list[Any]) -> str:
        """Do the same as `order`, with the values in the order of the parameters. Raises Failed if the app
        takes no more.
        """
        answer = self.http.post(f"{self.url}/call/{name}", json={"data": data})
        if answer.status_code == 503:
            raise Failed(answer.json()["detail"])
        answer.raise_for_status()
        return f"{self.url}/call/{name}/{answer.json()['event_id']}"

    def events(self, name: str, **values: Any) -> Generator[tuple[str, Any], None, None]:
        """A run's events as (kind, data) while they come; closing the iterator hangs up. Raises Failed."""
        yield from self.heard(self.order(name, **values))

    def heard(self, address: str) -> Generator[tuple[str, Any], None, None]:
        """The events of an ordered run."""
        kind = ""
        with self.http.stream("GET", address) as stream:
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: ") and kind != "heartbeat":
                    data = json.loads(line.removeprefix("data: "))
                    if kind == "error":
                        raise Failed(str(data))
                    yield kind, data

    def sample(self, **values: Any) -> np.ndarray:
        """The pictures of a run, uint8 (N, H, W) or (N, H, W, C)."""
        *_, (_, (files,)) = self.events("sample", **values)
        return np.stack([self._picture(file["path"]) for file in files])

    def _picture(self, path: str) -> np.ndarray:
        answer = self.http.get(f"{self.url}/file={path}")
        answer.raise_for_status()
        return np.asarray(Image.open(io.BytesIO(answer.content)))

    def seconds_to_first_step(self) -> float:
        """Order a run, and return the seconds until its first step has come."""
        started = time.perf_counter()
        with contextlib.closing(self.events("trajectory", steps=5, count=1)) as events:
            next(events)
        return time.perf_counter() - started

    def warm_up(self, count: int = 1) -> None:
        """Wait until the model is loaded and its steps are timed."""
        self.sample(steps=12, count=count)

    # --- What it takes of the machine

    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found is not None
        return int(found[1]) * 1024

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def temporary_bytes(self) -> int:
        """Return the size of the files in its temporary folder."""
        total = 0
        for path in self.temporary.rglob("*"):
            with contextlib.suppress(OSError):  # deleted meanwhile
                total += path.stat().st_size if path.is_file() else 0
        return total

    def errors(self) -> int:
        """Stack traces in what it has printed."""
        return self.log.read_text(errors="replace").count("Traceback")

    # --- Its end

    def kill(self) -> None:
        """Kill the process as `kill -9` does."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> ServedApp:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
