"""A run that is touched on its way: its text, its two endings, its script and its file's name; what is refused."""

import dataclasses

import numpy as np
import plans
import pytest
import torch
import toylab
from PIL import Image
from toylab import Models, decoded, results, saved, strokes

import ddpm_core
from ui.parts.sampling import SamplingPart
from ui.runs.asked import UNCLEAR
from ui.runs.pages import Runs
from ui.runs.touch import StrokeAsked, cell_size, touched, touches

TEXT = "61-noise-100-3.4-4.4_33-255.0.0-50-0.0_58-clean-80-7.7"
ASKED = {"checkpoint": "toy", "steps": 10, "count": 2, "touch": TEXT}


STROKES = TEXT.split("_")


def in_order(seen):
    return sorted(results(seen), key=lambda result: (result.get("k", -1), result.get("lane", 0)))


def place(network=lambda x, t, labels: 0.3 * x):
    return SamplingPart(toylab.toy_services(Models(network)))


def test_what_the_page_sends_is_what_its_link_says():
    asked = toylab.requested_of(place().services, "watch", ASKED)
    times = [t for t, *_ in map(lambda one: one.values(), asked["touch"])]
    assert times == [56, 34, 56]  # the states of the run that are nearest
    assert [one | {"t": t} for one, t in zip(strokes(TEXT), times, strict=True)] == asked["touch"]
    assert toylab.requested_of(place().services, "watch", ASKED | {"touch": ""})["touch"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"t": 0},
        {"t": 57},  # no state of this run
        {"t": True},
        {"what": "blur"},
        {"what": "256.0.0"},
        {"strength": 101},
        {"cells": [[1]]},
        {"cells": [[8, 0]]},
        {"cells": [[-1, 0]]},
        {"more": 1},
    ],
    ids=str,
)
def test_what_no_page_touches_is_refused(wrong):
    lane = {"steps": 10}
    (stroke,) = strokes("56-noise-100-3.4")
    good, bad = (toylab.asked(lane, lane) | {"touch": [stroke | change]} for change in ({}, wrong))
    model = Models().model
    place().request(good).plan([model])
    with pytest.raises(ValueError, match=UNCLEAR):
        place().request(bad).plan([model])


@pytest.mark.parametrize("lanes", [[{}], [{}, {"steps": 4}], [{}, {}, {}]])
def test_a_touch_is_of_one_lane_and_its_copy(lanes):
    with pytest.raises(ValueError, match=UNCLEAR):
        place().request(toylab.asked(*lanes) | {"touch": strokes("20-noise-100-3.4")}).plan([Models().model])


def test_a_run_has_a_limited_number_of_strokes():
    one = strokes("56-noise-100-3.4")
    assert place().request(toylab.asked(count=1) | {"touch": one * 200})
    with pytest.raises(ValueError, match=UNCLEAR):
        place().request(toylab.asked(count=1) | {"touch": one * 201})


def test_a_stroke_adds_noise_takes_it_away_or_goes_to_a_colour():
    x, z, clean = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)
    strokes = [("noise", 0.5, [(1, 0)]), ("clean", 0.5, [(0, 1)]), ([1.0, 0.0, -1.0], 1.0, [(1, 1)])]
    after = touched(x, clean, z, strokes, 2)
    assert (after[..., :2, 2:] == 0.5).all() and (after[..., 2:, :2] == 0.25).all() and (after[..., :2, :2] == 0).all()
    assert after[0, :, 3, 3].tolist() == [1, 0, -1] and not x.any()


@pytest.mark.parametrize(("size", "cell"), [(4, 1), (16, 1), (28, 2), (32, 2), (64, 4), (512, 32)])
def test_there_are_about_sixteen_cells_a_side(size, cell):
    assert cell_size(dataclasses.replace(Models().model, image_size=size)) == cell


def test_the_endings_are_those_of_the_link_the_library_and_the_script(tmp_path, monkeypatch):
    made = place()
    run, seen = toylab.messages(made, "watch", ASKED)
    assert seen[-1]["state"] == "finished", seen[-1]["text"]
    frames = results(seen, "frame")
    about = plans.described(made, "watch", ASKED)
    plan = about["shown"]
    assert [plan["lanes"][0]["steps"][k][1] for k in (plan["split"], 6)] == [56, 23]
    a, b = ([frame for frame in frames if frame["lane"] == lane] for lane in (0, 1))
    same = [np.array_equal(one["x"], other["x"]) for one, other in zip(a, b, strict=True)]
    assert same == [True] * plan["split"] + [False] * (10 - plan["split"])
    assert [frame["apart"][0][0] > 0 for frame in b] == [not one for one in same] and "apart" not in a[0]
    (alone,) = [
        one["x"] for one in results(toylab.messages(made, "watch", ASKED | {"touch": ""})[1]) if one.get("k") == 9
    ]
    np.testing.assert_array_equal(a[-1]["x"], alone)
    again = results(toylab.messages(place(), "watch", ASKED)[1], "frame")
    np.testing.assert_equal(again, frames)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ddpm_core, "load", lambda ref: made.services.models.model)
    exec(about["python"], {})
    for lane, last in enumerate((a[-1], b[-1])):
        ends = [np.asarray(Image.open(f"lane-{lane}-seed-{seed}.png")) for seed in (13, 14)]
        np.testing.assert_array_equal(np.stack(ends), decoded(last["x"]))
    assert about["why"] == "diffusers runs one lane: it changes none on its way"
    assert saved(made, "watch", run, "png")["png"][0] == "toy-10-steps-beta_tilde-touched-at-t-56-seed-13.png"


def test_a_lane_is_named_by_the_first_state_that_is_touched():
    asked = ASKED | {"touch": "_".join(reversed(STROKES[:2]))}  # that of t = 33 first
    shown = plans.described(place(), "watch", asked)["shown"]
    assert [lane["name"] for lane in shown["lanes"]] == ["DDPM β̃ₜ", "touched at t = 56"]
    assert "against touched at t = 56" in shown["title"]


def test_a_touch_goes_on_from_the_states_of_the_run_that_is_shown(monkeypatch):
    """After a touch, another one, and one that is undone; not after a run with another seed, another page's, or one of
    other weights.
    """
    evaluated, files = [], ["the same"]

    def network(x, t, labels):
        evaluated.append(len(x))
        return 0.3 * x

    monkeypatch.setattr("ui.runs.borrowed._files", lambda model: files[0])
    made = place(network)
    runs = Runs(made.services, lambda name, values: made.request(values))
    for strokes, steps, more, page, weights in [
        ([], 10, {}, "mine", "the same"),
        (STROKES[:1], 7, {}, "mine", "the same"),  # touched after the fourth step, which is evaluated once more
        (STROKES[:2], 5, {}, "mine", "the same"),  # this one after the sixth
        (STROKES[:1], 5, {}, "mine", "the same"),
        (STROKES[:2], 10, {}, "another", "the same"),
        (STROKES[:1], 10, {"seed": 5}, "mine", "the same"),
        (STROKES, 10, {"seed": 5}, "mine", "others"),
    ]:
        files[0] = weights
        asked = ASKED | {"touch": "_".join(strokes)} | more
        alone = in_order(toylab.messages(made, "watch", asked)[1])
        evaluated.clear()
        run = runs.begin("watch", toylab.requested_of(made.services, "watch", asked), page)
        seen = list(run.messages())
        assert seen[-1]["state"] == "finished"
        np.testing.assert_equal(in_order(seen), alone)
        first = next(message["results"] for message in seen if message["results"])
        new = [(result["k"], result["lane"]) for result in first if result["kind"] == "frame"]
        assert steps == 10 or new[:2] == [(10 - steps, 0), (10 - steps, 1)]  # before what the page has seen
        assert len(evaluated) == steps, (strokes, page)
        assert run.done == pytest.approx(run.plan.steps)
    assert run.recording.bytes > 10_000


def test_shared_steps_are_counted_once():
    made = place()
    plan = toylab.requested(made, "watch", ASKED).plan([made.services.models.model])
    assert {kind.lanes: n for kind, n in plan.steps.items()} == {1: plan.shared, 2: 2 * (10 - plan.shared)}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"sampler": "unipc"}, "can't be continued or changed on the way: use 'ddpm', 'ddim'"),
        ({"steps": 1}, "take more steps"),
        ({"touch": "61-noise-100-8.0"}, "outside this model's 8×8 cells"),
    ],
)
def test_what_can_not_be_touched_is_said_before_the_run(asked, sentence):
    assert sentence in plans.described(place(), "watch", ASKED | asked)


def test_which_samplers_can_be_touched_is_said_before_any_touch():
    asked = ASKED | {"touch": "", "sampler": "unipc"}
    assert "use 'ddpm', 'ddim'" in plans.described(place(), "watch", asked)["shown"]["untouchable"]


def test_a_latent_has_noise_and_no_colour():
    latent = dataclasses.replace(Models().model, latent=True, factor=8)
    noise, colour = ([StrokeAsked(**one) for one in strokes(text)] for text in ("50-noise-100-3.4", "50-0.0.0-100-3.4"))
    assert touches(noise, latent, [50, 0]).keys() == {50}
    with pytest.raises(ValueError, match=UNCLEAR):
        touches(colour, latent, [50, 0])
