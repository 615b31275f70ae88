"""The machine: its processor, its packages, and the processes that torchrun or `accelerate launch` started on it."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

import torch
from accelerate.utils import get_int_from_env, is_xpu_available

_RANK = [
    "RANK",
    "PMI_RANK",
    "OMPI_COMM_WORLD_RANK",
    "MV2_COMM_WORLD_RANK",
]  # environment variables with this process's number, one for each launcher
_SIZE = ["WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"]


class Machine(TypedDict):
    """Description of a machine: see `machine`."""

    processor: str
    cores: int | None
    threads: int
    gpu: str | None


def machine(device: torch.device) -> Machine:
    """Return the processor, the number of its cores, the threads that torch uses, and the GPU's name or None."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {"processor": processor(), "cores": os.cpu_count(), "threads": torch.get_num_threads(), "gpu": gpu}


def processor() -> str:
    """Return the processor's model, or its architecture if the system does not name the model."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def is_first_process() -> bool:
    """Return whether this process writes the results of all processes of a run. A single process does."""
    return get_int_from_env(_RANK, 0) == 0


def on_cpu(device: str) -> bool:
    """Return whether the processes compute on the CPU: the user chose it, or there are several processes and no GPU.

    In the second case, accelerate must be set to the CPU. Otherwise each process would do the whole work, in one
    folder.
    """
    several = get_int_from_env(_SIZE, 1) > 1
    return device == "cpu" or (several and not torch.cuda.is_available() and not is_xpu_available())


@cache  # a study calls this for each cell, and a lookup takes milliseconds
def package_version(package: str) -> str | None:
    """Return the version of an installed package, or None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
