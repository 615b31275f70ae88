"""What a part defines of a run: its plan, its computation, and its recording, which can be saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ui.machine.step_times import StepKind, StepTimes
from ui.models.catalogue import named
from ui.models.facts import facts_of
from ui.runs.asked import Checkpoint
from ui.runs.log import Values

if TYPE_CHECKING:
    from ddpm_core.model import Model, ModelSpec
    from ui.models.services import Services


R = TypeVar("R")  # the request
P = TypeVar("P", bound="Plan")
K = TypeVar("K")  # the plan of the recorded run; None if the run keeps nothing


@dataclass(frozen=True)
class Plan:
    """A request with every choice made. steps: how many steps of each kind the run takes."""

    request: object
    steps: Mapping[StepKind, float]

    def rest(self, done: Mapping[StepKind, float]) -> dict[StepKind, float]:
        """Return the steps that are left once some are done."""
        return {kind: max(0.0, n - done.get(kind, 0.0)) for kind, n in self.steps.items()}

    def left(self, step_times: StepTimes, done: Mapping[StepKind, float]) -> float | None:
        """Return the seconds of computing that are left; None if the time of a step is not known."""
        seconds = {kind: step_times.seconds(kind) for kind in self.steps}
        if None in seconds.values():
            return None
        return sum((seconds[kind] or 0) * n for kind, n in self.rest(done).items())


class Recording(Generic[K]):
    """What is kept of a run while it computes, and can be saved."""

    def __init__(self, plan: K):
        self.plan = plan

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        return 0

    def forget(self) -> None:
        """Keep nothing any more."""

    def kept(self) -> Values:
        """Return the numbers that files are made of: JSON with arrays. Raises ValueError before there is a plan."""
        raise ValueError("There is nothing to save yet: press Run")


class Computation(Generic[R, P]):
    """A request of a part, and how it is planned and computed. It never changes.

    checkpoints: those that it needs. images: about how many the network evaluates at once.
    """

    recording: ClassVar[type[Recording[Any]]] = Recording
    """the class of `work.recording` in `compute`"""

    def __init__(self, services: Services, request: R, checkpoints: Iterable[Checkpoint], images: int):
        self.services, self.request, self.images = services, request, images
        self._facts = {asked.checkpoint: asked.facts for asked in checkpoints}
        self.refs = tuple(self._facts)
        """the checkpoints, each once"""

    def plan(self, models: Sequence[ModelSpec]) -> P:
        """Return the plan. models: one for each of refs; their files are here. Raises ValueError, with one sentence, if
        a model can't do what is asked.
        """
        raise NotImplementedError

    def compute(self, plan: P, models: Sequence[Model], work: Any) -> None:
        """Compute the run. work: its `jobs.Job`, which gets the results and counts the steps. During a call of it, the
        models' networks may be lent to others.
        """
        raise NotImplementedError

    def checked_plan(self, models: Sequence[ModelSpec]) -> P:
        """Return `plan`. Also raises Refused if the run would cost too much, and ValueError if the page planned it with
        other facts than the models have now.
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
        """Return what the server's log says about the run, without anything personal. plan: None if planning failed."""
        return {
            "checkpoint": named(self.refs[0]),
            "sampler": getattr((plan or self).request, "sampler", None),
            "steps": round(sum(plan.steps.values())) if plan else 0,
            "images": self.images,
        }


def by_kind(*steps: tuple[StepKind, float]) -> dict[StepKind, float]:
    """Add up the numbers of steps for each kind."""
    totals: dict[StepKind, float] = {}
    for kind, n in steps:
        if n:
            totals[kind] = totals.get(kind, 0) + n
    return totals


def evaluations(steps: Mapping[StepKind, float]) -> float:
    """Return how many times the network evaluates a single image."""
    return sum(n * kind.batch for kind, n in steps.items())
