"""Pictures of a model's size as text: in messages, in addresses, in scripts."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np

from ddpm_core.model import ModelSpec


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
