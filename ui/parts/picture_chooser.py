"""Choosing a picture of one's own for a model: the questions that web/shared/form/source.js asks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from ddpm_core.model import ModelSpec, check_pixels
from ui.forms.fields import Number, reference
from ui.models.lab import Lab
from ui.pictures import as_text
from ui.pictures.uploads import uploaded, uri
from ui.runs.log import Values
from ui.runs.visitors import address

SQUARE = {
    name: Number(f"The {name} of the square", low=least, high=most)
    for name, least, most in (("left", 0, 1e4), ("top", 0, 1e4), ("side", 1e-9, 1))
}


def questions(lab: Lab) -> dict[str, Callable[[Values], Values]]:
    """Each raises ValueError or CheckpointError, one sentence, for what can't be answered."""

    def opened(values: Values) -> Image.Image:
        path = uploaded(values.get("path"))
        with lab.quick.turn(address()):  # one large picture in memory at a time
            return as_text.whole(path, lab.limits)

    def whole(values: Values) -> Values:
        """{path} of an upload -> {uri, width, height}, to be cropped by the visitor."""
        image = opened(values)
        return {"uri": uri(np.asarray(image)[None], "png"), "width": image.width, "height": image.height}

    def fit(values: Values) -> Values:
        """{path, left, top, side, invert, checkpoint} -> {text, uri}: the square as the model sees it. left, top and
        side: in shares of the shorter side.
        """
        model = _here(lab, values)
        left, top, side = (kind.check(values.get(name)) or 0.0 for name, kind in SQUARE.items())
        return as_text.shown(as_text.crop(opened(values), left, top, side, model, values.get("invert") is True))

    def known(values: Values) -> Values:
        """{text, checkpoint}, from an address -> {text, uri}."""
        return as_text.shown(as_text.from_text(values.get("text"), _here(lab, values))[0])

    return {"whole": whole, "fit": fit, "known": known}


def _here(lab: Lab, values: Values) -> ModelSpec:
    model = lab.models.known(reference(values.get("checkpoint")))
    if model is None:
        raise ValueError("Pictures for this model can be chosen once it is downloaded: run it with a seed first")
    check_pixels(model, "a picture of one's own")
    return model
