"""What is measured of the page without a server: `python -m benchmarks browser step`, `opening`, `runs`, `typing`."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """The command."""
    from benchmarks.browser import opening, runs, step, typing

    named = {"step": step, "opening": opening, "runs": runs, "typing": typing}
    if not arguments or arguments[0] not in named:
        sys.exit(f"usage: python -m benchmarks browser {' | '.join(named)} [options]")
    named[arguments[0]].main(list(arguments[1:]))
