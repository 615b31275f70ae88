"""A training in a process of its own: `python -m train.fit.flags.attended`, started, paused, continued and ended.

Paused is the same as stopped: the process saves its checkpoint and ends, so that it takes no memory and no place, and
the run goes on with --resume to the weights that it would have had.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ui.training.folder import RunFolder

State = Literal["running", "pausing", "paused", "stopping", "stopped", "finished", "error"]
Wanted = Literal["running", "paused", "stopped"]

ROOT = Path(__file__).resolve().parents[2]  # where `python -m train` works
PATIENCE = 30.0  # seconds that a process has to save and end
LOG = "train.log"
# Beginnings of the trainer's sentences, and what to do about them on the page.
ADVICE = {
    "There is not enough memory": "Choose a smaller width of the network",
    "The loss or its gradient stopped being finite": "Choose a lower learning rate",
}
_UNDER_WAY: dict[Wanted, State] = {"running": "running", "paused": "pausing", "stopped": "stopping"}
COMMAND = (sys.executable, "-m", "train.fit.flags.attended")
WINDOW = 5.0  # seconds over which is measured how much of a processor the process gets
STARVED = 0.3  # of one processor, at most, is what a process gets that waits for one while it starts

clock = time.monotonic

log = logging.getLogger(__name__)


class Training:
    """One run of a visitor. folder: of the run, made by it; flags: of `train fit`, but for --out. Starts at once."""

    def __init__(self, folder: Path, flags: Sequence[str]):
        self.run = RunFolder(folder)
        self._flags = list(flags)
        self._wanted: Wanted = "running"
        self._first: dict[str, str] = {}  # what says in the environment that it need not let others go first
        self._since = 0.0  # when its process was started
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = 0.0  # when the process was asked to end
        self._times: deque[tuple[float, float]] = deque()  # (now, processor time of the process), when it was looked at
        self._error = ""
        self._lock = threading.RLock()
        self.run.path.mkdir(parents=True, exist_ok=True)
        self._start()

    @property
    def state(self) -> State:
        """paused and stopped once the process has ended; running also while it starts."""
        with self._lock:
            self._look()
            if self._process is not None:
                return _UNDER_WAY[self._wanted]
            if self._error:
                return "error"
            if self._wanted == "running":
                return "finished"
            return self._wanted

    @property
    def error(self) -> str:
        """Why the run failed, in one sentence."""
        return self._error

    @property
    def computes(self) -> bool:
        """Whether there is a process."""
        return self.state in ("running", "pausing", "stopping")

    @property
    def starved(self) -> bool:
        """Whether the process has got little of the processor lately, as others take it. Ask about once a second."""
        with self._lock:
            used = None if self._process is None else _processor_time(self._process.pid)
            if used is None:
                return False
            now = clock()
            self._times.append((now, used))
            while len(self._times) > 2 and now - self._times[1][0] >= WINDOW:
                self._times.popleft()
            (first, before), (_, after) = self._times[0], self._times[-1]
            return now - first >= WINDOW and after - before < STARVED * (now - first)

    @property
    def seconds(self) -> float:
        """Since its process was started."""
        return clock() - self._since

    def pause(self) -> None:
        """Save and end the process, as soon as it can."""
        with self._lock:
            if self.state == "running":
                self._wanted = "paused"
                self._ask_to_end()

    def resume(self) -> None:
        """Go on after `pause` or `stop`."""
        with self._lock:
            if self.state in ("paused", "stopped"):
                self._wanted = "running"
                self._start()

    def hurry(self) -> None:
        """Let it not wait for others any more: from the start, as a process can't raise its own priority."""
        with self._lock:
            if self._process is not None and self.state == "running":
                _kill(self._process)
                self._process.wait()
                self._first = {"ATTENDED_FIRST": "1"}
                self._start()

    def stop(self) -> None:
        """As `pause`, for good."""
        with self._lock:
            if self.state in ("running", "pausing", "paused"):
                self._wanted = "stopped"
                self._ask_to_end()

    def end(self, seconds: float = PATIENCE) -> None:
        """Stop, and return when there is no process any more; after so many seconds it is killed."""
        self.stop()
        with self._lock:
            process = self._process
        if process is None:
            return
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()

    def discard(self) -> None:
        """Kill the process, and delete the run: when this returns, there is neither."""
        with self._lock:
            if self.computes:
                self._wanted = "stopped"
            if self._process is not None:
                _kill(self._process)
                self._process.wait()
        shutil.rmtree(self.run.path, ignore_errors=True)

    def _start(self) -> None:
        saved = any((self.run.path / "checkpoints").glob("step-*.pt"))
        words = ["--resume"] if saved else self._flags
        self._error, self._since = "", clock()
        self._times.clear()
        with open(self.run.path / LOG, "ab") as log:
            self._process = subprocess.Popen(
                [*COMMAND, *words, "--out", str(self.run.path)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Waiting threads sleep: those of a run of low priority would take the time of others otherwise.
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"} | self._first,
                start_new_session=True,  # Ctrl-C in the app's terminal is for the app
                creationflags=0 if self._first else getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),  # Windows
            )

    def _ask_to_end(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._asked = time.monotonic()
            with suppress(OSError):
                self._process.stdin.close()

    def _look(self) -> None:
        """Notice that the process has ended, and why; kill one that does not end."""
        process = self._process
        if process is None:
            return
        code = process.poll()
        if code is None:
            if self._wanted != "running" and time.monotonic() - self._asked > PATIENCE:
                _kill(process)
            return
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        self._process = None
        self.run.read()
        if code == 0:
            self._wanted = "running"  # it was finished before it could stop
        elif self._wanted == "running":
            self._error = self._reason(code)

    def _reason(self, code: int) -> str:
        """Return the trainer's own sentence, the last of its log, or a general one where that names a flag."""
        lines: list[str] = []
        with suppress(OSError):
            lines = (self.run.path / LOG).read_text(encoding="utf-8", errors="replace").splitlines()[-50:]
        for line in reversed(lines):
            if line.startswith("error: "):
                sentence = line.removeprefix("error: ")
                if known := next((known for known in ADVICE if sentence.startswith(known)), ""):
                    return f"{known}. {ADVICE[known]}"
                if "--" not in sentence:
                    return sentence
                break
        if code in (-signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM):
            return "The training was ended from outside"
        if code == -9:
            return "The training was killed, perhaps because the memory was full"
        log.error("a training ended with code %d:\n%s", code, "\n".join(lines))  # not for a public page's visitors
        return f"The training ended unexpectedly (code {code}); the log of the app has its last lines"


def _processor_time(pid: int) -> float | None:
    """Seconds of a processor that a process has got; None where there is no such process."""
    import psutil  # here for the start time: see ui/__init__.py

    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return times.user + times.system


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, and those that it has started."""
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
