"""Compute a square of pictures that blends four prompts, all from the same noise. Coarse cells come first, then finer
cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field

import ddpm_core
from ddpm_core.model import Model, ModelSpec, word_reader
from ddpm_core.prediction import word_square
from ui.machine.step_times import StepKind
from ui.models.services import Services
from ui.parts.part import Part
from ui.parts.picture_rows import Rows, RowsPlan, encode_frames
from ui.runs.asked import RowsAsked, Seed, Words, unclear
from ui.runs.jobs import Job
from ui.runs.plans import Computation, by_kind

SIDE = 7  # pictures along one side of the square


class Between(RowsAsked):
    """A request: the prompts of the four corners, and the seed of the noise that all pictures share."""

    corners: Annotated[list[Words], Field(min_length=4, max_length=4)]
    seed: Seed


def stages() -> list[list[int]]:
    """Return lists of cells in the order in which they are computed: the corners, the cells half-way between them, then
    the rest row by row.
    """
    halves = [[SIDE * row + column for row in at for column in at] for at in ((0, SIDE - 1), (0, SIDE // 2, SIDE - 1))]
    rows = [list(range(SIDE * row, SIDE * row + SIDE)) for row in range(SIDE)]
    all: list[list[int]] = []
    for stage in (*halves, *rows):
        before = {cell for earlier in all for cell in earlier}
        all.append([cell for cell in stage if cell not in before])
    return all


@dataclass(frozen=True)
class BetweenPlan(RowsPlan):
    """The plan of a square. evaluations: evaluations of the network for each picture and step."""

    request: Between
    evaluations: int

    def kind(self, cells: Sequence[int]) -> StepKind:
        """Return the kind of the steps that compute these cells in one batch."""
        return StepKind(self.request.lane.checkpoint, len(cells) * self.evaluations)


class BetweenRun(Rows):
    """Computes the square. Results, by "kind": first "plan", with the prompts' words that did not occur in the
    training; then "cells", pictures with their places in the square.
    """

    def __init__(self, services: Services, request: Between):
        Computation.__init__(self, services, request, [request.lane], SIDE)

    def plan(self, models: Sequence[ModelSpec]) -> BetweenPlan:
        """Return the plan of the square. Raises ValueError if the model takes no prompts."""
        (model,), lane = models, self.request.lane
        if not model.takes_words:
            raise unclear("a model without words")
        chain = lane.chain(model, SIDE, self.services.samplers)
        options = {name: value for name, value in lane.arguments(self.services.samplers).items() if name != "prompts"}
        plan = BetweenPlan(self.request, {}, model, options | {"clip": self.request.clip}, chain.evaluations or 1)
        return replace(plan, steps=by_kind(*((plan.kind(cells), lane.steps) for cells in stages())))

    def compute(self, plan: BetweenPlan, models: Sequence[Model], work: Job) -> None:
        """Sample the cells stage by stage, and send each stage to the page."""
        (model,), request = models, self.request
        text, square = word_reader(model), word_square(request.corners, SIDE)
        new = dict.fromkeys(word for corner in request.corners for word in text.unknown(corner))
        work.add_results({"kind": "plan", "unknown": list(new)})
        done = {}
        for cells in stages():
            prompts, last = [square[cell] for cell in cells], None
            for step in ddpm_core.trajectory(model, [request.seed] * len(cells), prompts=prompts, **plan.options):
                work.count(plan.kind(cells))
                last = step
            assert last is not None  # a chain has at least one step
            pictures = model.pictures(last.x)
            done |= dict(zip(cells, pictures, strict=True))
            work.add_results({"kind": "cells", "cells": cells, "x": encode_frames(pictures)})
        for row in range(SIDE):
            work.recording.rows[row] = np.stack([done[SIDE * row + column] for column in range(SIDE)])


class BetweenPart(Part):
    """The part Between."""

    names = ("between",)
    asked = Between
    computation = BetweenRun
