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

_RANK = ["RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK"]  # the variable of each launcher
_SIZE = ["WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"]


class Machine(TypedDict):
    processor: str
    cores: int | None
    threads: int
    gpu: str | None


def machine(device: torch.device) -> Machine:
    """The processor, its number of cores and of threads used, and the GPU where there is one."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {"processor": processor(), "cores": os.cpu_count(), "threads": torch.get_num_threads(), "gpu": gpu}


def processor() -> str:
    """The processor's model, or its architecture where the system does not tell the model."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def is_first_process() -> bool:
    """Whether this process writes what all of a run have computed. A process that is alone does."""
    return get_int_from_env(_RANK, 0) == 0


def on_cpu(device: str) -> bool:
    """Whether the processes work on the CPU: because the user asked for it, or because there are several and no GPU.

    accelerate would not bring such processes together: each would do all of the work, in one folder.
    """
    several = get_int_from_env(_SIZE, 1) > 1
    return device == "cpu" or (several and not torch.cuda.is_available() and not is_xpu_available())


@cache  # a study says it for each cell, and looking it up takes milliseconds
def package_version(package: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
