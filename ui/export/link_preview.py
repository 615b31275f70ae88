"""Draw the picture that other sites show beside a link to a run: the last pictures of that run."""

from __future__ import annotations

import io
import time
from contextlib import closing
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ui.models.services import Services
from ui.runs.jobs import Job
from ui.runs.plans import Computation
from ui.runs.states import ENDED

SIZE = 1200, 630  # width and height in pixels, as usual for link previews
PAPER = "#141417"  # background colour of the dark page
PATIENCE = 10.0  # seconds; other sites don't wait longer for a preview


def preview(run: Computation, services: Services) -> bytes | None:
    """Run the computation and return its result as a PNG file; None if it fails or takes more than PATIENCE seconds."""
    # all previews count as one visitor, so that they can't use up everybody's turns
    job = Job(run, services, "previews")
    end = time.monotonic() + PATIENCE
    with closing(job.updates()) as updates:
        last = next(one for one in updates if one.state in ENDED or time.monotonic() > end)
    recording: Any = job.recording
    return _framed(recording.last()) if last.state == "finished" else None


def _framed(image: np.ndarray) -> bytes:
    """Return a picture (H, W, C) as a PNG file of SIZE: centred, enlarged or shrunk to fit."""
    picture = Image.fromarray(image.squeeze()).convert("RGB")
    small = picture.width < SIZE[0] and picture.height < SIZE[1]
    file = io.BytesIO()
    method = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    ImageOps.pad(picture, SIZE, method, PAPER).save(file, "png")
    return file.getvalue()
