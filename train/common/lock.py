"""Locks for folders: two commands that write into the same folder would destroy each other's files."""

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
    """Lock a folder for this run, and create it if it does not exist. Raises TrainError if another run holds the lock
    for longer than `patience` seconds.

    The system releases the lock when the process ends, even after a crash. Processes that torchrun or accelerate
    started together are one run, and only the first of them takes the lock. A folder that was created here is removed
    if it stays empty.
    """
    from train.common.machine import is_first_process  # imported late because it imports torch, which takes seconds

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
    except (OSError, NotImplementedError) as error:  # the file system has no locks
        print(f"{folder} can't be locked ({error}): see that no other command writes there.", file=sys.stderr)
    try:
        yield
    finally:
        with suppress(OSError):  # raised if the folder was removed or is not empty
            if made and [path.name for path in folder.iterdir()] == [NAME]:
                (folder / NAME).unlink()
                for path in made:
                    path.rmdir()
        lock.release()


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Wait until no other process holds a folder, then lock it. Creates the folder if it does not exist.

    Use this for a result that all processes of a run share, such as a download: the first process makes it, and the
    others find it.
    """
    lock = FileLock(folder / NAME)
    with suppress(OSError, NotImplementedError):  # the folder can't be written, or its file system has no locks
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
