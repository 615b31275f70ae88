"""What the Plane tab does when something happens in the page. Nothing here needs a browser.

`asked` is what the page sends, which anybody can do: everything in it is checked.
"""

from __future__ import annotations

from ui.runs import formats
from ui.runs.models import Models
from ui.runs.pace import PACE
from ui.tabs.latents.tasks import Asked, Tasks
from ui.tabs.plane.job import REF, Networks, PlaneJob, data, evaluations
from ui.tabs.plane.wanted import Wanted, python


class Handlers:
    def __init__(self, models: Models):
        self.networks = Networks()
        self.tasks = Tasks(self._task, REF)
        self._models = models

    def _task(self, asked: Asked, page: str | None) -> PlaneJob:
        return PlaneJob(Wanted.check(asked), self._models.limits, self.networks, page)

    def describe_run(self, asked: Asked) -> Asked:
        """What the settings mean: {estimate, python, data, lanes}, or {error}."""
        try:
            wanted = Wanted.check(asked)
            needed = evaluations(wanted, self.networks.get(wanted.network) is not None)
            PlaneJob(wanted, self._models.limits, self.networks).expect(needed)
        except ValueError as error:
            return {"error": str(error)}
        return {
            "estimate": formats.estimate(self._seconds(wanted), "CPU"),
            "python": python(wanted),
            "data": data(wanted.mixture()),
            "lanes": [lane.name for lane in wanted.lanes],
        }

    def _seconds(self, wanted: Wanted) -> float | None:
        """How long a run will take, None where nothing like it was measured."""
        parts = [(PACE.of(f"{REF}-{lane.denoiser}", wanted.count), lane.steps) for lane in wanted.lanes]
        if wanted.trains and self.networks.get(wanted.network) is None:
            parts.append((PACE.of(f"{REF}-training", 1), wanted.training))
        seconds = 0.0
        for pace, steps in parts:
            if pace is None:
                return None
            seconds += pace * steps
        return seconds
