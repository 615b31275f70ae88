"""Jobs that compute something else than one run of the sampler: their updates carry results, dicts for the page."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from typing import Any

from ddpm_core.model import Model, ModelSpec
from ui.runs.frames import RunView
from ui.runs.job import Job
from ui.runs.lent import LentNetwork
from ui.runs.line import Place
from ui.runs.models import revision
from ui.runs.pace import PACE
from ui.runs.settings import Settings
from ui.runs.source import ModelSource


class Task(Job):
    """A job whose `compute` makes the results. It waits, loads its model, takes turns, stops and fails as every job."""

    def __init__(self, settings: Settings, models: ModelSource, visitor: Hashable = None):
        super().__init__([settings], models, visitor)
        self._expected = 0  # evaluations of the network, of single images
        self._began = 0.0  # moved on by the time in which others compute
        self._network: LentNetwork | None = None

    @property
    def together(self) -> int:
        """How many images are evaluated at once, about."""
        return 1

    def check(self, model: ModelSpec) -> None:
        """ValueError, before anything is computed, for what the task can't do with this model."""
        self.settings.arguments(model)

    def compute(self, model: Model) -> None:
        """To be written by each kind of task. It calls `expect`, `count` and `give`."""
        raise NotImplementedError

    def expect(self, evaluations: int) -> None:
        """So many evaluations of single images are to be made in all. Raises Refused for too many."""
        self._models.limits.check_run(evaluations, 1, self._models.flop(self.settings.checkpoint) or 0)
        self._expected = evaluations

    def count(self, evaluations: int) -> None:
        """So many have been made since the last call. Others may have their turn now.

        Raises Stopped when the task was asked to stop.
        """
        with self._news:
            self._done[0] += evaluations
        self._note_work()
        assert self._place is not None and self._network is not None
        before = time.perf_counter()
        self._between_steps(self._place, [self._network])
        self._began += time.perf_counter() - before

    def give(self, **result: Any) -> None:
        """Send a result to the page, with the next update."""
        with self._news:
            self._steps.append(result)  # pyright: ignore[reportArgumentType]
            self._news.notify_all()

    def _check_models(self, models: Sequence[ModelSpec]) -> None:
        (model,) = models
        self.check(model)

    @property
    def _total(self) -> int:
        return max(self._expected, 1)

    def _seconds_left(self, done: Sequence[int]) -> float | None:
        (made,) = done
        if made < self._expected / 20:  # the first ones also prepare memory and kernels
            pace = PACE.of(self.settings.checkpoint, self.together)
            return pace and pace / self.together * (self._expected - made)
        return (self._expected - made) * (time.perf_counter() - self._began) / made if made else None

    def _frames(self, kept: Any) -> Any:
        return kept

    def _sample(
        self, models: list[Model], lanes: list[dict[str, Any]], place: Place, networks: Sequence[LentNetwork]
    ) -> None:
        (model,), (self._network,) = models, networks
        self.check(model)
        self.about = [{"revision": revision(model), "engine": getattr(model.network, "description", None)}]
        self._say("running")
        self._began = time.perf_counter()
        self.compute(model)


class TaskView(RunView):
    """A task as one page sees it: its results are the `frames` of the messages."""

    @property
    def id(self) -> str:
        return self._id

    @property
    def task(self) -> Task | None:
        """None when the settings were wrong."""
        return self._job if isinstance(self._job, Task) else None

    def _frame(self, frame: Any) -> dict[str, Any]:
        return frame
