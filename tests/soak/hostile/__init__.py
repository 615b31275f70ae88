"""Hostile checkpoints: every one must be refused in one sentence, in time, in little memory, unexecuted.

Everything is made here, from a seed (checkpoints.py). A child process (reader.py) reads one after another
and is killed when it takes too long. A weight that is changed to another possible weight cannot be told from the right
one in a folder: such a file may load. (From the Hub it does not: there the hash is compared.)
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from soak.hostile.case import Case
from soak.hostile.checkpoints import (
    damaged_cases,
    json_cases,
    pickle_cases,
    safetensors_cases,
    write_checkpoint,
    zip_cases,
)
from soak.hostile.reader import Reader

MEMORY = 500e6  # bytes by which the reading process may grow
GOOD = "good ones"


def all_cases(folder: Path, flips: int, mark: Path) -> Iterator[Case]:
    checkpoint = folder / "good"
    write_checkpoint(checkpoint)
    makers: tuple[Callable[[Path], Iterator[Case]], ...] = (
        lambda place: iter([Case(GOOD, checkpoint)]),
        lambda place: pickle_cases(checkpoint, place, mark),
        lambda place: safetensors_cases(checkpoint, place),
        lambda place: zip_cases(checkpoint, place),
        lambda place: json_cases(checkpoint, place),
        lambda place: damaged_cases(checkpoint, place, flips),
    )
    for number, make in enumerate(makers):
        place = folder / f"part-{number}"
        for case in make(place):
            yield case
            if place in case.path.parents and case.path.is_dir():
                shutil.rmtree(case.path)


def every_file(folder: Path, flips: int) -> dict[str, Any]:
    """Hostile checkpoints, read one after another as a public page does."""
    counts: Counter[str] = Counter()
    read_too: Counter[str] = Counter()
    slowest: dict[str, float] = {}
    wrong: list[str] = []
    base = peak = 0
    reader = Reader()
    mark = folder / "executed"
    for case in all_cases(folder, flips, mark):
        problem, outcome = reader.read(case)
        if outcome and case.kind == GOOD:  # the first time it also imports everything
            base = outcome.memory
            problem = outcome.sentence
        counts[case.kind] += 1
        if outcome:
            peak = max(peak, outcome.memory)
            read_too[case.kind] += not outcome.sentence
            slowest[case.kind] = max(slowest.get(case.kind, 0), outcome.seconds)
        if problem:
            wrong.append(f"{case.kind}: {case.path.relative_to(folder)}: {problem}")
    reader.close()
    if mark.exists():
        wrong.append("a pickle was executed")
    if peak - base > MEMORY:
        wrong.append("the reading process grew too large")
    kinds = {
        kind: {"files": count, "read": read_too[kind], "slowest_seconds": round(slowest.get(kind, 0), 2)}
        for kind, count in counts.items()
    }
    growth = round((peak - base) / 1e6)
    return {"files": sum(counts.values()), "grew_mb": growth, "kinds": kinds, "wrong": wrong, "passed": not wrong}
