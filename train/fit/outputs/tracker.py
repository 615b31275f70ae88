"""Curves and sample grids for TensorBoard or Weights & Biases, through accelerate's trackers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from train import TrainError
from train.common.config import Config, to_dict
from train.common.errors import as_train_error

LOGS = "logs"  # TensorBoard's folder in OUT
PROJECT = "ddpm-lab"  # the project's name in Weights & Biases, unless WANDB_PROJECT is set


def tracker_of(config: Config) -> str | None:
    """Return the name of the run's tracker, or None. Raises TrainError if its package is missing."""
    if config.tracker == "none":
        return None
    name = "tensorboard" if config.tracker == "auto" else config.tracker
    if find_spec(name) is not None:
        return name
    if config.tracker == "auto":
        return None
    raise TrainError(f"--tracker {name} needs one more package: pip install {name}.")


class Tracker:
    """The tracker of a run, in the main process. The accelerator must have been made with
    `log_with=tracker_of(config)`.
    """

    def __init__(self, accelerator: Accelerator, config: Config, out: Path, start: int):
        """start: the number of steps done. Raises TrainError if the tracker can't start, such as without a login."""
        self._accelerator, self._name = accelerator, tracker_of(config)
        if self._name == "tensorboard":
            # A resumed run draws the points after its checkpoint again, so TensorBoard should hide the old points.
            options = {"purge_step": start + 1 if start else None}
            accelerator.init_trackers(LOGS, init_kwargs={self._name: options})
        elif self._name is not None:
            project = os.environ.get("WANDB_PROJECT", PROJECT)
            options = {"name": out.name, "group": out.name, "dir": str(out)}
            with as_train_error(lambda reason: f"--tracker {self._name} can't begin: {reason}"):
                accelerator.init_trackers(project, config=to_dict(config), init_kwargs={self._name: options})

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to each curve."""
        if self._name is not None:
            self._accelerator.log(dict(values), step=step)

    def picture(self, name: str, picture: np.ndarray, step: int) -> None:
        """Add a picture, uint8 (H, W, C), to the sample grids."""
        for tracker in self._accelerator.trackers:
            if self._name == "tensorboard":  # accelerate's TensorBoard tracker can't take grey pictures
                tracker.tracker.add_image(name, picture, step, dataformats="HWC")
            else:
                tracker.log_images({name: picture[None]}, step=step)

    def close(self) -> None:
        """Write the remaining points, and close the tracker."""
        with suppress(OSError):  # the disk may be full; another message says why the run ends
            for tracker in self._accelerator.trackers:
                tracker.finish()
        self._accelerator.trackers = []
