"""Settings that must be made before gradio is imported. This module makes them; `unparsed` goes around that import."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from ui.machine import temporary_files, zero_gpu

# Without this gradio sends usage statistics, already when it is imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# gradio sums up its last 10,000 events after each one, for an address that is closed here (/monitoring).
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(1 << 62))
if "SPACE_ID" in os.environ:
    # A Space is reached through proxies of its own network only, and these say for whom they ask.
    os.environ.setdefault("FORWARDED_ALLOW_IPS", "127.0.0.1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16")
folder = temporary_files.use_private_folder()
# gradio imports matplotlib, where it is installed, for each event that it begins: that takes a fifth of a second once,
# but with these it looks for no screen and no fonts, and writes nothing below the home folder.
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))
zero_gpu.prepare()


def _file(thing: type, getfile: Callable[[type], str] = inspect.getfile) -> str:
    """Return the file of a class, as `inspect.getfile` does, but pretend that gradio's classes have none."""
    if isinstance(thing, type) and thing.__module__.startswith("gradio."):
        raise OSError("no file")
    return getfile(thing)


@contextmanager
def unparsed() -> Iterator[None]:
    """Import gradio in this block.

    When gradio is imported, it parses the source of each of its components and writes a stub for editors. That takes
    half of the time (1.2 of 2.7 s: https://github.com/gradio-app/gradio/issues/7791). It leaves out classes without a
    file.
    """
    with mock.patch("inspect.getfile", _file):
        yield
