"""The task of the Latents tab: samples where no picture was given, then one row after another."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

import ddpm_core
from ddpm_core import imaging
from ddpm_core.model import Model, ModelSpec
from ddpm_core.timesteps import chain_length
from ui.runs.frames import picture_uri
from ui.runs.pace import PACE
from ui.runs.plan import LOSSLESS, frame_format, kept_steps
from ui.runs.source import ModelSource
from ui.runs.task import Task
from ui.tabs.latents import pixels
from ui.tabs.latents.wanted import Wanted

if TYPE_CHECKING:
    from ddpm_core.latents import Latent


class LatentsJob(Task):
    """times: of the rows. rows: the final pictures of each row that is done, uint8 (columns, H, W, C), by its number.
    frames: the x̂_0 of each row and kept step, likewise.

    Its results, by "kind": "plan" once; "source", a picture on its way or final; "latent" of each row; "step" of a row;
    "row", when one is done.
    """

    def __init__(self, wanted: Wanted, models: ModelSource, visitor: Hashable = None):
        super().__init__(wanted.chain, models, visitor)
        self.wanted = wanted
        self.rows: dict[int, np.ndarray] = {}
        self.frames: dict[int, dict[int, np.ndarray]] = {}
        self.times: tuple[int, ...] = ()

    @property
    def together(self) -> int:
        return self.wanted.chain.count

    def check(self, model: ModelSpec) -> None:
        from ddpm_core.latents import check_chains  # here for the start time: see ui/__init__.py

        check_chains(model, self.wanted.rows(model), **self.wanted.options(model))
        for _, picture in self.wanted.sources:
            if picture:
                pixels.from_text(picture, model)

    def compute(self, model: Model) -> None:
        wanted, options = self.wanted, self.wanted.options(model)
        times = self.times = wanted.rows(model)
        self.expect(wanted.evaluations(model))
        self.give(
            kind="plan",
            mode=wanted.mode,
            times=times,
            T=model.schedule.T,
            columns=wanted.columns,
            steps=[chain_length(model, t, wanted.chain.steps) for t in times],
            size=model.image_size,
            pixelated=model.image_size <= LOSSLESS,
        )
        sources = [self._source(model, i, options) for i in range(len(wanted.sources))]
        latents = []
        for row, t in enumerate(times):
            x_t = [
                ddpm_core.encode(model, source, t, [seed])
                for source, (seed, _) in zip(sources, wanted.sources, strict=True)
            ]
            latents.append(x_t)
            self.give(kind="latent", row=row, x=[self._uri(imaging.to_uint8(one)) for one in x_t])
        for row, t in enumerate(times):
            self._row(model, row, t, latents[row], options)

    def _source(self, model: Model, i: int, options: dict[str, Any]) -> np.ndarray:
        """The i-th picture, uint8 (1, H, W, C)."""
        seed, text = self.wanted.sources[i]
        if text:
            picture = pixels.from_text(text, model)
            self.give(kind="source", i=i, x=self._uri(picture), final=True)
            return picture
        for step in ddpm_core.trajectory(model, [seed], **options):
            self.count(1)
            final = step.s == 0
            if final or step.index % 4 == 0:
                self.give(
                    kind="source", i=i, x=self._uri(imaging.to_uint8(step.x if final else step.x0_hat)), final=final
                )
        return imaging.to_uint8(step.x)

    def _row(self, model: Model, row: int, t: int, x_t: list[Latent], options: dict[str, Any]) -> None:
        from ddpm_core.latents import mix  # here for the start time: see ui/__init__.py

        wanted, columns = self.wanted, self.wanted.chain.count
        if wanted.mode == "interpolate":
            start = mix(x_t[0], x_t[1], wanted.weights)
            seeds = [wanted.chain.seed] * columns
        else:
            start, seeds = x_t[0].expand(columns, -1, -1, -1), list(wanted.chain.seeds)
        steps = chain_length(model, t, wanted.chain.steps)
        x = imaging.to_uint8(start)
        if steps:
            self.frames[row] = {}
            kept = kept_steps(steps, model.image_size, columns * len(wanted.rows(model)), model.channels)
            chain: dict[str, Any] = {**options, "steps": steps}
            began = time.perf_counter()
            for step in ddpm_core.trajectory(model, seeds, x_T=start, start=t, **chain):
                self.count(columns)
                x = imaging.to_uint8(step.x)
                if step.index in kept:
                    guess = imaging.to_uint8(step.x0_hat) if step.s else x
                    self.frames[row][step.index] = guess
                    self.give(kind="step", row=row, k=step.index, s=step.s, x0=self._uri(guess))
            PACE.note(self.settings.checkpoint, columns, (time.perf_counter() - began) / steps)
        else:
            self.give(kind="step", row=row, k=0, s=0, x0=self._uri(x))
        self.rows[row] = x
        self.give(kind="row", row=row, spread=spread(x))

    def _uri(self, images: np.ndarray) -> str:
        return picture_uri(images, frame_format(images.shape[1], images.shape[-1]))


def spread(images: np.ndarray) -> float:
    """The standard deviation of uint8 (N, H, W, C) pictures from their mean, in grey levels, over all pixels."""
    return float(np.sqrt(images.astype(float).var(0).mean()))
