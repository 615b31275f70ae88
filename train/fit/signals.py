"""Ctrl-C and SIGTERM as requests to stop after the current step."""

from __future__ import annotations

import signal


class StopSignals:
    """A context in which the first SIGINT or SIGTERM is noted in `received`; a second one ends the process as usual."""

    received: int | None = None

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: object) -> None:
        self.received = number
        signal.signal(number, self._before[signal.Signals(number)])
