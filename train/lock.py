"""A lock for a command's folder: two commands that wrote into it would destroy each other's files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from train import TrainError
from train.files import check_folder

NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, made if need be, for this run alone. Raises TrainError when another run holds it.

    The system releases the lock when the process ends, however it ends. Several processes that torchrun or accelerate
    started are one run, whose first process holds the lock. A folder made here that stays empty is removed again.
    """
    if not _is_first_process():
        yield
        return
    check_folder(folder, "out")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise TrainError(
            f"{folder} is in use by another command: wait until it ends, or choose another --out."
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


def _is_first_process() -> bool:
    from accelerate.utils import get_int_from_env  # knows the names of each launcher

    return get_int_from_env(["RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK"], 0) == 0
