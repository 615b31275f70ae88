"""Download models without computing anything: the page can plan a run only with the facts from a model's files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ddpm_core.model import Model, ModelSpec
from ui.models.services import Services
from ui.parts.part import Part
from ui.runs.asked import Asked, Checkpoint
from ui.runs.jobs import Job
from ui.runs.plans import Computation, Plan


class Models(Asked):
    """A request: one or two checkpoints to download."""

    refs: Annotated[list[Annotated[str, Field(min_length=1, max_length=300)]], Field(min_length=1, max_length=2)]


class Fetching(Computation[Models, Plan]):
    """Downloads and loads models. It has no results."""

    def __init__(self, services: Services, request: Models):
        super().__init__(services, request, [Checkpoint(checkpoint=ref) for ref in request.refs], 0)

    def plan(self, models: Sequence[ModelSpec]) -> Plan:
        """Return a plan without steps."""
        return Plan(self.request, {})

    def compute(self, plan: Plan, models: Sequence[Model], work: Job) -> None:
        """Do nothing: the models are already loaded."""
        pass


class FetchingPart(Part):
    """The part that downloads models."""

    names = ("fetch",)
    asked = Models
    computation = Fetching
