"""Download files from the Hub so that the download shows progress, can be cancelled, and gives undamaged files."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.disk import files

Result = TypeVar("Result")
POLL = 0.1  # seconds between two calls of report()


def interruptible(
    work: Callable[[], Result], report: Callable[[], None] = lambda: None, timeout: float | None = None
) -> Result:
    """Return work(), called in a background thread, so that a server that does not answer can't block the caller.

    report: called in the caller's thread every POLL seconds; an exception that it raises ends the waiting. Raise
    TimeoutError after `timeout` seconds.
    """
    future: Future = Future()

    def run() -> None:
        """Store the result or the exception of work()."""
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    end = time.monotonic() + (timeout or float("inf"))
    while not future.done():
        report()
        if time.monotonic() > end:
            raise TimeoutError(f"no answer within {timeout} s")
        wait([future], POLL)
    report()
    return future.result()


def check_hash(path: Path, where: str) -> None:
    """Compare a file in the Hub's cache with its hash, which is the name of its blob. The client compares only sizes.

    If they differ, delete the file, so that the next call downloads it again, and raise CheckpointError.
    """
    blob = path.resolve()
    if blob == path.absolute() or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", blob.name):
        return  # no blob: the system has no links, or the server sends no hashes
    actual = files.sha256(blob) if len(blob.name) == 64 else _git_hash(blob)
    if actual != blob.name:
        path.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)
        raise CheckpointError(f"{where}: {path.name} arrived damaged, and was deleted: try again")


def _git_hash(path: Path) -> str:
    """Return git's hash of a file. The Hub names small files by this hash."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


_users_of_plain_http = 0
_previous: dict[str, object] = {}  # {name: value} of the client's constants before `plain_http`
_lock = threading.Lock()


@contextmanager
def plain_http() -> Iterator[None]:
    """Inside the block, make the client download over HTTP in small pieces.

    The client's other protocol, Xet, cannot be stopped. With the client's usual pieces of 10 MB, a slow download seems
    to make no progress. The client has no arguments for protocol and size, only the constants that are changed here.
    """
    global _users_of_plain_http
    from huggingface_hub import constants

    with _lock:
        if not _users_of_plain_http:
            _previous.update({name: getattr(constants, name) for name in ("HF_HUB_DISABLE_XET", "DOWNLOAD_CHUNK_SIZE")})
        _users_of_plain_http += 1
        constants.HF_HUB_DISABLE_XET, constants.DOWNLOAD_CHUNK_SIZE = True, 1 << 16
    try:
        yield
    finally:
        with _lock:
            _users_of_plain_http -= 1
            if not _users_of_plain_http:
                for name, value in _previous.items():
                    setattr(constants, name, value)
