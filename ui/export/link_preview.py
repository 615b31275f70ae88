"""The picture that other sites show beside a link to a run: what the run ends with."""

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

SIZE = 1200, 630  # pixels, which such pictures usually have
PAPER = "#141417"  # of the dark page
PATIENCE = 10.0  # seconds: who shows a link waits no longer


def preview(run: Computation, services: Services) -> bytes | None:
    """Return a PNG file of a run of Watch, Compare or Grid; None where it does not end well and in time."""
    job = Job(run, services, "previews")  # all of them have the share of one visitor
    end = time.monotonic() + PATIENCE
    with closing(job.updates()) as updates:
        last = next(one for one in updates if one.state in ENDED or time.monotonic() > end)
    recording: Any = job.recording
    return _framed(recording.last()) if last.state == "finished" else None


def _framed(image: np.ndarray) -> bytes:
    picture = Image.fromarray(image.squeeze()).convert("RGB")
    small = picture.width < SIZE[0] and picture.height < SIZE[1]
    file = io.BytesIO()
    method = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    ImageOps.pad(picture, SIZE, method, PAPER).save(file, "png")
    return file.getvalue()
