"""Choosing a model and a picture for it, for the tabs that need both. Nothing here needs a browser.

`asked` is what the page sends, which anybody can do: everything in it is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ddpm_core import defaults
from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.model import ModelSpec
from ddpm_core.names import Sampler
from ddpm_core.timesteps import quarters
from ui import web
from ui.runs import formats
from ui.runs.frames import picture_uri
from ui.runs.models import Models
from ui.runs.offered import short_name
from ui.sets import set_for
from ui.tabs.denoise.controls import for_models, step_limits
from ui.tabs.forward.pictures import uploaded
from ui.tabs.latents import pixels

PAPERS: tuple[Sampler, ...] = ("ddpm", "ddim")  # samplers of models that are no students
EXAMPLES = 10  # pictures of a shipped set to choose from
NOT_HERE = "Pictures for this model can be chosen once it is downloaded: run it with the sample of a seed first"

Asked = dict[str, Any]


class Chooser:
    """The functions that web/shared/source.js asks."""

    def __init__(self, models: Models):
        self._models = models

    @property
    def functions(self) -> list[Callable[[Asked], Asked]]:
        return [self.about_model, self.whole_picture, self.fit_picture, self.known_picture]

    def about_model(self, asked: Asked) -> Asked:
        """{checkpoint} -> what the controls offer for it; {error} for one that is not there."""
        ref = str(asked.get("checkpoint") or "").strip()
        try:
            model = self._models.known(ref)
        except CheckpointError as error:
            return {"error": str(error), "choices": self._models.choices()}
        fitted, student = for_models(model, model), model.student if model else None
        pictures = set_for(model) if model else None
        return {
            "choices": self._models.choices(),
            "name": short_name(ref),
            "here": model is not None,
            "times": quarters(model) if model else [1000, 750, 500, 250],
            "steps": step_limits(model),
            "samplers": [(formats.SAMPLER[name], name) for name in ([student.sampler] if student else PAPERS)],
            "variances": fitted["variance"]["choices"],
            "labels": fitted["label"]["choices"] if fitted["label"]["visible"] else [],
            "set": {"title": pictures.title, "count": len(pictures.images)} if pictures else None,
            "examples": _examples(model) if model else [],
        }

    def whole_picture(self, asked: Asked) -> Asked:
        """{path} of an upload -> {uri, width, height}, to be cropped by the user; or {error}."""
        try:
            image = pixels.whole(uploaded(asked.get("path")), self._models.limits)
        except ValueError as error:
            return {"error": str(error)}
        return {"uri": picture_uri(np.asarray(image)[None], "png"), "width": image.width, "height": image.height}

    def fit_picture(self, asked: Asked) -> Asked:
        """{path, left, top, side, invert, checkpoint} -> {text, uri}: the square as the model sees it; or {error}."""
        try:
            model = self._here(asked)
            image = pixels.whole(uploaded(asked.get("path")), self._models.limits)
            fitted = pixels.crop(image, *pixels.fractions(asked), model, asked.get("invert") is True)
        except (ValueError, CheckpointError) as error:
            return {"error": str(error)}
        return _picture(fitted)

    def known_picture(self, asked: Asked) -> Asked:
        """{text, checkpoint}, from an address -> {text, uri}; or {error}."""
        try:
            return _picture(pixels.from_text(asked.get("text"), self._here(asked))[0])
        except (ValueError, CheckpointError) as error:
            return {"error": str(error)}

    def _here(self, asked: Asked) -> ModelSpec:
        model = self._models.known(str(asked.get("checkpoint") or "").strip())
        if model is None:
            raise ValueError(NOT_HERE)
        return model


def to_load(models: Models, ref: str) -> str:
    """What there is to say of a run whose model is not on this machine."""
    size = models.to_download(ref)
    return f"{formats.megabytes(size)} to download first" if size else "The model has to be downloaded first"


def source_html(which: str, name: str, title: str, info: str, sample: str, seed: int = defaults.SEED) -> str:
    """web/shared/source.html for one picture. name: of its radio group; sample: what the tab has itself."""
    filled = {"WHICH": which, "NAME": name, "TITLE": title, "INFO": info, "SAMPLE": sample, "SEED": str(seed)}
    html = web.text("shared/source.html")
    for placeholder, value in filled.items():
        html = html.replace(placeholder, value)
    return html


def _picture(image: np.ndarray) -> Asked:
    return {"text": pixels.to_text(image), "uri": picture_uri(image[None], "png")}


def _examples(model: ModelSpec) -> list[Asked]:
    """Pictures of the shipped set, with what they show."""
    found = set_for(model)
    if found is None:
        return []
    names = [found.class_names[label] for label in found.labels[:EXAMPLES]]
    return [_picture(image) | {"name": name} for image, name in zip(found.images, names, strict=False)]
