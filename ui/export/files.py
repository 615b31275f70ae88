"""Files of a run: the final pictures and a film strip as PNG, the trajectory as GIF, WebP or MP4, everything as ZIP.

They are made from the pixels of a `Snapshot`, not from what the page was sent. Each contains the settings of the run
as JSON: PNG as Description, GIF and MP4 as comment, WebP in its EXIF data (the tag ImageDescription), ZIP as
settings.json.
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
from ddpm_core.noise import gaussian_batch
from ui import temporary
from ui.runs.frames import Snapshot
from ui.runs.offered import short_name
from ui.runs.settings import ANY, LANE

ANIMATION_SIZE = 256  # small pictures are enlarged to about this
STRIP = 10  # pictures in a row of a film strip
GAP = 2  # pixels between pictures


def cached(demo: gr.Blocks, name: str, content: bytes) -> str:
    """The path of a file that gradio serves, and `ui.temporary` deletes after an hour. Raises gr.Error: a full disk."""
    try:
        return processing_utils.save_bytes_to_cache(content, name, demo.GRADIO_CACHE)
    except OSError as error:
        if temporary.is_full(error):
            raise gr.Error(temporary.FULL, print_exception=False) from error
        raise


def picture(run: Snapshot) -> bytes:
    """The last pictures of a run as one PNG in the model's own resolution, with a row for each of two lanes."""
    lanes = [steps[max(steps)] for steps in run.pictures.values()]
    columns = None if len(lanes) == 1 else len(lanes[0])
    return imaging.png(imaging.grid(np.concatenate(lanes), columns, GAP), about=about(run))


def strip(run: Snapshot) -> bytes:
    """A film strip: up to STRIP moments from noise to x_0, a row for each image of each lane."""
    moments = imaging.thin(_moments(run), STRIP)
    count, lanes = len(run.plan.seeds), len(moments[0])
    tiles = [moment[lane][n] for n in range(count) for lane in range(lanes) for moment in moments]
    return imaging.png(imaging.grid(np.stack(tiles), len(moments), GAP), about=about(run))


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


def _animated(kind: str) -> Callable[[Snapshot], bytes]:
    """A function that makes an animation of the x_t of a run, two lanes side by side."""

    def content(run: Snapshot) -> bytes:
        frames = [imaging.grid(np.stack([imaging.grid(x) for x in moment]), gap=4 * GAP) for moment in _moments(run)]
        return ANIMATIONS[kind](frames, about(run))

    return content


def archive(run: Snapshot) -> bytes:
    """All of a run as a ZIP: settings.json, x_T.npy and x_0.npy (float32, N × C × H × W), every kept x_t as PNG."""
    plan, file = run.plan, io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as out:  # its files are compressed already
        out.writestr("settings.json", about(run, indent=2))
        x_T = gaussian_batch(list(plan.seeds), 0, (plan.channels, plan.size, plan.size))
        out.writestr("x_T.npy", _npy(x_T.numpy()))
        for lane, steps in run.pictures.items():
            folder = f"lane-{'ab'[lane]}/" if len(plan.lanes) > 1 else ""
            if lane in run.x_0:  # a run that was stopped has none
                out.writestr(f"{folder}x_0.npy", _npy(run.x_0[lane]))
            for k, x in sorted(steps.items()):
                s = plan.lanes[lane].steps[k][1]
                for seed, image in zip(plan.seeds, x, strict=True):
                    out.writestr(f"{folder}seed-{seed}/x_{s:04}.png", imaging.png(image, compress_level=1))
    return file.getvalue()


KINDS: dict[str, Callable[[Snapshot], bytes]] = {
    "png": picture,
    **{kind: _animated(kind) for kind in ANIMATIONS},
    "strip": strip,
    "zip": archive,
}


def about(run: Snapshot, indent: int | None = None) -> str:
    """The settings of a run as JSON, enough to repeat it: what its lanes share, and for each lane what is its own."""
    one = dataclasses.asdict(run.lanes[0])
    content = {name: value for name, value in one.items() if name not in LANE}
    content["lanes"] = [
        {name: getattr(lane, name) for name in LANE}
        | (run.about[number] if run.about else {})
        | {"steps_done": run.done(number)}
        for number, lane in enumerate(run.lanes)
    ]
    return json.dumps(content, indent=indent, ensure_ascii=False)


def name(run: Snapshot, kind: str) -> str:
    """The name of a file, one of KINDS: what was run, as far as it went."""
    parts, first = [], run.lanes[0]
    for number, lane in enumerate(run.lanes):
        done = run.done(number)
        parts += ["against"] * bool(number)
        if not number or lane.checkpoint != first.checkpoint:
            parts.append(short_name(lane.checkpoint))
        if not number and lane.label != ANY:
            parts.append(lane.label)
        parts.append(f"{lane.steps} steps" if done == lane.steps else f"step {done} of {lane.steps}")
        ways = {"ddpm": lane.variance, "ddim": f"ddim eta {lane.eta:g}"}
        parts.append(ways.get(lane.sampler, lane.sampler))
    stem = re.sub(r"[^\w.-]+", "-", " ".join([*parts, f"seed {first.seed}"])).strip("-")
    return stem + ("-strip.png" if kind == "strip" else f".{kind}")


def _moments(run: Snapshot) -> list[list[np.ndarray]]:
    """The x of every lane, uint8 (N, H, W, C), at each time of which any lane has a picture, from noise to x_0.

    A lane without a picture of that time shows its previous one, or its first one where there is none.
    """
    times = [
        (run.plan.lanes[lane].steps[k][1], lane, x) for lane, steps in run.pictures.items() for k, x in steps.items()
    ]
    now = {lane: steps[min(steps)] for lane, steps in run.pictures.items()}
    moments: dict[int, list[np.ndarray]] = {}
    for s, lane, x in sorted(times, key=lambda time: -time[0]):
        now[lane] = x
        moments[s] = list(now.values())
    return list(moments.values())


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
