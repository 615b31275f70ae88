"""Convert pictures of a model's size to text, for messages, links and scripts."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np

from ddpm_core.model import ModelSpec


def to_text(image: np.ndarray) -> str:
    """Return a picture, uint8 (H, W, C), as text: its bytes, compressed by zlib, in base64url."""
    return base64.urlsafe_b64encode(zlib.compress(np.ascontiguousarray(image).tobytes(), 9)).decode()


def from_text(text: object, model: ModelSpec) -> np.ndarray:
    """Return the picture of a text by `to_text`, uint8 (1, H, W, C). Raises ValueError unless it is a picture of the
    model's size.

    Decompression stops at the number of bytes of such a picture, so that a small text can't fill the memory.
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
    """Return the pixels that are not erased, as bool (size, size). cells: one bit for each of side × side cells, 1 if
    the cell is erased.
    """
    bits = np.unpackbits(np.frombuffer(cells, np.uint8)).reshape(side, side)
    at = ((np.arange(size) + 0.5) * side // size).astype(int)
    return bits[np.ix_(at, at)] == 0
