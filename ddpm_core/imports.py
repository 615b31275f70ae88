"""Imports of the libraries that take seconds."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_off() -> Iterator[None]:
    """Switch Python's garbage collector off meanwhile, and on again if it was on.

    An import makes hundreds of thousands of objects that stay. The collector would look through them again and again,
    for a tenth of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
