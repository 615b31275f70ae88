"""Define the objects that all parts share. `ui.build` creates them once."""

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
"""the samplers of the page's owner, by their names in `app.py --sampler`"""


@dataclass(frozen=True)
class Services:
    """The shared objects. first: the checkpoint with which a new page begins. samplers: the samplers of the page's
    owner.
    """

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
