"""Change settings that gradio reads when it is imported. Importing this module changes them; `unparsed` makes gradio's
import faster.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from ui.machine import temporary_files, zero_gpu

# Without this variable, gradio sends usage statistics even when it is imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Without these variables, gradio summarizes its last 10,000 events after each event, for an address that the gate
# closes (/monitoring).
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(1 << 62))
if "SPACE_ID" in os.environ:
    # Only proxies of Hugging Face's network can reach a Space, and they pass on the visitor's address.
    os.environ.setdefault("FORWARDED_ALLOW_IPS", "127.0.0.1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16")
folder = temporary_files.use_private_folder()
# If matplotlib is installed, gradio imports it for each event, which takes 0.2 s once. With these variables, matplotlib
# looks for no screen and no fonts, and writes nothing into the home folder.
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))
zero_gpu.prepare()


def _file(thing: type, getfile: Callable[[type], str] = inspect.getfile) -> str:
    """Return the file of a class like `inspect.getfile`, but raise OSError for gradio's classes."""
    if isinstance(thing, type) and thing.__module__.startswith("gradio."):
        raise OSError("no file")
    return getfile(thing)


@contextmanager
def unparsed() -> Iterator[None]:
    """Import gradio inside this block to make the import faster.

    gradio parses the source of each of its components when it is imported, to write a stub for editors. That takes 1.2
    of 2.7 s (https://github.com/gradio-app/gradio/issues/7791). gradio skips classes without a file, so this block
    hides the files.
    """
    with mock.patch("inspect.getfile", _file):
        yield
