"""The pictures of the Learn tab are what its models draw."""

import json

import numpy as np
import pytest
from PIL import Image

from ui.tabs.learn import few_steps
from ui.tabs.learn.few_steps import LANES, NUMBERS, PICTURES, SEEDS, STEPS

ANEW = "the models have changed: python -m benchmarks lesson draws the lesson's pictures anew"


@pytest.mark.parametrize("name", LANES)
def test_the_pictures_of_few_steps_are_drawn_with_the_embedded_weights(name):
    numbers = json.loads(NUMBERS.read_text(encoding="utf-8"))
    assert numbers["weights"][name] == few_steps.weights(name), ANEW
    grid = np.asarray(Image.open(PICTURES)).astype(int)
    row = np.split(grid, len(LANES))[list(LANES).index(name)]
    for steps, picture in zip(STEPS[:4], np.split(row, len(STEPS), axis=1), strict=False):
        drawn = few_steps.draw(name, steps, SEEDS[:1])
        distance = numbers["distance"][name][STEPS.index(steps)]
        assert (drawn is None) == (distance is None) == (name == "student" and steps > 4)
        if drawn is not None:
            assert abs(drawn[0, ..., 0] - picture).mean() < 3  # arithmetic differs between machines


def test_they_are_shown_with_what_they_are():
    html = few_steps.table()
    for name, steps in (("teacher", 1), ("teacher", 1000), ("student", 4)):
        assert f'alt="{name}, {steps} step' in html
    assert html.count("<img") == len(STEPS) + 3 and "seed 13" in html
