"""`python -m train.fit.flags.attended FLAGS`: `train fit` for a program that starts it, such as the page.

The run has the lowest priority, unless ATTENDED_FIRST is set. When its standard input ends, the run saves and stops as
after Ctrl-C. The input ends when the program closes it or exits. This works the same on Linux, macOS and Windows,
although their signals differ.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from train.__main__ import main

GRACE = 60.0  # seconds within which the run must save and stop


def _stop_at_the_end_of_input() -> None:
    """Wait until the standard input ends, then stop the run. After GRACE seconds, end the process."""
    while os.read(0, 4096):  # not sys.stdin, whose lock no thread may hold when Python exits
        pass
    _thread.interrupt_main()
    time.sleep(GRACE)
    os._exit(1)


def _lower_the_priority() -> None:
    """Lower the priority of this process. On Windows, the program that starts the run does this."""
    if not hasattr(os, "nice"):
        return
    os.nice(19)
    # A Linux desktop first shares the processor among sessions, whatever the priorities inside them. A run that the app
    # has started is a separate session, so the session needs a low priority, too.
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text("19")


def fit(flags: list[str]) -> int:
    """Run `train fit` until it is done or the standard input ends, and return the exit status."""
    threading.Thread(target=_stop_at_the_end_of_input, daemon=True).start()
    return main(["fit", *flags])


if __name__ == "__main__":
    if "ATTENDED_FIRST" not in os.environ:
        _lower_the_priority()
    sys.exit(fit(sys.argv[1:]))
