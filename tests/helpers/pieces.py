"""Read what the server packs, as the page does: see ui/serving/packing.py."""

import json

import numpy as np

from ui.pictures.encoded import Encoded


def unpacked(content):
    """Yield the pieces of a response, one after another."""
    pieces = []
    while content:
        head, rest = (int.from_bytes(content[at : at + 4], "little") for at in (0, 4))
        start, end = 8 + head, 8 + head + rest

        def leaf(value, own=content[start:end]):
            if "at" not in value or "type" not in value:
                return value
            found = own[value["at"] : value["at"] + value["size"]]
            if "shape" not in value:
                return Encoded(value["type"], found)
            return np.frombuffer(found, value["type"]).reshape(value["shape"])

        pieces.append(json.loads(content[8:start], object_hook=leaf))
        content = content[end:]
    return pieces
