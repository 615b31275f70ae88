"""What the page runs on, in a few words for its visitors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ui import zero


def space(environment: Mapping[str, str] = os.environ) -> str:
    """The hardware of a Space: "Space with 2 CPU cores and 16 GB", "Space on ZeroGPU"; "" elsewhere."""
    if "SPACE_ID" not in environment:
        return ""
    if zero.is_here():
        return "Space on ZeroGPU"
    memory = _memory()
    size = f" and {memory / 1e9:.0f} GB" if memory else ""
    return f"Space with {_cores()} CPU cores{size}"


def _cores() -> int:
    """Those that this process may use: a container may have fewer than its machine."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no container, or one without a limit
        return allowed


def _memory() -> int | None:
    """Bytes that this process may use."""
    found = []
    try:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError, AttributeError):
        pass
    return min(found) if found else None
