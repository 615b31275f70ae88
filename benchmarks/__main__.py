"""python -m benchmarks NAME [options]: runs the benchmark of that name; --help after it shows its options."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module

import benchmarks


def main() -> None:
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name[0] != "_")
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        sys.exit(f"usage: python -m benchmarks {' | '.join(names)} [options]")
    import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])


if __name__ == "__main__":
    main()
