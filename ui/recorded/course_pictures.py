"""The pictures of the course's cards, from what their parts compute: `python -m ui.recorded course` makes them anew."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ddpm_core import imaging
from ddpm_core.imaging import image_files
from ddpm_core.plane import forward
from ui.parts.course import Card
from ui.parts.forward import SCHEDULES, Forward
from ui.parts.part import Part
from ui.pictures import encoded
from ui.runs.jobs import Job
from ui.web import FILES

FOLDER = FILES / "examples" / "course"
COLUMNS = 6
CLOUD = 84  # pixels a side


def computed(part: Part, name: str, values: Mapping[str, object]) -> tuple[Any, list[Any]]:
    """What is kept of a run, and its results as the page gets them."""
    computation, results = part.request(name, values), []
    job = Job(computation, part.services, show=computation.shown)
    for update in job.updates():
        results += update.results
        if update.state == "error":
            raise SystemExit(f"{name}: {update.text}")
    return job.recording, results


def picture(card: Card, part: Part) -> Image.Image:
    """What a card's part shows of its values, small."""
    if card.part == "forward":
        return _noised(Forward.check(card.values))
    if card.part == "train":
        (answer,) = json.loads((FILES / "examples" / "train.json").read_text(encoding="utf-8"))["results"]
        return _decoded(base64.b64decode(answer["grids"][-1]["ema"]["base64"]))
    recording, results = computed(part, card.part, card.values)
    if card.part == "watch":
        return _row([x[0] for x in imaging.thin(list(recording.frames[0].values()), COLUMNS)])
    if card.part == "compare":
        return _grid(np.concatenate([lane[max(lane)] for lane in recording.frames]), recording.plan.request.count)
    if card.part == "repair":
        left = [result for result in results if result["kind"] == "source"][-1]
        return _grid(np.concatenate([left["x"], recording.rows[0][: COLUMNS - 1]]), COLUMNS)
    if card.part == "latents":
        return _grid(np.concatenate([recording.rows[row][:COLUMNS] for row in sorted(recording.rows)]), COLUMNS)
    if card.part == "plane":
        return _clouds([np.asarray(recording.clouds[lane]) for lane in (0, 1)])
    if card.part == "network":
        lanes = [[one["x"][0] for one in results if one.get("lane") == lane] for lane in (0, 1)]
        return _grid(np.concatenate([imaging.thin(lane, COLUMNS) for lane in lanes]), COLUMNS)
    decoding = [result for result in results if result["kind"] == "decoding"][-1]
    rows = decoding["rows"][:2]
    return _grid(np.concatenate(rows), len(rows[0]))


def _noised(asked: Forward) -> Image.Image:
    """A picture on its way to noise, with t in the middle."""
    size = 64
    drawn = Image.fromarray(encoded.drawn(asked.picture)).resize((size, size), Image.Resampling.BOX)
    x_0, epsilon = np.asarray(drawn) / 127.5 - 1, forward.epsilon(asked.seed, (size, size, 3))
    table = forward.tables(SCHEDULES[asked.schedule])
    times = (0, asked.t // 2, asked.t, 1000)
    noised = [table["signal"][t] * x_0 + table["noise"][t] * epsilon for t in times]
    return _row([((x.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8) for x in noised])


def _clouds(clouds: list[np.ndarray]) -> Image.Image:
    image = Image.new("L", (2 * CLOUD + 2, CLOUD), 128)
    draw = ImageDraw.Draw(image)
    for lane, cloud in enumerate(clouds):
        left = lane * (CLOUD + 2)
        draw.rectangle((left, 0, left + CLOUD - 1, CLOUD - 1), fill=0)
        for x, y in (cloud[:500] / 1.2 + 1) * CLOUD / 2:
            if 0 <= x < CLOUD and 0 <= y < CLOUD:
                draw.point((left + x, CLOUD - 1 - y), fill=255)
    return image


def _row(images: list[np.ndarray]) -> Image.Image:
    return _grid(np.stack(images), len(images))


def _grid(images: np.ndarray, columns: int | None) -> Image.Image:
    return Image.fromarray(imaging.grid(images, columns, gap=1).squeeze())


def _decoded(content: bytes) -> Image.Image:
    return image_files.open_picture(io.BytesIO(content))
