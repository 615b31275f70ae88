"""What the Plane tab does when something happens in the page. Nothing here needs a browser.

`asked` is what the page sends, which anybody can do: everything in it is checked.
"""

from __future__ import annotations

import time
from functools import cache

from ui.runs import formats
from ui.runs.models import Models
from ui.runs.pace import PACE
from ui.tabs.latents.tasks import Asked, Tasks
from ui.tabs.plane.job import REF, Exact, Networks, PlaneJob, data, evaluations
from ui.tabs.plane.wanted import Wanted, python

GUESSED = 20  # steps


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
            model = Exact(wanted, self._models.limits).get(REF)
        except ValueError as error:
            return {"error": str(error)}
        return {
            "estimate": formats.estimate(self._seconds(wanted), "CPU"),
            "python": python(wanted, model),
            "data": data(wanted.mixture()),
            "lanes": [wanted.name(lane, model) for lane in wanted.lanes],
        }

    def _seconds(self, wanted: Wanted) -> float:
        """How long a run will take."""
        guess_paces()
        parts = [(PACE.of(f"{REF}-{lane.denoiser}", wanted.count), lane.steps) for lane in wanted.lanes]
        if wanted.trains and self.networks.get(wanted.network) is None:
            parts.append((PACE.of(f"{REF}-training", 1), wanted.training))
        return sum((pace or 0) * steps for pace, steps in parts)


@cache
def guess_paces() -> None:
    """Time a few steps of everything, so that the first visitor, too, is told how long a run takes."""
    from ddpm_core import plane, plane_network

    mixture = plane.shape("ring")
    reports = plane_network.training(mixture, steps=GUESSED, every=GUESSED // 2)
    for _ in range(2):
        next(reports)  # the first half is slower, as torch prepares itself
    began = time.perf_counter()
    trained = next(reports).model
    PACE.note(f"{REF}-training", 1, (time.perf_counter() - began) / (GUESSED // 2), guess=True)
    for denoiser, model in (("exact", plane.exact_model(mixture)), ("trained", trained)):
        for _ in range(2):
            began = time.perf_counter()
            list(plane.cloud(model, 0, 1000, steps=GUESSED // 2))
        PACE.note(f"{REF}-{denoiser}", 1000, (time.perf_counter() - began) / (GUESSED // 2), guess=True)
