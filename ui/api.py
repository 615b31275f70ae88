"""The endpoints for gradio_client and scripts: what the page does, with the page's limits and defaults."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import anyio.to_thread
import gradio as gr
import numpy as np
from gradio.data_classes import FileData

from ddpm_core import imaging
from ui.events import NETWORK, listener, visitor
from ui.export.files import cached
from ui.runs.job import Frame, Job, Update
from ui.runs.listeners import Unheard, in_thread
from ui.runs.models import Models
from ui.runs.settings import FIELDS, Settings
from ui.tabs.denoise.controls import default_count

Values = dict[str, Any]  # a request, by the names of settings.FIELDS

# Left to the checkpoint: its own clipping, and as many images as the page starts with, 4 or 1 where 4 take over 5 s.
OPEN = {"clip": bool | None, "count": int | None}


def endpoints(demo: gr.Blocks, models: Models, checkpoint: str) -> None:
    """Add /sample and /trajectory, whose parameters are those of `Settings`, to the page."""
    found = Endpoints(demo, models)
    defaults: Values = {name: None if name in OPEN else getattr(Settings, name) for name in FIELDS}
    defaults["checkpoint"] = checkpoint
    for endpoint, result in ((found.sample, list[dict]), (found.trajectory, dict)):
        gr.api(_with_parameters(endpoint, defaults, result), api_name=endpoint.__name__, **NETWORK)


def _with_parameters(
    endpoint: Callable[[Values], AsyncGenerator[Any, None]], defaults: Values, result: object
) -> Callable[..., AsyncGenerator[Any, None]]:
    """The endpoint as a function of one parameter for each default, which is how gradio reads them."""

    async def called(*values: Any) -> AsyncGenerator[Any, None]:
        async with aclosing(endpoint(dict(zip(defaults, values, strict=True)))) as items:
            async for item in items:
                yield item

    types = {name: OPEN.get(name, type(default)) for name, default in defaults.items()}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        inspect.Parameter(name, kind, default=default, annotation=types[name]) for name, default in defaults.items()
    ]
    called.__signature__ = inspect.Signature(parameters, return_annotation=result)  # pyright: ignore[reportFunctionMemberAccess]
    called.__annotations__ = types | {"return": result}
    called.__name__, called.__doc__ = endpoint.__name__, endpoint.__doc__
    return called


class Endpoints:
    """The functions behind the endpoints."""

    def __init__(self, demo: gr.Blocks, models: Models):
        self._demo = demo
        self._models = models

    async def sample(self, values: Values) -> AsyncGenerator[list[dict], None]:
        """The final images of a run, a list of PNG files of the model's own resolution: image i has seed + i."""
        last = None
        job = self._job(values)
        async with aclosing(updates(job)) as news:
            async for update in news:
                last = update.frames[-1] if update.frames else last
                yield []  # here it is noticed when the caller has gone away
        assert isinstance(last, Frame)
        yield await self._pictures(last.x, "x_0", job)

    async def trajectory(self, values: Values) -> AsyncGenerator[dict, None]:
        """Every kept step of a run as it is done: index (from 0), steps, t, s, alpha_bar (of t), sigma (of the noise
        added), and the pictures x_t (after the step, at time s) and x0_hat (as seen from t), a PNG file for each image.
        """
        job = self._job(values)
        async with aclosing(updates(job)) as news:
            async for update in news:
                for frame in update.frames:
                    assert job.plan is not None
                    steps = job.plan.lanes[0].steps
                    t, s, alpha_bar, _ = steps[frame.k]
                    yield {
                        "index": frame.k,
                        "steps": len(steps),
                        "t": t,
                        "s": s,
                        "alpha_bar": alpha_bar,
                        "sigma": frame.sigma,
                        "x_t": await self._pictures(frame.x, f"x_{s}", job),
                        "x0_hat": await self._pictures(frame.x0_hat, f"x0_hat_{t}", job),
                    }

    def _job(self, values: Values) -> Job:
        if values["count"] is None:
            values = values | {"count": default_count(str(values["checkpoint"]))}
        try:
            return Job([Settings.check(values)], self._models, visitor())
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from None

    async def _pictures(self, images: np.ndarray, name: str, job: Job) -> list[dict]:
        return await anyio.to_thread.run_sync(self._files, images, name, job)

    def _files(self, images: np.ndarray, name: str, job: Job) -> list[dict]:
        named = zip(images, job.settings.seeds, strict=True)
        paths = [cached(self._demo, f"{name}-seed-{seed}.png", imaging.png(image)) for image, seed in named]
        return [FileData(path=path, mime_type="image/png").model_dump() for path in paths]


async def updates(job: Job) -> AsyncGenerator[Update, None]:
    """A run's updates while somebody listens. Raises gr.Error for a run that fails or is stopped."""
    try:
        async with aclosing(in_thread(job.updates(), job.stop, listener())) as news:
            async for update in news:
                if update.state in ("error", "stopped"):
                    raise gr.Error(update.text or "The run was stopped", print_exception=False)
                yield update
    except Unheard as unheard:
        raise gr.Error(str(unheard), print_exception=False) from None
