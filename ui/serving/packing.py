"""The format of answers and messages of runs on their way to the page: JSON with pictures and arrays as bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from ui.pictures.encoded import Encoded


def packed(content: object) -> tuple[int, Iterator[bytes]]:
    """Pack JSON whose leaves may be `Encoded` pictures or arrays of uint8 or float32. Returns how many
    bytes that takes, and the bytes.

    They are two lengths (4 bytes each, the last ones first), the head as JSON, and the bytes of the leaves. In the
    head, {type, at, size, shape} stands for a leaf: `at` counts from the end of the head, and only an array has a
    shape. ui/web/messages/packing.js reads it.
    """
    leaves: list[np.ndarray | Encoded] = []
    rest = 0

    def in_head(value: object) -> object:
        nonlocal rest
        if isinstance(value, dict):
            return {name: in_head(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [in_head(item) for item in value]
        if not isinstance(value, np.ndarray | Encoded):
            return value
        leaf = {"at": rest, "size": value.nbytes}
        leaves.append(value)
        rest += value.nbytes
        if isinstance(value, Encoded):
            return leaf | {"type": value.type}
        return leaf | {"type": value.dtype.name, "shape": value.shape}

    head = json.dumps(in_head(content), allow_nan=False).encode()

    def pieces() -> Iterator[bytes]:
        yield len(head).to_bytes(4, "little") + rest.to_bytes(4, "little") + head
        for leaf in leaves:  # one after the other, as all together may take 30 MB
            yield leaf.content if isinstance(leaf, Encoded) else leaf.astype(leaf.dtype.newbyteorder("<")).tobytes()

    return 8 + len(head) + rest, pieces()


def whole(content: object) -> bytes:
    """Return the bytes of `packed` at once."""
    return b"".join(packed(content)[1])
