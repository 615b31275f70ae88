"""Measure the page without a server: `python -m benchmarks browser step`. Other benchmarks are opening,
runs and learn.
"""

from __future__ import annotations

from collections.abc import Sequence

from ddpm_core.commands.reading import find


def main(arguments: Sequence[str]) -> None:
    """Find the benchmark that the command line names, and run it."""
    from benchmarks.browser import learn, opening, runs, step

    named = {"step": step, "opening": opening, "runs": runs, "learn": learn}
    named[find(named, arguments, "python -m benchmarks browser")].main(list(arguments[1:]))
