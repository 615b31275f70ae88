"""What a page asks a server to compute: lanes, with the arguments of `ddpm_core.trajectory` and every choice made.

The page has planned the run. But anybody may send a request, so the types of its numbers and texts are checked here.
The library refuses what a model can't do, before anything is computed.
"""

from __future__ import annotations

import logging
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ddpm_core.model import ModelSpec
from ddpm_core.runs import Chain, Condition, make_chain
from ddpm_core.samplers import DEFAULTS

UNCLEAR = "This request could not be understood: load the page again"

log = logging.getLogger(__name__)

Words = Annotated[str, Field(max_length=300)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seeds = Annotated[list[Seed], Field(min_length=1, max_length=16)]
PictureText = Annotated[str, Field(max_length=400_000)]
"""A picture as `ui.pictures.as_text` writes it; "" means the picture that the model draws from a seed."""


class Asked(BaseModel):
    """The base of every part of a request. It takes no unknown names and converts no types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Checkpoint(Asked):
    checkpoint: Annotated[str, Field(min_length=1, max_length=300)]
    facts: str = ""
    """the stamp of the facts with which the page planned (`ui.models.facts`); "" if a script asks"""


class Sampled(Asked):
    """The base of requests with a sampler. The options of the sampler stand beside the fields, by their names."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, bool | float | Words | None]

    @model_validator(mode="after")
    def check_options(self) -> Self:
        if unknown := (self.model_extra or {}).keys() - DEFAULTS.keys():
            raise ValueError(f"no sampler has the options {sorted(unknown)}")
        return self


class LaneAsked(Checkpoint, Sampled):
    """One lane: a checkpoint, and the arguments of its chain."""

    steps: int
    sampler: str
    spacing: str | None = None
    labels: int | None = None
    guidance: float | None = None
    prompts: Words | None = None
    negative: Words | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `ddpm_core.trajectory`."""
        return self.model_dump(exclude={"checkpoint", "facts"}, exclude_none=True)

    def chain(self, model: ModelSpec, n: int) -> Chain:
        """Return the chain of n images. Raises ValueError, with one sentence, if the model can't do what is asked."""
        condition = Condition(self.labels, self.prompts, self.negative, self.guidance)
        options: dict[str, Any] = {"sampler": self.sampler, "spacing": self.spacing, **(self.model_extra or {})}
        return make_chain(model, self.steps, condition=condition, n=n, **options)


class RowsAsked(Asked):
    """The base of requests of Latents and Repair, whose chains end in rows of pictures."""

    lane: LaneAsked
    clip: bool | None = None


class PictureAsked(Asked):
    """The picture that a run begins with: the visitor's own, or the one that the model draws from a seed."""

    seed: Seed
    own: PictureText


def unclear(why: object) -> ValueError:
    """Return the error for a request that no page of ours sends. A visitor can't mend it, so only the log says why."""
    log.warning("a request can't be understood: %s", why)
    return ValueError(UNCLEAR)
