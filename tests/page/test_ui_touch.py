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
from ui.runs.visitors import note_visitor

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
    x, z, clean = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 3), torch.full((1, 3, 4, 4), 0.5)
    strokes = [("noise", 0.5, [(1, 0)]), ("clean", 0.5, [(0, 1)]), ([1.0, 0.0, -1.0], 1.0, [(1, 1)])]
    after = touched(x, clean, z, strokes, 2)
    assert (after[..., :2, 2:] == 1.5).all() and (after[..., 2:, :2] == 0.25).all() and (after[..., :2, :2] == 0).all()
    assert after[0, :, 3, 3].tolist() == [1, 0, -1] and not x.any()


@pytest.mark.parametrize(("size", "cell"), [(4, 1), (16, 1), (28, 2), (32, 2), (64, 4), (512, 32)])
def test_there_are_about_sixteen_cells_a_side(size, cell):
    assert cell_size(dataclasses.replace(Models().model, image_size=size)) == cell


@pytest.mark.parametrize(
    ("sampler", "name"),
    [({}, "beta_tilde"), ({"sampler": "heun", "S_churn": 5, "spacing": "linspace"}, "heun-S_churn-5")],  # t̂ is real
    ids=["ddpm", "heun"],
)
def test_the_endings_are_those_of_the_link_the_library_and_the_script(sampler, name, tmp_path, monkeypatch):
    made, asked = place(), ASKED | sampler
    run, seen = toylab.messages(made, "watch", asked)
    assert seen[-1]["state"] == "finished", seen[-1]["text"]
    frames = results(seen, "frame")
    about = plans.described(made, "watch", asked)
    plan = about["shown"]
    assert [plan["lanes"][0]["steps"][k][1] for k in (plan["split"], 6)] == [56, 23]
    a, b = ([frame for frame in frames if frame["lane"] == lane] for lane in (0, 1))
    same = [np.array_equal(one["x"], other["x"]) for one, other in zip(a, b, strict=True)]
    assert same == [True] * plan["split"] + [False] * (10 - plan["split"])
    assert [frame["apart"][0][0] > 0 for frame in b] == [not one for one in same] and "apart" not in a[0]
    (alone,) = [
        one["x"] for one in results(toylab.messages(made, "watch", asked | {"touch": ""})[1]) if one.get("k") == 9
    ]
    np.testing.assert_array_equal(a[-1]["x"], alone)
    again = results(toylab.messages(place(), "watch", asked)[1], "frame")
    np.testing.assert_equal(again, frames)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ddpm_core, "load", lambda ref: made.services.models.model)
    exec(about["python"], {})
    for lane, last in enumerate((a[-1], b[-1])):
        ends = [np.asarray(Image.open(f"lane-{lane}-seed-{seed}.png")) for seed in (13, 14)]
        np.testing.assert_array_equal(np.stack(ends), decoded(last["x"]))
    assert about["why"] == "diffusers can't change a picture halfway"
    assert saved(made, "watch", run, "png")["png"][0] == f"toy-10-steps-{name}-changed-at-t-56-seed-13.png"


def test_a_lane_is_named_by_the_first_state_that_is_touched():
    asked = ASKED | {"touch": "_".join(reversed(STROKES[:2]))}  # that of t = 33 first
    shown = plans.described(place(), "watch", asked)["shown"]
    assert [lane["name"] for lane in shown["lanes"]] == ["DDPM β̃ₜ", "changed at t = 56"]
    assert "against changed at t = 56" in shown["title"]


class Page:
    """A page with Watch, in a lab of its own or in that of another page. evaluated: by the newest run, in each step."""

    def __init__(self, other=None, name="mine"):
        self.name, self.seen, self.evaluated = name, [], other.evaluated if other else []
        self.stops = 0  # in this step
        self.made = other.made if other else place(self._network)
        self.runs = other.runs if other else Runs(self.made.services, dict.fromkeys(self.made.names, self.made))

    def _network(self, x, t, labels):
        self.evaluated.append(len(x))
        if len(self.evaluated) == self.stops:
            self.newest.stop()
        return 0.3 * x

    def asked(self, touch=(), start=None, **more):
        """What it asks for these strokes. start: the run and the s of the state at which the lanes begin."""
        asked = toylab.requested_of(self.made.services, "watch", ASKED | {"touch": "_".join(touch)} | more)
        return asked | ({"from": {"run": start[0].id, "s": start[1]}} if start else {})

    def run(self, touch=(), start=None, **more):
        return self.run_asked(self.asked(touch, start, **more))

    def run_asked(self, asked, part="watch"):
        note_visitor(self.name, None)
        self.evaluated.clear()
        self.newest = self.runs.begin(part, asked, self.name)
        self.seen = list(self.newest.messages())
        return self.newest

    @property
    def end(self):
        return [self.seen[-1][what] for what in ("state", "status", "text")]


FINISHED, GONE, REFUSED = ["finished", None, ""], ["error", {"kind": "gone"}, ""], ["error", None, UNCLEAR]
TIMES = [89, 78, 67, 56, 45, 34, 23, 12, 1, 0]  # the s of the run


def test_a_touched_run_begins_at_a_state_of_the_run_that_is_shown():
    """After a touch, another one, one that is undone, and one above; what is seen and saved is as in a whole run."""
    page, run = Page(), None
    for touch, s in [
        ((), None),
        (STROKES[:1], 67),  # touched at 56
        (STROKES[:2], 45),  # and at 34
        (STROKES[:1], 45),
        ([STROKES[0], STROKES[1].replace("33", "78")], 89),
    ]:
        run, whole = page.run(touch, (run, s) if s else None), Page()
        alone, left = whole.run(touch), 9 - TIMES.index(s) if s else 10
        assert page.end == FINISHED and len(page.evaluated) == left
        np.testing.assert_equal(in_order(page.seen), in_order(whole.seen))
        np.testing.assert_equal(run.recording.kept(), alone.recording.kept())
        assert run.done == pytest.approx(run.plan.steps)
        apart = 10 - max(run.plan.shared, 10 - left) if touch else 0
        assert sum(run.plan.steps.values()) == left + apart
        assert page.evaluated == [2] * (left - apart) + [4] * apart  # two pictures of each lane
        first = next(message["results"] for message in page.seen if message["results"])
        assert {one["lane"] for one in first if one.get("k") == 10 - left} == set(range(len(run.plan.lanes)))


def test_a_stopped_run_has_the_states_that_it_has_reached():
    page = Page()
    for s, end in [(67, FINISHED), (45, GONE)]:
        page.stops = 4
        run, page.stops = page.run(), 0  # at 56
        assert page.end[0] == "stopped"
        page.run(["34-noise-100-3.4"], (run, s))
        assert page.end == end


def test_only_the_newest_run_of_the_visitor_keeps_its_states(monkeypatch):
    page = Page()
    stranger, run = Page(page, "another"), page.run()
    for visitor, s in [(stranger, 67), (page, 66), (page, 100)]:
        visitor.run(STROKES[:1], (run, s))
        assert visitor.end == GONE and not page.evaluated
    run = page.run()
    page.run_asked(page.asked() | {"lanes": [page.asked(steps=n)["lanes"][0] for n in (4, 5)]}, "compare")
    stranger.run()
    newer = page.run(STROKES[:1], (run, 67))  # nobody can touch two different lanes: Compare keeps no states
    assert page.end == FINISHED
    page.run(STROKES[:1], (run, 67))
    assert page.end == GONE
    monkeypatch.setattr("ui.parts.sampling.STATES", 10_000)
    page.run(STROKES[:2], (newer, 45))  # begins with those that are kept
    assert page.end == FINISHED
    newer = page.run()
    page.run(STROKES[:1], (newer, 67))
    assert page.end == GONE


def test_the_states_of_all_visitors_take_a_limited_amount_of_memory(monkeypatch):
    page = Page()
    (one,) = page.made.kept_states._of.values() if page.run() else ()
    held = sum(x.nbytes + frame.x.nbytes + frame.x0_hat.nbytes for lane in one.lanes for frame, x in lane.values())
    assert one.bytes == held
    monkeypatch.setattr("ui.parts.sampling.ALL_STATES", 5 * held)
    pages = [Page(page, str(number)) for number in range(4)]
    begun = [each.run() for each in pages]
    for number, end in [(1, FINISHED), (2, FINISHED), (0, GONE), (3, FINISHED)]:  # two lanes take twice as much
        pages[number].run(STROKES[:1], (begun[number], 67))
        assert pages[number].end == end
    monkeypatch.setattr("ui.parts.sampling.VISITORS", 1)
    run = pages[0].run()
    pages[0].run(STROKES[:1], (run, 67))
    pages[3].run(STROKES[:2], (pages[3].newest, 45))
    assert (pages[0].end, pages[3].end) == (FINISHED, GONE)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 14},
        {"count": 1},
        {"sampler": "ddim"},
        {"clip": False},
        {"touch": STROKES[1:2]},
        {"touch": [*STROKES[:1], STROKES[2]]},
        {"touch": ()},
    ],
    ids=str,
)
def test_a_state_of_another_run_is_refused(other):
    page = Page()
    run = page.run(STROKES[:1])  # touched at 56
    page.run(**{"touch": STROKES[:2], "start": (run, 45)} | other)
    assert page.end == REFUSED


def test_a_state_of_other_weights_is_refused(monkeypatch):
    page = Page()
    run = page.run()
    monkeypatch.setattr("ui.parts.sampling.weights_id", lambda model: "others")
    page.run(STROKES[:1], (run, 67))
    assert page.end == ["error", None, "The files of toy have changed: press Run again"]


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
