"""Share code among benchmarks: describe the machine, measure its peak speed, time and memory, and print tables."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from train.common.machine import machine, package_version

LUCIDRAINS = "denoising-diffusion-pytorch"  # lucidrains' package, which our requirements don't include
Row = dict[str, Any]  # a row of a table: the value of each column
PACKAGES = ("torch", "diffusers", "openvino", LUCIDRAINS, "accelerate")


def installed(contenders: Iterable[str]) -> list[str]:
    """Return the contenders whose packages are installed. If lucidrains' package is missing, say how to install it."""
    names = list(contenders)
    if find_spec(LUCIDRAINS.replace("-", "_")):
        return names
    others = [name for name in names if not name.startswith("lucidrains")]
    if others != names:
        print(f"lucidrains is not measured: install it with `pip install {LUCIDRAINS}`.", file=sys.stderr)
    return others


def describe(device: torch.device) -> dict[str, Any]:
    """Return the processor, its cores, the versions of packages, the load and the date."""
    here = machine(device)
    amx = getattr(torch.cpu, "_is_amx_tile_supported", bool)()  # a private name: torch has no public test for AMX
    return {
        "processor": here["gpu"] or here["processor"],
        "cores": here["cores"],
        "threads": here["threads"],
        "instructions": torch.backends.cpu.get_cpu_capability() + (" with AMX" if amx else ""),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        **{package: version for package in PACKAGES if (version := package_version(package))},
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def matmul_peak(
    device: torch.device,
    dtype: torch.dtype,
    clock: Callable[[], float] = time.perf_counter,
    size: int = 2048,
    seconds: float = 3,
) -> float:
    """Return the highest speed of multiplying two square matrices, in GFLOP/s."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / _quickest(lambda: torch.matmul(a, b), device, clock, seconds) / 1e9


def convolution_peak(
    device: torch.device,
    dtype: torch.dtype,
    clock: Callable[[], float] = time.perf_counter,
    channels: int = 256,
    seconds: float = 3,
) -> float:
    """Return the highest speed of a large 3×3 convolution, in GFLOP/s: 16 images of 32×32 pixels, channels last."""
    x, kernel = (
        torch.randn(*shape, device=device).to(dtype=dtype, memory_format=torch.channels_last)
        for shape in ((16, channels, 32, 32), (channels, channels, 3, 3))
    )
    flop = 2 * 9 * channels**2 * 16 * 32**2
    with torch.no_grad():
        return flop / _quickest(lambda: F.conv2d(x, kernel, padding=1), device, clock, seconds) / 1e9


def _quickest(run: Callable[[], object], device: torch.device, clock: Callable[[], float], seconds: float) -> float:
    """Call `run` again and again for this many seconds. Return the shortest duration of a call, in seconds of this
    clock.
    """
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = clock()
        run()
        synchronize(device)
        best = min(best, clock() - started)
    return best


def spread(values: list[float]) -> dict[str, Any]:
    """Return the median and the quartiles of the values."""
    low, middle, high = statistics.quantiles(values if len(values) > 1 else values * 2, n=4)
    return {"median": middle, "quartiles": [low, high]}


def times(values: list[float], digits: int = 2) -> str:
    """Return the median and the quartiles of the values as text."""
    return quartiles(spread(values), digits)


def quartiles(found: dict[str, Any], digits: int = 2) -> str:
    """Return a result of `spread` as text: the median, and the quartiles if these digits distinguish them from it."""
    median, *around = (f"{value:.{digits}f}" for value in (found["median"], *found["quartiles"]))
    return median if {*around} == {median} else f"{median} ({' to '.join(around)})"


def markdown(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table, one for each row that arrives. The keys of the first row become
    the header.
    """
    for number, row in enumerate(rows):
        if not number:
            yield f"| {' | '.join(row)} |"
            yield f"|{' --- |' * len(row)}"
        yield f"| {' | '.join(str(value) for value in row.values())} |"


def table(rows: Iterable[Row]) -> list[Row]:
    """Print a Markdown table row by row, and return the rows. Every benchmark prints its results by this function,
    because `benchmarks all` copies the printed tables.
    """
    found: list[Row] = []

    def noted() -> Iterator[Row]:
        """Yield the rows and collect them in `found`."""
        for row in rows:
            found.append(row)
            yield row

    print()
    for line in markdown(noted()):
        print(line, flush=True)
    print()
    return found


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def peak_resident() -> int:
    """Return the most memory that this process has used, in bytes."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
    except OSError:
        import resource  # only for macOS: on Linux, ru_maxrss also covers the parent process before the fork

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
