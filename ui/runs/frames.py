"""From a run's updates to the player's messages, with pictures as data-URIs. web/player/messages.js defines them."""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ddpm_core import imaging
from ui.runs.job import Job
from ui.runs.plan import Plan
from ui.runs.settings import Settings
from ui.runs.updates import FINAL, Frame, Update
from ui.runs.watch import watched

QUALITY = 80  # JPEG
KEPT_BYTES = 500e6  # for the pictures of ended runs that can still be saved; one run has at most about 30 MB


@dataclass(frozen=True)
class Snapshot:
    """What can be saved of a run at one moment, however the run goes on. There is at least one picture.

    pictures: x of the kept steps, uint8 (N, H, W, C), by lane and step. x_0: of each finished lane, float32
    (N, C, H, W). about: of each lane, the weights' revision and the engine.
    """

    lanes: Sequence[Settings]
    plan: Plan
    about: Sequence[dict[str, str | None]]
    pictures: Mapping[int, Mapping[int, np.ndarray]]
    x_0: Mapping[int, np.ndarray]

    def done(self, lane: int) -> int:
        """How many steps of a lane its newest picture has behind it."""
        return max(self.pictures[lane]) + 1 if lane in self.pictures else 0


class RunView:
    """A run as one page sees it: its messages, and the pixels of its pictures, for saving.

    values: those of the controls when it was started. job: None when they were wrong, as `error` then says.
    """

    def __init__(
        self,
        values: Sequence[object],
        job: Job | None = None,
        error: str = "",
    ):
        self.started = False
        self.ended = False
        self.superseded = False  # by a newer run of the same page, which shows only that one
        self._pictures: dict[int, dict[int, np.ndarray]] = {}  # see Snapshot
        self._lock = threading.Lock()  # held to read or change them: they are saved while the run goes on
        self._job = job
        self._values = values
        self._error = error
        self._id = secrets.token_hex(4)
        self._seq = 0

    @property
    def job(self) -> Job:
        """The run. There is none when the settings were wrong."""
        assert self._job is not None
        return self._job

    @property
    def plan(self) -> Plan:
        """The run's plan. It is there before the first frame."""
        assert self.job.plan is not None
        return self.job.plan

    @property
    def settings(self) -> Settings:
        return self.job.settings

    @property
    def has_loaded(self) -> bool:
        """Whether the run had to load its model."""
        return self._job is not None and self._job.loaded

    def snapshot(self) -> Snapshot | None:
        """What there is to save now; None as long as there is no picture."""
        with self._lock:
            if not self._pictures:
                return None
            pictures = {lane: dict(steps) for lane, steps in sorted(self._pictures.items())}
            return Snapshot(self.job.lanes, self.plan, list(self.job.about), pictures, dict(self.job.x_0))

    @property
    def bytes(self) -> int:
        """Of memory, for what can be saved."""
        with self._lock:
            kept = [x for steps in self._pictures.values() for x in steps.values()]
            return sum(x.nbytes for x in (*kept, *(dict(self._job.x_0).values() if self._job else ())))

    def forget(self) -> None:
        """Keep nothing to save."""
        with self._lock:
            self._pictures.clear()
            if self._job is not None:
                self._job.x_0 = {}

    def messages(self) -> Iterator[dict[str, Any]]:
        """Run, and yield the messages; the state of the last one is final. Closing the iterator stops the run."""
        if self._job is None:
            yield self._message(Update("error", self._error))
            return
        try:
            for update in watched(self._job):
                if self.superseded:
                    return
                yield self._message(update)
        finally:
            self.ended = True

    def stop(self) -> None:
        if self._job is not None:
            self._job.stop()

    def _message(self, update: Update) -> dict[str, Any]:
        self._seq += 1
        message: dict[str, Any] = {"run": self._id, "seq": self._seq, "state": update.state, "text": update.text}
        message |= {"progress": update.progress, "left": update.left}
        if update.plan:
            message["plan"] = self._plan(update.plan)
        if update.frames:
            message["frames"] = [self._frame(frame) for frame in update.frames]
        if update.state in FINAL:
            message["progress"] = message["left"] = None
        return message

    def _plan(self, plan: Plan) -> dict[str, Any]:
        return {
            "settings": list(self._values),
            "title": plan.title,
            "size": plan.size,
            "count": len(plan.seeds),
            "pixelated": plan.pixelated,
            "seeds": [str(seed) for seed in plan.seeds],
            "T": plan.T,
            "lanes": [{"name": lane.name, "steps": lane.steps} for lane in plan.lanes],
            "caption": plan.caption,
        }

    def _frame(self, frame: Frame) -> dict[str, Any]:
        format = self.plan.format
        x, x0_hat = sprite(frame.x, format), sprite(frame.x0_hat, format)
        with self._lock:
            self._pictures.setdefault(frame.lane, {})[frame.k] = frame.x
        return {
            "lane": frame.lane,
            "k": frame.k,
            "x": data_uri(x, format),
            "x0": data_uri(x0_hat, format),
            "sigma": frame.sigma,
        }


def make_room(views: Iterable[RunView], most: float = KEPT_BYTES) -> None:
    """Let ended runs forget their pictures, the first ones first, until all of these have at most so many bytes."""
    views = list(views)
    excess = sum(view.bytes for view in views) - most
    for view in (view for view in views if view.ended):
        if excess <= 0:
            return
        excess -= view.bytes
        view.forget()


def sprite(images: np.ndarray, format: str) -> bytes:
    """uint8 (N, H, W, C) as one picture with the images side by side; format: "bmp", "jpeg" or "png"."""
    row = np.concatenate(list(images), axis=1)
    if format == "jpeg":
        return imaging.jpeg(row, QUALITY)
    return imaging.bmp(row) if format == "bmp" else imaging.png(row, compress_level=1)


def picture_uri(images: np.ndarray, format: str) -> str:
    """A `sprite` as a data-URI."""
    return data_uri(sprite(images, format), format)


def data_uri(picture: bytes, format: str) -> str:
    """The content of a picture's file as a data-URI."""
    return f"data:image/{format};base64,{base64.b64encode(picture).decode()}"
