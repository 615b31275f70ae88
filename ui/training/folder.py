"""What a run's folder tells of it, read while the run goes on: its own or one of another terminal."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ddpm_core.imaging.image_files import open_picture
from ui.pictures.encoded import Encoded
from ui.training.drawings import FILE, Likeness, pictures_of

PROGRESS = "progress.jsonl"
MOST_POINTS = 4000  # of a curve; of a longer one every second point is left out, and so on
MOST_GRIDS = 240
GRIDS_AT_ONCE = 12  # in one answer
LARGEST = 200_000  # bytes of a picture that is sent as it is
LARGEST_SIDE = 640  # pixels, of others
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
        self.about: dict[str, Any] = {}
        self._offset = 0
        self._before = 0.0  # seconds of earlier starts
        self._half: dict[str, Any] | None = None  # the samples of the moving average, whose others are to come
        self._likeness: Likeness | None = None
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
    def _config(self) -> dict[str, Any]:
        config = self.about.get("config")
        return config if isinstance(config, dict) else {}

    def title(self) -> str:
        """The recipe in a few words."""
        config = self._config
        times = {"uniform": "uniform t", "lognormal": "lognormal t"}.get(str(config.get("times")), "")
        name = {"epsilon": "ε", "x0": "x₀", "mu": "μ̃"}.get(str(config.get("prediction")), config.get("prediction"))
        loss = {"vlb": "bound", "hybrid": "L_hybrid"}.get(str(config.get("loss")), "")
        return ", ".join(str(part) for part in (name, loss, times) if part)

    def recipe(self) -> str:
        """The same for runs whose losses are the same quantity."""
        return " ".join(str(self._config.get(name)) for name in ("prediction", "loss", "times", "min_snr", "data"))

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

    def _take(self, said: dict[str, Any]) -> None:
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

    def _begin(self, said: dict[str, Any]) -> None:
        start = whole(said.get("start"))
        points = [point for point in self.points if point[0] <= start]
        grids = [grid for grid in self.grids if grid.step <= start]
        if (len(points), len(grids)) != (len(self.points), len(self.grids)):
            self.points, self.grids = points, grids
            self.version += 1
        last = [point[3] for point in points[-1:]] + [grid.seconds for grid in grids[-1:]]
        self.about, self._before, self._half = said, max(last, default=0.0), None

    def news(self, version: object, points: object, grids: object) -> dict[str, Any]:
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
                    **self._compared(grid.step),
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

    def _compared(self, step: int) -> dict[str, Any]:
        """The samples beside the drawings that are nearest to them, where the run learns drawings."""
        if self._likeness is None and not (self.path / FILE).exists():
            return {}
        try:
            self._likeness = self._likeness or Likeness.load(self.path)
            pairs, share = self._likeness.compare(pictures_of(self._file(step, "ema")))
        except Exception:  # Pillow, zipfile and numpy raise many kinds for what is no such file
            return {}
        return {"pairs": _encoded(pairs), "likeness": share}


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
