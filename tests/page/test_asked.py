"""The border of a server: what no page asks is refused in one sentence, before anything is computed."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import toylab
from plans import facts_of

import ddpm_core
from ui.models.facts import facts_of as facts_here
from ui.models.loaded import Models
from ui.parts.fetching import FetchingPart
from ui.parts.sampling import SamplingPart, SketchPart
from ui.runs.asked import UNCLEAR

WHOLE = {"checkpoint": "toy", "steps": 5, "sampler": "ddpm"}


def halved(predict, schedule, pairs, x, *, noise):
    """A sampler of the page's owner, which evaluates between two whole times."""
    for index, (t, s) in enumerate(pairs):
        found = predict(x, t - 0.5)
        x = 0.5 * found.x0
        yield ddpm_core.Step(index, t, s, x, found.x0_hat, 0.0)


def test_a_sampler_of_the_owner_is_computed_by_its_name():
    services = replace(toylab.toy_services(), samplers={"mine:halved": halved})
    part, asked = SamplingPart(services), toylab.asked({"sampler": "mine:halved", "variance": None})
    _, seen = toylab.heard(part, part.request(asked))
    *_, last = ddpm_core.trajectory(services.models.model, [13], 5, halved)
    shown = toylab.results(seen, "frame")[-1]["x"]
    assert np.array_equal(toylab.decoded(shown)[0], ddpm_core.to_uint8(last.x)[0])
    for name in ("mine:other", "os:system"):  # nobody else's is imported
        other = part.request(toylab.asked({"sampler": name, "variance": None}))
        with pytest.raises(ValueError, match=f"unknown sampler '{name}': choose from ddpm"):
            other.checked_plan([services.models.model])


@pytest.fixture
def part():
    return SamplingPart(toylab.toy_services())


@pytest.mark.parametrize(
    "change",
    [
        {"lanes": []},
        {"lanes": [WHOLE] * 33},
        {"lanes": WHOLE},
        {"seeds": []},
        {"seeds": [True]},
        {"seeds": ["5"]},
        {"seeds": [5.0]},
        {"seeds": [-1]},
        {"seeds": [2**63]},
        {"seeds": [5] * 17},
        {"clip": 1},
        {"clip": "true"},
        {"attention": None},
        {"touch": None},
        {"from": {"run": "a" * 101, "s": 1}},
        {"from": {"run": "a", "s": 0}},
        {"from": "a"},
        {"start": {"run": "a", "s": 1}},
        {"count": 4},
    ],
    ids=lambda change: f"{next(iter(change))} {str(change)[:60]}",
)
def test_what_no_page_asks_is_refused(part, change, caplog):
    part.request(toylab.asked())
    with pytest.raises(ValueError, match=UNCLEAR):
        part.request(toylab.asked() | change)
    assert next(iter(change)) in caplog.text  # of use to who looks for a fault


@pytest.mark.parametrize("missing", toylab.asked())
def test_nothing_is_left_open(part, missing):
    asked = toylab.asked()
    del asked[missing]
    with pytest.raises(ValueError, match=UNCLEAR):
        part.request(asked)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": True},
        {"steps": "5"},
        {"steps": 5.0},
        {"steps": None},
        {"sampler": 1},
        {"checkpoint": ""},
        {"checkpoint": "a" * 301},
        {"checkpoint": ["toy"]},
        {"labels": True},
        {"labels": "3"},
        {"guidance": "2"},
        {"prompts": "a" * 30_000},
        {"sampler": "a" * 101},
        {"spacing": "a" * 101},
        {"variance": "a" * 101},
        {"facts": "a" * 101},
        {"steps": 10**400},
        {"labels": -(10**400)},
        {"prompts": ["a"]},
        {"eta": {}},
        {"n": 1},
        {"model": "toy"},
        {"condition": "red"},
        {"start": 50},
        {"on_step": None},
    ],
    ids=lambda change: str(change)[:60],
)
def test_what_no_page_asks_of_a_lane_is_refused(part, change):
    with pytest.raises(ValueError, match=UNCLEAR):
        part.request(toylab.asked(**change))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 101}, "steps"),
        ({"sampler": "euler"}, "unknown sampler 'euler'"),
        ({"eta": 0.5}, "eta belongs to the sampler 'ddim'"),
        ({"variance": "learned"}, "variance"),
        ({"spacing": "auto"}, "unknown spacing 'auto'"),
        ({"labels": 3}, "no classes"),
        ({"prompts": "red"}, "prompt"),
        ({"guidance": -1.0}, "guidance"),
    ],
    ids=str,
)
def test_what_a_model_can_not_do_is_refused_by_the_library(part, change, sentence):
    computation = part.request(toylab.asked(**change))
    with pytest.raises(ValueError, match=sentence):
        computation.plan([part.services.models.model])


@pytest.mark.parametrize(
    "change",
    [
        {f"name {i}": 1 for i in range(20_000)},
        {"lanes": [WHOLE | {f"name {i}": 1 for i in range(20_000)}]},
        {"touch": [{"t": 1, "what": "noise", "strength": 1, "cells": [None] * 20_000}]},
        {"a" * 500_000: 1},
        {"a\nan invented line": 1},
    ],
    ids=["names", "options", "cells", "a long name", "a line"],
)
def test_what_is_wrong_is_one_short_line_of_the_log(part, change, caplog):
    """However much of it there is: nobody fills the disk with it."""
    with pytest.raises(ValueError, match=UNCLEAR):
        part.request(toylab.asked() | change)
    (line,) = caplog.messages
    assert len(line) < 400 and "\n" not in line


def test_a_run_has_two_models_at_most(part):
    """It holds them all in memory at once, whatever the limit of all models is."""
    part.request(toylab.asked({}, {"checkpoint": "b"}))
    with pytest.raises(ValueError, match=UNCLEAR):
        part.request(toylab.asked({}, {"checkpoint": "b"}, {"checkpoint": "c"}))


def test_a_sketch_is_of_one_lane():
    part = SketchPart(toylab.toy_services())
    part.request(toylab.asked())
    with pytest.raises(ValueError, match=UNCLEAR):
        part.request(toylab.asked({}, {}))


def test_attention_is_to_the_words_of_one_lane(part):
    for lanes in ([{}], [{}, {"steps": 4}]):
        with pytest.raises(ValueError, match=UNCLEAR):
            part.request(toylab.asked(*lanes) | {"attention": True}).plan([part.services.models.model])


def test_a_page_whose_facts_are_old_is_asked_to_look_again(tmp_path):
    """It has planned with them."""
    models = Models("cpu")
    folder = shutil.copytree(models.known("mnist-tiny").source.folder, tmp_path / "digits")
    part, model = SamplingPart(toylab.toy_services(models)), models.known(str(folder))
    stamp = models.read(str(folder), facts_here)["stamp"]
    assert "stamp" not in facts_of(model)  # what a test plans with is never old
    asked = toylab.asked(checkpoint=str(folder), facts=stamp)
    part.request(asked).checked_plan([model])
    config = folder / "scheduler_config.json"
    config = config if config.is_file() else folder / "scheduler/scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"clip_sample": False}))
    with pytest.raises(ValueError, match=r"The files of .*digits have changed: press Run again"):
        part.request(asked).checked_plan([models.known(str(folder))])
    now = models.read(str(folder), facts_here)["stamp"]
    part.request(toylab.asked(checkpoint=str(folder), facts=now)).checked_plan([models.known(str(folder))])


def test_models_are_fetched_by_a_run_without_results():
    part = FetchingPart(toylab.toy_services())
    _, seen = toylab.heard(part, part.request({"refs": ["toy"]}))
    assert seen[-1]["state"] == "finished" and not toylab.results(seen) and part.services.models.is_loaded


@pytest.mark.parametrize("refs", [None, "toy", [], [""], [1], ["toy"] * 3, ["a" * 301]], ids=str)
def test_what_is_fetched_are_one_or_two_names(refs):
    with pytest.raises(ValueError, match=UNCLEAR):
        FetchingPart(toylab.toy_services()).request({"refs": refs})
