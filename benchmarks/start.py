"""Time the start of the app: `python -m benchmarks start`. With `--beside FOLDER`, another checkout takes turns with
this one.

A new process of `python app.py` gets three requests: for its page, then for a run of one digit, then for the API. The
benchmark prints the process's CPU seconds and the elapsed seconds until each response.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks._measure import Row, describe, table, times

HERE = Path(__file__).parents[1]
# the request that the page sends for a run of Watch
LANE = {"checkpoint": "mnist-tiny", "steps": 50, "sampler": "ddpm", "variance": "beta_tilde"}
ORDER = {
    "lanes": [LANE],
    "seeds": [0],
    "clip": None,
    "attention": False,
    "touch": [],
}
RUN = json.dumps({"part": "watch", "values": ORDER})
ASKED = {"page": ("GET", "/", None), "picture": ("POST", "/run", RUN), "API": ("GET", "/gradio_api/info", None)}


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process, on Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(folder: Path) -> dict[str, float]:
    """Start an app, and return the seconds until the page's first byte, until the end of a run, and until the API
    responds.
    """
    began = time.perf_counter()
    command = [sys.executable, "app.py", "--port", "0", "--no-browser"]
    app = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        assert app.stdout is not None
        address = re.search(r"//(\S+)/", app.stdout.readline())
        if address is None:
            sys.exit("the app did not start")
        found = {}
        for name, (method, path, content) in ASKED.items():
            connection = http.client.HTTPConnection(address[1])
            connection.request(method, path, content, {"content-type": "application/json"} if content else {})
            answer = connection.getresponse()
            content = answer.read(1 if name == "page" else None)
            if answer.status != 200 or (name == "picture" and b'"finished"' not in content):
                sys.exit(f"{path}: {answer.status} {content[:500]!r}")
            found |= {f"{name}, CPU": cpu_seconds(app.pid), f"{name}, clock": time.perf_counter() - began}
            connection.close()
        return found
    finally:
        app.terminate()
        app.wait()


def main(arguments: list[str]) -> None:
    """Start the apps in turns, and print the table."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks start", description=__doc__, formatter_class=raw)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="a checkout of another version")
    options = parser.parse_args(arguments)
    print(json.dumps(describe(torch.device("cpu"))))
    folders = [HERE, *filter(None, [options.beside])]
    turns: list[list[dict[str, float]]] = []
    for number in range(options.rounds):
        turn = [start(folder) for folder in (folders if number % 2 else folders[::-1])]
        turns.append(turn if number % 2 else turn[::-1])
        print(json.dumps([{name: round(seconds, 2) for name, seconds in one.items()} for one in turns[-1]]), flush=True)

    def rows() -> Iterator[Row]:
        """Yield a row for each measured time."""
        for name in turns[0][0]:
            ours, *beside = ([one[name] for one in side] for side in zip(*turns, strict=True))
            row = {"python app.py, until": name, "s": times(ours)}
            for theirs in beside:
                ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
                row |= {"the other, s": times(theirs), "ratio": times(ratios)}
            yield row

    table(rows())
