"""Locks that show which temporary files and folders are in use. Each process locks its own temporary files and folders.

A file without a lock was left by a process that was killed, and may be deleted: the system releases the locks of a
process when it ends, in whatever way. Unlike process ids, locks also work between containers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no fcntl
    fcntl = None

DAY = 24 * 3600  # seconds of a day; on a system without locks, files older than a day count as unused


def make(path: Path, create: Callable[[], object]) -> int | None:
    """Make a file or folder with `create`, lock it, and return the lock, as `hold` does.

    path: a name that no other process uses.
    """
    while True:
        create()
        with suppress(FileNotFoundError):  # another process deleted it before the lock: try again
            return hold(path)


def hold(path: Path) -> int | None:
    """Lock a file or folder until `release`, or until this process and its forks end. Return the lock.

    Return None if the system has no locks. Raise FileNotFoundError if the path does not exist.
    """
    held = _open(path)
    if held is None or fcntl is None:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_SH)  # waits if another process is about to delete it
    except OSError:  # the file system has no locks
        os.close(held)
        return None
    if os.path.lexists(path):
        return held
    os.close(held)
    raise FileNotFoundError(str(path))


def release(held: int | None) -> None:
    """Release a lock of `hold`. Do nothing for None."""
    if held is not None:
        os.close(held)


@contextmanager
def unused(path: Path) -> Iterator[bool]:
    """Yield whether no process has locked a file or folder.

    If no process has locked it, none can lock it during the block, so the block may delete it. If the system has no
    locks, yield whether the file or folder is older than a day. Raise OSError if the path does not exist.
    """
    tried = _open(path)
    try:
        yield _try_lock(path, tried)
    finally:
        release(tried)


def _try_lock(path: Path, tried: int | None) -> bool:
    """Try to lock a file for this process alone. Return whether no other process uses the file.

    tried: the descriptor of the open file; None if it can't be locked. Then a file older than a day counts as unused.
    """
    if fcntl is not None and tried is not None:
        try:
            fcntl.flock(tried, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
        except OSError:  # the file system has no locks
            pass
    return time.time() - path.lstat().st_mtime > DAY


def _open(path: Path) -> int | None:
    """Open a file or folder for locking. Return None if that isn't possible.

    Raise FileNotFoundError if it is missing.
    """
    if fcntl is None:
        return None
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError:
        return None
