"""Get the files of a checkpoint: embedded, from a folder, or downloaded from the Hugging Face Hub.

Only the files that `refs.layout` names are downloaded, never code. They go into huggingface_hub's own cache, which
other programs share, and which works offline.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ddpm_core.checkpoint.config.fields import MAX_FILE, MAX_JSON
from ddpm_core.checkpoint.hub.transfer import check_hash, interruptible, plain_http
from ddpm_core.checkpoint.refs import (
    FILES,
    TOKENIZER,
    CheckpointError,
    Layout,
    LocalCheckpoint,
    Ref,
    in_folder,
    layout,
    parse,
)
from ddpm_core.disk.files import free_bytes

Progress = Callable[[int, int], None]  # progress(bytes done, total bytes); an exception cancels the download
Check = Callable[[LocalCheckpoint], object]  # check(checkpoint), called before the weights are downloaded
Allow = Callable[[int, Path], object]  # allow(bytes to download, cache folder); an exception refuses the download

_public: set[str] = set()  # repositories that the Hub listed without a token in this process
LISTING_TIMEOUT = 5.0  # seconds to wait for the Hub before the cache is used


@dataclass(frozen=True)
class Status:
    """Whether a checkpoint can be loaded, and what has to be downloaded first.

    Attributes:
        state: "embedded", "local", "cached" or "download"; "offline" if the Hub is needed and cannot be reached;
            "missing" if there is no such checkpoint, or it can't be loaded.
        bytes: the size of the checkpoint's files; for "download", of the files that are still to be downloaded.
        why: for "missing", the reason as a sentence.
    """

    state: str
    bytes: int | None = None
    why: str = ""


def fetch(ref: Ref, check: Check, progress: Progress | None = None, allow: Allow | None = None) -> LocalCheckpoint:
    """Return a checkpoint whose files are on this machine. Download what is missing.

    The Hub is asked for the newest commit of the revision. If the Hub cannot be reached, the cache is used. Another
    program may have filled the cache, and left out files that we would download: layout.unknown names these files. An
    interrupted download is continued by the next call.

    Arguments:
        ref: the checkpoint.
        check: check(checkpoint) is called when the small files are there, before the weights are downloaded.
        progress: progress(done, total) is called about ten times a second from this thread, even if nothing arrives.
        allow: allow(bytes, folder) is called before the first byte is downloaded.

    Raises:
        CheckpointError: if the files can't be had, or the disk has too little room. An exception of check, progress or
            allow cancels the download and is passed on unchanged.
    """
    if ref.folder is not None:
        return replace(in_folder(ref.folder, ref.name), ref=ref)
    cached = _cached(ref)
    if cached and cached.commit == ref.revision and not cached.layout.unknown:  # the files of a commit never change
        return cached
    from ddpm_core.checkpoint.hub.errors import OF_REQUESTS, explained, is_unreachable

    try:
        commit, sizes = interruptible(lambda: _listing(ref), timeout=LISTING_TIMEOUT)
    except OF_REQUESTS as error:
        if cached and is_unreachable(error):
            return cached
        raise explained(error, ref) from None
    chosen = layout(sizes, str(ref))
    try:
        return _download(ref, commit, chosen, sizes, check, progress, allow)
    except (_client().errors.HTTPError, OSError) as error:
        raise explained(error, ref, downloading=True) from None


def here(ref: Ref) -> LocalCheckpoint | None:
    """Return the checkpoint if all its files are on this machine, else None. The Hub is not asked.

    The result is also None if another program filled the cache and may have left out a file. Raise CheckpointError for
    a folder that is no checkpoint.
    """
    if ref.folder is not None:
        return replace(in_folder(ref.folder, ref.name), ref=ref)
    cached = _cached(ref)
    return None if cached and cached.layout.unknown else cached


def status(ref: str | Path | Ref, revision: str | None = None, timeout: float = 3.0) -> Status:
    """Return what has to be done to load ref, after at most about `timeout` seconds. Nothing is downloaded.

    For a checkpoint that can't be loaded, `why` says what a user can correct.
    """
    try:
        where = parse(ref, revision)
        if where.folder is not None:
            found = in_folder(where.folder, where.name)
            size = sum(found.file(name).stat().st_size for name in found.layout.files)
            return Status("local" if where.kind == "folder" else "embedded", size)
        cached = _cached(where)
        if cached and not cached.layout.unknown:
            return _in_cache(cached)
        from ddpm_core.checkpoint.hub.errors import OF_REQUESTS, explained, is_unreachable

        try:
            commit, sizes = interruptible(lambda: _listing(where, timeout), timeout=timeout)
        except OF_REQUESTS as error:
            if is_unreachable(error):
                return _in_cache(cached) if cached else Status("offline")
            return Status("missing", why=str(explained(error, where)))
        chosen = layout(sizes, str(where))
        wanted = _not_cached(where, commit, chosen)
        size = sum(sizes[name] or 0 for name in wanted or chosen.files)
        return Status("download" if wanted else "cached", size)
    except (CheckpointError, OSError) as error:
        return Status("missing", why=str(error))


def _client() -> Any:
    """Return the module huggingface_hub. Local models do not need it. Raise CheckpointError if it is not installed."""
    try:
        import huggingface_hub.errors
    except ImportError:
        raise CheckpointError("a model of the Hub needs one more package: pip install huggingface-hub") from None
    return huggingface_hub


def _cache() -> str:
    """Return the folder of huggingface_hub's cache."""
    return _client().constants.HF_HUB_CACHE


def _cached_file(ref: Ref, name: str, revision: str | None) -> Any:
    """Return a file's path in the cache; a marker if the commit has no such file; None if the cache knows neither."""
    return _client().try_to_load_from_cache(ref.name, name, cache_dir=_cache(), revision=revision)


def _listing(ref: Ref, timeout: float = LISTING_TIMEOUT) -> tuple[str, dict[str, int | None]]:
    """Ask the Hub for a revision. Return its commit hash and {file name: bytes}."""
    options: Any = {"revision": ref.revision, "files_metadata": True, "timeout": timeout, "token": _token(ref)}
    info = _client().HfApi().model_info(ref.name, **options)
    if ref.open and info.gated:  # the Hub lists the files of a gated repository to everybody, but refuses downloads
        raise CheckpointError(f"{ref.name} is not open to everybody: choose another one")
    if ref.open:
        _public.add(ref.name)
    return str(info.sha), {file.rfilename: file.size for file in info.siblings or ()}


def _token(ref: Ref) -> bool | None:
    """Return the client's argument `token`: False for no token, None for the token of this machine's user."""
    return False if ref.open else None


def _in_cache(cached: LocalCheckpoint) -> Status:
    """Return the status "cached" with the size of the files."""
    return Status("cached", sum((cached.folder / name).stat().st_size for name in cached.layout.files))


def _cached(ref: Ref) -> LocalCheckpoint | None:
    """Return the checkpoint in huggingface_hub's cache, or None if it can't be loaded from there.

    For each name, the cache has the file, or a note that the Hub lacks it, or neither. layout.unknown lists the names
    for which the cache has neither.
    """
    if ref.open and ref.name not in _public:
        return None
    found, unknown = {}, []
    for name in FILES:
        path = _cached_file(ref, name, ref.revision)
        if isinstance(path, str):
            found[name] = Path(path)
        elif path is None:
            unknown.append(name)
    try:
        chosen = layout(found, str(ref))
    except CheckpointError:
        return None
    folder = found[chosen.config].parents[chosen.config.count("/")]
    return LocalCheckpoint(
        ref, folder, replace(chosen, unknown=tuple(name for name in unknown if name in chosen.optional)), folder.name
    )


def _not_cached(ref: Ref, commit: str, chosen: Layout) -> list[str]:
    """Return the files of a commit that are not in the cache."""
    return [name for name in chosen.files if not isinstance(_cached_file(ref, name, commit), str)]


@dataclass
class _Arrived:
    """The progress of a download in bytes."""

    total: int
    """the bytes in all, according to the Hub"""
    done: int = 0
    """the bytes that have arrived"""
    cancelled: bool = False
    """whether the download should end"""

    def bar_class(self) -> Any:
        """Return a class for hf_hub_download's argument tqdm_class.

        Its progress bars add their bytes to `done`, and end a cancelled download by ConnectionAbortedError.
        """
        arrived = self

        class Bar:
            """A progress bar that shows nothing and adds its bytes to `done`."""

            def __init__(self, *_: Any, **__: Any):
                pass

            def __enter__(self):
                return self

            def __exit__(self, *_: object):
                pass

            def update(self, n: int = 1) -> None:
                """Add n bytes; n is negative if the client restarts a file. End a cancelled or too long download."""
                arrived.done += n
                if arrived.cancelled or arrived.done > arrived.total:
                    raise ConnectionAbortedError

        return Bar


def _download(
    ref: Ref,
    commit: str,
    chosen: Layout,
    sizes: dict[str, int | None],
    check: Check,
    progress: Progress | None,
    allow: Allow | None,
) -> LocalCheckpoint:
    """Download the files of a commit that the cache lacks, and return the checkpoint."""
    wanted = _not_cached(ref, commit, chosen)
    total = _size(ref, wanted, sizes)
    if wanted:
        if allow:
            allow(total, Path(_cache()))
        _check_room(ref, total)
    arrived = _Arrived(total)

    def get(name: str, revision: str | None = commit) -> Path:
        """Download a file unless the cache has it. Check the file, and return the checkpoint's folder."""
        options: Any = {"cache_dir": _cache(), "tqdm_class": arrived.bar_class(), "token": _token(ref)}
        path = _client().hf_hub_download(ref.name, name, revision=revision, **options)
        if name in wanted:
            check_hash(Path(path), str(ref))
        return Path(path).parents[name.count("/")]

    def note_absence(name: str) -> None:
        """Request a file that the commit does not have. The client notes this in the cache, for use without the Hub."""
        if _cached_file(ref, name, commit) is None:
            with suppress(_client().errors.EntryNotFoundError):
                get(name)

    def download() -> LocalCheckpoint:
        """Download the small files, check them, download the large files, and return the checkpoint."""
        with plain_http():
            folders = [get(name) for name in chosen.small]
            checkpoint = LocalCheckpoint(ref, folders[0], chosen, commit)
            check(checkpoint)
            for name in chosen.large:
                get(name)
            for name in chosen.optional - set(chosen.small):
                note_absence(name)
            if ref.revision != commit:  # lets the client store the revision's commit, for use offline
                get(chosen.config, ref.revision)
        return checkpoint

    def report() -> None:
        """Call progress(bytes that have arrived, total bytes)."""
        if progress and wanted:
            progress(min(arrived.done, total), total)

    try:
        return interruptible(download, report)
    finally:
        arrived.cancelled = True


def _size(ref: Ref, wanted: list[str], sizes: dict[str, int | None]) -> int:
    """Return the total bytes of the wanted files.

    Raise CheckpointError if a file is too large, or if its size is unknown.
    """
    for name in wanted:
        size = sizes[name]
        if size is None:
            raise CheckpointError(f"the Hub does not say how large {name} of {ref} is: try again later")
        most = MAX_FILE if name.startswith(TOKENIZER) else MAX_JSON
        if name.endswith((".json", ".txt")) and size > most:
            raise CheckpointError(f"{ref}: {name} is larger than {most // 1000:,} kB")
    return sum(sizes[name] or 0 for name in wanted)


def _check_room(ref: Ref, size: int) -> None:
    """Raise CheckpointError if the disk has too little room for a download of this size."""
    free = free_bytes(Path(_cache()))
    if size > free:
        raise CheckpointError(
            f"the disk has {free / 1e9:.1f} GB free, and {ref} takes {size / 1e9:.1f} GB: make room in "
            f"{_cache()}, or set HF_HOME"
        )
