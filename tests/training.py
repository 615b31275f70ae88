"""Helpers of the trainer's tests: a data set, a configuration that trains in a second, and real processes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from train.config import PRESETS

ROOT = Path(__file__).resolve().parent.parent
TINY = {
    "widths": (8, 16),
    "attention": (4,),
    "norm_groups": 4,
    "blocks": 1,
    "image_size": 8,
    "batch": 8,
    "steps": 6,
    "T": 20,
    "warmup": 2,
    "log_every": 2,
    "checkpoint_every": 3,
    "sample_every": 0,
    "sample_count": 4,
    "sample_steps": 3,
    "device": "cpu",
    "threads": 1,
}


def make_folder(root: Path, n: int = 21, classes: tuple[str, ...] = ("cat", "dog"), size=(11, 9)) -> Path:
    """n random pictures, in class folders unless there are no classes."""
    rng = np.random.default_rng(0)
    for i in range(n):
        folder = root / classes[i % len(classes)] if classes else root
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    return root


def tiny(data: Path | str, out: Path, **changes):
    """A configuration that trains in about a second."""
    return replace(PRESETS["cifar10"], **{**TINY, "data": str(data), "out": str(out), **changes})


def flags(**changes) -> list[str]:
    """The same as words of a command line."""
    words = []
    for name, value in {**TINY, **changes}.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, *map(str, value if isinstance(value, tuple) else [value])]
    return words


def command(*words: object, launcher: tuple[str, ...] = ()) -> list[str]:
    return [sys.executable, "-m", *launcher, *(["train"] if not launcher else []), *map(str, words)]


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "200", **extra}


def run(*words: object, **options) -> subprocess.CompletedProcess:
    """python -m train ..., to its end."""
    return subprocess.run(
        command(*words), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, **options
    )


def weights(out: Path, step: int, part: str = "model") -> dict[str, torch.Tensor]:
    state = torch.load(out / "checkpoints" / f"step-{step:09d}.pt", weights_only=True)
    return state[part]


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
