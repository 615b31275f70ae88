"""The services that all parts share. `ui.build` makes them once and hands them down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ddpm_core.samplers import AnySampler
from ui.machine.event_log import EventLog
from ui.machine.limits import ServerLimits
from ui.machine.step_times import StepTimes
from ui.machine.turns import Turns
from ui.models.loaded import Models

OwnSamplers = Mapping[str, AnySampler]
"""the samplers of the page's owner, by the names that `app.py --sampler` got"""


@dataclass(frozen=True)
class Services:
    """first: the checkpoint that a new page begins with. samplers: those of the page's owner."""

    models: Models
    turns: Turns
    limits: ServerLimits
    step_times: StepTimes
    events: EventLog
    first: str
    samplers: OwnSamplers = field(default_factory=dict)

    @property
    def public(self) -> bool:
        """Whether strangers use the page."""
        return self.models.public
