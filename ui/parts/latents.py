"""How much a noisy picture still knows: noised up to t and decoded again (Fig. 7), or two mixed (Figs. 8, 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

import ddpm_core
from ddpm_core import imaging
from ddpm_core.commands import defaults
from ddpm_core.latents import check_chains, mix
from ddpm_core.model import Model, ModelSpec
from ddpm_core.names import Sampler
from ddpm_core.timesteps import chain_length, quarters
from ui.forms.fields import ANY, Choice, Picture, Request, Seed, Whole, Wholes, declare
from ui.machine.step_times import StepKind
from ui.parts.part import Part
from ui.parts.picture_rows import Rows, RowsPlan, spread
from ui.pictures import as_text
from ui.pictures.encoded import sent
from ui.runs.jobs import Job
from ui.runs.plans import by_kind
from ui.runs.settings import CHECKPOINT, ETA, IF_CLASSES, LABEL, SAMPLER, STEPS, VARIANCE, if_has

if TYPE_CHECKING:
    from ddpm_core.latents import Latent

Mode = Literal["reconstruct", "interpolate"]
SAMPLERS: tuple[Sampler, ...] = ("ddpm", "ddim", "consistency")  # the last one is of students
SAMPLES = 4  # every so many steps of a sample's way are shown
IF_TWO = [{"mode": "interpolate"}]
TITLES = {"reconstruct": "Reconstruct", "interpolate": "Interpolate"}


@dataclass(frozen=True)
class Latents(Request):
    """Rows of pictures, one for each time t. reconstruct: one latent x_t, decoded with several seeds. interpolate: two
    latents mixed, from the first one to the second one.

    seed, seed_b: encode the first and the second picture. count: columns. times: of the rows, empty for quarters of T.
    picture, picture_b: as `as_text.to_text` writes them, "" for the sample of the seed.
    """

    mode: Mode = declare(
        Choice("mode", "What to do", names=("reconstruct", "interpolate"), titles=TITLES), "reconstruct"
    )
    checkpoint: str = declare(CHECKPOINT, defaults.CHECKPOINT)
    picture: str = declare(Picture("picture"), "")
    seed: int = declare(
        Seed("The seed", help="Of the first picture and its noise; the rows have the next ones"), defaults.SEED
    )
    picture_b: str = declare(Picture("picture"), "", IF_TWO)
    seed_b: int = declare(
        Seed("The second seed", help="Of the second picture, and of its noise"), defaults.SEED + 1, IF_TWO
    )
    times: tuple[int, ...] = declare(
        Wholes(
            "Times",
            "Times t",
            "A row for each: at T only noise is left, at 0 the picture",
            follows="times",
            placeholder="1000, 750, 500, 250",
            example="750, 500, 250",
            may_be_empty=True,
        ),
        (),
    )
    label: str = declare(LABEL, ANY, IF_CLASSES)
    count: int = declare(Whole("The number of columns", "Columns", more=True, low=2, high=16), 8)
    steps: int = declare(replace(STEPS, more=True), 50)
    sampler: str = declare(replace(SAMPLER, help="", names=SAMPLERS), "ddpm")
    variance: str = declare(replace(VARIANCE, more=True), "beta_tilde", if_has("variance", SAMPLERS))
    eta: float = declare(ETA, 0.0, if_has("eta", SAMPLERS))

    @property
    def sources(self) -> tuple[tuple[int, str], ...]:
        """(seed, picture) of the first picture, and of the second where there is one."""
        both = ((self.seed, self.picture), (self.seed_b, self.picture_b))
        return both if self.mode == "interpolate" else both[:1]

    @property
    def seeds(self) -> range:
        """Of the chains' noise: not the sample's own, whose chain would lead back to it from any t."""
        return range(self.seed + 1, self.seed + 1 + self.count)

    @property
    def weights(self) -> list[float]:
        """λ of each column of an interpolation."""
        return np.linspace(0, 1, self.count).tolist()


@dataclass(frozen=True)
class LatentsPlan(RowsPlan):
    """times: of the rows."""

    times: tuple[int, ...]


class LatentsRun(Rows):
    """Its results, by "kind": "plan" once; "source", a picture on its way or final; "latent" of each row; "step" of a
    row; "row", when one is done.
    """

    def plan(self, models: Sequence[ModelSpec]) -> LatentsPlan:
        (model,), request = models, self.request
        _, options = self.options(model, "this part of the page", *(picture for _, picture in request.sources))
        T, times = model.schedule.T, request.times or tuple(quarters(model))
        if max(times) > T:
            raise ValueError(f"Times go from 0 to {T} for this checkpoint, got {max(times)}")
        check_chains(model, times, **options)
        drawn = sum(not picture for _, picture in request.sources)
        steps = by_kind(
            (StepKind(request.checkpoint, 1), drawn * request.steps),
            (StepKind(request.checkpoint, request.count), sum(chain_length(model, t, request.steps) for t in times)),
        )
        return LatentsPlan(request, steps, model, options, times)

    def compute(self, plan: LatentsPlan, models: Sequence[Model], work: Job) -> None:
        (lent,), request, times = models, self.request, plan.times
        model = self.counted(lent, work)
        work.give({"kind": "plan"})
        sources = [self._source(plan, model, i, work) for i in range(len(request.sources))]
        latents = []
        for row, t in enumerate(times):
            x_t = [
                ddpm_core.encode(model, source, t, [seed])
                for source, (seed, _) in zip(sources, request.sources, strict=True)
            ]
            latents.append(x_t)
            work.give({"kind": "latent", "row": row, "x": [sent(imaging.to_uint8(one)) for one in x_t]})
        for row, t in enumerate(times):
            self._row(plan, model, row, t, latents[row], work)

    def _source(self, plan: LatentsPlan, model: Model, i: int, work: Job) -> np.ndarray:
        """The i-th picture, uint8 (1, H, W, C)."""
        seed, text = self.request.sources[i]
        if text:
            picture = as_text.from_text(text, model)
            work.give({"kind": "source", "i": i, "x": sent(picture), "final": True})
            return picture
        x = None
        for step in ddpm_core.trajectory(model, [seed], **plan.options):
            final = step.s == 0
            x = imaging.to_uint8(step.x)
            if final or step.index % SAMPLES == 0:
                shown = x if final else imaging.to_uint8(step.x0_hat)
                work.give({"kind": "source", "i": i, "x": sent(shown), "final": final})
        assert x is not None
        return x

    def _row(self, plan: LatentsPlan, model: Model, row: int, t: int, x_t: list[Latent], work: Job) -> None:
        request, columns = self.request, self.request.count
        if request.mode == "interpolate":
            start, seeds = mix(x_t[0], x_t[1], request.weights), [request.seeds[0]] * columns
        else:
            start, seeds = x_t[0].expand(columns, -1, -1, -1), list(request.seeds)
        n = chain_length(model, t, request.steps)
        if n:
            options: dict[str, Any] = plan.options | {"steps": n}
            steps = ddpm_core.trajectory(model, seeds, x_T=start, start=t, **options)
            self.follow(model, row, steps, n, len(plan.times), work)
        else:
            work.recording.rows[row] = x = imaging.to_uint8(start)
            work.give({"kind": "step", "row": row, "k": 0, "s": 0, "x0": sent(x)})
        work.give({"kind": "row", "row": row, "spread": spread(work.recording.rows[row])})


class LatentsPart(Part):
    forms: ClassVar = {"latents": Latents}
    computation = LatentsRun
