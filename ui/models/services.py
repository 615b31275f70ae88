"""What the parts share. `ui.build` makes it once and hands it down."""

from __future__ import annotations

from dataclasses import dataclass

from ui.machine.event_log import EventLog
from ui.machine.limits import ServerLimits
from ui.machine.step_times import StepTimes
from ui.machine.turns import Turns
from ui.models.loaded import Models


@dataclass(frozen=True)
class Services:
    """first: the checkpoint that a new page begins with."""

    models: Models
    turns: Turns
    limits: ServerLimits
    step_times: StepTimes
    events: EventLog
    first: str

    @property
    def public(self) -> bool:
        """Whether strangers use the page."""
        return self.models.public
