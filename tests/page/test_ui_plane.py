"""In the plane, without a browser: its clouds are the library's, scripts, kept networks, and what is wrong."""

import base64
import json
from functools import cache
from types import SimpleNamespace

import numpy as np
import plans
import pytest
import toylab

from ddpm_core import plane
from ddpm_core.names import SHAPES
from ddpm_core.plane import plane_network
from ui.recorded.__main__ import _make_light
from ui.web import FILES

T = 1000
UNIT, ARROW_UNIT, ARROWS = 6 / 32767, 4 / 127, 15  # of ui/web/process/plane.js
FRAMES = 60
# The first step from T divides an error of ε by √ᾱ_T = 1/157. Sums of float32 in another order give ε to some
# 2e-6, and the order depends on the processor's vectors: an Intel Xeon with AVX512 had 2.5e-6.
FAR_OFF = 157 * 4e-6
ASKED = {"shape": "moons", "cloud": "50", "seed": "7", "steps": "4", "steps_b": 6, "sampler_b": "ddim"}
TRAINED = {"denoiser_b": "trained", "training": 30}
DRAWING = {"shape": "drawing", "drawing": "10,-20 99,100"}


def described(asked):
    return plans.answer("plane", asked, {})


def computed(asked):
    """What the page's worker gives: its results, and the clouds that it keeps."""
    return plans.answer("plane", asked, {}, computes=True)


def numbers(written, unit=1.0):
    """An array of the worker, two numbers a row."""
    return np.frombuffer(base64.b64decode(written["base64"]), written["type"]).reshape(-1, 2) * unit


def results(run, kind):
    return [result for result in run["results"] if result["kind"] == kind]


@cache
def trained():
    return plane_network.train(plane.shape("moons"), steps=30)


@pytest.mark.parametrize("change", [{}, TRAINED, DRAWING], ids=["exact", "trained", "drawing"])
def test_the_clouds_are_those_of_the_library_of_the_file_and_of_the_script(change, run_script, capsys):
    asked = ASKED | change
    run = computed(asked)
    exact = plane.exact_model(plane.drawing([(0.1, -0.2), (0.99, 1.0)]) if change is DRAWING else plane.shape("moons"))
    other = trained() if change is TRAINED else exact
    clouds = {lane: numbers(points).astype(np.float32) for lane, points in run["clouds"]}
    lanes = ((exact, {"steps": 4, "variance": "beta"}), (other, {"steps": 6, "sampler": "ddim"}))
    for lane, (model, options) in enumerate(lanes):
        steps = list(plane.cloud(model, 7, 50, **options))
        within = 2e-7 if model is exact else FAR_OFF
        np.testing.assert_allclose(clouds[lane], steps[-1].x.flatten(1), rtol=2e-7, atol=within)
        shown = [frame for frame in results(run, "frame") if frame["lane"] == lane]
        assert [frame["s"] for frame in shown] == [T, *(step.s for step in steps)]
        for frame, x in zip(shown, [plane.start(7, 50), *(step.x for step in steps)], strict=True):
            np.testing.assert_allclose(numbers(frame["x"], UNIT), x.flatten(1).clamp(-6, 6), atol=UNIT + within)
            assert frame["alpha_bar"] == pytest.approx(exact.schedule.alpha_bar[frame["s"]].item(), rel=1e-14)
            assert (frame["field"] is None) == (model is exact)
    folder = run_script(run["python"])
    for lane, name in enumerate("AB"):
        saved = np.loadtxt(folder / f"{name}.csv", delimiter=",")
        np.testing.assert_allclose(saved, clouds[lane], atol=FAR_OFF)
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert float(printed["A"].rsplit(" ", 1)[1]) == pytest.approx(np.trace(np.cov(clouds[0].T)), rel=1e-4)
    done = SimpleNamespace(
        kept=lambda: {"clouds": [*clouds.items()]}, computation=SimpleNamespace(refs=()), values=asked
    )
    _, content = toylab.saved(None, "plane", done, "csv")["csv"]
    rows = [line.split(",") for line in content.decode().splitlines()[1:]]
    np.testing.assert_array_equal(np.float32([row[1:] for row in rows if row[0] == "B"]), clouds[1])


def test_the_recorded_example_is_what_the_page_computes_today():
    recorded = json.loads((FILES / "parts/plane/example.json").read_text(encoding="utf-8"))
    assert _make_light(computed(recorded["values"])["results"]) == recorded["results"]


def test_lanes_go_down_together_and_a_long_one_shows_some_of_its_steps():
    run = computed(ASKED | {"steps": 1000, "cloud": 10, "steps_b": 1})
    (plan,), frames = results(run, "plan"), results(run, "frame")
    for lane in (0, 1):
        times = [frame["s"] for frame in frames if frame["lane"] == lane]
        assert times == plan["lanes"][lane]["times"] and times[0] == T and times[-1] == 0
        assert len(times) <= FRAMES + 1
    assert [(frame["lane"], frame["s"]) for frame in frames[:4]] == [(0, T), (1, T), (0, 999), (1, 0)]
    both = computed(ASKED | {"steps_b": 4, "sampler_b": "unipc"})
    times = [frame["s"] for frame in results(both, "frame")]
    assert times == sorted(times, reverse=True)


def test_a_training_is_the_librarys_and_is_seen_and_its_network_kept():
    asked = ASKED | TRAINED | {"training": 60}
    run = computed(asked)
    assert [result["kind"] for result in run["results"]][:2] == ["plan", "training"]
    reports = results(run, "training")
    assert reports[0]["curve"] == [] and numbers(reports[0]["x"]).shape == (300, 2)
    assert reports[-1]["x"] is None and [step for step, _ in reports[-1]["curve"]] == [25, 50, 60]
    curve = [state.loss for state in plane_network.training(plane.shape("moons"), steps=60, every=25)][1:]
    np.testing.assert_allclose([loss for _, loss in reports[-1]["curve"]], curve, rtol=1e-5)
    assert reports[-1]["least"] == pytest.approx(plane.least_loss(plane.shape("moons")), rel=1e-6)
    again = results(computed(asked | {"steps_b": 9, "seed": 8}), "training")
    assert again == reports[-1:]
    for width in (0.1, 0.2, 0.3, 0.4):  # more than are kept
        assert len(results(computed(asked | {"width": width, "training": 1}), "training")) > 1
    assert len(results(computed(asked), "training")) > 1


def test_the_arrows_are_the_networks_score_on_a_grid():
    frames = [frame for frame in results(computed(ASKED | TRAINED), "frame") if frame["lane"] == 1]
    model, mixture = trained(), plane.shape("moons")
    middles = (2 * np.arange(ARROWS) + 1) / ARROWS - 1
    grid = np.stack(np.meshgrid(middles, -middles), -1).reshape(-1, 2)  # rows from the top
    for frame in frames:
        t = max(frame["s"], 1)
        alpha_bar = model.schedule.alpha_bar[t].item()
        variance = alpha_bar * mixture.width**2 + 1 - alpha_bar
        expected = variance**0.5 * plane.network_score(model, frame["reach"] * grid, t)
        found = numbers(frame["field"], ARROW_UNIT)
        np.testing.assert_allclose(found, expected.clamp(-4, 4), atol=0.51 * ARROW_UNIT)


def test_auto_is_the_spacing_that_suits_each_sampler():
    asked = ASKED | {"sampler_b": "dpm++", "steps_b": 10}
    about = described(asked)
    plan = about["shown"]
    assert [lane["name"] for lane in plan["lanes"]] == [
        "exact ε · DDPM βₜ · 4 steps",
        "exact ε · DPM++ · 10 steps · quadratic",
    ]
    assert about["lanes"] == [lane["name"] for lane in plan["lanes"]]
    assert plan["lanes"][1]["times"][1] < 650  # after its first step from t = 801
    fixed = described(asked | {"spacing": "trailing"})["shown"]
    assert all(lane["name"].endswith(" · trailing") for lane in fixed["lanes"])


WRONG = {
    "a shape": ({"shape": "square"}, "choose from ring, moons, spiral, gaussian, drawing"),
    "no drawing": ({"shape": "drawing"}, "draw at least one point"),
    "a poem": ({"drawing": "roses are red"}, "points such as"),
    "outside": ({"drawing": "0,101"}, "1 to 200 points"),
    "no width": ({"width": 0}, "width must be"),
    "a seed": ({"seed": -1}, "seed must be"),
    "a spacing": ({"spacing": "optimised"}, "no spacing"),
    "a training": ({"denoiser": "trained", "training": 0}, "training must be"),
    "a denoiser": ({"denoiser_b": "magic"}, "There is no denoiser of B 'magic'"),
    "steps": ({"steps": 1001}, "Steps of A must be"),
    "a variance": ({"variance_b": "learned"}, "no variance of B"),
    "a list": ({"steps": [1], "shape": "ring"}, "Steps of A must be"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said(wrong):
    change, sentence = WRONG[wrong]
    assert sentence in described(ASKED | change)["error"]


def test_every_shape_and_one_point_run():
    for change in (*({"shape": name} for name in SHAPES), {"shape": "drawing", "drawing": "0,0"}):
        run = computed(ASKED | change | {"width": 0.02, "sampler": "dpm++", "spacing": "trailing"})
        assert [lane for lane, _ in run["clouds"]] == [0, 1]
        mixture = plane.drawing([(0, 0)]) if "drawing" in change else plane.shape(change["shape"])
        np.testing.assert_allclose(run["data"]["centres"], mixture.centres.flatten(), atol=1e-4)
