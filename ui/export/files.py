"""Files to take away: the final pictures and a film strip as PNG, the trajectory as GIF, all of a run as ZIP.

Each holds the settings of its run, as JSON: a PNG as its Description, a GIF as its comment, a ZIP as settings.json.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
import zipfile

import gradio as gr
import numpy as np
from gradio import processing_utils
from PIL import Image

from ui.runs import models as checkpoints
from ui.runs.frames import Show
from ui.runs.settings import LANE

GIF_SIZE = 256  # small pictures are enlarged to about this
STRIP = 10  # pictures in a row of a film strip
GAP = 2  # pixels between pictures


def cached(demo: gr.Blocks, name: str, content: bytes) -> str:
    """The path of a file that gradio serves, and deletes when it is old."""
    path = processing_utils.save_bytes_to_cache(content, name, demo.GRADIO_CACHE)
    demo.upload_file_set.add(path)
    return path


def picture(demo: gr.Blocks, show: Show) -> str:
    """The last pictures of a run as one PNG, in the model's own resolution; a row for each of two lanes."""
    from ddpm_core import imaging

    lanes = [frame.x for _, frame in sorted(show.last.items())]
    columns = None if len(lanes) == 1 else len(lanes[0])
    image = imaging.grid(np.concatenate(lanes), columns, GAP)
    return cached(demo, f"{_stem(show)}.png", imaging.png(image, about=about(show)))


def strip(demo: gr.Blocks, show: Show) -> str:
    """A film strip: a row for each image, and there for each lane, of up to STRIP moments from noise to x_0."""
    from ddpm_core import imaging

    moments = imaging.thin(_moments(show), STRIP)
    count, lanes = show.settings.count, len(moments[0])
    tiles = [moment[lane][n] for n in range(count) for lane in range(lanes) for moment in moments]
    image = imaging.grid(np.stack(tiles), len(moments), GAP)
    return cached(demo, f"{_stem(show)}-strip.png", imaging.png(image, about=about(show)))


def gif(demo: gr.Blocks, show: Show) -> str:
    """The x_t of a run as a GIF, two lanes side by side."""
    from ddpm_core import imaging

    frames = [imaging.grid(np.stack([imaging.grid(x) for x in moment]), gap=4 * GAP) for moment in _moments(show)]
    file = io.BytesIO()
    imaging.save_gif(file, frames, scale=max(1, GIF_SIZE // frames[0].shape[0]), about=about(show))
    return cached(demo, f"{_stem(show)}.gif", file.getvalue())


def archive(demo: gr.Blocks, show: Show) -> str:
    """All of a run as a ZIP: settings.json, x_T.npy and x_0.npy (float32, N × C × H × W), every kept x_t as PNG."""
    from ddpm_core import imaging
    from ddpm_core.noise import gaussian_batch

    lanes = show.job.plan.lanes
    shape = np.moveaxis(show.sample.x, -1, 1).shape[1:]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as out:  # what is in it is compressed already
        out.writestr("settings.json", about(show, indent=2))
        out.writestr("x_T.npy", _npy(gaussian_batch(list(show.settings.seeds), 0, shape).numpy()))
        for number, sprites in sorted(show.sprites.items()):
            folder = f"lane-{'ab'[number]}/" if len(lanes) > 1 else ""
            if number in show.job.x_0:  # a run that was stopped has none
                out.writestr(f"{folder}x_0.npy", _npy(show.job.x_0[number]))
            for k, sprite in sorted(sprites.items()):
                s = lanes[number].steps[k][1]
                for seed, image in zip(show.settings.seeds, _pictures(sprite, show), strict=True):
                    out.writestr(f"{folder}seed-{seed}/x_{s:04}.png", imaging.png(image, compress_level=1))
    return cached(demo, f"{_stem(show)}.zip", file.getvalue())


def about(show: Show, indent: int | None = None) -> str:
    """The settings of a run as JSON, enough to repeat it."""
    one = dataclasses.asdict(show.settings)
    names = [name for name in one if name not in LANE]
    lanes = [{name: getattr(lane, name) for name in LANE} for lane in show.job.lanes]
    done = [show.last[number].k + 1 if number in show.last else 0 for number in range(len(lanes))]
    content = {name: one[name] for name in names} | show.job.about
    content["lanes"] = [lane | {"steps_done": steps} for lane, steps in zip(lanes, done, strict=True)]
    return json.dumps(content, indent=indent, ensure_ascii=False)


def _moments(show: Show) -> list[list[np.ndarray]]:
    """For each time that any lane has a picture of, from noise to x_0: the x of every lane, uint8 (N, H, W, C).

    A lane without a picture of that time shows its last one before, at first its first one.
    """
    times = []
    for number, sprites in show.sprites.items():
        steps = show.job.plan.lanes[number].steps
        times += [(steps[k][1], number, sprite) for k, sprite in sprites.items()]
    now = {number: sprites[min(sprites)] for number, sprites in show.sprites.items()}
    moments: dict[int, dict[int, bytes]] = {}
    for s, number, sprite in sorted(times, key=lambda time: -time[0]):
        now = now | {number: sprite}
        moments[s] = now
    decoded: dict[bytes, np.ndarray] = {}
    result = []
    for moment in moments.values():
        for sprite in moment.values():
            if sprite not in decoded:
                decoded[sprite] = _pictures(sprite, show)
        result.append([decoded[sprite] for _, sprite in sorted(moment.items())])
    return result


def _pictures(sprite: bytes, show: Show) -> np.ndarray:
    """Back from a sprite to uint8 (N, H, W, C)."""
    count, size = show.sample.x.shape[:2]
    row = np.asarray(Image.open(io.BytesIO(sprite)))
    return np.stack(np.split(row.reshape(size, count * size, -1), count, axis=1))


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _stem(show: Show) -> str:
    parts = [checkpoints.name(show.settings.checkpoint)]
    parts += [show.settings.label] if show.settings.label != "any" else []
    for number, lane in enumerate(show.job.lanes):
        done = show.last[number].k + 1 if number in show.last else 0
        parts += ["against"] * bool(number)
        parts.append(f"{lane.steps} steps" if done == lane.steps else f"step {done} of {lane.steps}")
        parts.append(f"ddim eta {lane.eta:g}" if lane.sampler == "ddim" else lane.variance)
    return re.sub(r"[^\w.-]+", "-", " ".join([*parts, f"seed {show.settings.seed}"])).strip("-")
