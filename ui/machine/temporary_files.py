"""The folder of temporary files: private, within a limit, and deleted at the end.

gradio serves the files of runs from the folder that GRADIO_TEMP_DIR names when it is imported. Without that
they are in a folder that all users of the machine share.
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

AGE = 3600.0  # seconds that a file is kept
EVERY = 30.0  # seconds between two looks at the folder
BLOCK = 4096  # bytes that the smallest file takes
_NAME = re.compile(r"ddpm-lab-tmp-(\w+-)?[0-9a-f]{16}")

FULL = "The disk for temporary files is full: try again in a few minutes"

log = logging.getLogger(__name__)

_SECRET = secrets.token_bytes(16)  # of the names of files, which nobody is to guess from their content
_own: dict[str, int | None] = {}  # names of the folders of this process, and its holds of them


def use_private_folder() -> Path:
    """Make the folder, readable by this user only, and tell gradio of it. To be called before gradio is imported."""
    base = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
    base.mkdir(parents=True, exist_ok=True)
    if _NAME.fullmatch(base.name):  # from a former call, of this process or of the one that has started it
        return base
    _remove_left_behind(base)
    folder = _make(base, "")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


def make_folder(purpose: str) -> Path:
    """Another private folder, for files that no `Sweeper` may delete. It goes at the end of the process, too."""
    return _make(Path(os.environ["GRADIO_TEMP_DIR"]).parent, f"{purpose}-")


def _make(base: Path, purpose: str) -> Path:
    folder = base / f"ddpm-lab-tmp-{purpose}{secrets.token_hex(8)}"
    _own[folder.name] = in_use.make(folder, lambda: folder.mkdir(mode=0o700))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, pid: int) -> None:
    if folder.name in _own and pid == os.getpid():  # not in a fork
        shutil.rmtree(folder, ignore_errors=True)
        in_use.release(_own.pop(folder.name))


def _remove_left_behind(base: Path) -> None:
    """Delete the folders of processes that were killed."""
    for folder in base.glob("ddpm-lab-tmp-*"):
        with suppress(OSError):
            if _NAME.fullmatch(folder.name) and folder.name not in _own and not folder.is_symlink():
                with in_use.unused(folder) as is_unused:
                    if is_unused:
                        shutil.rmtree(folder, ignore_errors=True)


def _restore(folder: Path) -> None:
    """Make the folder anew where somebody has deleted it: private, and held, so that no other app takes it."""
    hold = _own.get(folder.name)
    gone = hold is not None and os.fstat(hold).st_nlink == 0  # also where another folder of this name is there
    if folder.is_dir() and not gone:
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    if folder.name in _own:
        in_use.release(hold)
        _own[folder.name] = in_use.hold(folder)


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what it comes from, is a disk without room."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


class Demo(Protocol):
    """Of gradio's Blocks: its folder of temporary files, and the names that it remembers of them."""

    GRADIO_CACHE: str
    temp_file_sets: list[set[str]]


class Sweeper:
    """Keeps files, and deletes those that are older than AGE, and the oldest ones while all are larger than `most`
    bytes.
    """

    def __init__(self, demo: Demo, most: float):
        self._demo = demo
        self._folder = Path(demo.GRADIO_CACHE)
        self._most = most
        self._size = math.inf  # of all files when they were looked at, and of what was kept since then
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._work, daemon=True, name="sweeper").start()

    def stop(self) -> None:
        self._stop.set()

    def _work(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                with self._lock:
                    self._size = self.sweep()
            except OSError:  # the folder itself can't be read: the next call tries again
                log.exception("temporary files")

    def keep(self, content: bytes, name: str) -> Path:
        """Make room for a file, and write it, where only who knows its path finds it. Nothing is left of one that could
        not be written.
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
        """Delete what is too old or too much, and what killed apps have left; returns the bytes that are left.

        room: bytes that are to be free for another file.
        """
        _restore(self._folder)
        base = self._folder.parent
        for name in _own:  # where nothing can be held, other apps see by this that they are in use
            with suppress(OSError):
                os.utime(base / name)
        _remove_left_behind(base)  # the training of a killed app may still have been writing when this one began
        now, size = time.time(), 0
        for path, written, bytes in self._files():  # none is remembered here: there may be a hundred thousand
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
                with suppress(OSError):  # not empty
                    if now - os.stat(folder).st_mtime > EVERY:  # somebody may be about to write into a newer folder
                        os.rmdir(folder)
        for files in self._demo.temp_file_sets:  # gradio remembers all names, to delete the files at its end, as we do
            files.clear()
        return size

    def _files(self) -> Iterator[tuple[str, float, int]]:
        """Path, time of writing, and bytes of the disk, of each file."""
        for folder, _, names in os.walk(self._folder):
            for path in (os.path.join(folder, name) for name in names):
                with suppress(OSError):
                    state = os.lstat(path)
                    if stat.S_ISREG(state.st_mode):
                        yield path, state.st_mtime, _on_disk(state.st_size)


def _on_disk(size: int) -> int:
    """Bytes of the disk that a file takes."""
    return math.ceil(size / BLOCK) * BLOCK


def _unlink(path: str) -> bool:
    """Delete a file; returns whether it is gone."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
