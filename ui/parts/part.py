"""What each part of the page has: what it computes, and what else its page can ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ValidationError

from ui.forms.fields import Request
from ui.models.services import Services
from ui.protocol import Asked
from ui.runs.asked import unclear
from ui.runs.log import Values
from ui.runs.plans import Computation


class Part:
    """Parts of the page: what they compute, and what else their page can ask. Nothing here needs a browser.

    Everything that a page sends may come from anybody: a part checks it.
    """

    names: ClassVar[tuple[str, ...]]
    """of the parts of the page"""
    forms: ClassVar[Mapping[str, type[Request]]] = {}
    """forms that are checked here, too"""
    asked: ClassVar[type[BaseModel] | None] = None
    """the request of a run, None where nothing is computed"""
    computation: ClassVar[Callable[[Services, Any], Computation]]
    """what is computed of such a request"""

    def __init__(self, services: Services):
        self.services = services
        self.questions: dict[str, Callable[[Asked], object]] = {}
        """quick questions, by their names: see `ui.protocol`"""

    def request(self, values: Mapping[str, object]) -> Computation:
        """Return the computation that is asked for. Raises ValueError, one sentence, for what can't be understood."""
        if self.asked is None:
            raise ValueError("Nothing is computed here")
        try:
            asked = self.asked.model_validate(values)
        except ValidationError as error:
            raise unclear(error) from None
        return self.computed(asked)

    def computed(self, asked: Any) -> Computation:
        """Return the computation of a request."""
        return type(self).computation(self.services, asked)

    def answer(self, questions: Mapping[str, object]) -> None:
        """Answer these: one of the tables of `ui.protocol`."""
        self.questions = cast("dict[str, Callable[[Asked], object]]", {**questions})

    def initial(self) -> Values:
        """Return what its page needs from the beginning."""
        return {}
