"""Files and folders that are whole or not there, whatever interrupts the writing, and where caches are kept.

Everything is written under a hidden name in the same folder, flushed to the disk and renamed. Its process holds it
meanwhile: the next writer in the folder removes what a killed process left, and nothing of one that still runs.
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

# Of kind "tmp" is what is being written or deleted, of kind "old" a whole folder that makes room for its successor.
_HIDDEN = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.(tmp|old)", re.DOTALL)
PATIENCE = 1.0  # seconds; another process takes microseconds from one renaming to the next

log = logging.getLogger(__name__)


def cache_folder(*names: str) -> Path:
    """The folder for what can be made or downloaded again; it may not exist yet.

    It is in $DDPM_CACHE, or else in the user's cache folder: $XDG_CACHE_HOME/ddpm-lab or ~/.cache/ddpm-lab.
    """
    base = os.environ.get("DDPM_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "ddpm-lab")
    return Path(os.path.expanduser(base), *names)


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path` at the end of the block.

    An error or a kill before that leaves `path` as it was. Missing folders are made. Of a link, what it links to is
    replaced, not the link; a device or a pipe is written to. Raises OSError, with `path` as its filename.
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
            temporary.unlink()  # a full disk needs the space
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
    """Write a text, UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, content: Any) -> None:
    """Write a value that JSON can hold."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal. It is computed once for as long as the file is not changed."""
    found = path.stat()
    version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    changed = max(found.st_mtime, found.st_ctime)
    # A clock of files may stand still for two seconds: what changed just now may change again and have the same time.
    return _sha256(path, version) if time.time() - changed > 2 else _sha256.__wrapped__(path, version)


@lru_cache(64)
def _sha256(path: Path, version: tuple[int, ...]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def free_bytes(folder: Path) -> int:
    """Return how many bytes the disk of a folder has free. The folder need not exist yet."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


@contextmanager
def replacing_folder(folder: str | Path, ours: Collection[str]) -> Iterator[Path]:
    """A new, empty folder, which takes the place of `folder` at the end of the block.

    ours: names of the files that the block may write, with / where they are in folders of it. Everything else in the
    former folder is the user's and is carried over to the new one, unless the block has written something with that
    name.

    A folder cannot be replaced in one step everywhere, so the former one is renamed first. If the second renaming
    fails or is interrupted (Ctrl-C), it gets its name back at once. If the process is killed just there, the former
    folder gets its name back by `restore`, which this function calls first. So does every `load`.
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
    """Yield a new, empty folder. At the end of the block it becomes `folder`, or is dropped if that exists by then.

    Raises OSError if it can't be made or moved.
    """
    with _new(folder) as new:
        yield new
        _flush_all(new)
        try:
            os.rename(new, folder)
        except OSError:
            if not folder.is_dir():  # another process may have made the same meanwhile
                raise


def restore(folder: str | Path) -> None:
    """Give a folder its name back if a process was killed while replacing it. Does nothing if the folder exists."""
    with suppress(OSError, ValueError):  # not a path at all, or one that nobody may look at
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
            time.sleep(0.02)  # its process is about to give the name to the new one


@contextmanager
def _new(folder: Path) -> Iterator[Path]:
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
    if os.path.exists(old):  # unlike Path.exists, this takes names that are too long
        with suppress(OSError):
            _discard(old)


def _discard(old: Path) -> None:
    """Delete a former folder under another name, so that what is called "old" is always whole."""
    rest = hidden(old, "tmp")
    os.rename(old, rest)
    shutil.rmtree(rest, ignore_errors=True)


def _carry_over(old: Path, new: Path, ours: Collection[str], place: str = "") -> None:
    """place: of both in the folders, ending with /."""
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
    """Give a file another name, by a hard link, or copy it if the system has no such links."""
    try:
        if os.path.islink(path):
            raise OSError
        os.link(path, other)
    except OSError:
        shutil.copy2(path, other, follow_symlinks=False)


def hidden(path: Path, kind: str) -> Path:
    # Only of a folder that is to come back the whole name is needed, and names have at most 255 bytes.
    name = path.name if kind == "old" else path.name[:32]
    return path.with_name(f".{name}.{secrets.token_hex(8)}.{kind}")


def _all_hidden(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """(path, name that it stands for, kind) of every hidden name of this module in a folder."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    for match in filter(None, map(_HIDDEN.fullmatch, names)):
        yield folder / match.string, match["name"], match.string[-3:]


def _sweep(folder: Path) -> None:
    """Remove what killed processes left in a folder, and every former folder whose successor is there."""
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
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb+") as file:
                _flush_to_disk(file.fileno())
    _flush_folder(folder)


def _flush_to_disk(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # a file system without fsync
            raise


def _flush_folder(folder: Path) -> None:
    """Make renamings survive a power cut, where the system can."""
    if os.name == "posix":
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
