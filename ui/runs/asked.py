"""Define the requests of a page to compute something: lanes (runs side by side) with complete arguments of
`ddpm_core.trajectory`.

The page has already planned the run. But anybody can send requests, so the types of all numbers and texts are checked
here. Before the computation begins, the library refuses requests that the model can't run.
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
# The page accepts prompts of 300 characters, then replaces each emoji by its name between two spaces.
Words = Annotated[str, Field(max_length=300 * (max(map(len, emoji.NAMES.values())) + 2))]
Whole = Annotated[int, Field(gt=-(2**63), lt=2**63)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seeds = Annotated[list[Seed], Field(min_length=1, max_length=16)]
PictureText = Annotated[str, Field(max_length=400_000)]
"""a picture as a text of `ui.pictures.as_text`; "" for the picture that the model samples from a seed"""


class Asked(BaseModel):
    """The base of all types in a request. It rejects unknown names and does not convert types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Checkpoint(Asked):
    """A request for a checkpoint."""

    checkpoint: Annotated[str, Field(min_length=1, max_length=300)]
    facts: Name = ""
    """the stamp of the facts with which the page planned the run (`ui.models.facts`); "" from scripts"""


class LaneAsked(Checkpoint):
    """One lane: a checkpoint and the arguments of its chain. Options of samplers are extra fields."""

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
        """Raise ValueError if an extra field is not an option of any sampler."""
        if unknown := (self.model_extra or {}).keys() - DEFAULTS.keys():
            raise ValueError(f"no sampler has the options {sorted(unknown)}")
        return self

    def arguments(self, own: OwnSamplers = MappingProxyType({})) -> Values:
        """Return the arguments of `ddpm_core.trajectory`. own: the samplers of the page's owner."""
        asked = self.model_dump(exclude={"checkpoint", "facts"}, exclude_none=True)
        return asked | {"sampler": own.get(self.sampler, self.sampler)}

    def chain(self, model: ModelSpec, n: int, own: OwnSamplers = MappingProxyType({})) -> Chain:
        """Return the chain for n images. own: the samplers of the page's owner. Raises ValueError, with one sentence,
        if the model can't run it.
        """
        condition = Condition(self.labels, self.prompts, self.negative, self.guidance)
        sampler = own.get(self.sampler, self.sampler)
        options: Values = {"sampler": sampler, "spacing": self.spacing, **(self.model_extra or {})}
        return make_chain(model, self.steps, condition=condition, n=n, **options)


class RowsAsked(Asked):
    """The base of requests for rows of pictures."""

    lane: LaneAsked
    clip: bool | None = None


class ColumnsAsked(RowsAsked):
    """The base of the requests of Latents and Repair, whose rows all use the same seeds."""

    seeds: Seeds
    """the seed of the noise in each column"""


class PictureAsked(Asked):
    """The picture with which a run begins: the visitor's own, or a sample of the model from a seed."""

    seed: Seed
    own: PictureText


def unclear(why: object) -> ValueError:
    """Log why a request is invalid, and return an error for the visitor. Our page never sends such requests, and a
    visitor can't fix them, so only the log contains the reason. The log gets one line about the first mistake, because
    a request may have thousands.
    """
    if isinstance(why, ValidationError):
        first = why.errors(include_url=False, include_context=False, include_input=False)[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    log.warning("a request can't be understood: %.300r", str(why))
    return ValueError(UNCLEAR)
