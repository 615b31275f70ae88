"""What a part says of a run: its plan, how that is computed, and what can be saved of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from ui.machine.step_times import StepKind, StepTimes
from ui.models.catalogue import named, short_name
from ui.models.facts import facts_of
from ui.protocol import Result
from ui.runs.asked import Checkpoint
from ui.runs.log import Values

if TYPE_CHECKING:
    from ddpm_core.model import Model, ModelSpec
    from ui.models.services import Services


R = TypeVar("R")  # what is asked for
P = TypeVar("P", bound="Plan")
K = TypeVar("K")  # the plan of what is kept; None of a run that keeps nothing


@dataclass(frozen=True)
class Plan:
    """A request with nothing left open: what runs. steps: how many it takes of each kind."""

    request: Any
    steps: Mapping[StepKind, float]

    def rest(self, done: Mapping[StepKind, float]) -> dict[StepKind, float]:
        """The steps that are left after so many, by their kinds."""
        return {kind: max(0.0, n - done.get(kind, 0.0)) for kind, n in self.steps.items()}

    def left(self, step_times: StepTimes, done: Mapping[StepKind, float]) -> float | None:
        """Seconds of computing after so many steps; None where that is not known."""
        seconds = {kind: step_times.seconds(kind) for kind in self.steps}
        if None in seconds.values():
            return None
        return sum((seconds[kind] or 0) * n for kind, n in self.rest(done).items())


class Recording(Generic[K]):
    """What can be saved of a run, and is kept while it computes. weights: of which files its models are."""

    def __init__(self, plan: K):
        self.plan = plan
        self.weights: Sequence[object] = ()

    @property
    def bytes(self) -> int:
        """Of memory, about."""
        return 0

    def forget(self) -> None:
        """Keep nothing."""

    def kept(self) -> Values:
        """Return what its files are made of: JSON that may have arrays. Raises ValueError before there is a plan."""
        raise ValueError("There is nothing to save yet: press Run")


class Shown(Protocol):
    """A result that scripts get as it is, and the page in another form."""

    def shown(self) -> Result:
        """Return it as the page gets it."""
        ...


class Computation(Generic[R, P]):
    """A request of a part, and how it is planned and computed. It never changes.

    checkpoints: those that it needs. images: how many are evaluated at once, about.
    """

    recording: ClassVar[type[Recording[Any]]] = Recording
    """the class of what `compute` finds in `work`"""

    def __init__(self, services: Services, request: R, checkpoints: Iterable[Checkpoint], images: int):
        self.services, self.request, self.images = services, request, images
        self._facts = {one.checkpoint: one.facts for one in checkpoints}
        self.refs = tuple(self._facts)
        """the checkpoints, each once"""

    def plan(self, models: Sequence[ModelSpec]) -> P:
        """Its `Plan` for these models, one for each of refs, whose files are here. Raises ValueError, one sentence, for
        what they can't do.
        """
        raise NotImplementedError

    def compute(self, plan: P, models: Sequence[Model], work: Any) -> None:
        """Compute. work: its `jobs.Job`, to be called meanwhile; between two calls the models' networks may be lent to
        others.
        """
        raise NotImplementedError

    def shown(self, result: object) -> object:
        """A result as the page gets it."""
        return result

    def checked_plan(self, models: Sequence[ModelSpec]) -> P:
        """Return `plan`. Raises Refused, too, for what would cost too much, and ValueError for what was planned with
        other facts than the models have now.
        """
        for ref, stamp in self._facts.items():
            if stamp and (facts := self.services.models.read(ref, facts_of)) and facts.get("stamp") != stamp:
                raise ValueError(f"The files of {short_name(ref)} have changed: press Run again")
        plan = self.plan(models)
        if plan.steps:
            steps, images = sum(plan.steps.values()), evaluations(plan.steps)
            flop = sum(n * kind.batch * self.flop(kind.ref) for kind, n in plan.steps.items())
            self.services.limits.check_run(steps, images / steps, flop / images)
        return plan

    def flop(self, ref: str) -> float:
        """Of one evaluation for one image, 0 where it is not known."""
        return self.services.models.flop(ref) or 0.0

    def log(self, plan: P | None) -> Values:
        """What a line of the log says of it, nothing personal. plan: None where there is none."""
        return {
            "checkpoint": named(self.refs[0]) if self.refs else None,
            "sampler": getattr((plan or self).request, "sampler", None),
            "steps": round(sum(plan.steps.values())) if plan else 0,
            "images": self.images,
        }


def by_kind(*steps: tuple[StepKind, float]) -> dict[StepKind, float]:
    """So many steps of each kind, those of one kind together."""
    found: dict[StepKind, float] = {}
    for kind, n in steps:
        if n:
            found[kind] = found.get(kind, 0) + n
    return found


def evaluations(steps: Mapping[StepKind, float]) -> float:
    """Of the network on single images."""
    return sum(n * kind.batch for kind, n in steps.items())
