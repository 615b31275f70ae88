"""Encode answers and messages of runs for the page: JSON, with pictures and arrays as raw bytes."""

from __future__ import annotations

import json

import numpy as np

from ui.pictures.encoded import Encoded


def pack(content: object) -> list[bytes | memoryview]:
    """Encode JSON whose leaves may be `Encoded` pictures or arrays of uint8 or float32. Return the pieces in order. No
    leaf is copied, because together they may take 30 MB.

    Format: the length of the head and the total length of the leaves (4 bytes each, little-endian), the head as JSON,
    then the bytes of each leaf. In the head, {type, at, size, shape} stands for a leaf; `at` is its offset after the
    head, and only arrays have a shape. ui/web/messages/packing.js decodes it.
    """
    leaves: list[bytes | memoryview] = []
    rest = 0

    def in_head(value: object) -> object:
        """Return a value for the head, and add its leaves to `leaves`."""
        nonlocal rest
        if isinstance(value, dict):
            return {name: in_head(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [in_head(item) for item in value]
        if not isinstance(value, np.ndarray | Encoded):
            return value
        leaf = {"at": rest, "size": value.nbytes}
        rest += value.nbytes
        if isinstance(value, Encoded):
            leaves.append(value.content)
            return leaf | {"type": value.type}
        numbers = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
        leaves.append(numbers.reshape(-1).view(np.uint8).data)
        return leaf | {"type": value.dtype.name, "shape": value.shape}

    head = json.dumps(in_head(content), allow_nan=False).encode()
    return [len(head).to_bytes(4, "little") + rest.to_bytes(4, "little") + head, *leaves]
