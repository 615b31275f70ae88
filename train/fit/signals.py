"""Ctrl-C and SIGTERM as requests to stop after the current step."""

from __future__ import annotations

import signal
import threading


class StopSignals:
    """A context that records the first SIGINT or SIGTERM in `received`. A second signal ends the process as usual.

    Python delivers signals to the main thread only. In another thread, only `stop` has an effect.
    """

    received: int | None = None

    def __enter__(self) -> StopSignals:
        """Replace the handlers of SIGINT and SIGTERM."""
        is_main = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGINT, signal.SIGTERM) if is_main else ()
        self._before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def stop(self) -> None:
        """Request a stop without a signal. It counts as Ctrl-C."""
        self.received = signal.SIGINT

    def _note(self, number: int, _frame: object) -> None:
        """Record a signal, and restore the usual handler for the next signal."""
        self.received = number
        signal.signal(number, self._before[signal.Signals(number)])
