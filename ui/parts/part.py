"""What each part of the page has: its forms, what it computes, and what else its page can ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ui.forms.fields import Request
from ui.models.form_options import estimate
from ui.models.lab import Lab
from ui.runs.log import Values
from ui.runs.plans import Computation


class Part:
    """A part of the page: its forms, what it computes, and what else its page can ask. Nothing here needs a browser.

    Everything that a page sends may come from anybody: a part checks it.
    """

    forms: ClassVar[Mapping[str, type[Request]]] = {}  # of each part, by its name
    computation: ClassVar[Any] = None  # the class of what is computed, made of the lab and such a request

    def __init__(self, lab: Lab):
        self.lab = lab
        self.questions: dict[str, Callable[[Values], Values]] = {}  # quick questions, by their names

    def request(self, part: str, values: Values) -> Any:
        """The computation that is asked for. Raises ValueError, one sentence, for values outside their limits."""
        if self.computation is None:
            raise ValueError("Nothing is computed here")
        return self.computation(self.lab, self.forms[part].check(values))

    def describe(self, computation: Computation) -> Values:
        """What its settings mean: `form_options.estimate`, the summary where there is one, and for models whose files
        are here `Plan.about`. Raises ValueError and CheckpointError for what is wrong.
        """
        models = [model for ref in computation.refs if (model := self.lab.models.known(ref))]
        about: Values = {"summary": computation.summary} if computation.summary else {}
        seconds = None
        if len(models) == len(computation.refs):
            plan = computation.checked_plan(models)
            seconds, about = plan.left(self.lab.step_times, {}), about | plan.about()
        return estimate(self.lab, computation.refs, seconds) | about

    def initial(self) -> Values:
        """What its page needs from the beginning."""
        return {}
