"""Brings a checkpoint's files to this machine, from the Hugging Face Hub where they are not embedded or in a folder.

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

Progress = Callable[[int, int], None]  # (bytes done, bytes in all); an exception it raises cancels the download
Check = Callable[[LocalCheckpoint], object]  # looks at the small files before the weights are downloaded
Allow = Callable[[int, Path], object]  # (bytes to download, folder of the cache): raises for what shall not be

_open: set[str] = set()  # repositories that the Hub has shown without a token, since this process began
LISTING_TIMEOUT = 5.0  # seconds until the cache is used instead of the Hub's answer


@dataclass(frozen=True)
class Status:
    """What loading a checkpoint would take.

    state: "embedded", "local", "cached", "download", "offline" (needed from the Hub, which cannot be reached) or
    "missing" (no such checkpoint, or not one that loads). bytes: its size; for "download" what is still to download.
    why: of "missing", a sentence.
    """

    state: str
    bytes: int | None = None
    why: str = ""


def fetch(ref: Ref, check: Check, progress: Progress | None = None, allow: Allow | None = None) -> LocalCheckpoint:
    """Bring a checkpoint's files to this machine.

    Asks the Hub for the newest commit of the revision. When the Hub cannot be reached, the cache is used, even one that
    another program filled and that lacks files we would have downloaded: layout.unknown names those. progress is
    called about ten times a second from this thread, also while nothing arrives; what it raises cancels the download
    and comes out unchanged. An interrupted download leaves nothing broken: the next call succeeds.
    allow runs before the first byte is downloaded, and check(checkpoint) when the small files are there, before the
    weights; what they raise comes out unchanged too. Raises CheckpointError, also where the disk has too little room.
    """
    if ref.folder is not None:
        return replace(in_folder(ref.folder, ref.name), ref=ref)
    cached = _cached(ref)
    if cached and cached.commit == ref.revision and not cached.layout.unknown:  # a commit never changes
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
    """The checkpoint, when all its files are on this machine, else None. Does not ask the Hub.

    None too where another program filled the cache, which may then lack a file.
    Raises CheckpointError for a folder that is no checkpoint.
    """
    if ref.folder is not None:
        return replace(in_folder(ref.folder, ref.name), ref=ref)
    cached = _cached(ref)
    return None if cached and cached.layout.unknown else cached


def status(ref: str | Path | Ref, revision: str | None = None, timeout: float = 3.0) -> Status:
    """Tell what loading ref would take, in at most about `timeout` seconds. Nothing is downloaded, and the answer also
    says what a user can mend.
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
    """huggingface_hub, which a model of this machine does without. Raises CheckpointError where it is not installed."""
    try:
        import huggingface_hub.errors
    except ImportError:
        raise CheckpointError("a model of the Hub needs one more package: pip install huggingface-hub") from None
    return huggingface_hub


def _cache() -> str:
    """The folder of the client's cache."""
    return _client().constants.HF_HUB_CACHE


def _kept(ref: Ref, name: str, revision: str | None) -> Any:
    """The path of a file in the cache, as the client has it: None where it is not known whether there is one."""
    return _client().try_to_load_from_cache(ref.name, name, cache_dir=_cache(), revision=revision)


def _listing(ref: Ref, timeout: float = LISTING_TIMEOUT) -> tuple[str, dict[str, int | None]]:
    """(commit hash, {file name: bytes}) of a revision, from the Hub."""
    options: Any = {"revision": ref.revision, "files_metadata": True, "timeout": timeout, "token": _token(ref)}
    info = _client().HfApi().model_info(ref.name, **options)
    if ref.open and info.gated:  # the Hub lists its files to everybody, and the cache may have them
        raise CheckpointError(f"{ref.name} is not open to everybody: choose another one")
    if ref.open:
        _open.add(ref.name)
    return str(info.sha), {file.rfilename: file.size for file in info.siblings or ()}


def _token(ref: Ref) -> bool | None:
    """Return the client's `token` argument: False sends none, None sends that of this machine's user."""
    return False if ref.open else None


def _in_cache(cached: LocalCheckpoint) -> Status:
    return Status("cached", sum((cached.folder / name).stat().st_size for name in cached.layout.files))


def _cached(ref: Ref) -> LocalCheckpoint | None:
    """The checkpoint as huggingface_hub's cache has it, when it can be loaded.

    The cache knows of a file that it is here, or that the Hub has none; neither is said of layout.unknown.
    """
    if ref.open and ref.name not in _open:
        return None
    found, unknown = {}, []
    for name in FILES:
        path = _kept(ref, name, ref.revision)
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
    return [name for name in chosen.files if not isinstance(_kept(ref, name, commit), str)]


@dataclass
class _Arrived:
    """The bytes of a download that have arrived."""

    total: int
    """as many as the Hub says there are"""
    done: int = 0
    cancelled: bool = False

    def bar(self) -> Any:
        """Return a class for hf_hub_download's progress bars. They count bytes here, and end a cancelled download."""
        arrived = self

        class Bar:
            def __init__(self, *_: Any, **__: Any):
                pass

            def __enter__(self):
                return self

            def __exit__(self, *_: object):
                pass

            def update(self, n: int = 1) -> None:  # n < 0 when the client starts a file again
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
    """Download what the cache lacks of one commit."""
    wanted = _not_cached(ref, commit, chosen)
    total = _size(ref, wanted, sizes)
    if wanted:
        if allow:
            allow(total, Path(_cache()))
        _check_room(ref, total)
    arrived = _Arrived(total)

    def get(name: str, revision: str | None = commit) -> Path:
        options: Any = {"cache_dir": _cache(), "tqdm_class": arrived.bar(), "token": _token(ref)}
        path = _client().hf_hub_download(ref.name, name, revision=revision, **options)
        if name in wanted:
            check_hash(Path(path), str(ref))
        return Path(path).parents[name.count("/")]

    def note_absence(name: str) -> None:
        """Ask for a file that the commit does not have: the client then remembers that, for use without the Hub."""
        if _kept(ref, name, commit) is None:
            with suppress(_client().errors.EntryNotFoundError):
                get(name)

    def download() -> LocalCheckpoint:
        with plain_http():
            folders = [get(name) for name in chosen.small]
            checkpoint = LocalCheckpoint(ref, folders[0], chosen, commit)
            check(checkpoint)
            for name in chosen.large:
                get(name)
            for name in chosen.optional - set(chosen.small):
                note_absence(name)
            if ref.revision != commit:  # asked by the revision's name, the client notes its commit for offline use
                get(chosen.config, ref.revision)
        return checkpoint

    def report() -> None:
        if progress and wanted:
            progress(min(arrived.done, total), total)

    try:
        return interruptible(download, report)
    finally:
        arrived.cancelled = True


def _size(ref: Ref, wanted: list[str], sizes: dict[str, int | None]) -> int:
    """The bytes of files that are to be downloaded, as the Hub says."""
    for name in wanted:
        size = sizes[name]
        if size is None:
            raise CheckpointError(f"the Hub does not say how large {name} of {ref} is: try again later")
        most = MAX_FILE if name.startswith(TOKENIZER) else MAX_JSON
        if name.endswith((".json", ".txt")) and size > most:
            raise CheckpointError(f"{ref}: {name} is larger than {most // 1000:,} kB")
    return sum(sizes[name] or 0 for name in wanted)


def _check_room(ref: Ref, size: int) -> None:
    """Whether a download fits on the disk."""
    free = free_bytes(Path(_cache()))
    if size > free:
        raise CheckpointError(
            f"the disk has {free / 1e9:.1f} GB free, and {ref} takes {size / 1e9:.1f} GB: make room in "
            f"{_cache()}, or set HF_HOME"
        )
