"""The shared parts of all command lines, and the longer commands of `python -m ddpm_core`."""

import io
import sys

from ddpm_core.errors import first_line


def one_line(error: Exception) -> str:
    """Return an error's text as one line for the user."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return first_line(error)


def allow_any_text() -> None:
    """Let standard output show "?" for characters that its encoding lacks. Some terminals can't show ε, for example."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
