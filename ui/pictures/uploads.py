"""Pictures to add noise to: four drawings that come with the page, and uploads of any kind, made square and small."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from gradio.utils import get_upload_folder
from PIL import Image

from ddpm_core import imaging
from ddpm_core.imaging.image_files import KINDS, WITH_ALPHA, can_be_resized, open_picture, square, to_8_bits
from ui.forms.fields import near
from ui.machine.limits import Refused, ServerLimits

SIZE = 128  # pixels a side: the grain of the noise can be seen
SMALLEST = 32  # smaller uploads are enlarged to this
QUALITY = 80  # JPEG
LOSSLESS = 64  # pictures up to this size are sent lossless, as their single pixels are visible
FRAME_BYTES = 24e6  # limit for the frames of one run on their way to the page
UNREADABLE = f"This file could not be read as a picture: choose a {KINDS}."
SETS = Path(__file__).parent / "test_sets"

Result = TypeVar("Result")


def uploaded(path: object) -> Path:
    """The path of an upload. Raises ValueError for any other file of this machine."""
    with suppress(OSError, ValueError):  # not a path at all
        found = Path(near(path)).resolve()
        if found.is_relative_to(Path(get_upload_folder()).resolve()):
            return found
    raise ValueError("Only a picture that was uploaded can be opened")


def read(path: str | Path, limits: ServerLimits | None = None) -> np.ndarray:
    """The middle of an uploaded picture, upright and on grey, as uint8 (n, n, 3) with n from SMALLEST to SIZE.

    Raises ValueError, with one sentence for the user, for what is not a picture, and Refused for what is too large to
    decode.
    """
    return _reading(path, 2 * SIZE, _square, limits)


def read_whole(path: str | Path, longest: int, limits: ServerLimits | None = None) -> Image.Image:
    """An uploaded picture, upright, with mode RGBA, its longer side at most `longest` pixels. Raises as `read` does."""

    return _reading(path, longest, lambda image: _reduced(image, longest, 4), limits)


def _reading(
    path: str | Path, enough: int, take: Callable[[Image.Image], Result], limits: ServerLimits | None
) -> Result:
    """take(the opened picture), with checks before it is decoded. enough: pixels a side that are needed."""
    limits = limits or ServerLimits()
    try:
        limits.check_upload(Path(path).stat().st_size)
        with _open(path, enough, limits) as image:
            return take(image)
    except Refused:
        raise
    except Exception:  # decoders raise anything over a broken file
        raise ValueError(UNREADABLE) from None


def _open(path: str | Path, enough: int, limits: ServerLimits) -> Image.Image:
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # the limits below have their own sentences
    try:
        image = open_picture(path)
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    pixels, ratio = image.width * image.height, max(image.size) / max(1, min(image.size))
    image.draft(None, (enough, enough))  # a JPEG can be decoded up to 8 times smaller
    try:
        limits.check_picture(pixels, image.width * image.height, ratio)
    except Refused:
        image.close()
        raise
    return image


def _square(image: Image.Image) -> np.ndarray:
    side = min(max(min(image.size), SMALLEST), SIZE)
    longest = 4 * SIZE * max(image.size) // min(image.size)
    how = Image.Resampling.LANCZOS if min(image.size) >= SMALLEST else Image.Resampling.NEAREST
    return square(_reduced(image, longest), side, how)


def _reduced(image: Image.Image, longest: int, channels: int = 3) -> Image.Image:
    """What `to_8_bits` makes of a picture, its longer side at most `longest` pixels."""
    if not can_be_resized(image):
        image = to_8_bits(image, channels)
    image.thumbnail((longest, longest), reducing_gap=2)
    return to_8_bits(image, channels)


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
