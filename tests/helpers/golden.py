"""Golden files: what the product draws and says, as text that `diff -r` can compare.

`python tests/helpers/golden.py FOLDER` writes all of them. A second word selects some: `core` for ddpm_core, `page` for
the sentences and files of the page's parts, `links` for the pictures to which links lead, and `static` for the same
links on the page without a server. Everything is seeded, so two runs on one machine write the same bytes. Write the
files before and after a large change, and compare them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYTEST = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
sys.path[:0] = [str(ROOT / room) for room in (*PYTEST["pythonpath"], "tests")]  # the folders from which tests import
os.environ.setdefault("HF_HUB_OFFLINE", "1")

Cases = Mapping[str, Callable[[], Any]]  # by a text that describes the run


def record(folder: Path, rooms: Mapping[str, Cases]) -> None:
    """Write a file for each room, with the results of its cases. A ValueError is recorded as its sentence."""
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


@contextmanager
def core() -> Iterator[Mapping[str, Cases]]:
    import golden_core

    yield golden_core.rooms()


@contextmanager
def page() -> Iterator[Mapping[str, Cases]]:
    import golden_page
    from conftest import no_openvino

    with no_openvino():  # PyTorch in float32 gives the same numbers for a picture in any batch
        yield golden_page.rooms()


@contextmanager
def links(static: bool = False) -> Iterator[Mapping[str, Cases]]:
    import golden_links
    from conftest import no_openvino

    with no_openvino(), golden_links.cases(static) as found:
        yield {"static" if static else "links": found}


KINDS = {"core": core, "page": page, "links": links, "static": partial(links, static=True)}


def main(folder: str, kind: str = "") -> None:
    if kind:
        import torch

        torch.set_num_threads(1)  # the other kinds run at the same time
        with KINDS[kind]() as rooms:
            return record(Path(folder), rooms)
    begun = [subprocess.Popen([sys.executable, __file__, str(Path(folder, kind)), kind]) for kind in KINDS]
    if any([one.wait() for one in begun]):
        sys.exit("not everything was recorded")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or not {*sys.argv[2:]} <= {*KINDS}:
        sys.exit(f"usage: python tests/helpers/golden.py FOLDER [{' | '.join(KINDS)}]")
    main(*sys.argv[1:])
