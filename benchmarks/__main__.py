"""Run a benchmark: `python -m benchmarks NAME [options]`. --help after the name shows its options."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module

import benchmarks
from ddpm_core.commands.reading import find


def main() -> None:
    """Find the benchmark that the command line names, and run it."""
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name[0] != "_")
    run = find(names, sys.argv[1:], "python -m benchmarks")
    import_module(f"benchmarks.{run}").main(sys.argv[2:])


if __name__ == "__main__":
    main()
