"""Define the three things that a part provides for a run: a plan, a computation, and a recording that can be saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ui.machine.step_times import StepKind, StepTimes
from ui.models.catalogue import log_name
from ui.models.facts import facts_of
from ui.runs.asked import Checkpoint
from ui.runs.log import Values

if TYPE_CHECKING:
    from ddpm_core.model import Model, ModelSpec
    from ui.models.services import Services


R = TypeVar("R")  # type of the request
P = TypeVar("P", bound="Plan")
K = TypeVar("K")  # type of the plan; None if the run keeps nothing


@dataclass(frozen=True)
class Plan:
    """A request with every choice made. steps: the number of steps of each kind that the run takes."""

    request: object
    steps: Mapping[StepKind, float]

    def rest(self, done: Mapping[StepKind, float]) -> dict[StepKind, float]:
        """Return the steps that are left, after those in `done`."""
        return {kind: max(0.0, n - done.get(kind, 0.0)) for kind, n in self.steps.items()}

    def left(self, step_times: StepTimes, done: Mapping[StepKind, float]) -> float | None:
        """Return the seconds of computing that are left; None if the time of a step is unknown."""
        seconds = {kind: step_times.seconds(kind) for kind in self.steps}
        if None in seconds.values():
            return None
        return sum((seconds[kind] or 0) * n for kind, n in self.rest(done).items())


class Recording(Generic[K]):
    """The data that a run keeps, from which the page makes files."""

    def __init__(self, plan: K):
        self.plan = plan

    @property
    def bytes(self) -> int:
        """The approximate memory that the data takes, in bytes."""
        return 0

    def forget(self) -> None:
        """Drop all data."""

    def kept(self) -> Values:
        """Return the data from which the page makes files: JSON with arrays. Raises ValueError before there
        is a plan.
        """
        raise ValueError("There is nothing to save yet: press Run")


class Computation(Generic[R, P]):
    """The computation of a part's request: how it is planned and computed. It is immutable.

    checkpoints: the checkpoints that it needs. images: approximate number of images that the network evaluates in one
    batch.
    """

    recording: ClassVar[type[Recording[Any]]] = Recording
    """class of the run's recording, `work.recording` in `compute`"""

    def __init__(self, services: Services, request: R, checkpoints: Iterable[Checkpoint], images: int):
        self.services, self.request, self.images = services, request, images
        self._facts = {asked.checkpoint: asked.facts for asked in checkpoints}
        self.refs = tuple(self._facts)
        """the checkpoints, each once"""

    def plan(self, models: Sequence[ModelSpec]) -> P:
        """Return the plan. models: one for each of refs, whose files are on this machine. Raises ValueError, with one
        sentence, if a model can't do what the request needs.
        """
        raise NotImplementedError

    def compute(self, plan: P, models: Sequence[Model], work: Any) -> None:
        """Compute the run. work: its `jobs.Job`, which receives results and counts steps. While a method of `work`
        runs, other runs may use the networks.
        """
        raise NotImplementedError

    def checked_plan(self, models: Sequence[ModelSpec]) -> P:
        """Return `plan`. Raises ValueError also if the page planned with outdated facts of a model, and Refused if the
        run costs too much.
        """
        for ref, stamp in self._facts.items():
            if stamp and (facts := self.services.models.read(ref, facts_of)) and facts.get("stamp") != stamp:
                raise ValueError(f"The files of {ref} have changed: press Run again")
        plan = self.plan(models)
        if plan.steps:
            steps, images = sum(plan.steps.values()), evaluations(plan.steps)
            flop_of = self.services.models.flop
            flop = sum(n * kind.batch * (flop_of(kind.ref) or 0.0) for kind, n in plan.steps.items())
            self.services.limits.check_run(steps, images / steps, flop / images)
        return plan

    def log(self, plan: P | None) -> Values:
        """Return data about the run for the server's log, without anything personal. plan: None if planning failed."""
        return {
            "checkpoint": log_name(self.refs[0]),
            "sampler": getattr((plan or self).request, "sampler", None),
            "steps": round(sum(plan.steps.values())) if plan else 0,
            "images": self.images,
        }


def by_kind(*steps: tuple[StepKind, float]) -> dict[StepKind, float]:
    """Return the total number of steps of each kind."""
    totals: dict[StepKind, float] = {}
    for kind, n in steps:
        if n:
            totals[kind] = totals.get(kind, 0) + n
    return totals


def evaluations(steps: Mapping[StepKind, float]) -> float:
    """Return how many evaluations of a single image these steps take."""
    return sum(n * kind.batch for kind, n in steps.items())
