"""Which temporary files and folders are in use: each process locks those that it makes, until it ends.

One without a lock was left by a process that was killed, and may be deleted. The system releases the locks of a process
when it ends, in whatever way. Programs in other containers see the locks too, where they could not tell process ids.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

DAY = 24 * 3600  # if nothing can be locked, older files count as unused


def make(path: Path, create: Callable[[], object]) -> int | None:
    """Make a file or folder with `create`, under a name that nobody else uses, and hold it as `hold` does."""
    while True:
        create()
        with suppress(FileNotFoundError):  # another process has deleted it, as it had no lock yet
            return hold(path)


def hold(path: Path) -> int | None:
    """Hold what is there until `release`, or until this process and those that it has forked end.

    None where that is not possible. Raises FileNotFoundError for what is not there.
    """
    held = _open(path)
    if held is None or fcntl is None:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_SH)  # waits for whoever is about to delete it
    except OSError:  # a file system without locks
        os.close(held)
        return None
    if os.path.lexists(path):
        return held
    os.close(held)
    raise FileNotFoundError(str(path))


def release(held: int | None) -> None:
    """End a hold."""
    if held is not None:
        os.close(held)


@contextmanager
def unused(path: Path) -> Iterator[bool]:
    """Whether no process holds a file or folder. If so, none can hold it during the block, which may delete it.

    Where the system has no locks: whether it is a day old. Raises OSError for what is not there.
    """
    tried = _open(path)
    try:
        yield _is_free(path, tried)
    finally:
        release(tried)


def _is_free(path: Path, tried: int | None) -> bool:
    if fcntl is not None and tried is not None:
        try:
            fcntl.flock(tried, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
    return time.time() - path.lstat().st_mtime > DAY


def _open(path: Path) -> int | None:
    """A file or folder, opened to be locked; None where it can't be. Raises FileNotFoundError."""
    if fcntl is None:
        return None
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError:
        return None
