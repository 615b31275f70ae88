"""Sidecars: files beside a checkpoint's weights that keep what was computed from them, one file for each result.

The file says the SHA-256 of the weights that it was made for, and their schedule: T, and ᾱ at some times. It counts
for no others. Files from before December 2026 do not say the schedule.
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
SHOWN = 9  # times at which a file says ᾱ
_WRONG = (ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError, ArithmeticError)


@dataclass(frozen=True)
class Sidecar(Generic[Value]):
    """file: its name. title: what it holds, in a sentence. parse: its content as a value; raises one of _WRONG.

    schedule: that of the model, for which its content must hold; None for any.
    in_cache: whether it can be made for a checkpoint that can't be written to, and is then in the user's cache.
    load, dump: read and write the content; of JSON where nothing is said. load raises ValueError.
    """

    file: str
    title: str
    parse: Callable[[dict[str, Any]], Value]
    schedule: NoiseSchedule | None
    in_cache: bool
    load: Callable[[Path], dict[str, Any]] = read_json
    dump: Callable[[Path, dict[str, Any]], object] = files.write_json

    def place(self, source: Source | None) -> Path:
        """The file that `write` writes: beside the weights, or in the user's cache. Makes its folder.

        Raises ValueError for a model that was not loaded, and CheckpointError where nothing can be written.
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
        """Keep a content. Returns the file's path. Raises what `place` does, also when the disk refuses."""
        path = self.place(source)
        try:
            self.dump(path, {"weights_sha256": _weights_sha256(source), **self._holds_for(), **content})
        except OSError as error:
            raise CheckpointError(f"cannot write {path}: {error.strerror}") from None
        return path

    def beside(
        self, source: Source | None, is_it: Callable[[Value], bool], weights: Path | None, rounded: bool
    ) -> dict | None:
        """The content to write beside a copy of the weights, from the first file whose value `is_it` accepts, or None.

        weights: the copy's file, None without one. rounded: to float16, which changes the output by some 1e-4.
        """
        for path in filter(Path.is_file, self._places(source)):
            with suppress(OSError, *_WRONG):  # not the file that was loaded
                content = self.load(path)
                if self.fits(content) and is_it(self.parse(content)):
                    return content | copied(weights, rounded) | self._holds_for()
        return None

    def given(self, content: dict, is_it: Callable[[Value], bool]) -> dict:
        """A content made of what a model was given; ValueError where `read` would make something else of it."""
        try:
            same = is_it(self.parse(content))
        except _WRONG:
            same = False
        if not same:
            raise ValueError(f"`load` would not give this model back: its schedule does not fit {self.title}")
        return content | self._holds_for()

    def fits(self, content: dict[str, Any]) -> bool:
        """Whether a content holds for the schedule, as far as it says for which."""
        there = content.get("schedule")
        if there is None or self.schedule is None:
            return True
        T, alpha_bar = self.schedule.T, self.schedule.alpha_bar
        return there["T"] == T and all(
            math.isclose(value, alpha_bar[int(t)].item(), rel_tol=1e-8) for t, value in there["alpha_bar"].items()
        )

    def read(self, source: Source) -> Value | None:
        """The value kept with a checkpoint, or None where there is none for these very weights and the schedule.

        Raises CheckpointError for a file that holds something else.
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

    def there(self, source: Source | None) -> bool:
        """Whether a checkpoint has such a file, for whatever weights."""
        return any(map(Path.is_file, self._places(source)))

    def _holds_for(self) -> dict[str, Any]:
        """Return the entry that names the schedule for which the content of the file holds."""
        if self.schedule is None:
            return {}
        T, alpha_bar = self.schedule.T, self.schedule.alpha_bar
        times = sorted({1 + round(k * (T - 1) / (SHOWN - 1)) for k in range(SHOWN)})
        # Ten digits: rounding differs between processors only in later ones.
        return {"schedule": {"T": T, "alpha_bar": {str(t): float(f"{alpha_bar[t]:.10g}") for t in times}}}

    def _places(self, source: Source | None) -> list[Path]:
        """Where the file may lie, the last one being where it is written; empty for a model that was not loaded."""
        found = places(source, self.file) if source else []
        return found if self.in_cache else found[:1]


def places(source: Source, file: str) -> list[Path]:
    """Return where a file of this name may lie: beside the weights, and in the user's cache for a checkpoint that can't
    be written to.
    """
    if source.folder is None:
        return []
    beside = source.folder / file
    if source.revision is not None:
        return [beside, files.cache_folder(source.name.replace("/", "--"), source.revision, file)]
    if source.folder == refs.embedded().get(source.ref):  # may be where only an administrator can write
        return [beside, files.cache_folder("embedded", source.ref, file)]
    return [beside]


def copied(weights: Path | None, rounded: bool) -> dict[str, str | None]:
    """Return what a file says about the copy of the weights beside it; None if they belong to a user's network."""
    found = {"weights_sha256": weights and sha256(weights)}
    return found | ({"weights": "rounded to float16 afterwards"} if rounded else {})


def _weights_sha256(source: Source | None) -> str | None:
    """Return the SHA-256 of the weights from which a model was loaded, None for a user's network.

    Raises CheckpointError where they cannot be read.
    """
    if source is None or source.weights_path is None:
        return None
    try:
        return sha256(source.weights_path)
    except OSError as error:
        raise CheckpointError(f"{source.ref}: {source.file} cannot be read: {error.strerror}") from None
