"""Define the base class of all parts of the page."""

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
    """One or more parts of the page: their computations, and the quick questions that they answer. Nothing here depends
    on a browser.

    Anybody can send requests, so a part checks all values.
    """

    names: ClassVar[tuple[str, ...]]
    """the names of the parts"""
    asked: ClassVar[type[BaseModel] | None] = None
    """type of a request for a run; None if the part computes nothing"""
    computation: Callable[[Services, Any], Computation]
    """creates the computation for such a request"""

    def __init__(self, services: Services):
        self.services = services
        self.questions: dict[str, Callable[[Asked], object]] = {}
        """functions that answer the part's quick questions, by name: see `ui.protocol`"""

    def request(self, values: Mapping[str, object]) -> Computation:
        """Return the computation for a request. Raises ValueError, with one sentence, if the request is invalid."""
        if self.asked is None:
            raise ValueError("Nothing is computed here")
        try:
            asked = self.asked.model_validate(values)
        except ValidationError as error:
            raise unclear(error) from None
        return self.computation(self.services, asked)

    def set_answers(self, questions: Mapping[str, object]) -> None:
        """Set the functions that answer the part's questions. questions: these functions by name, in a type of
        `ui.protocol` such as `TrainQuestions`.
        """
        self.questions = cast("dict[str, Callable[[Asked], object]]", {**questions})

    def initial(self) -> Values:
        """Return the data that the page needs from this part when it opens."""
        return {}
