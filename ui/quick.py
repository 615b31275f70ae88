"""Work of a second at most, which needs no network: one at a time, so that it is bounded in threads and in memory.

It has a line of its own: it does not wait for runs, nor they for it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from ui.limits import Refused
from ui.turns import Full, Turns

PLACES = 16  # that wait or compute, half of them of one visitor


class Quick:
    """Gives turns as `Turns` does: the next one is that of the visitor who has computed least."""

    def __init__(self) -> None:
        self._line = Turns(active=PLACES // 2, queue=PLACES - PLACES // 2)

    def __len__(self) -> int:
        """How many compute or wait."""
        return len(self._line)

    def stop(self) -> None:
        """As a member of its line: a second is waited for."""

    @contextmanager
    def turn(self, visitor: Hashable) -> Iterator[None]:
        """Wait for a turn. Raises Refused, at once, where too many wait. visitor: None for nobody that is known."""
        try:
            with self._line.join(self, visitor) as place:
                place.take()
                yield
        except Full:
            limits = f"at most {PLACES}, {PLACES // 2} of one visitor"
            raise Refused(f"Too many requests for this at once ({limits}): try again in a moment", "quick") from None
