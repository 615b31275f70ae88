"""How much a noisy picture still knows, without a browser: its rows, limits and scripts."""

import io
import json
from types import SimpleNamespace

import numpy as np
import plans
import pytest
import toylab
from PIL import Image
from test_jobs import Gate
from toylab import decoded, results, saved

import ddpm_core
from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.student import Student
from ui.models.loaded import Models
from ui.parts.latents import LatentsPart
from ui.parts.picture_rows import spread
from ui.pictures import as_text, test_sets
from ui.runs.asked import UNCLEAR

ASKED = {"checkpoint": "toy", "steps": 4, "count": 3, "times": "100, 20, 0", "seed": "7", "seed_b": "9"}
BOTH = ({"mode": "reconstruct"}, {"mode": "interpolate"})


def place(network=lambda x, t, labels: 0.3 * x):
    return LatentsPart(toylab.toy_services(toylab.Models(network)))


def streamed(made, asked, watch=lambda run, message: None):
    return toylab.messages(made, "latents", asked, watch)


def described(made, asked):
    return plans.described(made, "latents", asked)


def text(seed=0, size=8):
    image = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return as_text.to_text(image), image


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("mode", BOTH, ids=str)
def test_the_rows_are_those_of_the_library_and_of_the_script(mode, own, run_script):
    made, (a, image), (b, other) = place(), text(0), text(1)
    model = made.services.models.model
    asked = ASKED | mode | ({"picture": a, "picture_b": b} if own else {})
    run, messages = streamed(made, asked)
    assert messages[-1]["state"] == "finished"
    options = {"steps": 4, "variance": "beta_tilde"}
    if not own:
        image, other = ddpm_core.sample(model, [7, 9], **options)
    shown = {result["row"]: decoded(result["x0"]) for result in results(messages, "step") if result["s"] == 0}
    for row, t in enumerate((100, 20, 0)):
        x = ddpm_core.encode(model, image[None], t, [7])
        if mode["mode"] == "reconstruct":
            expected = ddpm_core.reconstruct(model, x, t, [8, 9, 10], **options)  # not the sample's own noise
        else:
            second = ddpm_core.encode(model, other[None], t, [9])
            expected = ddpm_core.interpolate(model, x, second, t, [0, 0.5, 1], 8, **options)
        np.testing.assert_array_equal(shown[row], expected)
        assert results(messages, "row")[row]["spread"] == pytest.approx(spread(expected))

    written = run_script(described(made, asked)["python"], model) / f"{mode['mode']}.png"
    page = np.asarray(Image.open(io.BytesIO(saved(made, "latents", run, "png")["png"][1])))
    np.testing.assert_array_equal(np.asarray(Image.open(written)), page)


def test_a_run_is_saved_as_an_animation_that_ends_in_its_pictures():
    made = place()
    run, _ = streamed(made, ASKED)
    files = saved(made, "latents", run, "png", "gif")
    png = np.asarray(Image.open(io.BytesIO(files["png"][1])))
    name, gif = files["gif"]
    film = Image.open(io.BytesIO(gif))
    about = json.loads(film.info["comment"])
    assert film.n_frames == 4 and 300 <= film.width <= 600  # to be sent
    film.seek(3)
    rows = png[:18].astype(int)  # t = 0 has no step, and so no film
    scale = film.height // 18
    assert np.abs(np.asarray(film.convert("RGB"))[::scale, ::scale] - rows).mean() < 6  # of 256 colours
    assert name == "toy-reconstruct-seed-7.gif"
    told = (about["mode"], about["seed"], about["times"], about["picture"])
    assert told == ("reconstruct", 7, "100, 20, 0", "sample")


def test_the_first_pictures_come_before_the_first_row_is_done():
    asked = ASKED | {"picture": text()[0], "times": ""}
    _, messages = streamed(place(), asked)
    assert [result["kind"] for result in results(messages)][:6] == ["plan", "source", *["latent"] * 4]
    plan = described(place(), asked)["shown"]
    assert plan["titles"] == ["t = 100", "t = 75", "t = 50", "t = 25"]
    assert plan["columns"] == ["seed 8", "seed 9", "seed 10"]
    assert len(results(messages, "step")) == 4 * 4


def test_times_are_real_numbers_or_noise_levels():
    """The rows are those of the library at the same times."""
    made = place()
    model, asked = made.services.models.model, ASKED | {"times": "12.25, σ 0.5, 80", "picture": text()[0]}
    said = described(made, asked)
    assert said["shown"]["titles"] == ["t = 12.25", "σ 0.5", "σ 80"]
    times = said["asked"]["times"]
    assert times[1:] == pytest.approx([model.schedule.time_at(0.5), model.schedule.time_at(80)], rel=1e-9)
    _, messages = streamed(made, asked)
    assert messages[-1]["state"] == "finished" and len(results(messages, "row")) == 3
    picture = as_text.from_text(text()[0], model)
    shown = {one["row"]: one["x0"] for one in results(messages, "step")}
    x = ddpm_core.encode(model, picture, 12.25, [7])
    np.testing.assert_array_equal(
        shown[0], ddpm_core.reconstruct(model, x, 12.25, [8, 9, 10], 4, variance="beta_tilde")
    )


def test_what_needs_no_network_is_known_to_be_quick():
    asked = ASKED | {"times": "0", "mode": "interpolate", "picture": text(0)[0], "picture_b": text(1)[0]}
    pace = {"paces": {}, "device": "CPU", "busy": False, "tflop": None}
    assert plans.planned(place(), "latents", asked, pace=pace)["auto"]
    assert toylab.seconds(place(), "latents", asked) == 0
    assert toylab.seconds(place(), "latents", ASKED) is None  # nothing was timed


@pytest.mark.parametrize("more", [{"sampler": "langevin"}, {"labels": 3, "guidance": 2.0}], ids=str)
def test_all_work_is_counted(more):
    """Also corrections, and what guidance leads away from: the limit of a run counts them."""
    made = place(lambda x, t, labels: 0.3 * x + 0 * labels[:, None, None, None] if "labels" in more else 0.3 * x)
    model = made.services.models.model
    model.num_classes, model.null_label = (10, 10) if "labels" in more else (None, None)
    asked = toylab.requested_of(made.services, "latents", ASKED)
    asked["lane"] = {"checkpoint": "toy", "steps": 4, "sampler": "ddpm"} | more
    run, messages = toylab.heard(made, made.request(asked))
    assert messages[-1]["state"] == "finished" and dict(run.done) == run.plan.steps


def test_stop_keeps_the_rows_that_are_done():
    gate = Gate()
    made = place(gate)
    for _ in range(5):  # one row, and a step more
        gate.go.release()

    def stop(run, message):
        if results([message], "row"):
            run.stop()
            gate.go.release()

    run, messages = streamed(made, ASKED | {"picture": text()[0]}, stop)
    assert messages[-1]["state"] == "stopped" and len(results(messages, "row")) == 1
    assert saved(made, "latents", run, "png")["png"][0].endswith(".png")


WRONG = {
    "a mode": ({"mode": "dream"}, "no mode 'dream'"),
    "too many columns": ({"count": 17}, "columns must be"),
    "words as times": ({"times": "noon"}, "such as 750, 500, 250"),
    "a level without its number": ({"times": "500, σ"}, "or σ 80, 10, 0.5"),
    "a real time past T": ({"times": "100.5"}, "from 0 to 100"),
    "too many times": ({"times": ",".join(map(str, range(13)))}, "up to 12"),
    "a time past T": ({"times": "101"}, "from 0 to 100"),
    "no seed": ({"seed": "x"}, "seed must be"),
    "steps past T": ({"steps": 101}, "from 1 to 100"),
    "another picture's size": ({"picture": as_text.to_text(np.zeros((9, 9, 3), np.uint8))}, "model's size, 8×8"),
    "a bomb": ({"picture": as_text.to_text(np.zeros((4000, 4000), np.uint8))}, "model's size"),
    "a list": ({"checkpoint": ["a"], "steps": [1]}, "Steps must be"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_while_the_user_chooses(wrong):
    change, sentence = WRONG[wrong]
    assert sentence in described(place(), ASKED | change)


@pytest.mark.parametrize(
    "change",
    [
        {"times": []},
        {"times": [True]},
        {"times": ["20"]},
        {"times": [20] * 13},
        {"times": [-0.5]},
        {"times": [float("nan")]},
        {"seeds": [-1]},
        {"seeds": [7] * 17},
        {"sources": []},
        {"sources": [{"seed": 7}]},
        {"weights": [0.5]},
        {"clip": 1},
        {"mode": "interpolate"},
    ],
    ids=str,
)
def test_what_no_page_asks_is_refused(change):
    made = place()
    asked = toylab.requested_of(made.services, "latents", ASKED | {"mode": "interpolate"})
    with pytest.raises(ValueError, match=UNCLEAR):
        made.request(asked | change).plan([made.services.models.model])


def test_what_the_model_can_not_do_is_refused_by_the_server_too():
    made = place()
    asked = toylab.requested_of(made.services, "latents", ASKED)
    other = {"sources": [{"seed": 7, "own": text(size=9)[0]}]}
    for change, sentence in (({"times": [101]}, "at most 100, got 101"), (other, "model's size")):
        with pytest.raises(ValueError, match=sentence):
            made.request(asked | change).plan([made.services.models.model])


def test_a_picture_stays_the_same_as_text():
    for channels in (1, 3):
        model = SimpleNamespace(image_size=5, channels=channels)
        image = np.random.default_rng(0).integers(0, 256, (5, 5, channels), dtype=np.uint8)
        np.testing.assert_array_equal(as_text.from_text(as_text.to_text(image), model)[0], image)


# --- The model and its pictures


def test_a_model_says_what_the_controls_offer():
    services = toylab.toy_services(Models())
    about = plans.offered(services, "cifar10-tiny")
    assert about["times"] == [1000, 750, 500, 250] and "cat" in about["classes"]
    assert "beta_tilde" in about["variances"] and (about["size"], about["channels"]) == (32, 3)
    assert about["set"]["count"] == 40 and [picture["name"] for picture in about["examples"]][:2] == list(
        test_sets.CIFAR10[:2]
    )
    with pytest.raises(CheckpointError):
        plans.offered(services, "/nowhere")


def test_the_shipped_pictures_belong_to_their_classes():
    for found in test_sets.sets():
        assert len(found.images) == len(found.labels) >= 30 and found.images.dtype == np.uint8
        assert {*found.labels} == {*range(10)}
        assert len(np.unique(found.images.reshape(len(found.images), -1), axis=0)) == len(found.images)
    mnist = test_sets.sets()[1].images[:, :, :, 0].astype(float)
    assert mnist[1::10].mean() < mnist[0::10].mean()  # a 1 has less ink than a 0


def test_a_row_that_has_no_chain_is_refused_before_the_model_is_loaded():
    """A student has learned few times."""
    made = place()
    made.services.models.model.student = Student("progressive", (100, 20))
    asked = ASKED | {"sampler": "ddim", "steps": 2, "times": "100, 20"}
    assert "has not learned t = 50" in described(made, asked | {"times": "100, 50"})
    values = toylab.requested_of(made.services, "latents", asked) | {"times": [100, 50]}
    _, messages = toylab.heard(made, made.request(values))
    assert "has not learned t = 50" in messages[-1]["text"]
    assert not results(messages) and not made.services.models.is_loaded


@pytest.mark.parametrize(("method", "sampler"), [("progressive", "ddim"), ("consistency", "consistency")])
def test_what_is_offered_for_a_student_runs(method, sampler):
    """Its times, its sampler and its steps, as they stand in the form before anything is chosen."""
    made = place()
    made.services.models.model.student = student = Student(method, (100, 60, 20))
    about = plans.offered(made.services, "toy")
    assert about["samplers"] == [sampler] and about["times"] == [100, 60, 20]
    asked = ASKED | {"sampler": sampler, "steps": about["steps"][2], "times": ""}
    plan = described(made, asked)["shown"]
    _, messages = streamed(made, asked)
    assert messages[-1]["state"] == "finished"
    assert plan["titles"] == ["t = 100", "t = 60", "t = 20"]
    assert plan["steps"] == ([3, 2, 1] if method == "progressive" else [2, 2, 1])
    assert student.steps == about["steps"][2]


def test_the_mode_and_the_seeds_choose_what_is_computed():
    picture = text()[0]
    asked = toylab.requested_of(
        place().services, "latents", ASKED | {"mode": "interpolate", "picture": picture, "picture_b": ""}
    )
    assert asked["sources"] == [{"seed": 7, "own": picture}, {"seed": 9, "own": ""}]
    assert asked["weights"] == [0, 0.5, 1] and asked["times"] == [100, 20, 0]
    one = toylab.requested_of(place().services, "latents", ASKED)
    assert (one["sources"], one["weights"], one["seeds"]) == ([{"seed": 7, "own": ""}], [], [8, 9, 10])
    mixed = described(place(), ASKED | {"mode": "interpolate", "count": 9})["shown"]
    assert mixed["columns"] == [
        f"λ {weight}" for weight in ("0", "0.12", "0.25", "0.38", "0.5", "0.62", "0.75", "0.88", "1")
    ]


def test_what_can_be_saved_is_counted_and_can_be_forgotten():
    made = place()
    run, _ = streamed(made, ASKED)
    recording = run.recording
    assert recording.bytes == (3 + 4 + 4) * 3 * 8 * 8 * 3  # the ends of three rows, and the steps of two
    recording.forget()
    assert not recording.bytes
    with pytest.raises(ValueError, match="no finished row"):
        saved(made, "latents", run, "png")
