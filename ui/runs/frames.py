"""From a run's updates to the player's messages, with pictures as data-URIs. web/player/messages.js defines them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ddpm_core import imaging
from ui.runs.job import Job
from ui.runs.plan import Plan
from ui.runs.settings import Settings
from ui.runs.updates import FINAL, Frame, Update
from ui.runs.watch import watched

QUALITY = 80  # JPEG


class RunView:
    """A run as one page sees it: its messages, and the pictures that it has shown, for saving.

    values: those of the controls when it was started. job: None when they were wrong, as `error` then says.
    """

    def __init__(
        self,
        values: Sequence[object],
        job: Job | None = None,
        error: str = "",
    ):
        self.started = False
        self.superseded = False  # by a newer run of the same page, which shows only that one
        self.sprites: dict[int, dict[int, bytes]] = {}  # lane -> step -> x of the kept frames
        self.last: dict[int, Frame] = {}  # lane -> its newest frame
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

    @property
    def sample(self) -> Frame:
        """A frame of some lane, for what all have in common."""
        return next(iter(self.last.values()))

    def messages(self) -> Iterator[dict[str, Any]]:
        """Run, and yield the messages; the state of the last one is final. Closing the iterator stops the run."""
        if self._job is None:
            yield self._message(Update("error", self._error))
            return
        for update in watched(self._job):
            if self.superseded:
                return
            yield self._message(update)

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
        self.sprites.setdefault(frame.lane, {})[frame.k] = x
        self.last[frame.lane] = frame
        return {
            "lane": frame.lane,
            "k": frame.k,
            "x": data_uri(x, format),
            "x0": data_uri(x0_hat, format),
            "sigma": frame.sigma,
        }


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
