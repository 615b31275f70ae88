"""Locks for folders: two commands or processes that wrote into one would destroy each other's files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from train import TrainError
from train.common.files import check_folder

NAME = ".lock"


@contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold a folder, made if need be, for this run alone. Raises TrainError when another run holds it for longer than
    the patience, in seconds.

    The system releases the lock when the process ends, however it ends. Several processes that torchrun or accelerate
    started are one run, whose first process holds the lock. A folder made here that stays empty is removed again.
    """
    from train.common.machine import is_first_process  # here, as it takes torch's seconds

    if not is_first_process():
        yield
        return
    check_folder(folder, "out")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / NAME)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise TrainError(
            f"{folder} is in use by another command: wait until it ends, or choose another folder."
        ) from None
    except (OSError, NotImplementedError) as error:  # a file system that has no locks
        print(f"{folder} can't be locked ({error}): see that no other command writes there.", file=sys.stderr)
    try:
        yield
    finally:
        with suppress(OSError):  # the folder is gone, or not empty
            if made and [path.name for path in folder.iterdir()] == [NAME]:
                (folder / NAME).unlink()
                for path in made:
                    path.rmdir()
        lock.release()


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Wait until no other process is at work in a folder, which is made if need be, and hold it.

    For what all processes of a run want in one place, such as a download: the first makes it, the others find it.
    """
    lock = FileLock(folder / NAME)
    with suppress(OSError, NotImplementedError):  # it can't be written, or has no locks
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
