"""The parts of the command line `python -m ddpm_core` that several commands share, and the longer commands."""

import io
import sys


def allow_any_text() -> None:
    """Let standard output show "?" for what its encoding does not have: not every terminal has an ε."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
