"""Between words: a square of pictures between four texts, all from one noise; coarse first, then ever finer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

import ddpm_core
from ddpm_core.model import Model, ModelSpec
from ddpm_core.names import Sampler
from ddpm_core.prediction import word_square
from ui.forms.emoji import in_words
from ui.forms.fields import Prompt, Request, Seed, declare
from ui.machine.step_times import StepKind
from ui.models.catalogue import EMBEDDED
from ui.parts.part import Part
from ui.parts.picture_rows import Rows, RowsPlan, sent
from ui.runs.jobs import Job
from ui.runs.plans import by_kind
from ui.runs.settings import CHECKPOINT, GUIDANCE, SAMPLER, STEPS

SIDE = 7  # pictures
CORNERS = ("top left", "top right", "bottom left", "bottom right")


def _corner(where: str) -> Prompt:
    return Prompt(f"The words {where}", where.capitalize(), placeholder="a red apple")


@dataclass(frozen=True)
class Between(Request):
    """The text at each corner, and what all chains share."""

    checkpoint: str = declare(replace(CHECKPOINT, help="One that takes words"), "emoji-tiny")
    a: str = declare(_corner(CORNERS[0]), "red apple")
    b: str = declare(_corner(CORNERS[1]), "green frog")
    c: str = declare(_corner(CORNERS[2]), "yellow sun")
    d: str = declare(_corner(CORNERS[3]), "blue whale")
    seed: int = declare(Seed("The seed", help="The same seed gives the same noise"), 1)
    steps: int = declare(replace(STEPS, more=True, presets=()), 20)
    sampler: Sampler = declare(SAMPLER, "ddim")
    guidance: float | None = declare(GUIDANCE, None)

    count = SIDE  # columns

    @property
    def corners(self) -> list[str]:
        """In words, as an embedded model has them."""
        texts = [self.a, self.b, self.c, self.d]
        return [in_words(text) for text in texts] if self.checkpoint in EMBEDDED else texts


def stages() -> list[list[int]]:
    """The cells in the order in which they are computed: corners, what lies half-way between them, then each row."""
    halves = [[SIDE * row + column for row in at for column in at] for at in ((0, SIDE - 1), (0, SIDE // 2, SIDE - 1))]
    rows = [list(range(SIDE * row, SIDE * row + SIDE)) for row in range(SIDE)]
    found: list[list[int]] = []
    for stage in (*halves, *rows):
        before = {cell for one in found for cell in one}
        found.append([cell for cell in stage if cell not in before])
    return found


@dataclass(frozen=True)
class BetweenPlan(RowsPlan):
    request: Between

    def kind(self, cells: Sequence[int]) -> StepKind:
        """Of the steps of so many cells at once."""
        return StepKind(self.request.checkpoint, len(cells) * (1 if self.options["guidance"] is None else 2))


class BetweenRun(Rows):
    """Its results, by "kind": "plan" once, with the words that are new to the model; then "cells", pictures beside each
    other with their places in the square.
    """

    def plan(self, models: Sequence[ModelSpec]) -> BetweenPlan:
        (model,), request = models, self.request
        if not model.takes_words:
            raise ValueError("Between words needs a model that takes words, such as emoji-tiny")
        chain = replace(self.chain, prompt=request.a, count=1).resolved(model)
        options = {key: value for key, value in chain.arguments(model).items() if key not in ("seeds", "prompts")}
        plan = BetweenPlan(request, {}, model, options)
        return replace(plan, steps=by_kind(*((plan.kind(cells), chain.steps) for cells in stages())))

    def compute(self, plan: BetweenPlan, models: Sequence[Model], work: Job) -> None:
        (model,), request = models, self.request
        assert model.text is not None
        square = word_square(request.corners, SIDE)
        new = dict.fromkeys(word for corner in request.corners for word in model.text.unknown(corner))
        work.give({"kind": "plan", "unknown": list(new)})
        done = {}
        for cells in stages():
            prompts, last = [square[cell] for cell in cells], None
            for step in ddpm_core.trajectory(model, [request.seed] * len(cells), prompts=prompts, **plan.options):
                work.count(plan.kind(cells))
                last = step
            assert last is not None  # there is at least one
            pictures = model.pictures(last.x)
            done |= dict(zip(cells, pictures, strict=True))
            work.give({"kind": "cells", "cells": cells, "x": sent(pictures)})
        for row in range(SIDE):
            work.recording.rows[row] = np.stack([done[SIDE * row + column] for column in range(SIDE)])


class BetweenPart(Part):
    forms: ClassVar = {"between": Between}
    computation = BetweenRun
