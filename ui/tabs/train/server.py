"""What the page asks the server for in the Train tab. Anybody can call these functions: they check what they get.

Each takes {visitor: the page's token, ...} and answers {error: a sentence} when what was asked for can't be done.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from ui.tabs.train.training import ROOT
from ui.tabs.train.visit import Visit
from ui.tabs.train.visits import Refused, Visits

Answer = dict[str, Any]


def functions(visits: Visits, opened: Callable[[], None] = lambda: None) -> list[Callable[[Any], Answer]]:
    """The functions, by whose names the page calls them. opened: called whenever a page looks."""

    def look(asked: dict[str, Any], visit: Visit) -> Answer:
        answer = visit.describe()
        run = visit.run
        same = asked.get("number") == visit.number
        known = [asked.get(name) if same else None for name in ("version", "points", "grids")]
        return answer | run.news(*known) if run else answer

    def train_look(asked: Any = None) -> Answer:
        """{visitor, number, version, points, grids: what the page has} -> the state, and what is new."""
        opened()
        return _answer(visits, asked, look)

    def train_start(asked: Any = None) -> Answer:
        """{visitor, chosen: {group: option}} -> {}."""

        def start(asked: dict[str, Any], visit: Visit) -> Answer:
            chosen = asked.get("chosen")
            visits.start(visit, chosen if isinstance(chosen, dict) else {})
            return {}

        return _answer(visits, asked, start)

    def train_follow(asked: Any = None) -> Answer:
        """{visitor, path} -> {}."""

        def follow(asked: dict[str, Any], visit: Visit) -> Answer:
            visits.follow(visit, asked.get("path"))
            return {}

        return _answer(visits, asked, follow)

    def train_do(asked: Any = None) -> Answer:
        """{visitor, what: pause, resume, stop or keep} -> {}, and for keep {kept: the folder}."""

        def do(asked: dict[str, Any], visit: Visit) -> Answer:
            what = asked.get("what")
            if what == "keep":
                return {"kept": str(visits.keep(visit))}
            if what == "resume":
                visits.resume(visit)
            elif visit.training and what in ("pause", "stop"):
                (visit.training.pause if what == "pause" else visit.training.stop)()
            return {}

        return _answer(visits, asked, do)

    return [train_look, train_start, train_follow, train_do]


def _answer(visits: Visits, asked: Any, do: Callable[[dict[str, Any], Visit], Answer]) -> Answer:
    from train import TrainError

    try:
        values = asked if isinstance(asked, dict) else {}
        return do(values, visits.visit(values.get("visitor")))
    except (Refused, TrainError, ValueError) as error:
        text = str(error).rstrip(".")
        return {"error": text[:1].upper() + text[1:]}
    except OSError as error:
        return {"error": f"The system refused it: {error.strerror or error}"}
    except ModuleNotFoundError as error:
        return {"error": f"{error.name} is missing: pip install -r requirements-dev.txt"}


# --- The machine


def machine_flags(device: str) -> list[str]:
    """The flags of `train fit` that make it fast on this machine. device: as for `ddpm_core.load`."""
    from train.fit.quickest import quickest_flags  # here for the start time: see ui/__init__.py

    return quickest_flags(device)


class Compiling:
    """Compiles the trainer's fast code in the background, once for a machine, if there is a compiler."""

    def __init__(self) -> None:
        self._began = False
        self._lock = threading.Lock()

    def begin(self) -> None:
        with self._lock:
            began, self._began = self._began, True
        if not began:
            threading.Thread(target=self._compile, daemon=True, name="compile").start()

    def _compile(self) -> None:
        from train.fit.fused import is_compiled  # here for the start time: see ui/__init__.py

        if is_compiled() or not any(map(shutil.which, ("c++", "g++", "clang++"))):
            return
        quiet: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        subprocess.run([sys.executable, "-m", "train.fit.fused"], cwd=ROOT, check=False, **quiet)
