"""What the places share. `ui.build` makes it once and hands it down."""

from __future__ import annotations

from dataclasses import dataclass

from ui.counts import Counts
from ui.limits import ServerLimits
from ui.models import Models
from ui.pace import Pace
from ui.turns import Quick, Turns


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
