"""Helpers for tests of the trainer: a data set, a configuration that trains in a second, and real processes."""

import multiprocessing
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from multiprocessing.context import ForkProcess
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image

from train.__main__ import main
from train.common.config import PRESETS
from train.fit.trainer import Trainer

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "widths": (8,),
    "attention": (),
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
LEVELS = {"widths": (8, 16), "attention": (4,)}  # a network with layers of every kind
# The allowed difference, in float64, of weights whose sums were computed in another order. Adam divides a gradient by
# its size + 1e-8. Where a gradient is 0 except for a rounding error of 1e-14, a step of lr = 2e-4 moves the weight by
# 2e-4 · 1e-14/1e-8 = 2e-10.
AFTER_ADAM = 1e-8


def make_folder(root: Path, n: int = 21, classes: tuple[str, ...] = ("cat", "dog"), size=(11, 9)) -> Path:
    """Write n random pictures to a folder, in class folders unless there are no classes."""
    rng = np.random.default_rng(0)
    for i in range(n):
        folder = root / classes[i % len(classes)] if classes else root
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    return root


def tiny(data: Path | str, out: Path, **changes):
    """Return a configuration that trains in about a second."""
    return replace(PRESETS["cifar10"], **{**TINY, "data": str(data), "out": str(out), **changes})


def flags(**changes) -> list[str]:
    """Return the flags of such a configuration, as words of a command line."""
    return as_words({**TINY, **changes})


def as_words(values: Mapping[str, object]) -> list[str]:
    """Return the flags that set these fields of a configuration."""
    words = []
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, *map(str, value if isinstance(value, tuple) else [value])]
    return words


@pytest.fixture(autouse=True)
def process_restored():
    """Restore what a run changes in its process: the threads, and accelerate's mixed precision."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    AcceleratorState._reset_state(reset_partial_state=True)


def forked(
    words: list[object], prepare: Callable[[], None] = lambda: None, main: Callable[[list[str]], object] = main
) -> ForkProcess:
    """Start a command in a forked process, because a fresh one would import for seconds. It calls prepare() first."""

    def work() -> None:
        AcceleratorState._reset_state(reset_partial_state=True)
        prepare()
        os._exit(main([str(word) for word in words]) or 0)  # skips the code that ends pytest

    process = multiprocessing.get_context("fork").Process(target=work)  # a daemon could have no workers
    process.start()
    return process


def in_two_processes(
    words: list[object],
    prepare: Callable[[int], None] = lambda rank: None,
    main: Callable[[list[str]], object] = main,
) -> None:
    """Run a command in two processes, as torchrun starts them without a GPU. Each calls prepare(rank) first."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def rendezvous(rank: int) -> None:
        found = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
        found["OMP_NUM_THREADS"] = 1
        os.environ.update({name: str(value) for name, value in found.items()}, MASTER_ADDR="127.0.0.1")
        torch.cuda.is_available = lambda: False
        prepare(rank)

    processes = [forked(words, partial(rendezvous, rank), main) for rank in range(2)]
    for process in processes:
        process.join(240)
        process.kill()
    assert [process.exitcode for process in processes] == [0, 0]


def fit(config, state=None) -> Trainer:
    """Do a whole run in this process, and return its trainer."""
    trainer = Trainer(config, state)
    assert trainer.fit() is None
    return trainer


def weights(out: Path, step: int, part: str = "model") -> dict[str, torch.Tensor]:
    state = torch.load(out / "checkpoints" / f"step-{step:09d}.pt", weights_only=True)
    return state[part]


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
