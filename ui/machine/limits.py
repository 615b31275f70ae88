"""Define the limits on visitors' requests, which the page's owner can change.

A page for its owner alone has high limits; a public page has limits that are safe with strangers. `app.py --limit
NAME=VALUE` changes a limit, and so does the environment variable DDPM_LIMIT_NAME; the flag wins. docs/online.md
explains each limit and says which page is public. Limits that no owner needs to change are constants in the modules
that check them.
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
MOST = 1_000_000_000  # the largest value of any limit: no machine has so much, and calculations with it can't overflow


class Refused(ValueError):
    """A request exceeds a limit. Its text is one sentence with the limit and its value. name: the name of the limit."""

    def __init__(self, sentence: str, name: str):
        super().__init__(sentence)
        self.name = name


class Places:
    """Limits how many requests are handled at the same time: `most` in all, `of_one` from one address.

    sentence: the error message of a refusal, with {} where these limits go.
    """

    def __init__(self, sentence: str, most: int, of_one: int):
        self.most, self.of_one = most, of_one
        self.of: Counter[str | None] = Counter()  # number of occupied places for each address
        self._sentence = sentence

    @contextmanager
    def occupy(self, address: str | None) -> Iterator[None]:
        """Occupy a place while the block runs. Raises Refused if no place is free."""
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
    """Return a dataclass field for a limit. local, public: its defaults. what: its description."""
    return field(default=local, metadata={"public": public, "what": what})


@dataclass(frozen=True)
class ServerLimits:
    """The limits of a server. The defaults of the fields are those of a page for its owner alone."""

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

    # --- Checks: each raises Refused if a limit is exceeded

    def check_run(self, steps: float, images: float, flop: float) -> None:
        """Raise Refused if a run costs too much. images: the number per step. flop: the FLOP of one evaluation for one
        image.
        """
        total = steps * images * flop / 1e12
        if total > self.run_tflop:
            parts = f"{steps:,.0f} steps × {images:,.3g} images × {flop / 1e9:,.3g} GFLOP"
            self._refuse("run_tflop", f"This run needs {_amount(total)} TFLOP ({parts})", "take fewer steps or images")

    def check_time(self, seconds: float) -> None:
        """Raise Refused if a run has computed too long. seconds: the duration of its turns so far."""
        if seconds > self.run_seconds:
            self._refuse(
                "run_seconds", f"The run was stopped after {seconds:,.0f} s of computing", "take fewer steps or images"
            )

    def check_download(self, name: str, size: int, folder: Path) -> None:
        """Raise Refused if a download is too large. size: its bytes. name: the repository. folder: its destination."""
        if size > self.repository_mb * 1e6:
            self._refuse("repository_mb", f"{name} is {_amount(size / 1e6)} MB", "choose a smaller one")
        free = free_bytes(folder)
        if free - size < self.free_disk_mb * 1e6:
            after = f"{name} needs {_amount(size / 1e6)} MB of the {_amount(free / 1e6)} MB of free disk"
            self._refuse("free_disk_mb", after, "so much has to stay free")

    def check_model(self, name: str, size: int) -> None:
        """Raise Refused if a model needs too much memory. size: its bytes."""
        if size > self.model_memory_mb * 1e6:
            needs = f"{name} takes {_amount(size / 1e6)} MB of memory"
            self._refuse("model_memory_mb", needs, "choose a smaller one")

    def _refuse(self, name: str, what: str, advice: str) -> None:
        """Raise Refused with a sentence. name: the limit. what: how it is exceeded. advice: what to do."""
        raise Refused(f"{what}: {advice} (limit: {name} = {_amount(getattr(self, name))})", name)

    # --- Choosing the values

    @classmethod
    def public(cls) -> ServerLimits:
        """Return the default limits of a page for strangers."""
        return cls(**{limit.name: limit.metadata["public"] for limit in fields(cls)})

    @classmethod
    def choose(
        cls, public: bool, given: Iterable[str] = (), environment: Mapping[str, str] = os.environ
    ) -> ServerLimits:
        """Return the defaults with the changes of the environment and of `given`, texts NAME=VALUE.

        Raises ValueError, with one sentence, if a limit does not exist or its value is not above 0 and at most MOST.
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
    """Return the environment variable that changes a limit."""
    return PREFIX + name.upper()


def _number(name: str, text: str) -> float:
    """Return the value of a limit, above 0 and up to MOST. It must be a whole number if the limit counts runs. Raises
    ValueError.
    """
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
    """Return a number as text: "500", "1,200", "0.25"."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:,.2g}"
