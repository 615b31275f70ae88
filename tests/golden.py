"""Golden files: what the product draws and says, as text that `diff -r` can compare.

`python tests/golden.py FOLDER` writes them all, `python tests/golden.py FOLDER core` those of ddpm_core alone.
Everything is seeded, so two runs on one machine write the same bytes. Record before a large change, record after it,
and compare.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

Cases = Mapping[str, Callable[[], Any]]  # by a text that says what is run


def record(folder: Path, rooms: Mapping[str, Cases]) -> None:
    """Write a file for each room, with what each of its cases gives; a ValueError is recorded as its sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    total, done, begun, said = sum(map(len, rooms.values())), 0, time.monotonic(), 0.0
    for room, cases in rooms.items():
        found = {}
        for name, run in cases.items():
            try:
                found[name] = run()
            except ValueError as error:
                found[name] = {"refused": str(error)}
            done, passed = done + 1, time.monotonic() - begun
            if passed - said > 2 or done == total:
                said = passed
                print(f"{room}: {done} of {total}, about {passed / done * (total - done):.0f} s left", flush=True)
        text = json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True)
        (folder / f"{room}.json").write_text(f"{text}\n", encoding="utf-8")


def main(folder: str, which: str = "core") -> None:
    import golden_core

    record(Path(folder), golden_core.rooms())


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["core"]):
        sys.exit("usage: python tests/golden.py FOLDER [core]")
    main(*sys.argv[1:])
