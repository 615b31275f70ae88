"""The endpoints for gradio_client and scripts: what the page does, with the page's limits and defaults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio.to_thread
import gradio as gr
from gradio.data_classes import FileData

from ui.export.files import cached
from ui.runs.job import Job, Unheard, Update, in_thread
from ui.runs.listeners import Listener
from ui.runs.models import Checkpoints
from ui.runs.settings import Settings
from ui.tabs.denoise.controls import default_count
from ui.tabs.denoise.tab import NETWORK

D = Settings


def endpoints(demo: gr.Blocks, models: Checkpoints, checkpoint: str) -> None:
    """Add /sample and /trajectory. count=None is what the page starts with: 4 images, or 1 where 4 take over 5 s.

    clip=None is the checkpoint's own.
    """

    async def sample(
        checkpoint: str = checkpoint,
        sampler: str = D.sampler,
        steps: int = D.steps,
        spacing: str = D.spacing,
        variance: str = D.variance,
        eta: float = D.eta,
        clip: bool | None = None,
        seed: int = D.seed,
        count: int | None = None,
        label: str = D.label,
        guidance: float = D.guidance,
    ) -> list[dict]:
        """The final images of a run, a list of PNG files of the model's own resolution: image i has seed + i."""
        frame = None
        job = order(checkpoint, sampler, steps, spacing, variance, eta, clip, seed, count, label, guidance)
        async with aclosing(heard(job)) as updates:
            async for update in updates:
                if update.frames:
                    frame = update.frames[-1]
                yield []  # where a caller who has gone away is noticed
        yield await pictures(frame.x, "x_0", job)

    async def trajectory(
        checkpoint: str = checkpoint,
        sampler: str = D.sampler,
        steps: int = D.steps,
        spacing: str = D.spacing,
        variance: str = D.variance,
        eta: float = D.eta,
        clip: bool | None = None,
        seed: int = D.seed,
        count: int | None = None,
        label: str = D.label,
        guidance: float = D.guidance,
    ) -> dict:
        """Every kept step of a run as it is done: index (from 0), steps, t, s, alpha_bar (of t), sigma (of the noise
        added), and the pictures x_t (after the step, at time s) and x0_hat (as seen from t), a PNG file for each image.
        """
        plan = None
        job = order(checkpoint, sampler, steps, spacing, variance, eta, clip, seed, count, label, guidance)
        async with aclosing(heard(job)) as updates:
            async for update in updates:
                plan = plan or update.plan
                for frame in update.frames:
                    t, s, alpha_bar, _ = plan.lanes[0].steps[frame.k]
                    yield {
                        "index": frame.k,
                        "steps": len(plan.lanes[0].steps),
                        "t": t,
                        "s": s,
                        "alpha_bar": alpha_bar,
                        "sigma": frame.sigma,
                        "x_t": await pictures(frame.x, f"x_{s}", job),
                        "x0_hat": await pictures(frame.x0_hat, f"x0_hat_{t}", job),
                    }

    def order(checkpoint, sampler, steps, spacing, variance, eta, clip, seed, count, label, guidance) -> Job:
        count = default_count(str(checkpoint)) if count is None else count
        try:
            values = (checkpoint, sampler, steps, spacing, variance, eta, clip, seed, count, label, guidance)
            return Job([Settings.check(*values)], models)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from None

    async def heard(job: Job) -> AsyncIterator[Update]:
        """A run's updates while somebody listens to them."""
        try:
            async with aclosing(in_thread(job.updates(), job.stop, Listener())) as updates:
                async for update in updates:
                    refuse(update)
                    yield update
        except Unheard as unheard:
            raise gr.Error(str(unheard), print_exception=False) from None

    def refuse(update: Update) -> None:
        if update.state in ("error", "stopped"):
            raise gr.Error(update.text or "The run was stopped", print_exception=False)

    async def pictures(images, name: str, job: Job) -> list[dict]:
        return await anyio.to_thread.run_sync(files, images, name, job)

    def files(images, name: str, job: Job) -> list[dict]:
        from ddpm_core import imaging

        named = zip(images, job.settings.seeds, strict=True)
        paths = [cached(demo, f"{name}-seed-{seed}.png", imaging.png(image)) for image, seed in named]
        return [FileData(path=path, mime_type="image/png").model_dump() for path in paths]

    gr.api(sample, api_name="sample", **NETWORK)
    gr.api(trajectory, api_name="trajectory", **NETWORK)
