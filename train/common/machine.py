"""The machine and the packages that a result was measured with."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

import torch


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


@cache  # a study says it for each cell, and looking it up takes milliseconds
def package_version(package: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
