"""What the places share. `ui.build` makes it once and hands it down."""

from __future__ import annotations

from dataclasses import dataclass

from ui.machine.event_log import Counts
from ui.machine.limits import ServerLimits
from ui.machine.step_times import Pace
from ui.machine.turns import Quick, Turns
from ui.models.loaded import Models


@dataclass(frozen=True)
class Lab:
    """first: the checkpoint that a new page begins with. trains: whether visitors may train."""

    models: Models
    turns: Turns
    quick: Quick
    limits: ServerLimits
    pace: Pace
    counts: Counts
    first: str
    trains: bool

    @property
    def public(self) -> bool:
        """Whether strangers use the page."""
        return self.models.public
