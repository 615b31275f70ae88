"""The Latents tab without a browser: its pictures, limits, scripts, links' pictures, uploads, and works that end."""

import asyncio
import base64
import io
import json
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image
from test_ui_jobs import Gate
from test_ui_jobs import Models as Toy
from ui.runs.line import LINE
from ui.runs.listeners import Streams
from ui.runs.models import Models
from ui.tabs.latents import pixels
from ui.tabs.latents.chooser import Chooser
from ui.tabs.latents.handlers import Handlers
from ui.tabs.latents.job import spread
from ui.tabs.latents.wanted import Wanted

import ddpm_core
from ddpm_core.student import Student
from ui import sets
from ui.export import files

ASKED = {"checkpoint": "toy", "steps": 4, "count": 3, "times": "100, 20, 0", "seed": "7", "seed_b": "9"}
BOTH = ({"mode": "reconstruct"}, {"mode": "interpolate"})


class Offered(Toy):
    """A toy model with what handlers ask of Models besides."""

    kind = "CPU"

    def choices(self):
        return [("Toy", "toy")]

    def references(self):
        return ["toy"]


def request():
    return SimpleNamespace(session_hash="page")


def event(asked):
    return SimpleNamespace(_data=asked)


def made(models, monkeypatch):
    monkeypatch.setattr(Streams, "installed", False)  # another test of this process may have served the app
    monkeypatch.setattr(files, "cached", lambda demo, name, content: content)
    return Handlers(gr.Blocks(), models, "toy")


@pytest.fixture
def handlers(monkeypatch):
    yield made(Offered(), monkeypatch)
    end = time.monotonic() + 10
    while len(LINE) and time.monotonic() < end:
        time.sleep(0.01)


def streamed(works, asked):
    async def collect():
        return [message async for message in works.run(request(), event(asked))]

    return asyncio.run(collect())


def results(messages, kind):
    return [result for message in messages for result in message.get("frames", ()) if result["kind"] == kind]


def decoded(uri, size=8):
    """A sprite as (N, H, W, 3)."""
    row = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))
    return np.stack(np.split(row, row.shape[1] // size, axis=1))


def text(seed=0, size=8):
    image = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return pixels.to_text(image), image


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("mode", BOTH, ids=str)
def test_the_rows_are_those_of_the_library_and_of_the_script(mode, own, handlers, tmp_path, monkeypatch):
    model, (a, image), (b, other) = handlers._models.model, text(0), text(1)
    asked = ASKED | mode | ({"picture": a, "picture_b": b} if own else {})
    messages = streamed(handlers.tasks, asked)
    assert messages[-1]["state"] == "finished"
    options = {"steps": 4, "variance": "beta_tilde"}
    if not own:
        image, other = ddpm_core.sample(model, [7, 9], **options)
    shown = {result["row"]: decoded(result["x0"]) for result in results(messages, "step") if result["s"] == 0}
    for row, t in enumerate((100, 20, 0)):
        x = ddpm_core.encode(model, image[None], t, [7])
        if mode["mode"] == "reconstruct":
            expected = ddpm_core.reconstruct(model, x, t, [7, 8, 9], **options)
        else:
            expected = ddpm_core.interpolate(
                model, x, ddpm_core.encode(model, other[None], t, [9]), t, [0, 0.5, 1], 7, **options
            )
        np.testing.assert_array_equal(shown[row], expected)
        assert results(messages, "row")[row]["spread"] == pytest.approx(spread(expected))

    saved = handlers.save_run({"run": messages[-1]["run"], "kind": "png"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ddpm_core, "load", lambda ref: model)
    exec(handlers.describe_run(asked)["python"], {})
    page = np.asarray(Image.open(io.BytesIO(saved["path"])))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"{mode['mode']}.png")), page)


def test_a_run_is_saved_as_an_animation_that_ends_in_its_pictures(handlers):
    messages = streamed(handlers.tasks, ASKED)
    run = messages[-1]["run"]
    png = np.asarray(Image.open(io.BytesIO(handlers.save_run({"run": run, "kind": "png"})["path"])))
    film = Image.open(io.BytesIO(handlers.save_run({"run": run, "kind": "webp"})["path"]))
    assert film.n_frames == 4
    film.seek(3)
    rows = png[:18]  # t = 0 has no step, and so no film
    np.testing.assert_array_equal(np.asarray(film.convert("RGB"))[:: film.height // 18, :: film.height // 18], rows)
    gif = handlers.save_run({"run": run, "kind": "gif"})
    about = json.loads(Image.open(io.BytesIO(gif["path"])).info["comment"])
    assert gif["name"] == "toy-reconstruct-seed-7.gif"
    assert (about["mode"], about["seed"], about["times"], about["pictures"]) == (
        "reconstruct",
        7,
        [100, 20, 0],
        ["sample"],
    )
    for wrong in ({"run": run, "kind": "exe"}, {"run": "other", "kind": "png"}, {}):
        assert "error" in handlers.save_run(wrong)


def test_the_first_pictures_come_before_the_first_row_is_done(handlers):
    messages = streamed(handlers.tasks, ASKED | {"picture": text()[0], "times": ""})
    kinds = [result["kind"] for message in messages for result in message.get("frames", ())]
    assert kinds[:6] == ["plan", "source", *["latent"] * 4]
    (plan,) = results(messages, "plan")
    assert plan["times"] == (100, 75, 50, 25) and plan["columns"] == ["seed 7", "seed 8", "seed 9"]
    assert len(results(messages, "step")) == 4 * 4


def test_stop_keeps_the_rows_that_are_done(monkeypatch):
    gate = Gate()
    handlers = made(Offered(gate), monkeypatch)
    seen = []

    async def watch():
        for _ in range(5):  # one row, and a step more
            gate.go.release()
        async for message in handlers.tasks.run(request(), event(ASKED | {"picture": text()[0]})):
            seen.append(message)
            if results([message], "row"):
                handlers.tasks.stop(request())
                gate.go.release()

    asyncio.run(watch())
    assert seen[-1]["state"] == "stopped" and len(results(seen, "row")) == 1
    assert "path" in handlers.save_run({"run": seen[-1]["run"], "kind": "png"})


def test_stop_at_once_computes_nothing(handlers):
    async def watch():
        stream = handlers.tasks.run(request(), event(ASKED))
        seen = [await anext(stream)]
        handlers.tasks.stop(request())
        return seen + [message async for message in stream]

    assert asyncio.run(watch())[-1]["state"] in ("stopped", "finished")  # it may have been quick


WRONG = {
    "a mode": ({"mode": "dream"}, "no mode 'dream'"),
    "too many columns": ({"count": 17}, "columns must be"),
    "one column": ({"count": 1}, "columns must be"),
    "words as times": ({"times": "noon"}, "such as 750, 500, 250"),
    "too many times": ({"times": ",".join(map(str, range(13)))}, "up to 12"),
    "a time past T": ({"times": "101"}, "from 0 to 100"),
    "no seed": ({"seed": "x"}, "seed must be"),
    "no second seed": ({"seed_b": -1}, "seed must be"),
    "steps past T": ({"steps": 101}, "from 1 to 100"),
    "another picture's size": ({"picture": pixels.to_text(np.zeros((9, 9, 3), np.uint8))}, "model's size, 8×8"),
    "no picture": ({"picture": "§§§"}, "model's size"),
    "a bomb": ({"picture": pixels.to_text(np.zeros((4000, 4000), np.uint8))}, "model's size"),
    "a list": ({"checkpoint": ["a"], "steps": [1]}, "Steps must be"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_while_the_user_chooses_and_by_the_run(wrong, handlers):
    change, sentence = WRONG[wrong]
    assert sentence in handlers.describe_run(ASKED | change)["error"]
    (*_, last) = streamed(handlers.tasks, ASKED | change)
    assert last["state"] == "error" and sentence in last["text"]


def test_a_picture_stays_the_same_as_text():
    for channels in (1, 3):
        model = SimpleNamespace(image_size=5, channels=channels)
        image = np.random.default_rng(0).integers(0, 256, (5, 5, channels), dtype=np.uint8)
        np.testing.assert_array_equal(pixels.from_text(pixels.to_text(image), model)[0], image)


# --- The model and its pictures


@pytest.fixture(scope="module")
def chooser():
    return Chooser(Models())


@pytest.fixture
def upload():
    made = []

    def write(image, name="own.png"):
        path = files_folder / f"test-{uuid.uuid4().hex}-{name}"  # gradio's own paths hold a hash, and are cached by
        image.save(path)
        made.append(path)
        return str(path)

    files_folder = Path(get_upload_folder())
    files_folder.mkdir(parents=True, exist_ok=True)
    yield write
    for path in made:
        path.unlink()


def test_a_model_says_what_the_controls_offer(chooser):
    about = chooser.about_model({"checkpoint": "cifar10-tiny"})
    assert (
        about["times"] == [1000, 750, 500, 250]
        and "cat" in about["labels"]
        and ("β̃ₜ · as published", "beta_tilde") in about["variances"]
    )
    assert about["set"]["count"] == 40 and [picture["name"] for picture in about["examples"]][:2] == list(
        sets.CIFAR10[:2]
    )
    assert "error" in chooser.about_model({"checkpoint": "/nowhere"})


def test_the_shipped_pictures_belong_to_their_classes():
    for found in sets.sets():
        assert len(found.images) == len(found.labels) >= 30 and found.images.dtype == np.uint8
        assert {*found.labels} == {*range(10)}
        assert len(np.unique(found.images.reshape(len(found.images), -1), axis=0)) == len(found.images)
    mnist = sets.sets()[1].images[:, :, :, 0].astype(float)
    assert mnist[1::10].mean() < mnist[0::10].mean()  # a 1 has less ink than a 0


UPLOADS = {
    "a photo": (Image.effect_noise((90, 60), 80).convert("RGB"), (90, 60)),
    "one pixel": (Image.new("RGB", (1, 1), (250, 10, 20)), (1, 1)),
    "very wide": (Image.new("L", (5000, 2), 90), (512, 1)),
    "transparent": (Image.new("RGBA", (40, 40), (255, 0, 0, 0)), (40, 40)),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_is_shown_whole_and_its_square_is_fitted(name, chooser, upload):
    image, size = UPLOADS[name]
    path = upload(image)
    whole = chooser.whole_picture({"path": path})
    assert (whole["width"], whole["height"]) == size
    square = {"left": 0, "top": 0, "side": 1, "checkpoint": "cifar10-tiny"}
    fitted = decoded(chooser.fit_picture({"path": path, **square})["uri"], 32)[0]
    assert fitted.shape == (32, 32, 3)
    if name == "one pixel":
        assert (fitted == (250, 10, 20)).all()
    if name == "transparent":
        assert (fitted == 128).all()


def test_the_square_is_where_the_user_put_it(chooser, upload):
    image = Image.new("RGB", (100, 50), "black")
    image.paste((255, 255, 255), (60, 0, 100, 50))
    path = upload(image)

    def mean(left, side=0.4, **more):
        asked = {"path": path, "left": left, "top": 0.3, "side": side, "checkpoint": "cifar10-tiny", **more}
        return decoded(chooser.fit_picture(asked)["uri"], 32).mean()

    assert mean(0) == 0 and mean(1.4) == 255 and mean(9) == 255
    assert mean(1.0) == pytest.approx(127.5, abs=8)
    assert mean(0, invert=True) == 255


def test_a_row_that_has_no_chain_is_refused_before_the_model_is_loaded(handlers):
    """A student has learned few times."""
    handlers._models.model.student = Student("progressive", (100, 20))
    asked = ASKED | {"sampler": "ddim", "steps": 2, "times": "100, 50"}
    assert "has not learned t = 50" in handlers.describe_run(asked)["error"]
    messages = streamed(handlers.tasks, asked)
    assert "has not learned t = 50" in messages[-1]["text"]
    assert not any(message.get("frames") for message in messages) and not handlers._models._loaded


@pytest.mark.parametrize(("method", "sampler"), [("progressive", "ddim"), ("consistency", "consistency")])
def test_what_is_offered_for_a_student_runs(handlers, method, sampler):
    """Its times, its sampler and its steps, as they stand in the form before anything is chosen."""
    handlers._models.model.student = student = Student(method, (100, 60, 20))
    about = handlers.chooser.about_model({"checkpoint": "toy"})
    assert [name for _, name in about["samplers"]] == [sampler] and about["times"] == [100, 60, 20]
    asked = ASKED | {"sampler": sampler, "steps": about["steps"][2], "times": ""}
    assert "error" not in handlers.describe_run(asked)
    messages = streamed(handlers.tasks, asked)
    assert messages[-1]["state"] == "finished"
    (plan,) = results(messages, "plan")
    assert (plan["times"], plan["steps"]) == ((100, 60, 20), [3, 2, 1] if method == "progressive" else [2, 2, 1])
    assert student.steps == about["steps"][2]


@pytest.mark.parametrize(
    "asked",
    [
        {"path": "/etc/passwd"},
        {"path": None},
        {"left": "a", "top": 0, "side": 1},
        {"left": 0, "top": float("nan"), "side": 1},
        {"left": 10**400, "top": 0, "side": 1},
        {"left": 0, "top": 0, "side": 0},
        pytest.param({"left": 10**400, "top": 0, "side": 1}, id="left of 401 digits"),
        {"left": 0, "top": 0, "side": 1, "checkpoint": "/nowhere"},
    ],
    ids=lambda asked: str(asked)[:40],
)
def test_what_can_not_be_fitted_is_refused(asked, chooser, upload):
    asked = {"path": upload(Image.new("RGB", (4, 4))), "checkpoint": "cifar10-tiny", **asked}
    assert "error" in chooser.fit_picture(asked)


def test_a_file_that_is_no_picture_is_refused(chooser, upload):
    path = upload(Image.new("RGB", (4, 4)))
    with open(path, "wb") as file:
        file.write(b"no picture")
    assert "could not be read as a picture" in chooser.whole_picture({"path": path})["error"]
    assert "error" in chooser.known_picture({"text": "abc", "checkpoint": "cifar10-tiny"})


def test_the_mode_and_the_seeds_choose_what_is_computed():
    wanted = Wanted.check(ASKED | {"mode": "interpolate", "picture": "x"})
    assert wanted.sources == ((7, "x"), (9, "")) and wanted.weights == [0, 0.5, 1]
    assert wanted.columns == ["λ 0", "λ 0.5", "λ 1"]
    model = Offered().model
    assert wanted.evaluations(model) == 4 + 3 * (4 + 4 + 0)
