"""The app killed as by `kill -9` during a training in Train."""

from __future__ import annotations

import random
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from pieces import unpacked

from benchmarks.live.served import Failed, ServedApp
from ddpm_core.disk.in_use import unused
from soak.kill import RUN, Result, expected_picture, kept_are_whole, until


def live(folder: Path, checkpoint: str, kills: int) -> Result:
    """Killed during a training in Train; then nothing of it is left, and another training works."""
    expected = expected_picture(checkpoint)
    rng = random.Random(0)
    learning, longest = 0, 0.0
    for _ in range(kills):
        app = ServedApp(folder, checkpoint)
        visitor = Visitor(app)
        visitor.start()
        time.sleep(rng.uniform(0, 2))
        if rng.random() < 0.7:  # else while it starts
            visitor.wait_for_samples()
            time.sleep(rng.uniform(0, 2))
        learning += visitor.step() > 0
        trainers = _trainers(app.process.pid)
        app.kill()
        killed = time.perf_counter()
        until(lambda: not any(map(_is_alive, trainers)), 60)  # noqa: B023
        longest = max(longest, time.perf_counter() - killed)
    with ServedApp(folder, checkpoint) as app:
        left = [path.name for path in app.temporary.iterdir() if not _is_held(path)]
        (picture,) = app.sample(**RUN)
        visitor = Visitor(app)
        visitor.start()
        visitor.wait_for_samples()
        again = visitor.now()
    after = [path.name for path in app.temporary.iterdir()]
    return {
        "kills": kills,
        "while_it_learned": learning,
        "seconds_until_the_trainer_had_ended": longest,
        "folders_left": left + after,
        "trains_again": again["state"] == "running",
        "errors": app.errors(),
        "passed": np.array_equal(picture, expected)
        and kept_are_whole(folder)
        and again["state"] == "running"
        and longest < 60
        and not (left + after)
        and not app.errors(),
    }


def _is_held(path: Path) -> bool:
    with unused(path) as is_unused:
        return not is_unused


class Visitor:
    """What Train asks the server for."""

    def __init__(self, app: ServedApp):
        self._app, self._page = app, uuid.uuid4().hex

    def start(self) -> None:
        """Train, as chosen at first."""
        self._ask("start", chosen={})

    def now(self) -> dict[str, Any]:
        """The state of the training, and what it has said."""
        return self._ask("now")

    def step(self) -> int:
        return self.now().get("step") or 0

    def wait_for_samples(self) -> None:
        """Wait until the network has learned, and made samples."""
        until(lambda: self.step() > 0 or self.now()["state"] not in ("starting", "waiting", "running"), 300, every=0.5)

    def _ask(self, what: str, **asked: Any) -> dict[str, Any]:
        body = {"part": "train", "what": what, "values": {"visitor": self._page, **asked}, "page": self._page}
        answer = self._app.http.post(f"{self._app.root}/ask", json=body)
        answer.raise_for_status()
        (found,) = unpacked(answer.content)
        if "error" in found:
            raise Failed(found["error"])
        return found


def _trainers(pid: int) -> list[int]:
    """The processes of an app that train."""
    children = [int(one) for path in Path(f"/proc/{pid}/task").glob("*/children") for one in path.read_text().split()]
    return [one for one in children if b"train.fit.flags.attended" in Path(f"/proc/{one}/cmdline").read_bytes()]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
