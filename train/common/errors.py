"""Turn errors that a user can mend into a TrainError: no memory left, and whatever code that is not ours raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ddpm_core.errors import first_line
from train import TrainError


@contextmanager
def as_train_error(sentence: Callable[[str], str]) -> Iterator[None]:
    """Replace any error of the code inside by a TrainError. That code calls a user's function, or a library that reads
    or downloads a file. sentence: a function from the first line of the error to the text of the TrainError.
    """
    try:
        yield
    except TrainError:
        raise
    except Exception as error:  # a user's code may raise anything, and a library has a kind for each way to be damaged
        raise TrainError(sentence(first_line(error))) from error


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
