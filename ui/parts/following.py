"""Follow: a run of `python -m train fit` in another terminal, as its folder tells it while it goes on.

Trainings of the page itself happen in the visitor's browser (ui/web/learning). A public page follows nothing, as it
names no folder of its machine.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from PIL import Image

from ddpm_core.checkpoint.refs import holds_model
from ddpm_core.imaging.image_files import open_picture
from ui.forms.fields import near, shown
from ui.models.services import Services
from ui.parts.part import Part
from ui.pictures.encoded import Encoded
from ui.protocol import Asked, Followed, TrainQuestions
from ui.runs.log import Values

PROGRESS = "progress.jsonl"
MOST_POINTS = 4000  # of a curve; of a longer one every second point is left out, and so on
MOST_GRIDS = 240
GRIDS_AT_ONCE = 12  # in one answer
LARGEST = 200_000  # bytes of a picture that is sent as it is
LARGEST_SIDE = 640  # pixels, of others
FRESH = 120.0  # seconds: a run that has said something since is under way
FOLLOWED = 8  # folders of which the page's server remembers what it has read
_LARGEST_NUMBER = sys.float_info.max  # whole numbers of JSON have no limit


@dataclass(frozen=True)
class SampleGrid:
    """Samples of a step, with the moving average and with the raw weights. error: of the former, in grey levels."""

    step: int
    seconds: float
    error: float | None


class RunFolder:
    """The points and grids of the run in a folder, as far as they are known by the last `read`.

    version: another number when what was known before no longer holds. total: steps of the whole run.
    """

    def __init__(self, path: Path):
        self.path = path
        self.version = 0
        self._lock = threading.Lock()  # a page may be open twice
        self._forget()

    def _forget(self) -> None:
        self.points: list[tuple[int, float | None, float | None, float]] = []  # step, loss, images/s, seconds
        self.grids: list[SampleGrid] = []
        self.about: Values = {}
        self._offset = 0
        self._before = 0.0  # seconds of earlier starts
        self._half: Values | None = None  # the samples of the moving average, whose others are to come
        self.version += 1

    @property
    def total(self) -> int:
        return whole(self._config.get("steps"))

    @property
    def batch(self) -> int:
        return max(1, whole(self._config.get("batch")))

    @property
    def classes(self) -> int:
        """0 without classes."""
        classes = self.about.get("classes")
        return len(classes) if isinstance(classes, list) else 0

    @property
    def step(self) -> int:
        """The last step that is known of."""
        return max([point[0] for point in self.points[-1:]] + [grid.step for grid in self.grids[-1:]], default=0)

    @property
    def _config(self) -> Values:
        config = self.about.get("config")
        return config if isinstance(config, dict) else {}

    def title(self) -> str:
        """The recipe in a few words."""
        config = self._config
        times = {"uniform": "uniform t", "lognormal": "lognormal t"}.get(str(config.get("times")), "")
        name = {"epsilon": "ε", "x0": "x₀", "mu": "μ̃"}.get(str(config.get("prediction")), config.get("prediction"))
        loss = {"vlb": "bound", "hybrid": "L_hybrid"}.get(str(config.get("loss")), "")
        return ", ".join(str(part) for part in (name, loss, times) if part)

    def exists(self) -> bool:
        return (self.path / PROGRESS).is_file()

    def age(self) -> float | None:
        """Seconds since the run last said something; None when it has not."""
        try:
            return max(0.0, time.time() - (self.path / PROGRESS).stat().st_mtime)
        except OSError:
            return None

    def read(self) -> None:
        """Take in what the run has said since."""
        with self._lock:
            self._read()

    def _read(self) -> None:
        try:
            with open(self.path / PROGRESS, "rb") as file:
                size = file.seek(0, io.SEEK_END)
                if size < self._offset:  # a new run in the same folder
                    self._forget()
                file.seek(self._offset)
                news = file.read()
        except OSError:
            return
        whole, newline, _ = news.rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        for line in whole.splitlines():
            try:
                said = json.loads(line)
            except ValueError:  # a line that a full disk cut off
                continue
            if isinstance(said, dict):
                self._take(said)

    def _take(self, said: Values) -> None:
        if "start" in said:
            self._begin(said)
        elif "loss" in said:
            seconds = self._before + (_number(said.get("seconds")) or 0.0)
            self.points.append(
                (whole(said.get("step")), _number(said.get("loss")), _number(said.get("images_per_s")), seconds)
            )
            if len(self.points) > MOST_POINTS:
                self.points = self.points[::2]
                self.version += 1
        elif said.get("samples") == "ema":
            self._half = said
        elif said.get("samples") == "raw" and self._half and self._half.get("step") == said.get("step"):
            seconds = self._before + (_number(said.get("seconds")) or 0.0)
            step = whole(said.get("step"))
            if not self.grids or self.grids[-1].step < step:  # a resumed run samples its first step once more
                self.grids.append(SampleGrid(step, seconds, _number(self._half.get("error"))))
            if len(self.grids) > MOST_GRIDS:
                self.grids = self.grids[::2]
                self.version += 1

    def _begin(self, said: Values) -> None:
        start = whole(said.get("start"))
        points = [point for point in self.points if point[0] <= start]
        grids = [grid for grid in self.grids if grid.step <= start]
        if (len(points), len(grids)) != (len(self.points), len(self.grids)):
            self.points, self.grids = points, grids
            self.version += 1
        last = [point[3] for point in points[-1:]] + [grid.seconds for grid in grids[-1:]]
        self.about, self._before, self._half = said, max(last, default=0.0), None

    def news(self, version: object, points: object, grids: object) -> Values:
        """Return what is new for a page, which already has so many points and grids of this version of the folder."""
        known_points, known_grids = (whole(n) for n in (points, grids)) if version == self.version else (0, 0)
        new = self.grids[known_grids:][:GRIDS_AT_ONCE]
        return {
            "version": self.version,
            "from": [known_points, known_grids],
            "points": self.points[known_points:],
            "grids": [
                {
                    "step": grid.step,
                    "seconds": grid.seconds,
                    "error": grid.error,
                    "ema": self._picture(grid.step, "ema"),
                    "raw": self._picture(grid.step, "raw"),
                }
                for grid in new
            ],
            "more": known_grids + len(new) < len(self.grids),
            "total": self.total,
            "batch": self.batch,
            "classes": self.classes,
        }

    def _file(self, step: int, weights: str) -> Path:
        return self.path / "samples" / f"step-{step:09d}-{weights}.png"

    def _picture(self, step: int, weights: str) -> Encoded | None:
        """A grid, None where it is gone."""
        try:
            content = self._file(step, weights).read_bytes()
            if len(content) > LARGEST:
                content = _smaller(content)
        except (OSError, ValueError, Image.DecompressionBombError):
            return None
        return _encoded(content)


def _encoded(content: bytes) -> Encoded:
    return Encoded("image/png" if content.startswith(b"\x89PNG") else "image/jpeg", content)


def _smaller(content: bytes) -> bytes:
    with open_picture(io.BytesIO(content)) as image:
        small = image.convert("RGB")
        small.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        file = io.BytesIO()
        small.save(file, "JPEG", quality=85)
    return file.getvalue()


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) <= _LARGEST_NUMBER else None


def whole(value: object) -> int:
    """A number that a file or a page names, as a whole one from 0 on; 0 for anything else."""
    return max(0, int(_number(value) or 0))


class FollowPart(Part):
    names = ("train",)

    def __init__(self, services: Services):
        super().__init__(services)
        self.runs: OrderedDict[Path, RunFolder] = OrderedDict()  # ordered by use: the newest is last
        self._lock = threading.Lock()
        answers: TrainQuestions = {"follow": self._follow}
        self.answer(answers)

    def initial(self) -> Values:
        return {} if self.services.public else {"follows": True}

    def _follow(self, asked: Asked) -> Followed:
        """Return the state of a run, and what the page does not have yet. Raises ValueError where there is no run."""
        run = self._run(asked.get("path"))
        run.read()
        known = [asked.get(name) for name in ("version", "points", "grids")]
        return cast("Followed", {**describe(run), **run.news(*known)})

    def _run(self, path: object) -> RunFolder:
        if self.services.public:
            raise ValueError("Only a page on your own computer follows a folder")
        text = near(path).strip()
        folder = Path(os.path.expanduser(text if text.isprintable() else "")).resolve()
        if not text or not RunFolder(folder).exists():
            raise ValueError(
                f"There is no training in {shown(text)}. Name the folder that the other training writes to"
            )
        with self._lock:
            run = self.runs.setdefault(folder, RunFolder(folder))
            self.runs.move_to_end(folder)
            while len(self.runs) > FOLLOWED:
                self.runs.popitem(last=False)
        return run


def describe(run: RunFolder) -> Values:
    """Return what a run does now. A run that has written nothing for FRESH seconds has ended, or hangs: silent."""
    age = run.age()
    state = "finished" if run.total and run.step >= run.total else "running"
    if state == "running" and (age is None or age > FRESH):
        state = "silent"
    speeds = [speed for _, _, speed, _ in run.points[-10:] if speed]
    left = (run.total - run.step) * run.batch / (sum(speeds) / len(speeds)) if speeds and run.total else None
    model = run.path / "model"
    return {
        "state": state,
        "title": run.title(),
        "step": run.step,
        "left": left if state == "running" else None,
        "model": str(model) if holds_model(model) else None,
    }
