"""What each part of the page has: its forms, what it computes, and what else its page can ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, cast

from ui.forms.fields import Request
from ui.models.services import Services
from ui.protocol import Asked, Download, RunCost
from ui.runs.log import Values
from ui.runs.plans import Computation


class Part:
    """A part of the page: its forms, what it computes, and what else its page can ask. Nothing here needs a browser.

    Everything that a page sends may come from anybody: a part checks it.
    """

    forms: ClassVar[Mapping[str, type[Request]]] = {}  # of each part, by its name
    # The class of what is computed, made of the services and such a request.
    computation: ClassVar[Callable[..., Computation] | None] = None

    def __init__(self, services: Services):
        self.services = services
        self.questions: dict[str, Callable[[Asked], object]] = {}  # quick questions, by their names: see `ui.protocol`

    def request(self, part: str, values: Mapping[str, object]) -> Computation:
        """The computation that is asked for. Raises ValueError, one sentence, for values outside their limits."""
        if self.computation is None:
            raise ValueError("Nothing is computed here")
        return self.computation(self.services, self.forms[part].check(values))

    def cost(self, computation: Computation) -> RunCost:
        """Return how long a run takes. Raises ValueError and CheckpointError for what is wrong."""
        services, refs = self.services, computation.refs
        models = [model for ref in refs if (model := services.models.known(ref))]
        seconds = None
        if len(models) == len(refs):
            seconds = computation.checked_plan(models).left(services.step_times, {})
        missing: list[Download] = [
            {"ref": ref, "bytes": size} for ref in refs if (size := services.models.to_download(ref))
        ]
        return {
            "seconds": seconds,
            "missing": missing,
            "device": services.models.kind,
            "busy": services.public and len(services.turns) > 0,
        }

    def answer(self, questions: Mapping[str, object]) -> None:
        """Answer these: one of the tables of `ui.protocol`."""
        self.questions = cast("dict[str, Callable[[Asked], object]]", {**questions})

    def initial(self) -> Values:
        """What its page needs from the beginning."""
        return {}
