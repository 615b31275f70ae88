"""Restore pictures: only a part of a picture is known, and several methods complete it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

import ddpm_core
from ddpm_core import imaging, restore
from ddpm_core.model import Model, ModelSpec
from ui.parts.part import Part
from ui.parts.picture_rows import GRADIENT, Rows, RowsPlan, spread
from ui.pictures import as_text
from ui.pictures.encoded import encode_frames, encode_sprite
from ui.runs.asked import ColumnsAsked, PictureAsked, unclear
from ui.runs.jobs import Job

if TYPE_CHECKING:
    from ddpm_core.model import Tensor
    from ddpm_core.restore import Measurement

GRID = 32  # cells along one side of the grid in which the brush erases, for all models
SHRUNK = 4  # factor by which "downsample" shrinks pictures
BLUR = 2  # standard deviation of "blur", in pixels
GRADIENTS = ("pigdm", "dps")
Method = Literal["ddnm", "replacement", "repaint", "pigdm", "dps"]


class Repair(ColumnsAsked):
    """A request: the picture, the task that measures it, and the methods that restore it. Each method gets a row."""

    source: PictureAsked
    task: Literal["mask", "downsample", "grey", "blur"]
    hidden: Annotated[str, Field(max_length=2 * GRID**2 // 8)]
    """for "mask": one bit for each of GRID × GRID cells, row by row, 1 if the cell is erased; as base64url"""
    methods: Annotated[list[Method], Field(min_length=1, max_length=2)]

    def known(self, size: int) -> np.ndarray:
        """Return the mask of known pixels, bool (size, size). Raises ValueError if all or none are erased."""
        try:
            cells = base64.b64decode(self.hidden, b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise unclear(error) from None
        if len(cells) != GRID**2 // 8:
            raise unclear("cells of another number")
        known = as_text.uncovered(cells, GRID, size)
        if known.all() or not known.any():
            raise unclear("all or nothing is erased")
        return known

    def measurement(self, model: ModelSpec) -> Measurement:
        """Return the function that measures a picture, such as a mask or a blur. Raises ValueError if it is impossible
        for the model's pictures.
        """
        size, channels = model.image_size, model.channels
        if self.task == "mask":
            return restore.mask(self.known(size))
        if self.task == "grey":
            if channels < 3:
                raise unclear("pictures without colour")
            return restore.grey(channels=channels)
        if self.task == "blur":
            return restore.blur(restore.gaussian_kernel(BLUR, size), size)
        if size % SHRUNK:
            raise unclear("pictures that can't be shrunk")
        return restore.downsample(SHRUNK)


class RepairRun(Rows):
    """Computes the restorations. Results, by "kind": first "plan"; "source", the picture, and then its measurement;
    "step" of a row, one row per method; "map" and "row" when a row is finished.
    """

    shows_x = True

    def plan(self, models: Sequence[ModelSpec]) -> RowsPlan:
        """Return the plan of the restorations. Raises ValueError if a method can't be used for this measurement and
        model.
        """
        (model,), request = models, self.request
        options, steps = self.options(model, "restoration", request.source.own), request.lane.steps
        chain = request.lane.chain(model, self.images, self.services.samplers)
        task = restore.Task(request.measurement(model), ..., chain, model.clip)  # pyright: ignore[reportArgumentType]
        evaluations = 0  # cost of one restoration, in plain evaluations
        for name in request.methods:
            method = restore.METHODS[name]
            method.check(task)
            evaluations += steps * (GRADIENT if name in GRADIENTS else getattr(method, "rounds", 1))
        alone = 0 if request.source.own else steps
        return RowsPlan(request, self.cost(model, (1, alone), (self.images, evaluations)), model, options)

    def compute(self, plan: RowsPlan, models: Sequence[Model], work: Job) -> None:
        """Make the picture, measure it, and restore it with each method."""
        (lent,), request = models, self.request
        model = self.counted(lent, work)
        work.add_results({"kind": "plan"})
        if request.source.own:
            picture = as_text.from_text(request.source.own, model)
        else:
            picture = ddpm_core.sample(model, [request.source.seed], **plan.options)
        work.add_results({"kind": "source", "i": 0, "x": encode_frames(picture), "final": True})
        measurement = request.measurement(model)
        y = measurement(ddpm_core.from_uint8(picture))
        work.add_results(
            {"kind": "source", "i": 1, "x": encode_frames(_whole(imaging.to_uint8(y), model)), "final": True}
        )
        for row, method in enumerate(request.methods):
            self._restore(plan, model, row, method, y, measurement, work)

    def _restore(
        self,
        plan: RowsPlan,
        model: Model,
        row: int,
        method: Method,
        y: Tensor,
        measurement: Measurement,
        work: Job,
    ) -> None:
        """Restore the picture with one method, and send the steps, the map of differences and the statistics to the
        page.
        """
        request = self.request
        steps = restore.restore(model, y, measurement, method, request.seeds, **plan.options)
        last = self.take_steps(model, row, steps, request.lane.steps, len(request.methods), work)
        images = work.recording.rows[row]
        differ = (2 * images.astype(float).std(0).mean(-1)).clip(0, 255).astype(np.uint8)
        work.add_results({"kind": "map", "row": row, "x": [encode_sprite(differ[None, ..., None], "png")]})
        gap = 127.5 * (measurement(last.x) - y).square().mean().sqrt().item()
        work.add_results({"kind": "row", "row": row, "spread": spread(images), "gap": gap})


def _whole(y: np.ndarray, model: ModelSpec) -> np.ndarray:
    """Return a measurement, uint8 (1, h, w, c), enlarged to the size and channels of the model's pictures."""
    factor = model.image_size // y.shape[1]
    large = y.repeat(factor, 1).repeat(factor, 2)
    return np.broadcast_to(large, (*large.shape[:3], model.channels))


class RepairPart(Part):
    """The part Repair."""

    names = ("repair",)
    asked = Repair
    computation = RepairRun
