"""Pictures on their way to the page, and four drawings that come with it, to add noise to."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

import numpy as np

from ddpm_core import imaging
from ddpm_core.imaging.image_files import WITH_ALPHA, open_picture

SIZE = 128  # pixels a side: the grain of the noise can be seen
QUALITY = 80  # JPEG
LOSSLESS = 64  # pictures up to this size are sent lossless, as their single pixels are visible
FRAME_BYTES = 24e6  # limit for the frames of one run on their way to the page
SETS = Path(__file__).parent / "test_sets"
DRAWINGS = ("lighthouse", "cat", "balloon", "flower")  # of test_sets


@cache
def drawn(name: str) -> np.ndarray:
    """One of DRAWINGS, uint8 (SIZE, SIZE, 3)."""
    return np.asarray(open_picture(SETS / f"{name}.png").convert("RGB"))


# --- Pictures on their way to the page


def sprite(images: np.ndarray, format: str) -> bytes:
    """uint8 (N, H, W, C) as one picture with the images side by side; format: "bmp", "jpeg" or "png"."""
    row = np.concatenate(list(images), axis=1)
    if format == "jpeg":
        return imaging.jpeg(row, QUALITY)
    return imaging.bmp(row) if format == "bmp" else imaging.png(row, compress_level=1)


def uri(images: np.ndarray, format: str) -> str:
    """A `sprite` as a data-URI."""
    return f"data:image/{format};base64,{base64.b64encode(sprite(images, format)).decode()}"


def sent(images: np.ndarray) -> str:
    """Frames, uint8 (N, H, W, C), as a data-URI in their format."""
    return uri(images, frame_format(images.shape[1], images.shape[-1]))


def frame_format(size: int, channels: int) -> str:
    """The format of frames: "bmp" is fast to write and read, "jpeg" is small, "png" can have alpha."""
    if channels in WITH_ALPHA:
        return "png"
    return "bmp" if size <= LOSSLESS else "jpeg"


def kept_steps(steps: int, size: int, count: int, channels: int = 3, most: int = 1_000_000) -> set[int]:
    """The step indices whose frames are kept: all, or as many as fit into FRAME_BYTES, at most `most`, evenly spaced,
    with both ends.

    count: pictures in a frame, those of other lanes included. A pixel of noise in a data-URI takes 4 bytes as BMP, 1.2
    as JPEG of quality 80, and 1.4 per channel as PNG (measured: 4.13, 1.09 and 1.34).
    """
    picture = {"bmp": size**2 * 4 + 400, "jpeg": size**2 * 1.2 + 1000, "png": size**2 * 1.4 * channels + 400}
    frame = 2 * count * picture[frame_format(size, channels)]
    return set(imaging.thin(range(steps), max(2, min(most, int(FRAME_BYTES / frame)))))
