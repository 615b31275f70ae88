"""What one visitor may ask of the machine that serves the page: the limits that its owner can change.

A page for its own user is generous; a public one is safe for strangers. `--limit NAME=VALUE` of app.py changes one, and
so does the environment variable DDPM_LIMIT_NAME, as on a Space; the flag counts more. docs/online.md explains each, and
says which page is public. Limits that are the same on every page stand where they are checked.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TypeVar

from ddpm_core.disk.files import free_bytes

PREFIX = "DDPM_LIMIT_"
DAY = 86_400
Amount = TypeVar("Amount", int, float)
MOST = 1_000_000_000  # the largest value of any limit: more than a machine has, and too small for overflows


class Refused(ValueError):
    """A request over a limit; str(refused) is one sentence with the limit and its value. name: the limit's."""

    def __init__(self, sentence: str, name: str):
        super().__init__(sentence)
        self.name = name


class Places:
    """At most so many at once, in all and of one address. sentence: of a refusal, with {} for these limits."""

    def __init__(self, sentence: str, most: int, of_one: int):
        self.most, self.of_one = most, of_one
        self.of: Counter[str | None] = Counter()  # by address
        self._sentence = sentence

    @contextmanager
    def one(self, address: str | None) -> Iterator[None]:
        """Take one more place, in this block. Raises Refused where there is none."""
        if self.of.total() >= self.most or self.of[address] >= self.of_one:
            raise Refused(self._sentence.format(f"at most {self.most}, {self.of_one} of one address"), "places")
        self.of[address] += 1
        try:
            yield
        finally:
            self.of[address] -= 1
            if not self.of[address]:
                del self.of[address]


def _limit(local: Amount, public: Amount, what: str) -> Amount:
    return field(default=local, metadata={"public": public, "what": what})


@dataclass(frozen=True)
class ServerLimits:
    """The defaults of the fields are those of a page for its own user."""

    run_tflop: float = _limit(100_000, 500, "steps × images × TFLOP of one evaluation of the network, of a run")
    run_seconds: float = _limit(
        DAY, 900, "time in which a run has its turns: loading and computing, not waiting for others"
    )
    concurrent_runs: int = _limit(8, 8, "runs that take turns with the network")
    waiting_runs: int = _limit(44, 32, "runs that wait for a turn")
    repository_mb: float = _limit(20_000, 2_000, "files of a checkpoint to download from the Hub, in MB")
    free_disk_mb: float = _limit(1_000, 5_000, "free disk that a download must leave, in MB")
    model_memory_mb: float = _limit(8_000, 2_000, "memory of all loaded models, in MB")
    temporary_mb: float = _limit(4_000, 1_000, "temporary files, in MB; the oldest are deleted first")
    shutdown_seconds: float = _limit(5, 7, "time for runs to finish when the app has to stop")

    # --- Where requests are accepted. Each raises Refused.

    def check_run(self, steps: float, images: float, flop: float) -> None:
        """images: per step. flop: of one evaluation for one image."""
        total = steps * images * flop / 1e12
        if total > self.run_tflop:
            parts = f"{steps:,.0f} steps × {images:,.3g} images × {flop / 1e9:,.3g} GFLOP"
            self._refuse("run_tflop", f"This run needs {_amount(total)} TFLOP ({parts})", "take fewer steps or images")

    def check_time(self, seconds: float) -> None:
        """seconds: of the run's turns."""
        if seconds > self.run_seconds:
            self._refuse(
                "run_seconds", f"The run was stopped after {seconds:,.0f} s of computing", "take fewer steps or images"
            )

    def check_download(self, name: str, size: int, folder: Path) -> None:
        """size: bytes to download from the repository of that name into the folder."""
        if size > self.repository_mb * 1e6:
            self._refuse("repository_mb", f"{name} is {_amount(size / 1e6)} MB", "choose a smaller one")
        free = free_bytes(folder)
        if free - size < self.free_disk_mb * 1e6:
            after = f"{name} needs {_amount(size / 1e6)} MB of the {_amount(free / 1e6)} MB of free disk"
            self._refuse("free_disk_mb", after, "so much has to stay free")

    def check_model(self, name: str, size: int) -> None:
        """size: bytes of a model in memory."""
        if size > self.model_memory_mb * 1e6:
            needs = f"{name} takes {_amount(size / 1e6)} MB of memory"
            self._refuse("model_memory_mb", needs, "choose a smaller one")

    def _refuse(self, name: str, what: str, advice: str) -> None:
        raise Refused(f"{what}: {advice} (limit: {name} = {_amount(getattr(self, name))})", name)

    # --- How they are chosen

    @classmethod
    def public(cls) -> ServerLimits:
        """The defaults of a page for strangers."""
        return cls(**{limit.name: limit.metadata["public"] for limit in fields(cls)})

    @classmethod
    def choose(
        cls, public: bool, given: Iterable[str] = (), environment: Mapping[str, str] = os.environ
    ) -> ServerLimits:
        """The defaults with what the environment and `given`, texts NAME=VALUE, change.

        Raises ValueError, one sentence, for a limit that does not exist, and for a value that is no number above
        0, or more than MOST.
        """
        names = {limit.name for limit in fields(cls)}
        changes = [(name, environment[_variable(name)]) for name in sorted(names) if _variable(name) in environment]
        for text in given:
            name, equals, value = text.partition("=")
            name = name.strip().replace("-", "_")
            if not equals or name not in names:
                raise ValueError(f"--limit takes NAME=VALUE, got {text!r}: the names are {', '.join(sorted(names))}")
            changes.append((name, value))
        return replace(cls.public() if public else cls(), **{name: _number(name, value) for name, value in changes})


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _number(name: str, text: str) -> float:
    """A value above 0, up to MOST; a whole one for a limit that counts."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    counts = name.startswith(("concurrent_", "waiting_"))
    if value > MOST:
        raise ValueError(f"The limit {name} can be at most {MOST:,}, got {text!r}")
    if not value > 0 or (counts and value != int(value)):
        kind = "whole number" if counts else "number"
        raise ValueError(f"The limit {name} must be a {kind} above 0, got {text!r}")
    return int(value) if counts else value


def _amount(value: float) -> str:
    """A number in a sentence: "500", "1,200", "0.25"."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:,.2g}"
