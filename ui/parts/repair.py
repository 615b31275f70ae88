"""What the model knows: a picture of which only a part is left, and several ways to complete it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

import ddpm_core
from ddpm_core import imaging, restore
from ddpm_core.commands import defaults
from ddpm_core.model import Model, ModelSpec
from ddpm_core.runs import make_chain
from ui.forms.fields import ANY, Choice, Picture, Request, Seed, Whole, declare
from ui.machine.step_times import StepKind
from ui.parts.part import Part
from ui.parts.picture_rows import GRADIENT, Rows, RowsPlan, spread
from ui.pictures import as_text
from ui.pictures.encoded import encoded, sent
from ui.runs.jobs import Job
from ui.runs.plans import by_kind
from ui.runs.settings import CHECKPOINT, IF_CLASSES, LABEL, SAMPLER, STEPS

if TYPE_CHECKING:
    from ddpm_core.model import Tensor
    from ddpm_core.restore import Measurement

GRID = 32  # cells a side that the brush hides, whatever the model's size
SHRUNK = 4  # times
BLUR = 2  # pixels of standard deviation
TASKS = {"mask": "Erased", "downsample": "Small", "grey": "No colour", "blur": "Blurred"}
METHODS = {"ddnm": "DDNM", "replacement": "Replacement", "repaint": "RePaint", "pigdm": "ΠGDM", "dps": "DPS"}
MEANINGS = {
    "ddnm": "Corrects each guess so that it fits what is left: quick",
    "replacement": "Puts what is left, noised to each step's level, into that step: the rest may not fit it",
    "repaint": "Replacement that repeats each part of the chain ten times, so that the rest fits: ten times as long",
    "pigdm": "Follows the gradient of how well each guess fits: slow on a CPU",
    "dps": "Like ΠGDM, with a simpler rule that fits less closely: slow on a CPU",
}
IF_MASK = [{"task": "mask"}]
GRADIENTS = ("pigdm", "dps")
METHOD = Choice("method", names=tuple(METHODS), titles=METHODS, sentences=MEANINGS)


@dataclass(frozen=True)
class Hidden(Picture):
    """What is erased: GRID × GRID cells, row by row, a bit each, base64url; "" for nothing."""

    def check(self, value: object) -> bytes:
        try:
            cells = base64.b64decode(str(value or ""), b"-_", validate=True)
        except (binascii.Error, ValueError):
            cells = b"?"
        if len(cells) not in (0, GRID**2 // 8):
            raise ValueError("The erased area can't be read. Paint it again.")
        return cells

    def write(self, value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode()

    def form(self) -> dict[str, object]:
        return super().form() | {"kind": "picture", "holds": "cells"}  # a link has it after the #, as it is long


@dataclass(frozen=True)
class Repair(Request):
    """A picture, and `count` completions of what is left of it.

    picture: as `as_text.to_text` writes it, "" for the sample of the seed. The completions have the seeds behind it.
    """

    checkpoint: str = declare(CHECKPOINT, defaults.CHECKPOINT)
    picture: str = declare(Picture("picture"), "")
    seed: int = declare(Seed("The seed", help="Of the sample, and of the completions' noise"), defaults.SEED)
    task: str = declare(Choice("task", "What is left", names=tuple(TASKS), titles=TASKS), "mask")
    hidden: bytes = declare(Hidden("mask"), np.packbits(np.arange(GRID) >= GRID // 2).tobytes() * GRID, IF_MASK)
    method: str = declare(METHOD, "ddnm")
    method_b: str = declare(
        Choice("second method", "Beside it", names=("none", *METHODS), titles={"none": "nothing"} | METHODS), "none"
    )
    label: str = declare(LABEL, ANY, IF_CLASSES)
    count: int = declare(Whole("The number of completions", "Completions", more=True, low=2, high=16), 8)
    steps: int = declare(replace(STEPS, more=True), 50)
    sampler: str = declare(SAMPLER, "ddpm")

    @property
    def methods(self) -> list[str]:
        return [method for method in (self.method, self.method_b) if method != "none"]

    @property
    def seeds(self) -> range:
        return range(self.seed + 1, self.seed + 1 + self.count)

    def known(self, size: int) -> np.ndarray:
        """Which pixels are left, bool (size, size). Raises ValueError where all or none are."""
        known = as_text.uncovered(self.hidden or bytes(GRID**2 // 8), GRID, size)
        if known.all() or not known.any():
            raise ValueError("Paint over a part of the picture, but not over all of it")
        return known

    def measurement(self, model: ModelSpec) -> Measurement:
        """Raises ValueError for a task that the model's pictures are not for."""
        size, channels = model.image_size, model.channels
        if self.task == "grey" and channels < 3:
            raise ValueError("The pictures of this model have no colour: choose another task")
        if self.task == "downsample" and size % SHRUNK:
            raise ValueError(f"The pictures of this model can't be made {SHRUNK} times smaller: choose another task")
        if self.task == "mask":
            return restore.mask(self.known(size))
        if self.task == "grey":
            return restore.grey(channels=channels)
        if self.task == "downsample":
            return restore.downsample(SHRUNK)
        return restore.blur(restore.gaussian_kernel(BLUR, size), size)


class RepairRun(Rows):
    """Its results, by "kind": "plan" once; "source", the picture and then what is left; "step" of a row, which is a
    method; "map" and "row", when one is done."""

    shows_x = True

    def plan(self, models: Sequence[ModelSpec]) -> RowsPlan:
        (model,), request = models, self.request
        chain, options = self.options(model, "restoration", request.picture)
        steps = make_chain(model, **chain.sampling)
        task = restore.Task(request.measurement(model), ..., steps, model.clip)  # pyright: ignore[reportArgumentType]
        evaluations = 0  # of each completion, as many plain ones as take the same time
        for name in request.methods:
            method = restore.METHODS[name]
            method.check(task)
            evaluations += request.steps * (GRADIENT if name in GRADIENTS else getattr(method, "rounds", 1))
        cost = by_kind(
            (StepKind(request.checkpoint, 1), 0 if request.picture else request.steps),
            (StepKind(request.checkpoint, request.count), evaluations),
        )
        return RowsPlan(request, cost, model, options)

    def compute(self, plan: RowsPlan, models: Sequence[Model], work: Job) -> None:
        (lent,), request = models, self.request
        model = self.counted(lent, work)
        work.give({"kind": "plan"})
        if request.picture:
            picture = as_text.from_text(request.picture, model)
        else:
            picture = ddpm_core.sample(model, [request.seed], **plan.options)
        work.give({"kind": "source", "i": 0, "x": sent(picture), "final": True})
        measurement = request.measurement(model)
        y = measurement(ddpm_core.from_uint8(picture))
        work.give({"kind": "source", "i": 1, "x": sent(_whole(imaging.to_uint8(y), model)), "final": True})
        for row, method in enumerate(request.methods):
            self._row(plan, model, row, method, y, measurement, work)

    def _row(
        self,
        plan: RowsPlan,
        model: Model,
        row: int,
        method: restore.Method,
        y: Tensor,
        measurement: Measurement,
        work: Job,
    ) -> None:
        request = self.request
        steps = restore.restore(model, y, measurement, method, request.seeds, **plan.options)
        last = self.follow(model, row, steps, request.steps, len(request.methods), work)
        images = work.recording.rows[row]
        differ = (2 * images.astype(float).std(0).mean(-1)).clip(0, 255).astype(np.uint8)
        work.give({"kind": "map", "row": row, "x": [encoded(differ[None, ..., None], "png")]})
        gap = 127.5 * (measurement(last.x) - y).square().mean().sqrt().item()
        work.give({"kind": "row", "row": row, "spread": spread(images), "gap": gap})


def _whole(y: np.ndarray, model: ModelSpec) -> np.ndarray:
    """What is left, uint8 (1, h, w, c), with the size and the channels of the model's pictures."""
    factor = model.image_size // y.shape[1]
    large = y.repeat(factor, 1).repeat(factor, 2)
    return np.broadcast_to(large, (*large.shape[:3], model.channels))


class RepairPart(Part):
    forms: ClassVar = {"repair": Repair}
    computation = RepairRun
