"""In the plane, without a browser: its clouds are the library's, scripts, kept networks, limits, and runs that end."""

import numpy as np
import pytest
import torch
from plans import described, planned
from toylab import messages, requested, requested_of, results, saved, toy_services

from ddpm_core import plane
from ddpm_core.names import SHAPES
from ddpm_core.plane import plane_network
from ui.machine.limits import Refused, ServerLimits
from ui.parts.plane import ARROW_UNIT, ARROWS, DRAWN, FRAMES, UNIT, Networks, PlanePart, T, Trained, pace_of
from ui.runs.asked import UNCLEAR

ASKED = {"shape": "moons", "cloud": "50", "seed": "7", "steps": "4", "steps_b": 6, "sampler_b": "ddim"}
TRAINED = {"denoiser_b": "trained", "training": 30}
DRAWING = {"shape": "drawing", "drawing": "10,-20 99,100"}


@pytest.fixture
def place():
    return PlanePart(toy_services())


def streamed(place, asked, **options):
    return messages(place, "plane", asked, **options)


def points(whole, unit=UNIT, kind="int16"):
    assert whole.dtype == kind
    return whole.reshape(-1, 2) * unit


@pytest.mark.parametrize("change", [{}, TRAINED, DRAWING], ids=["exact", "trained", "drawing"])
def test_the_clouds_are_those_of_the_library_of_the_file_and_of_the_script(change, place, run_script, capsys):
    asked = ASKED | change
    run, seen = streamed(place, asked)
    assert seen[-1]["state"] == "finished"
    mixture = plane.drawing([(0.1, -0.2), (0.99, 1.0)]) if change is DRAWING else plane.shape("moons")
    exact = plane.exact_model(mixture)
    other = plane_network.train(mixture, steps=30) if change is TRAINED else exact
    frames, clouds = results(seen, "frame"), run.recording.clouds
    lanes = ((exact, {"steps": 4, "variance": "beta"}), (other, {"steps": 6, "sampler": "ddim"}))
    for lane, (model, options) in enumerate(lanes):
        steps = list(plane.cloud(model, 7, 50, **options))
        assert np.array_equal(clouds[lane], steps[-1].x.flatten(1))
        shown = [frame for frame in frames if frame["lane"] == lane]
        assert [frame["s"] for frame in shown] == [T, *(step.s for step in steps)]
        for frame, x in zip(shown, [plane.start(7, 50), *(step.x for step in steps)], strict=True):
            np.testing.assert_allclose(points(frame["x"]), x.flatten(1).clamp(-6, 6), atol=UNIT)
            assert frame["alpha_bar"] == exact.schedule.alpha_bar[frame["s"]]
            assert (frame["field"] is None) == (model is exact)
    folder = run_script(described(place, "plane", asked)["python"])
    for lane, name in enumerate("AB"):
        np.testing.assert_allclose(np.loadtxt(folder / f"{name}.csv", delimiter=","), clouds[lane], rtol=1e-7)
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert float(printed["A"].rsplit(" ", 1)[1]) == pytest.approx(np.trace(np.cov(clouds[0].T)), rel=1e-4)
    _, content = saved(place, "plane", run, "csv")["csv"]
    rows = [line.split(",") for line in content.decode().splitlines()[1:]]
    np.testing.assert_array_equal(np.float32([row[1:] for row in rows if row[0] == "B"]), clouds[1])


def test_lanes_go_down_together_and_a_long_one_shows_some_of_its_steps(place):
    asked = ASKED | {"steps": 1000, "cloud": 10, "steps_b": 1}
    _, seen = streamed(place, asked)
    plan = described(place, "plane", asked)["shown"]
    frames = results(seen, "frame")
    for lane in (0, 1):
        times = [frame["s"] for frame in frames if frame["lane"] == lane]
        assert times == plan["lanes"][lane]["times"] and times[0] == T and times[-1] == 0
        assert len(times) <= FRAMES + 1
    assert [(frame["lane"], frame["s"]) for frame in frames[:4]] == [(0, T), (1, T), (0, 999), (1, 0)]
    _, both = streamed(place, ASKED | {"steps_b": 4, "sampler_b": "unipc"})
    times = [frame["s"] for frame in results(both, "frame")]
    assert times == sorted(times, reverse=True)


def test_a_training_is_seen_and_its_network_kept(place, monkeypatch):
    monkeypatch.setattr("ui.parts.plane.PREVIEW_SECONDS", 0.0)
    asked = ASKED | TRAINED | {"training": 60}
    _, seen = streamed(place, asked)
    assert [result["kind"] for result in results(seen)][:3] == ["plan", "training", "training"]
    reports = results(seen, "training")
    assert [[step for step, _ in report["curve"]] for report in reports[:4]] == [[], [25], [25, 50], [25, 50, 60]]
    assert reports[-1]["x"] is None and points(reports[0]["x"]).shape == (300, 2)
    assert 0.05 < reports[-1]["least"] < reports[-1]["curve"][-1][1]
    _, again = streamed(place, asked | {"steps_b": 9, "seed": 8})
    assert [report["x"] for report in results(again, "training")] == [None]
    assert results(again, "training")[0]["curve"] == reports[-1]["curve"]
    _, other = streamed(place, asked | {"width": 0.1})
    assert len(results(other, "training")) > 1


def test_the_arrows_are_the_networks_score_on_a_grid(place, monkeypatch):
    """With the exact network in the place of a trained one they are the mixture's, which the page draws by itself."""
    mixture = requested(place, "plane", ASKED | TRAINED).request.mixture()
    monkeypatch.setattr(Networks, "get", lambda self, key: Trained(plane.exact_model(mixture)))
    _, seen = streamed(place, ASKED | TRAINED)
    frames = [frame for frame in results(seen, "frame") if frame["lane"] == 1]
    for frame in frames[:-1]:
        field = points(frame["field"], ARROW_UNIT, "i1").reshape(ARROWS, ARROWS, 2)
        variance = frame["alpha_bar"] * mixture.width**2 + 1 - frame["alpha_bar"]
        for i, j in ((0, 0), (3, 12), (7, 7)):
            at = frame["reach"] * (2 * np.array([[i + 0.5, ARROWS - j - 0.5]]) / ARROWS - 1)  # rows from the top
            expected = variance**0.5 * mixture.score(torch.from_numpy(at), frame["alpha_bar"])
            np.testing.assert_allclose(field[j, i], expected[0].clamp(-4, 4), atol=0.6 * ARROW_UNIT)


def test_auto_is_the_spacing_that_suits_each_sampler(place):
    asked = ASKED | {"sampler_b": "dpm++", "steps_b": 10}
    about = described(place, "plane", asked)
    plan = about["shown"]
    assert [lane["name"] for lane in plan["lanes"]] == [
        "exact ε · DDPM βₜ · 4 steps",
        "exact ε · DPM++ · 10 steps · quadratic",
    ]
    assert about["lanes"] == [lane["name"] for lane in plan["lanes"]]
    assert plan["lanes"][1]["times"][1] < 650  # after its first step from t = 801
    fixed = described(place, "plane", asked | {"spacing": "trailing"})["shown"]
    assert all(lane["name"].endswith(" · trailing") for lane in fixed["lanes"])


def test_networks_are_few():
    networks = Networks()
    for key in range(Networks.LIMIT):
        networks.keep(key, Trained(None))
    assert networks.get(0)
    networks.keep("new", Trained(None))
    assert networks.get(0) and networks.get("new") and networks.get(1) is None


@pytest.mark.parametrize("change", [{"steps": 1000, "cloud": 2000}, TRAINED | {"training": 10_000}], ids=str)
def test_stop_ends_a_run_soon(change, place):
    run, seen = streamed(place, ASKED | change, watch=lambda run, message: message["results"] and run.stop())
    assert seen[-1]["state"] == "stopped"
    assert sum(run.done.values()) < sum(run.plan.steps.values())
    with pytest.raises(ValueError, match="no finished cloud"):
        saved(place, "plane", run, "csv")


WRONG = {
    "a shape": ({"shape": "square"}, "choose from ring, moons, spiral, gaussian, drawing"),
    "no drawing": ({"shape": "drawing"}, "draw at least one point"),
    "a poem": ({"drawing": "roses are red"}, "points such as"),
    "outside": ({"drawing": "0,101"}, f"1 to {DRAWN} points"),
    "no width": ({"width": 0}, "width must be"),
    "a seed": ({"seed": -1}, "seed must be"),
    "a spacing": ({"spacing": "optimised"}, "no spacing"),
    "a training": ({"denoiser": "trained", "training": 0}, "training must be"),
    "a denoiser": ({"denoiser_b": "magic"}, "There is no denoiser of lane B 'magic'"),
    "steps": ({"steps": 1001}, "Steps of lane A must be"),
    "a variance": ({"variance_b": "learned"}, "no variance of lane B"),
    "a list": ({"steps": [1], "shape": "ring"}, "Steps of lane A must be"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said(wrong, place):
    change, sentence = WRONG[wrong]
    assert sentence in described(place, "plane", ASKED | change)


OTHER = {
    "a shape": {"shape": "square"},
    "no drawing": {"shape": None},
    "too many points": {"drawing": [[0.1, 0.2]] * (DRAWN + 1)},
    "outside": {"drawing": [[0, 1.01]]},
    "half a point": {"drawing": [[0.1]]},
    "no width": {"width": 0.0},
    "points in words": {"cloud": "50"},
    "one point": {"cloud": 1},
    "a seed": {"seed": -1},
    "a training": {"training": True},
    "one lane": {"lanes": []},
    "a field": {"device": "cuda"},
}
OF_LANE = {
    "steps": {"steps": 1001},
    "a denoiser": {"denoiser": "magic"},
    "a sampler": {"sampler": "langevin"},
    "a spacing": {"spacing": "auto"},
    "an option": {"points": 1},
    "another number": {"n": 1},
}


@pytest.mark.parametrize("change", [*OTHER.values(), *OF_LANE.values()], ids=[*OTHER, *OF_LANE])
def test_what_no_page_asks_is_refused(change, place):
    asked = requested_of(place.services, "plane", ASKED)
    a, b = asked["lanes"]
    other = {"lanes": [a, b | change]} if change in OF_LANE.values() else change
    with pytest.raises(ValueError, match=UNCLEAR):
        place.request(asked | other).plan([])


def test_what_the_exact_model_can_not_do_is_refused_by_the_server_too(place):
    asked = requested_of(place.services, "plane", ASKED)
    a, b = asked["lanes"]
    for name, value in {"variance": "learned", "eta": 0.5, "spacing": "optimised"}.items():
        with pytest.raises(ValueError, match=f"{name}|{value}"):
            place.request(asked | {"lanes": [a | {name: value}, b]}).plan([])


def test_a_run_over_the_limit_is_refused():
    place = PlanePart(toy_services(run_tflop=0.01))
    asked = ASKED | {"steps": 1000, "cloud": 2000}
    assert "(limit: run_tflop = 0.01)" in streamed(place, asked)[1][-1]["text"]
    requested(place, "plane", ASKED).checked_plan([])
    with pytest.raises(Refused, match="limit: run_tflop"):
        requested(place, "plane", ASKED | TRAINED | {"training": 10_000}).checked_plan([])


def test_what_a_public_page_allows_is_enough_for_the_largest_run():
    largest = {"steps": 1000, "steps_b": 1000, "cloud": 2000, "denoiser": "trained", "training": 10_000}
    place = PlanePart(toy_services(run_tflop=ServerLimits.public().run_tflop))
    requested(place, "plane", ASKED | largest).checked_plan([])


def test_every_shape_and_one_point_run(place):
    for change in (*({"shape": name} for name in SHAPES), {"shape": "drawing", "drawing": "0,0"}):
        asked = ASKED | change | {"width": 0.02, "sampler": "dpm++", "spacing": "trailing"}
        assert streamed(place, asked)[1][-1]["state"] == "finished"
        centres = described(place, "plane", asked)["data"]["centres"]
        mixture = requested(place, "plane", asked).request.mixture()
        np.testing.assert_allclose(centres, mixture.centres.flatten(), atol=1e-4)


def test_the_first_visitor_is_told_how_long_a_run_takes(place):
    paces = {name: pace_of(place.services, name) for name in ("plane-exact", "plane-trained", "plane-training")}
    pace = {"paces": paces, "device": "GPU", "busy": False, "tflop": None}
    changes = ({}, TRAINED | {"training": 10_000})
    short, slow = (planned(place, "plane", ASKED | change, pace=pace) for change in changes)
    assert "CPU" in short["estimate"] and short["auto"]
    assert not slow["auto"] and slow["seconds"] > short["seconds"] > 0
