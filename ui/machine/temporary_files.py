"""Manage the folder of temporary files: it is private, limited in size, and deleted when the process ends.

gradio serves the files of runs from the folder that GRADIO_TEMP_DIR names when gradio is imported. Its default folder
is shared by all users of the machine.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import logging
import math
import os
import re
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ddpm_core.disk import in_use

AGE = 3600.0  # seconds after which a file is deleted
EVERY = 30.0  # seconds between two clean-ups of the folder
BLOCK = 4096  # size of a disk block in bytes: even the smallest file takes a block
_NAME = re.compile(r"ddpm-lab-tmp-(\w+-)?[0-9a-f]{16}")

FULL = "The disk for temporary files is full: try again in a few minutes"

log = logging.getLogger(__name__)

# part of the hash that names a file, so that nobody can guess the path of a file from its content
_SECRET = secrets.token_bytes(16)
_own: dict[str, int | None] = {}  # for each folder that this process made: its name and its lock


def use_private_folder() -> Path:
    """Create a folder that only this user can read, and set GRADIO_TEMP_DIR to it. Call this before gradio
    is imported.
    """
    base = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
    base.mkdir(parents=True, exist_ok=True)
    if _NAME.fullmatch(base.name):  # an earlier call made this folder, in this process or in its parent
        return base
    _remove_left_behind(base)
    folder = _make(base, "")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


def make_folder(purpose: str) -> Path:
    """Create a private folder whose files no `Sweeper` deletes. The process deletes the folder at its end."""
    return _make(Path(os.environ["GRADIO_TEMP_DIR"]).parent, f"{purpose}-")


def _make(base: Path, purpose: str) -> Path:
    """Create a private folder in base, lock it, and delete it at the end of the process."""
    folder = base / f"ddpm-lab-tmp-{purpose}{secrets.token_hex(8)}"
    _own[folder.name] = in_use.make(folder, lambda: folder.mkdir(mode=0o700))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, pid: int) -> None:
    """Delete a folder of this process and release its lock. pid: the process that made it."""
    if folder.name in _own and pid == os.getpid():  # a forked process must not delete its parent's folder
        shutil.rmtree(folder, ignore_errors=True)
        in_use.release(_own.pop(folder.name))


def _remove_left_behind(base: Path) -> None:
    """Delete the folders of killed processes."""
    for folder in base.glob("ddpm-lab-tmp-*"):
        with suppress(OSError):
            if _NAME.fullmatch(folder.name) and folder.name not in _own and not folder.is_symlink():
                with in_use.unused(folder) as is_unused:
                    if is_unused:
                        shutil.rmtree(folder, ignore_errors=True)


def _restore(folder: Path) -> None:
    """Create and lock the folder again if another program has deleted it."""
    hold = _own.get(folder.name)
    gone = hold is not None and os.fstat(hold).st_nlink == 0  # true even if a new folder has the same name
    if folder.is_dir() and not gone:
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    if folder.name in _own:
        in_use.release(hold)
        _own[folder.name] = in_use.hold(folder)


def is_full(error: BaseException | None) -> bool:
    """Return whether an error, or one of its causes, says that the disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


class Demo(Protocol):
    """The attributes of gradio's Blocks that `Sweeper` needs: the folder of temporary files, and the names of the files
    that gradio remembers.
    """

    GRADIO_CACHE: str
    temp_file_sets: list[set[str]]


class Sweeper:
    """Stores files and deletes old files: files older than AGE, and the oldest files while all together exceed `most`
    bytes.
    """

    def __init__(self, demo: Demo, most: float):
        self._demo = demo
        self._folder = Path(demo.GRADIO_CACHE)
        self._most = most
        self._size = math.inf  # bytes of all files at the last clean-up, plus the bytes stored since
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def start(self) -> None:
        """Start the clean-up thread."""
        threading.Thread(target=self._work, daemon=True, name="sweeper").start()

    def stop(self) -> None:
        """End the clean-up thread."""
        self._stop.set()

    def _work(self) -> None:
        """Clean up every EVERY seconds until `stop`."""
        while not self._stop.wait(EVERY):
            try:
                with self._lock:
                    self._size = self.sweep()
            except OSError:  # the folder can't be read now; the next clean-up tries again
                log.exception("temporary files")

    def keep(self, content: bytes, name: str) -> Path:
        """Write a file and return its path, which nobody can guess. Delete older files if there is no room. If writing
        fails, no part of the file remains.
        """
        with self._lock:
            size = _on_disk(len(content))
            if self._size + size > self._most:
                self._size = self.sweep(room=size)
            self._size += size
        _restore(self._folder)
        path = self._folder / hashlib.sha256(_SECRET + content).hexdigest() / name
        path.parent.mkdir(exist_ok=True)
        try:
            path.write_bytes(content)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path

    def sweep(self, room: int = 0) -> int:
        """Delete files that are too old or exceed the limit, and the folders of killed processes. Return the remaining
        bytes.

        room: bytes that must be free for another file.
        """
        _restore(self._folder)
        base = self._folder.parent
        # Where folders can't be locked, a recent time stamp shows other processes that a folder is in use.
        for name in _own:
            with suppress(OSError):
                os.utime(base / name)
        # A thread of a killed process may have written into its folder after this process started.
        _remove_left_behind(base)
        now, size = time.time(), 0
        for path, written, bytes in self._files():  # Paths are not stored in a list, as there may be 100,000 files.
            if now - written < AGE:
                size += bytes
            else:
                _unlink(path)
        if size > self._most - room:
            for _, bytes, path in sorted((written, bytes, path) for path, written, bytes in self._files()):
                size -= bytes if _unlink(path) else 0
                if size <= self._most - room:
                    break
        for place, folders, _ in os.walk(self._folder, topdown=False):
            for folder in (os.path.join(place, name) for name in folders):
                with suppress(OSError):  # os.rmdir raises OSError if the folder is not empty
                    # another thread may be about to write into a newer folder
                    if now - os.stat(folder).st_mtime > EVERY:
                        os.rmdir(folder)
        # gradio remembers the names of all files to delete them at its end, but this method deletes the files
        for files in self._demo.temp_file_sets:
            files.clear()
        return size

    def _files(self) -> Iterator[tuple[str, float, int]]:
        """Yield the path, the time of writing and the bytes on disk of each file."""
        for folder, _, names in os.walk(self._folder):
            for path in (os.path.join(folder, name) for name in names):
                with suppress(OSError):
                    state = os.lstat(path)
                    if stat.S_ISREG(state.st_mode):
                        yield path, state.st_mtime, _on_disk(state.st_size)


def _on_disk(size: int) -> int:
    """Return how many bytes of the disk a file of this size takes."""
    return math.ceil(size / BLOCK) * BLOCK


def _unlink(path: str) -> bool:
    """Delete a file. Return whether it is gone."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
