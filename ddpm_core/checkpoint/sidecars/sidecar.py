"""Sidecars: files beside a checkpoint's weights with results that were computed from them, one file for each result.

A sidecar contains the SHA-256 of the weights for which it was made, and their schedule: T, and ᾱ at some times. The
sidecar is used only for these weights and this schedule. Files from before December 2026 do not contain the schedule.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.config.fields import read_json
from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.disk import files
from ddpm_core.disk.files import sha256
from ddpm_core.model import Source
from ddpm_core.schedule import NoiseSchedule

Value = TypeVar("Value")
SHOWN = 9  # number of times t at which a sidecar stores ᾱ_t to identify the schedule
_WRONG = (ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError, ArithmeticError)


@dataclass(frozen=True)
class Sidecar(Generic[Value]):
    """The description of a kind of sidecar.

    Attributes:
        file: the name of the file.
        title: a noun for the content, for messages.
        parse: returns the content as a value; raises one of _WRONG for wrong content.
        schedule: the model's schedule; a file for another schedule counts as missing. None allows any schedule.
        in_cache: whether the file may be in the user's cache, if the checkpoint's folder can't be written to.
        load, dump: read and write the content, by default as JSON. load raises ValueError if it can't read the file.
    """

    file: str
    title: str
    parse: Callable[[dict[str, Any]], Value]
    schedule: NoiseSchedule | None
    in_cache: bool
    load: Callable[[Path], dict[str, Any]] = read_json
    dump: Callable[[Path, dict[str, Any]], object] = files.write_json

    def place(self, source: Source | None) -> Path:
        """Return the path of the file that `write` writes, beside the weights or in the user's cache. Make its folder.

        Raise ValueError for a model that was not loaded, and CheckpointError if nothing can be written there.
        """
        places = self._places(source)
        if not places:
            raise ValueError(f"{self.title} can be saved only for a model loaded from a checkpoint")
        path = places[-1]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            raise CheckpointError(f"cannot write {path}: {error.strerror}") from None
        return path

    def write(self, source: Source | None, content: dict[str, Any]) -> Path:
        """Write a file, and return its path. Raise the errors of `place`, and CheckpointError if the writing fails."""
        path = self.place(source)
        try:
            self.dump(path, {"weights_sha256": _weights_sha256(source), **self._schedule_entry(), **content})
        except OSError as error:
            raise CheckpointError(f"cannot write {path}: {error.strerror}") from None
        return path

    def content_for_copy(
        self, source: Source | None, is_it: Callable[[Value], bool], weights: Path | None, rounded: bool
    ) -> dict | None:
        """Return the content of the model's sidecar for a copy of the weights; None if no file has the model's value.

        Only the hash of the weights is changed. is_it: returns whether a file's value is the model's. weights: the file
        of the copied weights, None if no weights are saved. rounded: whether the copied weights are rounded to float16,
        which changes the network's output by about 1e-4.
        """
        for path in filter(Path.is_file, self._places(source)):
            with suppress(OSError, *_WRONG):  # a file with an error is not the one from which the model was loaded
                content = self.load(path)
                if self.fits(content) and is_it(self.parse(content)):
                    return content | weights_entries(weights, rounded) | self._schedule_entry()
        return None

    def checked_content(self, content: dict, is_it: Callable[[Value], bool]) -> dict:
        """Return a content with its schedule. Raise ValueError unless reading the content gives the model's value.

        is_it: returns whether a value that was read is the model's.
        """
        try:
            same = is_it(self.parse(content))
        except _WRONG:
            same = False
        if not same:
            raise ValueError(f"`load` would not give this model back: its schedule does not fit {self.title}")
        return content | self._schedule_entry()

    def fits(self, content: dict[str, Any]) -> bool:
        """Return whether a sidecar's content was made for `self.schedule`; True if the content has no schedule."""
        there = content.get("schedule")
        if there is None or self.schedule is None:
            return True
        T, alpha_bar = self.schedule.T, self.schedule.alpha_bar
        return there["T"] == T and all(
            math.isclose(value, alpha_bar[int(t)].item(), rel_tol=1e-8) for t, value in there["alpha_bar"].items()
        )

    def read(self, source: Source) -> Value | None:
        """Return the value in a checkpoint's file, or None if no file belongs to exactly these weights and schedule.

        Raise CheckpointError for a file with wrong content.
        """
        for path in filter(Path.is_file, self._places(source)):
            actual = _weights_sha256(source)
            try:
                content = self.load(path)
                if not self.fits(content):
                    continue
                value = self.parse(content)
                if content["weights_sha256"] == actual:
                    return value
            except _WRONG:
                sentence = f"{source.ref}: {self.file} is not {self.title}: delete it, or make it again"
                raise CheckpointError(sentence) from None
        return None

    def exists(self, source: Source | None) -> bool:
        """Return whether a checkpoint has a sidecar of this kind, even if it was made for other weights."""
        return any(map(Path.is_file, self._places(source)))

    def _schedule_entry(self) -> dict[str, Any]:
        """Return the entry "schedule" of a sidecar: T, and ᾱ at SHOWN times; {} if any schedule fits."""
        if self.schedule is None:
            return {}
        T, alpha_bar = self.schedule.T, self.schedule.alpha_bar
        times = sorted({1 + round(k * (T - 1) / (SHOWN - 1)) for k in range(SHOWN)})
        # ᾱ is stored with ten digits. Only later digits depend on the processor.
        return {"schedule": {"T": T, "alpha_bar": {str(t): float(f"{alpha_bar[t]:.10g}") for t in times}}}

    def _places(self, source: Source | None) -> list[Path]:
        """Return the paths where the file may be. `write` writes to the last one.

        The list is empty for a model that was not loaded.
        """
        found = places(source, self.file) if source else []
        return found if self.in_cache else found[:1]


def places(source: Source, file: str) -> list[Path]:
    """Return the paths where a file of this name may be: beside the weights, or in the user's cache.

    Only checkpoints from the Hub and embedded checkpoints use the cache, because users may lack the permission to write
    to their folders.
    """
    if source.folder is None:
        return []
    beside = source.folder / file
    if source.revision is not None:
        return [beside, files.cache_folder(source.name.replace("/", "--"), source.revision, file)]
    if source.folder == refs.embedded().get(source.ref):
        return [beside, files.cache_folder("embedded", source.ref, file)]
    return [beside]


def weights_entries(weights: Path | None, rounded: bool) -> dict[str, str | None]:
    """Return a sidecar's entries about its weights: the SHA-256 of their file, or None, and whether they were rounded.

    weights: their file, None if no weights are saved. rounded: whether the weights were rounded to float16.
    """
    found = {"weights_sha256": weights and sha256(weights)}
    return found | ({"weights": "rounded to float16 afterwards"} if rounded else {})


def _weights_sha256(source: Source | None) -> str | None:
    """Return the SHA-256 of the file of weights from which a model was loaded; None for a user's network.

    Raise CheckpointError if it cannot be read.
    """
    if source is None or source.weights_path is None:
        return None
    try:
        return sha256(source.weights_path)
    except OSError as error:
        raise CheckpointError(f"{source.ref}: {source.file} cannot be read: {error.strerror}") from None
