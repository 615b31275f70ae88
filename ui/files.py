"""Files to take away: the final pictures as PNG, the trajectory as GIF."""

from __future__ import annotations

import io
import re

import gradio as gr
import numpy as np
from gradio import processing_utils
from PIL import Image

from ui import checkpoints
from ui.messages import Show

GIF_SIZE = 256  # small pictures are enlarged to about this


def cached(demo: gr.Blocks, name: str, content: bytes) -> str:
    """The path of a file that gradio serves, and deletes when it is old."""
    path = processing_utils.save_bytes_to_cache(content, name, demo.GRADIO_CACHE)
    demo.upload_file_set.add(path)
    return path


def png(demo: gr.Blocks, show: Show) -> str:
    """The last pictures of a run as one PNG, in the model's own resolution."""
    from ddpm_core import imaging

    return cached(demo, f"{_stem(show)}.png", imaging.png(imaging.grid(show.last.x)))


def gif(demo: gr.Blocks, show: Show) -> str:
    """The x_t of a run as a GIF."""
    from ddpm_core import imaging

    count, size = show.last.x.shape[:2]
    pictures = [_pictures(sprite, count, size) for sprite in show.sprites]
    frames = [imaging.grid(images) for images in pictures]
    file = io.BytesIO()
    imaging.save_gif(file, frames, scale=max(1, GIF_SIZE // frames[0].shape[1]))
    return cached(demo, f"{_stem(show)}.gif", file.getvalue())


def _pictures(sprite: bytes, count: int, size: int) -> np.ndarray:
    """Back from a sprite to uint8 (N, H, W, C)."""
    row = np.asarray(Image.open(io.BytesIO(sprite)))
    return np.stack(np.split(row.reshape(size, count * size, -1), count, axis=1))


def _stem(show: Show) -> str:
    settings, done = show.settings, show.last.k + 1
    ddim = settings.sampler == "ddim"
    parts = [
        checkpoints.name(settings.checkpoint),
        *([settings.label] if settings.label != "any" else []),
        f"{settings.steps} steps" if done == settings.steps else f"step {done} of {settings.steps}",
        f"ddim eta {settings.eta:g}" if ddim else settings.variance,
        f"seed {settings.seed}",
    ]
    return re.sub(r"[^\w.-]+", "-", " ".join(parts)).strip("-")
