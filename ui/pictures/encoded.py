"""Pictures on their way to the page, and four drawings of the page, to add noise to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ddpm_core import imaging
from ddpm_core.imaging.image_files import WITH_ALPHA, open_picture
from ui.web import FILES

QUALITY = 80  # JPEG
LOSSLESS = 64  # pictures up to this size are sent lossless, as their single pixels are visible
FRAME_BYTES = 18e6  # limit for the frames of one run on their way to the page
SETS = Path(__file__).parent / "test_sets"
DRAWINGS = FILES / "examples/drawings"


@cache
def drawn(name: str) -> np.ndarray:
    """One of DRAWINGS, uint8 (128, 128, 3)."""
    return np.asarray(open_picture(DRAWINGS / f"{name}.png"))


# --- Pictures on their way to the page


def sprite(images: np.ndarray, format: str) -> bytes:
    """uint8 (N, H, W, C) as one picture with the images side by side; format: "jpeg" or "png"."""
    row = np.concatenate(list(images), axis=1)
    if format == "jpeg":
        return imaging.jpeg(row, QUALITY)
    return imaging.png(row, compress_level=1)


@dataclass(frozen=True)
class Encoded:
    """The bytes of a picture's file, of a media type such as "image/png"."""

    type: str
    content: bytes

    @property
    def nbytes(self) -> int:
        return len(self.content)


def encoded(images: np.ndarray, format: str) -> Encoded:
    """A `sprite` for a message."""
    return Encoded(f"image/{format}", sprite(images, format))


Sprite = np.ndarray | Encoded  # pictures side by side: uint8 (N, H, W, C), or a file


def sent(images: np.ndarray) -> Sprite:
    """Frames, uint8 (N, H, W, C): small ones as they are, others in their format."""
    format = frame_format(images.shape[1], images.shape[-1])
    return images if format == "pixels" else encoded(images, format)


def frame_format(size: int, channels: int) -> str:
    """The format of frames: "pixels" are fast to write and read, "jpeg" is small, "png" can have alpha."""
    if channels in WITH_ALPHA:
        return "png"
    return "pixels" if size <= LOSSLESS else "jpeg"


def kept_steps(steps: int, size: int, count: int, channels: int = 3, most: int = 1_000_000) -> set[int]:
    """The step indices whose frames are kept: all, or as many as fit into FRAME_BYTES, at most `most`, evenly spaced,
    with both ends.

    count: pictures in a frame, those of other lanes included. A pixel takes at most 3 bytes, one of noise 0.9 as JPEG
    of quality 80, and 1.05 per channel as PNG (measured: 0.82 and 1.00).
    """
    picture = {"pixels": size**2 * 3 + 300, "jpeg": size**2 * 0.9 + 750, "png": size**2 * 1.05 * channels + 300}
    return fitting(steps, 2 * count * picture[frame_format(size, channels)], most)


def fitting(steps: int, frame: float, most: int = 1_000_000) -> set[int]:
    """The step indices whose frames are kept, as `kept_steps` has them. frame: bytes of one step."""
    return set(imaging.thin(range(steps), max(2, min(most, int(FRAME_BYTES / frame)))))
