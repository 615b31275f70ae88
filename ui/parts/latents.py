"""Show how much a noisy picture still determines: decode x_t several times (Fig. 7 of the DDPM paper), or interpolate
two latents (Figs. 8 and 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

import ddpm_core
from ddpm_core import imaging
from ddpm_core.latents import check_chains, mix
from ddpm_core.model import Model, ModelSpec
from ddpm_core.timesteps import chain_length
from ui.parts.part import Part
from ui.parts.picture_rows import Rows, RowsPlan, spread
from ui.pictures import as_text
from ui.pictures.encoded import encode_frames
from ui.runs.asked import ColumnsAsked, PictureAsked, Whole, unclear
from ui.runs.jobs import Job
from ui.runs.log import Values

if TYPE_CHECKING:
    from ddpm_core.latents import Latent

Time = Annotated[float, Field(ge=0, allow_inf_nan=False)]
SAMPLES = 4  # the page gets every fourth step while a picture is sampled


class Latents(ColumnsAsked):
    """A request for rows of pictures, one row for each time t: one latent x_t, decoded with several seeds, or two
    latents, interpolated.
    """

    sources: Annotated[list[PictureAsked], Field(min_length=1, max_length=2)]
    """the picture at which the run begins, or two pictures to interpolate; their seeds give the noise of
    their latents
    """
    times: Annotated[list[Whole | Time], Field(min_length=1, max_length=12)]
    """the time t of each row; fractional times are allowed"""
    weights: Annotated[list[float], Field(max_length=16)]
    """the weight λ of the second picture in each column; empty for one picture"""

    @property
    def mixes(self) -> bool:
        """Whether two pictures are interpolated."""
        return len(self.sources) > 1


class LatentsRun(Rows):
    """Computes the rows. Results, by "kind": first "plan"; "source", a picture at which rows begin, still noisy or
    final; "latent" for each row; "step" of a row; "row" when a row is finished.
    """

    def plan(self, models: Sequence[ModelSpec]) -> RowsPlan:
        """Return the plan of the rows. Raises ValueError if the model can't run them."""
        (model,), request = models, self.request
        options = self.options(model, "this part of the page", *(source.own for source in request.sources))
        if request.mixes and len(request.weights) != len(request.seeds):
            raise unclear("a weight for each column")
        check_chains(model, request.times, **options)
        drawn, steps = sum(not source.own for source in request.sources), request.lane.steps
        rows = sum(chain_length(model, t, steps) for t in request.times)
        return RowsPlan(request, self.cost(model, (1, drawn * steps), (self.images, rows)), model, options)

    def compute(self, plan: RowsPlan, models: Sequence[Model], work: Job) -> None:
        """Make the pictures at which the rows begin, their latents, and then the rows."""
        (lent,), request, times = models, self.request, self.request.times
        model = self.counted(lent, work)
        work.add_results({"kind": "plan"})
        sources = [self._source(plan, model, i, work) for i in range(len(request.sources))]
        latents = []
        for row, t in enumerate(times):
            x_t = [
                ddpm_core.encode(model, picture, t, [source.seed])
                for picture, source in zip(sources, request.sources, strict=True)
            ]
            latents.append(x_t)
            work.add_results(
                {"kind": "latent", "row": row, "x": [encode_frames(imaging.to_uint8(latent)) for latent in x_t]}
            )
        for row, t in enumerate(times):
            self._compute_row(plan, model, row, t, latents[row], work)

    def _source(self, plan: RowsPlan, model: Model, i: int, work: Job) -> np.ndarray:
        """Return the i-th picture at which the rows begin, uint8 (1, H, W, C), and send it to the page. It is the
        visitor's own picture, or a sample.
        """
        source = self.request.sources[i]
        if source.own:
            picture = as_text.from_text(source.own, model)
            work.add_results({"kind": "source", "i": i, "x": encode_frames(picture), "final": True})
            return picture
        x = None
        for step in ddpm_core.trajectory(model, [source.seed], **plan.options):
            final = step.s == 0
            x = imaging.to_uint8(step.x)
            if final or step.index % SAMPLES == 0:
                shown = x if final else imaging.to_uint8(step.x0_hat)
                work.add_results({"kind": "source", "i": i, "x": encode_frames(shown), "final": final})
        assert x is not None
        return x

    def _compute_row(self, plan: RowsPlan, model: Model, row: int, t: int, x_t: list[Latent], work: Job) -> None:
        """Compute the pictures of one row, and send its steps and its statistics to the page. The row begins at the
        latent of time t, or at interpolations of two latents.
        """
        request, seeds = self.request, self.request.seeds
        if request.mixes:
            start, seeds = mix(x_t[0], x_t[1], request.weights), seeds[:1] * len(seeds)
        else:
            start = x_t[0].expand(len(seeds), -1, -1, -1)
        n = chain_length(model, t, request.lane.steps)
        if n:
            options: Values = plan.options | {"steps": n}
            steps = ddpm_core.trajectory(model, seeds, x_T=start, start=t, **options)
            self.take_steps(model, row, steps, n, len(request.times), work)
        else:
            work.recording.rows[row] = x = imaging.to_uint8(start)
            work.add_results({"kind": "step", "row": row, "k": 0, "s": 0, "x0": encode_frames(x)})
        work.add_results({"kind": "row", "row": row, "spread": spread(work.recording.rows[row])})


class LatentsPart(Part):
    """The part Latents."""

    names = ("latents",)
    asked = Latents
    computation = LatentsRun
