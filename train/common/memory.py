"""A command that finds no memory left says so in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from train import TrainError


@contextmanager
def enough_memory(advice: str) -> Iterator[None]:
    """Raise TrainError where there is no memory left, which says to try what is advised."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise TrainError(f"There is not enough memory: try {advice}.") from error


def _is_out_of_memory(error: Exception) -> bool:
    """Whether Python, or torch on any device, says that there is no memory left."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in ("out of memory", "allocate memory"))
