"""The recorded examples of the page: what is said of their results is what is said of a run of today."""

import base64
import io
import re

import numpy as np
import plans
import pytest
from PIL import Image

from ui import web
from ui.models import loaded
from ui.recorded.__main__ import WORDED, _make_light, example, examples

MODELS = {"between": "emoji-tiny", "plane": None}  # of the others it is mnist-tiny


@pytest.mark.parametrize("part", sorted({*examples()} - {"watch", "compare", "grid", "train"}))
def test_a_recorded_example_says_it_as_a_run_of_today_does(part):
    recorded = example(part)
    model = MODELS.get(part, "mnist-tiny")
    models = {model: loaded.Models("cpu").known(model)} if model else {}
    found = [result for result in recorded["results"] if result["kind"] in WORDED]
    assert found[0]["kind"] == "plan"
    for shown in found:
        engines = plans.PLAN | {key: shown[key] for key in ("blocks", "skips", "r2", "figures") if key in shown}
        result = engines if shown["kind"] == "plan" else {key: shown[key] for key in shown if key != "looks"}
        assert _make_light(plans.answer(part, recorded["values"], models, result=result)["shown"]) == shown


def test_the_still_of_the_square_is_the_corner_that_the_recorded_square_shows_first():
    corners = example("between")["results"][1]
    assert corners["cells"][0] == 0
    still = re.search(r"\.four \{[^}]*url\(\"data:image/webp;base64,([^\"]+)", web.text("parts/watch/style.css"))[1]
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(one))).convert("RGB").crop((0, 0, 64, 64)), float)
        for one in (corners["x"]["base64"], still)
    ]
    assert np.abs(pictures[0] - pictures[1]).mean() < 8
