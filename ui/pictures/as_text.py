"""Pictures of a model's size as text: in messages, in addresses, in scripts. And uploads cropped and fitted to them."""

from __future__ import annotations

import base64
import binascii
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ddpm_core.imaging.image_files import square, to_8_bits
from ddpm_core.model import ModelSpec
from ui.machine.limits import ServerLimits
from ui.pictures.uploads import read_whole, uri

LONGEST = 512  # pixels of an upload's longer side, of which the user chooses a square


def shown(image: np.ndarray) -> dict[str, str]:
    """A picture for the page, {text, uri}: uint8 (H, W, C)."""
    return {"text": to_text(image), "uri": uri(image[None], "png")}


def to_text(image: np.ndarray) -> str:
    """uint8 (H, W, C) as base64url of its compressed bytes."""
    return base64.urlsafe_b64encode(zlib.compress(np.ascontiguousarray(image).tobytes(), 9)).decode()


def from_text(text: object, model: ModelSpec) -> np.ndarray:
    """The uint8 (1, H, W, C) picture of `to_text`. Raises ValueError for anything but a picture of the model's size.

    Nothing is decoded beyond the bytes that such a picture has.
    """
    shape = (1, model.image_size, model.image_size, model.channels)
    size = int(np.prod(shape))
    try:
        unpack = zlib.decompressobj()
        content = unpack.decompress(base64.b64decode(str(text), b"-_", validate=True), size + 1)
    except (zlib.error, binascii.Error, ValueError):
        content = b""
    if len(content) != size:
        raise ValueError(
            f"The picture must have the model's size, {model.image_size}×{model.image_size}: choose it again"
        )
    return np.frombuffer(bytearray(content), np.uint8).reshape(shape)


def uncovered(cells: bytes, side: int, size: int) -> np.ndarray:
    """Which pixels of a picture are left, bool (size, size): those whose cell, a bit of side × side, is 0."""
    bits = np.unpackbits(np.frombuffer(cells, np.uint8)).reshape(side, side)
    at = ((np.arange(size) + 0.5) * side // size).astype(int)
    return bits[np.ix_(at, at)] == 0


@lru_cache(maxsize=8)
def whole(path: Path, limits: ServerLimits) -> Image.Image:
    """An upload, reduced to LONGEST, mode RGBA. Raises ValueError for what is no picture."""
    return read_whole(path, LONGEST, limits)


def crop(image: Image.Image, left: float, top: float, side: float, model: ModelSpec, invert: bool) -> np.ndarray:
    """A square of a picture fitted to a model, uint8 (H, W, C).

    left, top, side: in shares of the shorter side, 0 < side <= 1; a square that sticks out is moved inside.
    """
    short = min(image.size)
    pixels = min(max(1, round(side * short)), short)
    x = min(max(0, round(left * short)), image.width - pixels)
    y = min(max(0, round(top * short)), image.height - pixels)
    part = to_8_bits(image.crop((x, y, x + pixels, y + pixels)), model.channels)
    if invert:
        part = _negative(part)
    how = Image.Resampling.LANCZOS if pixels >= model.image_size else Image.Resampling.BICUBIC
    return square(part, model.image_size, how)


def _negative(image: Image.Image) -> Image.Image:
    """Light for dark, alpha as it is."""
    if image.mode not in ("LA", "RGBA"):
        return ImageOps.invert(image)
    alpha = image.getchannel("A")
    negative = ImageOps.invert(image.convert(image.mode.removesuffix("A"))).convert(image.mode)
    negative.putalpha(alpha)
    return negative
