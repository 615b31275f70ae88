"""Turn errors that a user can fix into a TrainError: too little memory, and errors of code that is not ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ddpm_core.errors import first_line
from train import TrainError


@contextmanager
def as_train_error(sentence: Callable[[str], str]) -> Iterator[None]:
    """Turn any error of the code inside into a TrainError. Use this around a user's function, and around a library that
    reads or downloads a file.

    sentence: a function that takes the first line of the error and returns the text of the TrainError.
    """
    try:
        yield
    except TrainError:
        raise
    except Exception as error:  # a user's function, or a library with a damaged file, may raise any error
        raise TrainError(sentence(first_line(error))) from error


@contextmanager
def enough_memory(advice: str) -> Iterator[None]:
    """Turn an out-of-memory error of the code inside into a TrainError, which says "try" and the advice."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise TrainError(f"There is not enough memory: try {advice}.") from error


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether Python, or torch on any device, raised this error because the memory is full."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in ("out of memory", "allocate memory"))
