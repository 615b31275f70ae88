"""Hostile checkpoints and pictures: every one must be refused in one sentence, in time, in little memory, unexecuted.

    python -m benchmarks hostile --flips 500

Everything is made here, from a seed (checkpoints.py, pictures.py). A child process (reader.py) reads one after another
and is killed when it takes too long. A weight that is changed to another possible weight cannot be told from the right
one in a folder: such a file may load. (From the Hub it does not: there the hash is compared.)
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.hostile.case import Case
from benchmarks.hostile.checkpoints import (
    damaged_cases,
    json_cases,
    pickle_cases,
    safetensors_cases,
    write_checkpoint,
    zip_cases,
)
from benchmarks.hostile.pictures import picture_cases, png
from benchmarks.hostile.reader import Reader

MEMORY = 500e6  # bytes by which the reading process may grow
GOOD = "good ones"


def all_cases(folder: Path, flips: int, mark: Path) -> Iterator[Case]:
    checkpoint = folder / "good"
    write_checkpoint(checkpoint)
    picture = folder / "good.png"
    picture.write_bytes(png(8, 8, b"\0" * 72))
    makers: tuple[Callable[[Path], Iterator[Case]], ...] = (
        lambda place: iter([Case(GOOD, checkpoint), Case(GOOD, picture)]),
        lambda place: pickle_cases(checkpoint, place, mark),
        lambda place: safetensors_cases(checkpoint, place),
        lambda place: zip_cases(checkpoint, place),
        lambda place: picture_cases(place),
        lambda place: json_cases(checkpoint, place),
        lambda place: damaged_cases(checkpoint, place, flips),
    )
    for number, make in enumerate(makers):
        place = folder / f"part-{number}"
        for case in make(place):
            yield case
            if place in case.path.parents and case.path.is_dir():
                shutil.rmtree(case.path)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks hostile", description=__doc__)
    parser.add_argument("--flips", type=int, default=500, help="weights with flipped bits or cut off (500)")
    flips = parser.parse_args(arguments).flips
    counts: Counter[str] = Counter()
    read_too: Counter[str] = Counter()
    slowest: dict[str, float] = {}
    wrong: list[str] = []
    base = peak = 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        reader = Reader()
        mark = Path(name, "executed")
        for case in all_cases(Path(name), flips, mark):
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
                wrong.append(f"{case.kind}: {case.path.relative_to(name)}: {problem}")
                print(wrong[-1], flush=True)
        if mark.exists():
            wrong.append("a pickle was executed")
        reader.close()
    print("| what | files | refused | read | slowest |\n| --- | --- | --- | --- | --- |")
    for kind, count in counts.items():
        refused = count - read_too[kind]
        print(f"| {kind} | {count} | {refused} | {read_too[kind]} | {slowest.get(kind, 0):.2f} s |")
    growth = peak - base
    if growth > MEMORY:
        wrong.append(f"the reading process grew by {growth / 1e6:.0f} MB")
    seconds = time.monotonic() - started
    print(f"{sum(counts.values())} files in {seconds:.0f} s; the reading process grew by {growth / 1e6:.0f} MB")
    print(f"{len(wrong)} problems" + "".join(f"\n- {line}" for line in wrong))
    raise SystemExit(bool(wrong))
