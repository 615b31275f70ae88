"""Files of a run: the final pictures and a film strip as PNG, the trajectory as GIF, WebP or MP4, everything as ZIP.

Each contains the settings of the run as JSON: PNG as Description, GIF and MP4 as comment, WebP in its EXIF data (the
tag ImageDescription), ZIP as settings.json.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence

import gradio as gr
import numpy as np
from gradio import processing_utils

from ddpm_core import imaging, video
from ddpm_core.image_files import open_picture
from ddpm_core.noise import gaussian_batch
from ui.runs.frames import RunView
from ui.runs.offered import short_name
from ui.runs.settings import ANY, LANE

ANIMATION_SIZE = 256  # small pictures are enlarged to about this
STRIP = 10  # pictures in a row of a film strip
GAP = 2  # pixels between pictures


def cached(demo: gr.Blocks, name: str, content: bytes) -> str:
    """The path of a file that gradio serves, and `ui.temporary` deletes after an hour."""
    return processing_utils.save_bytes_to_cache(content, name, demo.GRADIO_CACHE)


def picture(demo: gr.Blocks, view: RunView) -> str:
    """The last pictures of a run as one PNG in the model's own resolution, with a row for each of two lanes."""
    lanes = [frame.x for _, frame in sorted(view.last.items())]
    columns = None if len(lanes) == 1 else len(lanes[0])
    image = imaging.grid(np.concatenate(lanes), columns, GAP)
    return cached(demo, f"{_stem(view)}.png", imaging.png(image, about=about(view)))


def strip(demo: gr.Blocks, view: RunView) -> str:
    """A film strip: up to STRIP moments from noise to x_0, a row for each image of each lane."""
    moments = imaging.thin(_moments(view), STRIP)
    count, lanes = view.settings.count, len(moments[0])
    tiles = [moment[lane][n] for n in range(count) for lane in range(lanes) for moment in moments]
    image = imaging.grid(np.stack(tiles), len(moments), GAP)
    return cached(demo, f"{_stem(view)}-strip.png", imaging.png(image, about=about(view)))


def _animation(save: Callable[..., None]) -> Callable[[Sequence[np.ndarray], str], bytes]:
    """A function from frames, uint8 (H, W, C), and a comment to the content of a file."""

    def content(frames: Sequence[np.ndarray], about: str) -> bytes:
        file = io.BytesIO()
        save(file, frames, scale=max(1, ANIMATION_SIZE // frames[0].shape[0]), about=about)
        return file.getvalue()

    return content


# By the suffix of the file's name.
ANIMATIONS = {"gif": _animation(imaging.save_gif), "webp": _animation(imaging.save_webp)}
if video.is_possible():  # else the page has no button for it
    ANIMATIONS["mp4"] = _animation(video.save_mp4)


def _animated(kind: str) -> Callable[[gr.Blocks, RunView], str]:
    """A function that saves the x_t of a run as an animation, two lanes side by side."""

    def save(demo: gr.Blocks, view: RunView) -> str:
        frames = [imaging.grid(np.stack([imaging.grid(x) for x in moment]), gap=4 * GAP) for moment in _moments(view)]
        return cached(demo, f"{_stem(view)}.{kind}", ANIMATIONS[kind](frames, about(view)))

    return save


def archive(demo: gr.Blocks, view: RunView) -> str:
    """All of a run as a ZIP: settings.json, x_T.npy and x_0.npy (float32, N × C × H × W), every kept x_t as PNG."""
    lanes = view.plan.lanes
    shape = np.moveaxis(view.sample.x, -1, 1).shape[1:]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as out:  # its files are compressed already
        out.writestr("settings.json", about(view, indent=2))
        out.writestr("x_T.npy", _npy(gaussian_batch(list(view.settings.seeds), 0, shape).numpy()))
        for number, sprites in sorted(view.sprites.items()):
            folder = f"lane-{'ab'[number]}/" if len(lanes) > 1 else ""
            if number in view.job.x_0:  # a run that was stopped has none
                out.writestr(f"{folder}x_0.npy", _npy(view.job.x_0[number]))
            for k, sprite in sorted(sprites.items()):
                s = lanes[number].steps[k][1]
                for seed, image in zip(view.settings.seeds, _pictures(sprite, view), strict=True):
                    out.writestr(f"{folder}seed-{seed}/x_{s:04}.png", imaging.png(image, compress_level=1))
    return cached(demo, f"{_stem(view)}.zip", file.getvalue())


KINDS: dict[str, Callable[[gr.Blocks, RunView], str]] = {
    "png": picture,
    **{kind: _animated(kind) for kind in ANIMATIONS},
    "strip": strip,
    "zip": archive,
}


def about(view: RunView, indent: int | None = None) -> str:
    """The settings of a run as JSON, enough to repeat it: what its lanes share, and for each lane what is its own."""
    one = dataclasses.asdict(view.settings)
    content = {name: value for name, value in one.items() if name not in LANE}
    content["lanes"] = [
        {name: getattr(lane, name) for name in LANE}
        | (view.job.about[number] if view.job.about else {})
        | {"steps_done": view.last[number].k + 1 if number in view.last else 0}
        for number, lane in enumerate(view.job.lanes)
    ]
    return json.dumps(content, indent=indent, ensure_ascii=False)


def _moments(view: RunView) -> list[list[np.ndarray]]:
    """The x of every lane, uint8 (N, H, W, C), at each time of which any lane has a picture, from noise to x_0.

    A lane without a picture of that time shows its previous one, or its first one where there is none.
    """
    times = []
    for number, sprites in view.sprites.items():
        steps = view.plan.lanes[number].steps
        times += [(steps[k][1], number, sprite) for k, sprite in sprites.items()]
    now = {number: sprites[min(sprites)] for number, sprites in view.sprites.items()}
    moments: dict[int, dict[int, bytes]] = {}
    for s, number, sprite in sorted(times, key=lambda time: -time[0]):
        now = now | {number: sprite}
        moments[s] = now
    decoded: dict[bytes, np.ndarray] = {}
    result = []
    for moment in moments.values():
        for sprite in moment.values():
            if sprite not in decoded:
                decoded[sprite] = _pictures(sprite, view)
        result.append([decoded[sprite] for _, sprite in sorted(moment.items())])
    return result


def _pictures(sprite: bytes, view: RunView) -> np.ndarray:
    """A sprite as uint8 (N, H, W, C) again."""
    count, size = view.sample.x.shape[:2]
    row = np.asarray(open_picture(io.BytesIO(sprite)))
    return np.stack(np.split(row.reshape(size, count * size, -1), count, axis=1))


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _stem(view: RunView) -> str:
    parts = []
    for number, lane in enumerate(view.job.lanes):
        done = view.last[number].k + 1 if number in view.last else 0
        parts += ["against"] * bool(number)
        if not number or lane.checkpoint != view.settings.checkpoint:
            parts.append(short_name(lane.checkpoint))
        if not number and lane.label != ANY:
            parts.append(lane.label)
        parts.append(f"{lane.steps} steps" if done == lane.steps else f"step {done} of {lane.steps}")
        ways = {"ddpm": lane.variance, "ddim": f"ddim eta {lane.eta:g}"}
        parts.append(ways.get(lane.sampler, lane.sampler))
    return re.sub(r"[^\w.-]+", "-", " ".join([*parts, f"seed {view.settings.seed}"])).strip("-")
