"""Load and kill the app on this machine, and see that it stands it: `python -m benchmarks reliability [PART ...]`.

Everything talks to 127.0.0.1 only, and writes to a temporary folder only. Each part prints one line of JSON with what
was measured and whether it is as it should be; the exit code is 1 if a part is not. --quick takes seconds a part, and
proves that the command works, no more. Linux only, as memory and open files are read from /proc.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import _kill, _kill_training, _load
from benchmarks._app import App
from benchmarks._measure import describe
from ddpm_core import defaults, files

Part = Callable[[Path, argparse.Namespace], dict[str, Any]]


def _in_app(work: Callable[..., dict[str, Any]], **sizes: tuple[Any, Any]) -> Part:
    """A part that needs one app. sizes: of each argument, (the usual one, with --quick)."""

    def part(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
        with App(folder, options.checkpoint) as app:
            return work(app, **_sized(sizes, options))

    part.__doc__ = work.__doc__
    return part


def _by_itself(work: Callable[..., dict[str, Any]], **sizes: tuple[Any, Any]) -> Part:
    """A part that starts and kills its apps itself."""

    def part(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
        own = {} if work is _kill.training else {"checkpoint": options.checkpoint}
        return work(folder, **own, **_sized(sizes, options))

    part.__doc__ = work.__doc__
    return part


def _sized(sizes: dict[str, tuple[Any, Any]], options: argparse.Namespace) -> dict[str, Any]:
    chosen = {name: pair[options.quick] for name, pair in sizes.items()}
    if options.minutes is not None and "seconds" in chosen and "workers" in chosen:
        chosen["seconds"] = 60 * options.minutes
    if options.kills is not None and "kills" in chosen:
        chosen["kills"] = options.kills
    return chosen


PARTS: dict[str, Part] = {
    "crowd": _in_app(_load.crowd, clients=(50, 4), rounds=(3, 1), steps=(20, 5)),
    "shares": _in_app(_load.shares, visitors=(10, 3), steps=(10, 5), long_steps=(1000, 200), long_images=(16, 4)),
    "vanish": _in_app(_load.vanish, clients=(200, 8), seconds=(20.0, 1.0)),
    "hours": _in_app(_load.hours, seconds=(600.0, 6.0), workers=(6, 2)),
    "conversion": _by_itself(_kill.conversion, kills=(5, 1)),
    "download": _by_itself(_kill.download, kills=(5, 1)),
    "export": _by_itself(_kill.export, kills=(8, 1)),
    "live": _by_itself(_kill_training.live, kills=(5, 1)),
    "training": _by_itself(_kill.training, kills=(100, 1)),
}


def main(arguments: list[str]) -> None:
    """The command."""
    parts = "\n".join(f"  {name:12}{part.__doc__}" for name, part in PARTS.items())  # of one line each
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks reliability",
        description=f"{__doc__}\nparts, all by default:\n{parts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="which ones")
    help = "the model of the app: an embedded name or a folder"
    parser.add_argument("--checkpoint", default=defaults.CHECKPOINT, help=help)
    parser.add_argument("--quick", action="store_true", help="small: to see that the command works")
    parser.add_argument("--minutes", type=float, help="how long the part 'hours' takes (10)")
    parser.add_argument("--kills", type=int, help="how often to kill in each of the last five parts")
    parser.add_argument("--json", type=Path, help="write the results there")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}: choose from {', '.join(PARTS)}")
    report: dict[str, Any] = {"machine": describe(torch.device("cpu")), "checkpoint": options.checkpoint, "results": []}
    print(json.dumps(report["machine"]))
    for name in options.parts or PARTS:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            found = PARTS[name](Path(folder), options)
        result = {"part": name, **found, "took_seconds": round(time.perf_counter() - started)}
        report["results"].append(result)
        print(json.dumps(result), flush=True)
        if options.json:
            files.write_json(options.json, report)
    sys.exit(not all(result["passed"] for result in report["results"]))
