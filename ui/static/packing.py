"""Pack files of weights, so that visitors download fewer bytes. The page unpacks them: ui/web/network/packed.js."""

from __future__ import annotations

import zlib

SUFFIX = ".packed"
LEVEL = 4  # of zlib, 1 to 9: higher levels take seconds for a model, and gain less than 3 %


def pack(content: bytes) -> bytes:
    """Return the content with all its bytes of even index before those of odd index, compressed with zlib.

    Weights are float16. Their high bytes (sign, exponent, two bits of the fraction) repeat more often than their low
    bytes, so zlib makes the separated bytes smaller.
    """
    return zlib.compress(content[::2] + content[1::2], LEVEL)
