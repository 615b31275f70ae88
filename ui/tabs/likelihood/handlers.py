"""What the Likelihood tab does when something happens in the page. Nothing here needs a browser."""

from __future__ import annotations

from ddpm_core.checkpoint.refs import CheckpointError
from ui.export.scripts import copied
from ui.runs import formats
from ui.runs.models import Models
from ui.runs.pace import PACE
from ui.tabs.latents.chooser import Asked, Chooser, to_load
from ui.tabs.latents.tasks import Tasks
from ui.tabs.likelihood import study
from ui.tabs.likelihood.job import BATCH, LikelihoodJob, evaluations
from ui.tabs.likelihood.wanted import Wanted, python


class Handlers:
    """checkpoint: the one that is chosen when a page opens."""

    def __init__(self, models: Models, checkpoint: str):
        self.chooser = Chooser(models)
        self.tasks = Tasks(lambda asked, page: LikelihoodJob(Wanted.check(asked), models, page), checkpoint)
        self._models = models

    def describe_measure(self, asked: Asked) -> Asked:
        """What the settings mean: {estimate, python}, or {error}."""
        try:
            wanted = Wanted.check(asked)
            model = self._models.known(wanted.settings.checkpoint)
            if model is None:
                return {"estimate": to_load(self._models, wanted.settings.checkpoint), "python": ""}
            LikelihoodJob(wanted, self._models).check(model)
            pictures = len(wanted.pictures(model)[0])
        except (ValueError, CheckpointError) as error:
            return {"error": str(error)}
        pace = PACE.of(wanted.settings.checkpoint, BATCH)
        seconds = pace and pace / BATCH * evaluations(pictures, model)
        return {"estimate": formats.estimate(seconds, self._models.kind), "python": copied(python, wanted, model)}

    def open_study(self, asked: Asked) -> Asked:
        """{folder} of `train evaluate`, on this machine -> `study.read`; or {error}. Not on a public page."""
        if self._models.public:
            return {"error": "Folders can be opened in an app of your own only"}
        try:
            return study.read(str(asked.get("folder") or ""), self._models.references())
        except ValueError as error:
            return {"error": str(error)}
