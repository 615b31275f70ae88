"""Encode pictures for messages to the page, and read the drawings to which the page adds noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ddpm_core import imaging
from ddpm_core.imaging.image_files import WITH_ALPHA, open_picture
from ui.web import FILES

QUALITY = 80  # quality of JPEG files, 1..100
LOSSLESS = 64  # pixels per side; smaller pictures are sent without loss, because single pixels are visible
FRAME_BYTES = 18e6  # maximum bytes of all frames of a run that are sent to the page
SETS = Path(__file__).parent / "test_sets"
DRAWINGS = FILES / "examples/drawings"


@cache
def read_drawing(name: str) -> np.ndarray:
    """Return one of the drawings in DRAWINGS, uint8 (128, 128, 3)."""
    return np.asarray(open_picture(DRAWINGS / f"{name}.png"))


# --- Pictures for messages


def join_pictures(images: np.ndarray, format: str) -> bytes:
    """Return pictures, uint8 (N, H, W, C), side by side in one file. format: "jpeg" or "png"."""
    row = np.concatenate(list(images), axis=1)
    if format == "jpeg":
        return imaging.jpeg(row, QUALITY)
    return imaging.png(row, compress_level=1)


@dataclass(frozen=True)
class Encoded:
    """The bytes of a picture file. type: its media type, such as "image/png"."""

    type: str
    content: bytes

    @property
    def nbytes(self) -> int:
        """The size of the file in bytes."""
        return len(self.content)


def encode_sprite(images: np.ndarray, format: str) -> Encoded:
    """Return pictures, uint8 (N, H, W, C), side by side in one file for a message. format: "jpeg" or "png"."""
    return Encoded(f"image/{format}", join_pictures(images, format))


Sprite = np.ndarray | Encoded  # pictures side by side: an array, uint8 (N, H, W, C), or a file


def encode_frames(images: np.ndarray) -> Sprite:
    """Return frames, uint8 (N, H, W, C), for a message: small frames as an array, larger frames as a file."""
    format = frame_format(images.shape[1], images.shape[-1])
    return images if format == "pixels" else encode_sprite(images, format)


def frame_format(size: int, channels: int) -> str:
    """Return the format of frames: "pixels" is fast to write and read, "jpeg" is small, "png" can have alpha."""
    if channels in WITH_ALPHA:
        return "png"
    return "pixels" if size <= LOSSLESS else "jpeg"


def kept_steps(steps: int, size: int, count: int, channels: int = 3, most: int = 1_000_000) -> set[int]:
    """Return the indices of the steps whose frames are sent and stored: all, or as many as fit into FRAME_BYTES, at
    most `most`. They are evenly spaced and include the first and the last step.

    count: pictures per frame, with those of other lanes. Estimated bytes per pixel: 3 as raw pixels; 0.9 for noise as
    JPEG of quality 80 (measured: 0.82); 1.05 per channel as PNG (measured: 1.00).
    """
    picture = {"pixels": size**2 * 3 + 300, "jpeg": size**2 * 0.9 + 750, "png": size**2 * 1.05 * channels + 300}
    return choose_steps(steps, 2 * count * picture[frame_format(size, channels)], most)


def choose_steps(steps: int, frame: float, most: int = 1_000_000) -> set[int]:
    """Return the indices of the steps whose frames are sent and stored, spaced as in `kept_steps`. frame: bytes of one
    step. most: maximum number of indices.
    """
    return set(imaging.thin(range(steps), max(2, min(most, int(FRAME_BYTES / frame)))))
