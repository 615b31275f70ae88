"""Follow a training that runs in another terminal (`python -m train fit`), by reading the files in its folder.

Trainings that the page starts run in the visitor's browser (ui/web/learning). A public page follows no training,
because strangers must not read folders of its machine.
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
from ui.forms.fields import check_path, quote
from ui.models.services import Services
from ui.parts.part import Part
from ui.pictures.encoded import Encoded
from ui.protocol import Asked, Followed, TrainQuestions
from ui.runs.log import Values

PROGRESS = "progress.jsonl"
MOST_POINTS = 4000  # maximum number of points; each time a curve exceeds it, every second point is dropped
MOST_GRIDS = 240  # maximum number of grids; each time there are more, every second grid is dropped
GRIDS_AT_ONCE = 12  # maximum number of grids in one answer
LARGEST = 200_000  # bytes; larger pictures are shrunk before they are sent
LARGEST_SIDE = 640  # pixels of the longer side of shrunk pictures
FRESH = 120.0  # seconds without a new entry after which a training counts as silent
FOLLOWED = 8  # maximum number of folders whose content the server remembers
_LARGEST_NUMBER = sys.float_info.max  # JSON can contain larger whole numbers, which float() can't convert


@dataclass(frozen=True)
class SampleGrid:
    """The samples of one step, with the averaged and the latest weights. error: the error of x̂_0 with the averaged
    weights, in grey levels.
    """

    step: int
    seconds: float
    error: float | None


class RunFolder:
    """A training's points and sample grids, as of the last call of `read`.

    version: changes when earlier points or grids became invalid. total: the number of steps of the whole training.
    """

    def __init__(self, path: Path):
        self.path = path
        self.version = 0
        self._lock = threading.Lock()  # two pages may follow the same training at the same time
        self._forget()

    def _forget(self) -> None:
        """Drop everything that was read."""
        self.points: list[tuple[int, float | None, float | None, float]] = []  # step, loss, images per second, seconds
        self.grids: list[SampleGrid] = []
        self.about: Values = {}
        self._offset = 0
        self._before = 0.0  # seconds of training before the last resumption
        # the entry for samples with the averaged weights, until the entry for samples with the latest weights is read
        self._half: Values | None = None
        self.version += 1

    @property
    def total(self) -> int:
        """The number of steps of the whole training; 0 if unknown."""
        return whole(self._config.get("steps"))

    @property
    def batch(self) -> int:
        """The number of images per step."""
        return max(1, whole(self._config.get("batch")))

    @property
    def classes(self) -> int:
        """The number of classes; 0 without classes."""
        classes = self.about.get("classes")
        return len(classes) if isinstance(classes, list) else 0

    @property
    def step(self) -> int:
        """The last step with a point or a grid."""
        return max([point[0] for point in self.points[-1:]] + [grid.step for grid in self.grids[-1:]], default=0)

    @property
    def _config(self) -> Values:
        """The configuration of the training; {} if unknown."""
        config = self.about.get("config")
        return config if isinstance(config, dict) else {}

    def title(self) -> str:
        """Return the training's prediction, loss and distribution of times in a few words."""
        config = self._config
        times = {"uniform": "uniform t", "lognormal": "lognormal t"}.get(str(config.get("times")), "")
        name = {"epsilon": "ε", "x0": "x₀", "mu": "μ̃"}.get(str(config.get("prediction")), config.get("prediction"))
        loss = {"vlb": "bound", "hybrid": "L_hybrid"}.get(str(config.get("loss")), "")
        return ", ".join(str(part) for part in (name, loss, times) if part)

    def exists(self) -> bool:
        """Return whether the folder contains a training."""
        return (self.path / PROGRESS).is_file()

    def age(self) -> float | None:
        """Return the seconds since the training last wrote something; None if it never did."""
        try:
            return max(0.0, time.time() - (self.path / PROGRESS).stat().st_mtime)
        except OSError:
            return None

    def read(self) -> None:
        """Update points and grids from the lines that the training has written since the last call."""
        with self._lock:
            self._read()

    def _read(self) -> None:
        """Do the work of `read`, while holding the lock."""
        try:
            with open(self.path / PROGRESS, "rb") as file:
                size = file.seek(0, io.SEEK_END)
                if size < self._offset:  # a new training has started in the same folder
                    self._forget()
                file.seek(self._offset)
                news = file.read()
        except OSError:
            return
        whole, newline, _ = news.rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # the line is incomplete, because the disk was full
                continue
            if isinstance(entry, dict):
                self._add_entry(entry)

    def _add_entry(self, entry: Values) -> None:
        """Add one entry of the progress file to the points or grids."""
        if "start" in entry:
            self._note_start(entry)
        elif "loss" in entry:
            seconds = self._before + (_number(entry.get("seconds")) or 0.0)
            self.points.append(
                (whole(entry.get("step")), _number(entry.get("loss")), _number(entry.get("images_per_s")), seconds)
            )
            if len(self.points) > MOST_POINTS:
                self.points = self.points[::2]
                self.version += 1
        elif entry.get("samples") == "ema":
            self._half = entry
        elif entry.get("samples") == "raw" and self._half and self._half.get("step") == entry.get("step"):
            seconds = self._before + (_number(entry.get("seconds")) or 0.0)
            step = whole(entry.get("step"))
            # a resumed training draws the samples of its first step again
            if not self.grids or self.grids[-1].step < step:
                self.grids.append(SampleGrid(step, seconds, _number(self._half.get("error"))))
            if len(self.grids) > MOST_GRIDS:
                self.grids = self.grids[::2]
                self.version += 1

    def _note_start(self, entry: Values) -> None:
        """Store the entry that a training writes at its start or resumption, and drop all points and grids after the
        step from which it continues.
        """
        start = whole(entry.get("start"))
        points = [point for point in self.points if point[0] <= start]
        grids = [grid for grid in self.grids if grid.step <= start]
        if (len(points), len(grids)) != (len(self.points), len(self.grids)):
            self.points, self.grids = points, grids
            self.version += 1
        last = [point[3] for point in points[-1:]] + [grid.seconds for grid in grids[-1:]]
        self.about, self._before, self._half = entry, max(last, default=0.0), None

    def news(self, version: object, points: object, grids: object) -> Values:
        """Return the points and grids that a page lacks, and facts about the training. version, points, grids: the
        version that the page has, and how many points and grids of that version.
        """
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
        """Return the path of a grid. weights: "ema" or "raw"."""
        return self.path / "samples" / f"step-{step:09d}-{weights}.png"

    def _picture(self, step: int, weights: str) -> Encoded | None:
        """Return a grid as a picture file, shrunk if it is large; None if the file is missing."""
        try:
            content = self._file(step, weights).read_bytes()
            if len(content) > LARGEST:
                content = _smaller(content)
        except (OSError, ValueError, Image.DecompressionBombError):
            return None
        return _encoded(content)


def _encoded(content: bytes) -> Encoded:
    """Return a picture file with its media type."""
    return Encoded("image/png" if content.startswith(b"\x89PNG") else "image/jpeg", content)


def _smaller(content: bytes) -> bytes:
    """Return a picture file as a JPEG file of at most LARGEST_SIDE pixels per side."""
    with open_picture(io.BytesIO(content)) as image:
        small = image.convert("RGB")
        small.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        file = io.BytesIO()
        small.save(file, "JPEG", quality=85)
    return file.getvalue()


def _number(value: object) -> float | None:
    """Return a value from a file as a float; None if it is not a finite number."""
    return float(value) if isinstance(value, int | float) and abs(value) <= _LARGEST_NUMBER else None


def whole(value: object) -> int:
    """Return a number from a file or page as a whole number, at least 0; 0 for anything else."""
    return max(0, int(_number(value) or 0))


class FollowPart(Part):
    """The server's side of the part Train: it follows trainings of other terminals."""

    names = ("train",)

    def __init__(self, services: Services):
        super().__init__(services)
        self.runs: OrderedDict[Path, RunFolder] = OrderedDict()  # ordered by use: the most recently used folder is last
        self._lock = threading.Lock()
        answers: TrainQuestions = {"follow": self._follow}
        self.set_answers(answers)

    def initial(self) -> Values:
        """Return whether this page can follow trainings."""
        return {} if self.services.public else {"follows": True}

    def _follow(self, asked: Asked) -> Followed:
        """Return the state of a training and its news for the page. Raises ValueError if there is no training in the
        folder.
        """
        run = self._run(asked.get("path"))
        run.read()
        known = [asked.get(name) for name in ("version", "points", "grids")]
        return cast("Followed", {**describe(run), **run.news(*known)})

    def _run(self, path: object) -> RunFolder:
        """Return the training in a folder, remembered from earlier questions if possible. Raises ValueError if there is
        no training, or the page is public.
        """
        if self.services.public:
            raise ValueError("Only a page on your own computer follows a folder")
        text = check_path(path).strip()
        folder = Path(os.path.expanduser(text if text.isprintable() else "")).resolve()
        if not text or not RunFolder(folder).exists():
            raise ValueError(
                f"There is no training in {quote(text)}. Name the folder that the other training writes to"
            )
        with self._lock:
            run = self.runs.setdefault(folder, RunFolder(folder))
            self.runs.move_to_end(folder)
            while len(self.runs) > FOLLOWED:
                self.runs.popitem(last=False)
        return run


def describe(run: RunFolder) -> Values:
    """Return the current state of a training. If it has written nothing for FRESH seconds, it has ended or hangs:
    "silent".
    """
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
