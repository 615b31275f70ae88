"""From a run's updates to the player's messages, pictures as data-URIs; web/player/messages.js lists what they hold."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator

import numpy as np

from ui.runs.job import FINAL, Frame, Job, Update
from ui.runs.plan import Plan
from ui.runs.settings import Settings

QUALITY = 80  # JPEG


class Show:
    """A run as one page sees it: its messages, and the pictures it has shown, to be saved.

    values: what the controls said when it was started. settings: None when that was wrong, as `error` then says.
    """

    def __init__(self, values: list, job: Job | None = None, error: str = ""):
        self.job = job
        self.started = False
        self.superseded = False  # by a newer run of the same page, which shows that one only
        self.sprites: dict[int, dict[int, bytes]] = {}  # lane -> step -> x of the kept frames
        self.last: dict[int, Frame] = {}  # lane -> its newest
        self._values = values
        self._error = error
        self._id = secrets.token_hex(4)
        self._seq = 0

    @property
    def settings(self) -> Settings:
        return self.job.settings

    @property
    def sample(self) -> Frame:
        """A frame of some lane, for what all have in common."""
        return next(iter(self.last.values()))

    def messages(self) -> Iterator[dict]:
        """Run, and yield message after message; the last one's state is final. Closing it stops the run."""
        if self.job is None:
            yield self._message(Update("error", self._error))
            return
        for update in self.job.updates():
            if self.superseded:
                return
            yield self._message(update)

    def stop(self) -> None:
        if self.job is not None:
            self.job.stop()

    def _message(self, update: Update) -> dict:
        self._seq += 1
        message = {"run": self._id, "seq": self._seq, "state": update.state, "text": update.text}
        message |= {"progress": update.progress, "left": update.left}
        if update.plan:
            message["plan"] = self._plan(update.plan)
        if update.frames:
            message["frames"] = [self._frame(frame) for frame in update.frames]
        if update.state in FINAL:
            message["progress"] = message["left"] = None
        return message

    def _plan(self, plan: Plan) -> dict:
        return {
            "settings": self._values,
            "title": plan.title,
            "size": plan.size,
            "count": len(plan.seeds),
            "pixelated": plan.pixelated,
            "seeds": [str(seed) for seed in plan.seeds],
            "T": plan.T,
            "lanes": [{"name": lane.name, "steps": lane.steps} for lane in plan.lanes],
            "caption": plan.caption,
        }

    def _frame(self, frame: Frame) -> dict:
        format = self.job.plan.format
        x, x0_hat = sprite(frame.x, format), sprite(frame.x0_hat, format)
        self.sprites.setdefault(frame.lane, {})[frame.k] = x
        self.last[frame.lane] = frame
        return {
            "lane": frame.lane,
            "k": frame.k,
            "x": _uri(x, format),
            "x0": _uri(x0_hat, format),
            "sigma": frame.sigma,
        }


def sprite(images: np.ndarray, format: str) -> bytes:
    """uint8 (N, H, W, C) as one picture with the images side by side; format: "bmp", "jpeg" or "png"."""
    from ddpm_core import imaging

    row = np.concatenate(list(images), axis=1)
    if format == "jpeg":
        return imaging.jpeg(row, QUALITY)
    return imaging.bmp(row) if format == "bmp" else imaging.png(row, compress_level=1)


def _uri(picture: bytes, format: str) -> str:
    return f"data:image/{format};base64,{base64.b64encode(picture).decode()}"
