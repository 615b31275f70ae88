"""Draws the pictures of the lesson "One seed, from 1 step to 1000", and measures how far they are from the end.

`python -m benchmarks lesson` writes both beside ui/tabs/learn/few_steps.py, which shows them. It is needed after
one of the two embedded models has been trained again (a test says so), and takes about a minute.
"""

from __future__ import annotations

import argparse
import json
from itertools import product

import numpy as np
from tqdm import tqdm

from ddpm_core import files, imaging
from ui.tabs.learn.few_steps import LANES, NUMBERS, PICTURES, SEEDS, STEPS, draw, weights


def main(arguments: list[str]) -> None:
    """The command."""
    argparse.ArgumentParser(prog="python -m benchmarks lesson", description=__doc__).parse_args(arguments)
    found = {(name, steps): draw(name, steps, SEEDS) for name, steps in tqdm([*product(LANES, STEPS)], unit="chain")}
    end = found["teacher", STEPS[-1]]
    assert end is not None
    shown = [np.full_like(end[0], 128) if x is None else x[0] for x in found.values()]
    files.write_bytes(PICTURES, imaging.png(imaging.grid(np.stack(shown), len(STEPS), gap=0)))
    numbers = {
        "seeds": [SEEDS.start, SEEDS.stop - 1],
        "weights": {name: weights(name) for name in LANES},
        "distance": {name: [_distance(found[name, steps], end) for steps in STEPS] for name in LANES},
    }
    files.write_bytes(NUMBERS, (json.dumps(numbers, indent=1) + "\n").encode())
    print(json.dumps(numbers["distance"]), PICTURES, NUMBERS, sep="\n")


def _distance(x: np.ndarray | None, end: np.ndarray) -> float | None:
    """The mean over the pictures of the root mean squared difference of their pixels, in grey levels."""
    if x is None:
        return None
    squares = (x.astype(float) - end) ** 2
    return round(float(np.sqrt(squares.mean((1, 2, 3))).mean()), 1)
