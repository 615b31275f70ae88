"""Faster imports of large libraries."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_off() -> Iterator[None]:
    """Switch Python's garbage collector off inside the block. Switch it on again afterwards if it was on before.

    An import makes hundreds of thousands of objects that stay in memory. The collector would check them again and
    again, which takes a tenth of the import's time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
