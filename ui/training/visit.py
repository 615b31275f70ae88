"""What one visitor of Train has: its own training, or the folder of another run that it follows."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ui.training.folder import RunFolder
from ui.training.process import Training

FRESH = 120.0  # seconds: a followed run that has said something since is under way


@dataclass
class Visit:
    """What one page has: its own training, or the folder of another that it follows; models: made of it."""

    token: str
    seen: float = field(default_factory=time.monotonic)
    number: int = 0  # of the run, as the page counts
    training: Training | None = None
    followed: RunFolder | None = None
    title: str = ""
    models: list[Path] = field(default_factory=list)

    @property
    def run(self) -> RunFolder | None:
        return self.training.run if self.training else self.followed

    @property
    def is_empty(self) -> bool:
        """Whether nothing is lost when it is forgotten."""
        return self.training is None and not self.models

    def left(self) -> float | None:
        """Seconds until the run is done, as far as is known."""
        run = self.run
        if run is None or not run.points or not run.total:
            return None
        speeds = [speed for _, _, speed, _ in run.points[-10:] if speed]
        return (run.total - run.step) * run.batch / (sum(speeds) / len(speeds)) if speeds else None

    def describe(self) -> dict[str, Any]:
        """The state for the page."""
        run, training = self.run, self.training
        if run is None:
            return {"state": "idle", "number": self.number}
        run.read()
        state, text = "running", ""
        if training:
            state = training.state
            text = training.error
            if state == "running" and not run.grids:
                state = "waiting" if training.starved else "starting"
                text = "making the first samples" if run.about else "loading the trainer takes some seconds"
        else:
            age = run.age()
            if run.total and run.step >= run.total:
                state = "finished"
            elif age is None or age > FRESH:
                state = "silent"
        return {
            "state": state,
            "text": text,
            "number": self.number,
            "title": self.title,
            "followed": str(self.followed.path) if self.followed else None,
            "step": run.step,
            "recipe": run.recipe(),
            "left": self.left() if state == "running" else None,
            "saved": any((run.path / "model").glob("config.json")),
        }
