"""Between words, without a browser: its square, its order, its script."""

import io

import numpy as np
import pytest
import torch
import toylab
from PIL import Image
from plans import described
from toylab import decoded, results, saved

import ddpm_core
from ui.parts.between import SIDE, BetweenPart, stages
from ui.runs.asked import UNCLEAR

CORNERS = {"a": "red", "b": "fox", "c": "owl", "d": "sea"}
ASKED = {"checkpoint": "toy", "steps": 3, "seed": "7", "guidance": "3"} | CORNERS


class Text:
    """A number for each word; the network adds it."""

    def __call__(self, prompts):
        return torch.tensor([[[float(len(prompt))]] for prompt in prompts])

    def words(self, prompt):
        return [(prompt, (0,))]

    def unknown(self, prompt):
        return [prompt] if prompt == "owl" else []


def part():
    made = BetweenPart(toylab.toy_services(toylab.Models(lambda x, t, states: 0.3 * x + 0.01 * states[..., None])))
    made.services.models.model.text = Text()
    made.services.models.model.takes_words = True
    return made


def test_the_corners_come_first_and_each_cell_once():
    order = stages()
    assert order[0] == [0, 6, 42, 48] and len(order[1]) == 5
    assert sorted(cell for stage in order for cell in stage) == list(range(SIDE**2))


def test_the_square_is_that_of_the_library_and_of_the_script(tmp_path, monkeypatch):
    made = part()
    run, messages = toylab.messages(made, "between", ASKED)
    assert messages[-1]["state"] == "finished"
    (plan,) = results(messages, "plan")
    assert plan["unknown"] == ["owl"]
    shown = {}
    for one in results(messages, "cells"):
        shown |= dict(zip(one["cells"], decoded(one["x"]), strict=True))
    model, square = made.services.models.model, ddpm_core.word_square(list(CORNERS.values()))
    images = ddpm_core.sample(model, [7] * SIDE**2, 3, sampler="ddim", prompts=square, guidance=3.0)
    assert all(np.array_equal(shown[cell], image) for cell, image in enumerate(images))
    name, content = saved(made, "between", run, "png")["png"]
    assert name == "toy-between-words-seed-7.png"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ddpm_core, "load", lambda ref: model)
    exec(compile(described(made, "between", ASKED)["python"], "script", "exec"), {})
    assert np.array_equal(Image.open("between-words.png"), Image.open(io.BytesIO(content)))


def test_a_correction_is_counted():
    made = part()
    asked = toylab.requested_of(made.services, "between", ASKED)
    del asked["lane"]["guidance"]
    model, steps = made.services.models.model, []
    for lane in ({"sampler": "ddpm"}, {"sampler": "langevin"}):
        plan = made.request(asked | {"lane": asked["lane"] | lane}).plan([model])
        steps.append(sum(kind.batch * n for kind, n in plan.steps.items()))
    assert steps[1] == 2 * steps[0]


def test_a_model_without_words_is_refused():
    made = part()
    computation = toylab.requested(made, "between", ASKED)
    made.services.models.model.takes_words = False
    assert "needs a text-to-image model" in described(made, "between", ASKED)
    with pytest.raises(ValueError, match=UNCLEAR):
        computation.plan([made.services.models.model])


@pytest.mark.parametrize(
    "change",
    [
        {"corners": ["a"] * 3},
        {"corners": ["a"] * 5},
        {"corners": ["a", "b", "c", 4]},
        {"corners": ["a" * 30_000] * 4},
        {"seed": 7.0},
    ],
    ids=["three", "five", "a number", "a long one", "a seed"],
)
def test_what_no_page_asks_is_refused(change):
    made = part()
    asked = toylab.requested_of(made.services, "between", ASKED)
    with pytest.raises(ValueError, match=UNCLEAR):
        made.request(asked | change)
