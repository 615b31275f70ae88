"""What a page asks a server to compute: lanes, with the arguments of `ddpm_core.trajectory` and every choice made.

The page has planned the run. But anybody may send a request, so the types of its numbers and texts are checked here.
The library refuses what a model can't do, before anything is computed.
"""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ddpm_core.model import ModelSpec
from ddpm_core.runs import Chain, Condition, make_chain
from ddpm_core.samplers import DEFAULTS
from ui.forms import emoji
from ui.models.services import OwnSamplers
from ui.runs.log import Values

UNCLEAR = "This request could not be understood: load the page again"

log = logging.getLogger(__name__)

Name = Annotated[str, Field(max_length=100)]
# The page takes prompts of 300 characters, then puts a name between two spaces in the place of each emoji.
Words = Annotated[str, Field(max_length=300 * (max(map(len, emoji.NAMES.values())) + 2))]
Whole = Annotated[int, Field(gt=-(2**63), lt=2**63)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seeds = Annotated[list[Seed], Field(min_length=1, max_length=16)]
PictureText = Annotated[str, Field(max_length=400_000)]
"""A picture as `ui.pictures.as_text` writes it; "" means the picture that the model draws from a seed."""


class Asked(BaseModel):
    """The base of every part of a request. It takes no unknown names and converts no types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Checkpoint(Asked):
    checkpoint: Annotated[str, Field(min_length=1, max_length=300)]
    facts: Name = ""
    """the stamp of the facts with which the page planned (`ui.models.facts`); "" if a script asks"""


class LaneAsked(Checkpoint):
    """One lane: a checkpoint, and the arguments of its chain, with the options of the sampler by their names."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, bool | float | Name | None]
    steps: Whole
    sampler: Name
    spacing: Name | None = None
    labels: Whole | None = None
    guidance: float | None = None
    prompts: Words | None = None
    negative: Words | None = None

    @model_validator(mode="after")
    def check_options(self) -> Self:
        if unknown := (self.model_extra or {}).keys() - DEFAULTS.keys():
            raise ValueError(f"no sampler has the options {sorted(unknown)}")
        return self

    def arguments(self, own: OwnSamplers = MappingProxyType({})) -> Values:
        """Return the arguments of `ddpm_core.trajectory`."""
        asked = self.model_dump(exclude={"checkpoint", "facts"}, exclude_none=True)
        return asked | {"sampler": own.get(self.sampler, self.sampler)}

    def chain(self, model: ModelSpec, n: int, own: OwnSamplers = MappingProxyType({})) -> Chain:
        """Return the chain of n images. Raises ValueError, with one sentence, if the model can't do what is asked."""
        condition = Condition(self.labels, self.prompts, self.negative, self.guidance)
        sampler = own.get(self.sampler, self.sampler)
        options: Values = {"sampler": sampler, "spacing": self.spacing, **(self.model_extra or {})}
        return make_chain(model, self.steps, condition=condition, n=n, **options)


class RowsAsked(Asked):
    """The base of requests whose chains end in rows of pictures."""

    lane: LaneAsked
    clip: bool | None = None


class ColumnsAsked(RowsAsked):
    """The base of requests of Latents and Repair, which begin each row with the same seeds."""

    seeds: Seeds
    """the seed of the noise of each column"""


class PictureAsked(Asked):
    """The picture that a run begins with: the visitor's own, or the one that the model draws from a seed."""

    seed: Seed
    own: PictureText


def unclear(why: object) -> ValueError:
    """Return the error for a request that no page of ours sends. A visitor can't mend it, so only the log says why: one
    line about the first thing that is wrong, because a request may have thousands of them.
    """
    if isinstance(why, ValidationError):
        first = why.errors(include_url=False, include_context=False, include_input=False)[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    log.warning("a request can't be understood: %.300r", str(why))
    return ValueError(UNCLEAR)
