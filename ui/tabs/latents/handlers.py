"""What the Latents tab does when something happens in the page. Nothing here needs a browser.

`asked` is what the page sends, which anybody can do: everything in it is checked.
"""

from __future__ import annotations

import json

import gradio as gr
import numpy as np

from ddpm_core import imaging
from ddpm_core.checkpoint.refs import CheckpointError
from ui.export import files
from ui.export.scripts import copied
from ui.runs import formats
from ui.runs.models import Models
from ui.runs.offered import short_name
from ui.runs.pace import PACE
from ui.tabs.latents.chooser import Asked, Chooser, to_load
from ui.tabs.latents.job import LatentsJob
from ui.tabs.latents.tasks import Tasks
from ui.tabs.latents.wanted import CHAIN, Wanted, python


class Handlers:
    """checkpoint: the one that is chosen when a page opens."""

    def __init__(self, demo: gr.Blocks, models: Models, checkpoint: str):
        self.chooser = Chooser(models)
        self.tasks = Tasks(lambda asked, page: LatentsJob(Wanted.check(asked), models, page), checkpoint)
        self._demo = demo
        self._models = models

    @property
    def kinds(self) -> list[str]:
        """Of files that a run can be saved as."""
        return ["png", *files.ANIMATIONS]

    def describe_run(self, asked: Asked) -> Asked:
        """What the settings mean: {estimate, python}, or {error}."""
        try:
            wanted = Wanted.check(asked)
            model = self._models.known(wanted.chain.checkpoint)
            if model is None:
                return {"estimate": to_load(self._models, wanted.chain.checkpoint), "python": ""}
            LatentsJob(wanted, self._models).check(model)
        except (ValueError, CheckpointError) as error:
            return {"error": str(error)}
        pace = PACE.of(wanted.chain.checkpoint, wanted.chain.count)
        seconds = pace and pace / wanted.chain.count * wanted.evaluations(model)
        return {"estimate": formats.estimate(seconds, self._models.kind), "python": copied(python, wanted, model)}

    def save_run(self, asked: Asked) -> Asked:
        """{run, kind} -> {path, name} of a file with its settings inside, kind one of `kinds`; or {error}."""
        job = self.tasks.task(asked.get("run"))
        if not isinstance(job, LatentsJob) or not job.rows:
            return {"error": "There is no finished row of pictures yet: press Run"}
        kind, wanted = asked.get("kind"), job.wanted
        name = f"{short_name(wanted.chain.checkpoint)}-{wanted.mode}-seed-{wanted.chain.seed}".replace(" ", "-")
        if kind == "png":
            content = imaging.png(_grid(job), about=_about(job))
        elif kind in files.ANIMATIONS:
            content = files.ANIMATIONS[kind](_film(job), _about(job))
        else:
            return {"error": f"There is no file of this kind: choose from {', '.join(self.kinds)}"}
        return {"path": files.cached(self._demo, f"{name}.{kind}", content), "name": f"{name}.{kind}"}


def _grid(job: LatentsJob) -> np.ndarray:
    rows = [row for _, row in sorted(dict(job.rows).items())]  # a copy: the run may go on
    return imaging.grid(np.concatenate(rows), job.wanted.chain.count)


def _about(job: LatentsJob) -> str:
    """The settings as JSON. A picture of one's own is only said to be one."""
    wanted = job.wanted
    chain = {name: getattr(wanted.chain, name) for name in CHAIN}
    content = {"mode": wanted.mode, **chain, "seed_b": wanted.seed_b, "times": job.times}
    content["pictures"] = ["own" if text else "sample" for _, text in wanted.sources]
    return json.dumps(content, ensure_ascii=False)


def _film(job: LatentsJob) -> list[np.ndarray]:
    """The grid of the x̂_0 at each moment; all rows run at once, from their first step to their last."""
    rows = [frames for row, frames in sorted(dict(job.frames).items()) if row in job.rows]
    if not rows:  # only t = 0
        return [_grid(job)]
    moments = max(map(len, rows))
    film = []
    for moment in range(moments):
        shown = []
        for frames in rows:
            steps = sorted(frames)
            shown.append(frames[steps[round(moment * (len(steps) - 1) / max(moments - 1, 1))]])
        film.append(imaging.grid(np.concatenate(shown), job.wanted.chain.count))
    return film
