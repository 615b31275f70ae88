"""Write files and folders atomically: after any interruption, they are complete or missing. Find the cache folder.

Each file or folder is first written under a hidden name in the same folder, then flushed to the disk and renamed. The
writing process locks the hidden file until the renaming. So the next writer in the folder can delete the files of
killed processes, and keeps the files of running processes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from ddpm_core.disk import in_use

# Matches hidden names. The ending "tmp" marks a file or folder that is being written or deleted. The ending "old" marks
# a complete folder that is being replaced.
_HIDDEN = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.(tmp|old)", re.DOTALL)
PATIENCE = 1.0  # seconds that `restore` waits for a process that is between the two renamings of a folder

log = logging.getLogger(__name__)


def cache_folder(*names: str) -> Path:
    """Return the folder for files that can be made or downloaded again. The folder may not exist.

    The folder is in $DDPM_CACHE, or else in the user's cache folder: $XDG_CACHE_HOME/ddpm-lab or ~/.cache/ddpm-lab.
    names: the folders inside it.
    """
    base = os.environ.get("DDPM_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "ddpm-lab")
    return Path(os.path.expanduser(base), *names)


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Yield a file to write to. At the end of the block, this file becomes `path`.

    After an error or a kill inside the block, `path` is unchanged. Missing folders are made. If `path` is a link, its
    target is replaced. If it is a device or a pipe, the block writes to it directly. Raise OSError, with `path` as its
    filename, if the file can't be written.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            yield file
        return
    real = Path(os.path.realpath(path))
    temporary, hold = hidden(real, "tmp"), None
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        _sweep(real.parent)
        hold = in_use.make(temporary, lambda: open(temporary, "xb").close())
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            _flush_to_disk(file.fileno())
        if real.exists():
            shutil.copymode(real, temporary)
        os.replace(temporary, real)
        _flush_folder(real.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()  # deleted at once, because the disk may be full
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        in_use.release(hold)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file as `replacing` does."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a text in UTF-8, as `replacing` does."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, content: Any) -> None:
    """Write a value as JSON, as `replacing` does."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal. The hash is computed again only if the file has changed."""
    found = path.stat()
    version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    changed = max(found.st_mtime, found.st_ctime)
    # Some file systems store times in units of two seconds. So a file that changed just now can change again and keep
    # its time. The hash of this file is not stored.
    return _sha256(path, version) if time.time() - changed > 2 else _sha256.__wrapped__(path, version)


@lru_cache(64)
def _sha256(path: Path, version: tuple[int, ...]) -> str:
    """Return the SHA-256 of a file. version: identifies the content, so that a changed file is hashed again."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk on which a folder is, or will be."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


@contextmanager
def replacing_folder(folder: str | Path, ours: Collection[str]) -> Iterator[Path]:
    """Yield a new, empty folder. At the end of the block, it replaces `folder`.

    ours: names of the files that the block may write, relative to the folder and with /. All other files of the old
    folder are the user's. They are carried over to the new folder, unless the block has written a file of this name.

    Not every system can replace a folder in one step, so the old folder is renamed first, and then the new folder. If
    the second renaming fails or is interrupted by Ctrl-C, the old folder gets its name back at once. If the process is
    killed between the two renamings, `restore` gives the old folder its name back. This function and every `load` begin
    with `restore`.
    """
    folder = Path(os.path.realpath(folder))
    restore(folder)
    with _new(folder) as new:
        yield new
        _flush_all(new)
        if folder.exists():
            _carry_over(folder, new, ours)
            shutil.copymode(folder, new)
        _swap(new, folder)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a new, empty folder. After the block, it becomes `folder`, or is deleted if `folder` exists by then.

    Raise OSError if it can't be made or renamed.
    """
    with _new(folder) as new:
        yield new
        _flush_all(new)
        try:
            os.rename(new, folder)
        except OSError:
            if not folder.is_dir():  # no error if another process has made this folder by now
                raise


def restore(folder: str | Path) -> None:
    """Give a folder its name back if a process was killed while replacing it. Do nothing if the folder exists."""
    with suppress(OSError, ValueError):  # ignores a text that is no path, and a folder that can't be read
        folder = Path(os.path.realpath(folder))
        end = time.monotonic() + PATIENCE
        while not os.path.lexists(folder):
            aside = [path for path, name, kind in _all_hidden(folder.parent) if (name, kind) == (folder.name, "old")]
            if not aside:
                return
            latest = max(aside, key=lambda path: path.stat().st_mtime)
            with in_use.unused(latest) as is_unused:
                if is_unused or time.monotonic() > end:
                    os.rename(latest, folder)
                    log.warning("restored %s: a process was stopped while replacing it", folder)
                    return
            time.sleep(0.02)  # waits, because a running process is about to rename the new folder


@contextmanager
def _new(folder: Path) -> Iterator[Path]:
    """Yield a new, locked folder with a hidden name beside `folder`. Delete it at the end if it still has this name."""
    new, hold = hidden(folder, "tmp"), None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        hold = in_use.make(new, new.mkdir)
        yield new
        _flush_folder(folder.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        in_use.release(hold)


def _swap(new: Path, folder: Path) -> None:
    """Rename `new` to `folder`, and delete the old folder of this name.

    If a renaming fails, the old folder keeps its name.
    """
    old, hold = hidden(folder, "old"), None
    try:
        if folder.exists():
            hold = in_use.hold(folder)
            os.rename(folder, old)
        os.rename(new, folder)
    except BaseException:
        if not os.path.lexists(folder) and os.path.lexists(old):
            os.rename(old, folder)
        raise
    finally:
        in_use.release(hold)
    if os.path.exists(old):  # Path.exists would raise OSError for a long name
        with suppress(OSError):
            _discard(old)


def _discard(old: Path) -> None:
    """Delete an old folder. It is renamed first, so that a folder with the ending "old" is always complete."""
    rest = hidden(old, "tmp")
    os.rename(old, rest)
    shutil.rmtree(rest, ignore_errors=True)


def _carry_over(old: Path, new: Path, ours: Collection[str], place: str = "") -> None:
    """Link or copy the user's files from an old folder into its successor.

    place: the path of `old` inside the folder that is replaced, with / at its end; "" for the replaced folder itself.
    """
    for path in old.iterdir():
        name, other = place + path.name, new / path.name
        if name in ours or _HIDDEN.fullmatch(path.name):
            continue
        if path.is_dir() and not path.is_symlink() and any(its.startswith(f"{name}/") for its in ours):
            if other.is_dir() or any(f"{name}/{its.name}" not in ours for its in path.iterdir()):
                other.mkdir(exist_ok=True)
                _carry_over(path, other, ours, f"{name}/")
        elif os.path.lexists(other):
            continue
        elif path.is_dir() and not path.is_symlink():
            shutil.copytree(path, other, symlinks=True, copy_function=_link)
        else:
            _link(path, other)


def _link(path: str | Path, other: str | Path) -> None:
    """Make `other` a hard link to the file `path`, or a copy of it if the system has no hard links."""
    try:
        if os.path.islink(path):
            raise OSError
        os.link(path, other)
    except OSError:
        shutil.copy2(path, other, follow_symlinks=False)


def hidden(path: Path, kind: str) -> Path:
    """Return a new hidden name beside a path. kind: "tmp" or "old"."""
    # A name has at most 255 bytes, so "tmp" names are shortened. "old" names are not, because the folder may get its
    # name back.
    name = path.name if kind == "old" else path.name[:32]
    return path.with_name(f".{name}.{secrets.token_hex(8)}.{kind}")


def _all_hidden(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield (path, its name without the hidden parts, "tmp" or "old") for each hidden name in a folder."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    for match in filter(None, map(_HIDDEN.fullmatch, names)):
        yield folder / match.string, match["name"], match.string[-3:]


def _sweep(folder: Path) -> None:
    """Delete the hidden files of killed processes in a folder, and each "old" folder whose successor exists."""
    with suppress(OSError):
        for path, name, kind in _all_hidden(folder):
            with suppress(OSError):
                if kind == "old":
                    if (folder / name).exists():
                        _discard(path)
                    continue
                with in_use.unused(path) as is_unused:
                    if is_unused and path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    elif is_unused:
                        path.unlink()


def _flush_all(folder: Path) -> None:
    """Write a folder and all its files to the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb+") as file:
                _flush_to_disk(file.fileno())
    _flush_folder(folder)


def _flush_to_disk(descriptor: int) -> None:
    """Write an open file to the disk, if the file system can do this."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # the file system has no fsync
            raise


def _flush_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, so that renamings survive a power cut.

    Only POSIX systems can do this.
    """
    if os.name == "posix":
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
