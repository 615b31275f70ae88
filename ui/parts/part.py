"""The base of all parts of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ValidationError

from ui.models.services import Services
from ui.protocol import Asked
from ui.runs.asked import unclear
from ui.runs.log import Values
from ui.runs.plans import Computation


class Part:
    """One or more parts of the page: what they compute, and which quick questions the page can ask. Nothing here needs
    a browser.

    Anybody may send what a page sends, so a part checks everything.
    """

    names: ClassVar[tuple[str, ...]]
    """the names of the parts"""
    asked: ClassVar[type[BaseModel] | None] = None
    """the request of a run, None if the part computes nothing"""
    computation: Callable[[Services, Any], Computation]
    """makes the computation of such a request"""

    def __init__(self, services: Services):
        self.services = services
        self.questions: dict[str, Callable[[Asked], object]] = {}
        """quick questions, by their names: see `ui.protocol`"""

    def request(self, values: Mapping[str, object]) -> Computation:
        """Return the computation that is asked for. Raises ValueError, with one sentence, if the request is unclear."""
        if self.asked is None:
            raise ValueError("Nothing is computed here")
        try:
            asked = self.asked.model_validate(values)
        except ValidationError as error:
            raise unclear(error) from None
        return self.computation(self.services, asked)

    def answer(self, questions: Mapping[str, object]) -> None:
        """Set the questions that this part answers: one of the tables of `ui.protocol`."""
        self.questions = cast("dict[str, Callable[[Asked], object]]", {**questions})

    def initial(self) -> Values:
        """Return what the page needs of this part from the beginning."""
        return {}
