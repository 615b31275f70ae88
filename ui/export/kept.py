"""What a run keeps, on its way to the page, which makes files of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np


def packed(content: object) -> tuple[int, Iterator[bytes]]:
    """Pack JSON whose leaves may be arrays of uint8 or float32. Returns how many bytes that takes, and the bytes.

    They are the length of a head (4 bytes, the last ones first), the head as JSON, and the arrays. In the head,
    {at, type, shape} stands for an array; `at` counts from the end of the head. ui/web/server/kept.js reads it.
    """
    arrays: list[np.ndarray] = []
    size = 0

    def written(value: Any) -> Any:
        nonlocal size
        if isinstance(value, dict):
            return {name: written(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [written(one) for one in value]
        if not isinstance(value, np.ndarray):
            return value
        at = size
        arrays.append(value)
        size += value.nbytes
        return {"at": at, "type": value.dtype.name, "shape": value.shape}

    head = json.dumps(written(content)).encode()

    def pieces() -> Iterator[bytes]:
        yield len(head).to_bytes(4, "little") + head
        for array in arrays:  # one after the other: all of them may have 30 MB
            yield array.tobytes()

    return 4 + len(head) + size, pieces()
