"""Latent models, and models that take words, on the page: what is sent, kept, saved and repeated of their runs."""

import ast
import io
import zipfile
from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import pipelines
import plans
import pytest
import toylab
from browser import served
from PIL import Image

import ddpm_core
from ddpm_core.engines.latent import ClipText
from ddpm_core.imaging import to_uint8
from ddpm_core.model import check_same_images
from ddpm_core.student import Student
from ui.forms.fields import sentence
from ui.models.catalogue import SKETCHES
from ui.models.loaded import Models
from ui.parts.latents import LatentsPart
from ui.parts.likelihood import LikelihoodPart
from ui.parts.repair import RepairPart
from ui.parts.sampling import SamplingPart, SketchPart
from ui.runs.asked import LaneAsked
from ui.runs.visitors import note_visitor
from ui.serving.scripted import Script

pytest.importorskip("transformers", reason="needed for words only")

DRAWN = "document.querySelector('.ddpm-player figure.x canvas').toDataURL()"
ASKED = {"steps": 3, "count": 2, "seed": 5}
WORDS = {**ASKED, "prompt": "a red apple", "sampler": "ddim", "spacing": "trailing", "guidance": 2}


@pytest.fixture(scope="module", autouse=True)
def in_torch(torch_page):
    pass


@pytest.fixture(scope="module")
def stable(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipelines") / "stable"
    pipelines.stable_diffusion(folder, turbo=True, tiny=True)
    return folder


@pytest.fixture(scope="module")
def place(stable):
    return SamplingPart(toylab.toy_services(Models(device="cpu")))


@pytest.fixture(scope="module")
def model(stable):
    return ddpm_core.load(stable, device="cpu", precision="fp32", engine="torch")


def run(place, part, values, folder):
    run, seen = toylab.messages(place, part, {"checkpoint": str(folder), **values})
    assert seen[-1]["state"] == "finished", seen[-1]["text"]
    return run, toylab.results(seen)


def test_frames_are_decoded_and_the_latents_are_sent_beside_them(place, stable, model):
    _, (_, *frames) = run(place, "watch", WORDS, stable)
    plan = plans.described(place, "watch", {"checkpoint": str(stable), **WORDS})["shown"]
    assert (plan["size"], plan["latent"], plan["title"].count("“a red apple”")) == (64, 8, 1)
    steps = list(
        ddpm_core.trajectory(model, [5, 6], 3, "ddim", spacing="trailing", prompts="a red apple", guidance=2.0)
    )
    assert len(frames) == 3
    for frame, step in zip(frames, steps, strict=True):
        assert frame["decoded"]
        for shown, latent, x in (("x", "z", step.x), ("x0", "z0", step.x0_hat)):
            assert np.array_equal(toylab.decoded(frame[shown], 64), model.pictures(x))
            assert np.array_equal(toylab.decoded(frame[latent], 8), to_uint8(model.decoder.preview(x)))


def test_large_pictures_are_previewed_until_the_last_step(place, stable, model, monkeypatch):
    from ui.parts import sampling

    monkeypatch.setattr(sampling, "DECODED", 32)
    saved, (_, *frames) = run(place, "watch", WORDS, stable)
    assert [frame["decoded"] for frame in frames] == [False, False, True]
    files = toylab.saved(place, "watch", saved, "gif", "zip")
    _, content = files["gif"]
    assert Image.open(io.BytesIO(content)).n_frames >= 3
    expected = ddpm_core.sample(
        model, [5, 6], 3, sampler="ddim", spacing="trailing", prompts="a red apple", guidance=2.0
    )
    name, content = files["zip"]
    assert name == "stable-a-red-apple-3-steps-ddim-eta-0-seed-5.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        assert np.load(files.open("x_T.npy")).shape == np.load(files.open("x_0.npy")).shape == (2, 4, 8, 8)
        assert b'"prompt": "a red apple"' in files.read("settings.json")
        assert np.array_equal(Image.open(files.open("seed-6/x_0000.png")), expected[1])


def test_attention_to_each_word_comes_with_the_same_pictures(place, stable, model):
    _, (read, *plain) = run(place, "watch", WORDS, stable)
    _, (_, *frames) = run(place, "watch", WORDS | {"attention": "true"}, stable)
    assert read["words"] == ["a", "red", "apple"]
    np.testing.assert_array_equal([frame["x"] for frame in frames], [frame["x"] for frame in plain])
    assert "attention" not in plain[0]
    options = {"spacing": "trailing", "prompts": "a red apple", "guidance": 2.0, "attention": True}
    first = next(ddpm_core.trajectory(model, [5, 6], 3, "ddim", **options))
    tokens = dict(model.text.words("a red apple"))["red"]
    expected = first.attention[1, list(tokens)].sum(0).numpy()
    shown = np.asarray(Image.open(io.BytesIO(frames[0]["attention"].content)))
    assert shown.shape == (3 * 8, 2 * 8)
    np.testing.assert_allclose(shown[8:16, 8:] / 255, expected / expected.max(), atol=0.01)


@pytest.mark.parametrize(
    ("own", "caption", "names"),
    [
        ({"prompt_b": "the fox"}, "only the prompts differ.", ["“a red apple”, DDPM β̃ₜ", "“the fox”, DDPM β̃ₜ"]),
        ({"guidance_b": 7}, "only the scales of guidance differ.", ["DDPM β̃ₜ, w = 2", "DDPM β̃ₜ, w = 7"]),
        ({"variance": "beta"}, "only its σ differs.", ["DDPM βₜ", "DDPM β̃ₜ"]),
    ],
)
def test_two_lanes_of_words(place, stable, model, own, caption, names):
    values = ASKED | {"prompt": "a red apple", "guidance": 2, "variance": "beta_tilde", "steps_b": 3} | own
    _, (_, *frames) = run(place, "compare", values, stable)
    plan = plans.described(place, "compare", {"checkpoint": str(stable), **values})["shown"]
    assert caption in plan["caption"] and "grey levels" not in plan["caption"]
    assert [lane["name"] for lane in plan["lanes"]] == names
    for lane, variance in enumerate((values["variance"], "beta_tilde")):
        told = {"prompts": values.get("prompt_b", "a red apple") if lane else "a red apple"}
        told["guidance"] = float(values.get("guidance_b", 2)) if lane else 2.0
        expected = ddpm_core.sample(model, [5, 6], 3, variance=variance, **told)
        last = [frame for frame in frames if frame["lane"] == lane][-1]
        assert np.array_equal(toylab.decoded(last["x"], 64), expected)


def test_guidance_that_nobody_chose_suits_the_model(model):
    def resolved(model=model, checkpoint="x", **values):
        return Script.check({"checkpoint": checkpoint, **values}).lane(model).guidance

    assert (resolved(prompt="fox"), resolved(), resolved(prompt="fox", guidance=1)) == (3, None, None)
    assert resolved(checkpoint="stabilityai/sd-turbo@abc", prompt="fox") is None
    for learned, usual in ((2.0, None), (None, 3)):
        student = replace(model, student=Student("progressive", (1000,), "x", learned))
        assert resolved(student, prompt="fox") == usual


def test_emoji_are_told_by_their_names(model):
    told = Script.check({"checkpoint": "emoji-tiny", "prompt": "two 🦊\ufe0f and ❤️ at a café 👍🏽", "steps": 1})
    assert told.lane(model).prompts == "two fox face and heart at a café thumbs up sign"
    assert replace(told, checkpoint="other").lane(model).prompts == told.prompt


def test_what_is_not_known_stands_in_the_caption(place, stable, monkeypatch):
    monkeypatch.setattr(ClipText, "unknown", lambda self, prompt: prompt.split()[-1:])
    _, (read, *_) = run(place, "watch", WORDS, stable)
    shown = plans.described(place, "watch", {"checkpoint": str(stable), **WORDS}, result=read)["shown"]
    assert shown["caption"] == "I don’t know “apple”: what is drawn is a guess."


@pytest.mark.parametrize(
    ("checkpoint", "values", "sentence"),
    [
        ("mnist-tiny", {"prompt": "fox"}, "This model takes no prompt: leave it empty"),
        ("mnist-tiny", {"negative": "fox"}, "This model takes no prompt"),
        ("stable", {"label": "7"}, "This checkpoint has no classes"),
        ("stable", {"prompt": "x" * 301}, "The prompt has at most 300 characters, got 301"),
    ],
)
def test_what_a_model_is_not_told_is_one_sentence(place, stable, checkpoint, values, sentence):
    checkpoint = str(stable) if checkpoint == "stable" else checkpoint
    asked = {"checkpoint": checkpoint, **values}
    assert plans.described(place, "watch", asked).startswith(sentence)
    assert toylab.messages(place, "watch", asked)[1][-1]["text"].startswith(sentence)


@pytest.mark.parametrize("script", ["python", "diffusers"])
def test_a_script_hides_no_letter_of_a_prompt(place, stable, script):
    """Not those that nobody sees, nor those that turn a line around, of scripts that are written from right to left."""
    prompt = "red \u202e\u2066\u3164\ufe0f\u05d0\x1b\u0430pple é \U000e0100😀"
    values = {"checkpoint": str(stable), **WORDS, "sampler": "ddpm", "prompt": prompt}
    text = plans.described(place, "watch", values)[script]
    assert text.isascii() and text.replace("\n", "").isprintable()
    named = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    assert prompt in named


@pytest.mark.parametrize("script", ["python", "diffusers"])
@pytest.mark.parametrize(("guidance", "sampler"), [(1, "ddpm"), (2, "ddim")])
def test_a_script_repeats_the_pictures(place, stable, model, run_script, script, guidance, sampler):
    values = ASKED | {"prompt": 'it’s a "red" apple', "negative": "fox", "guidance": guidance, "count": 1}
    way = {"steps": 4, "sampler": sampler, "spacing": "trailing"}
    text = plans.described(place, "watch", {"checkpoint": str(stable), **values, **way})[script]
    folder = run_script(text)
    told = {"prompts": values["prompt"], "negative": "fox", "guidance": float(guidance)}
    variance = {"variance": "beta_tilde"} if sampler == "ddpm" else {}
    expected = ddpm_core.sample(model, [5], **way, **variance, **told).astype(int)
    found = np.asarray(Image.open(folder / "seed-5.png")).astype(int)
    assert np.abs(found - expected[0]).max() <= 2


@pytest.mark.parametrize(
    ("kind", "part", "what"),
    [
        (LatentsPart, "latents", "This part of the page"),
        (RepairPart, "repair", "Restoration"),
        (LikelihoodPart, "likelihood", "The likelihood"),
    ],
)
def test_what_needs_pixels_says_so(stable, kind, part, what):
    services = toylab.toy_services(Models(device="cpu"))
    _, (*_, message) = toylab.messages(kind(services), part, {"checkpoint": str(stable), "count": 2})
    assert (
        sentence(ValueError(message["text"]))
        == f"{what} works only for models of pixels, but this model draws latents of an autoencoder"
    )


@pytest.fixture(scope="module")
def url(stable):
    with served(str(stable)) as app:
        app.warmup.ready.wait(120)
        yield app.local_url


def test_a_picture_of_ones_own_needs_a_model_of_pixels(page, url, stable, tmp_path):
    Image.new("L", (30, 30), 200).save(tmp_path / "own.png")
    page.goto(f"{url}?{urlencode({'tab': 'latents', 'checkpoint': str(stable)})}")
    page.wait_for_selector(".part-latents[data-ready=true][data-described]")
    source = page.locator(".part-latents .source").first
    source.get_by_label("A picture").first.check()
    source.locator("input[type=file]").set_input_files(tmp_path / "own.png")
    source.get_by_text("takes no picture of yours").wait_for()


def test_what_is_typed_is_drawn_and_a_pressed_word_shows_where_it_is_looked_at(page, url):
    def finished(picture=""):
        page.wait_for_selector(".part-watch[data-state=finished] .ddpm-player[data-frames='2']")
        page.wait_for_function(f"{DRAWN} !== {picture!r}")
        return page.evaluate(DRAWN)

    page.goto(f"{url}?tab=watch&steps=2&count=1&seed=5&label=any")
    page.wait_for_selector(".part-watch[data-ready=true]")
    assert page.locator(".part-watch .field[data-name=label]").is_hidden()
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("red apple")
    prompt.press("Enter")
    apple = finished()
    assert "prompt=red+apple" in page.url
    page.get_by_role("button", name="latent", exact=True).click()
    latent = finished(apple)
    page.get_by_role("button", name="decoded", exact=True).click()
    finished(latent)
    page.locator(".ddpm-player .words button", has_text="apple").click()
    page.wait_for_function("new URL(location).searchParams.get('attention') === 'true'")
    assert finished(apple) != apple
    page.get_by_role("button", name="fox", exact=True).click()  # one of those to try
    page.wait_for_function("document.querySelector('.ddpm-player .title').textContent.includes('“fox”')")
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("button", name="Two words, one noise").click()
    b = page.locator(".card-B .field[data-name=prompt_b] input")
    page.wait_for_function("document.querySelector('.card-B input[maxlength]').value === 'green apple'")
    b.wait_for()
    assert page.locator(".part-compare .field[data-name=label]").is_hidden()


def test_a_sketch_is_the_end_of_the_same_run_with_nothing_on_the_way(place, stable):
    how = {"steps": 4, "sampler": "unipc", "spacing": "trailing", "count": 1, "seed": 7}
    how |= {"prompt": "a red qwx", "guidance": 2}
    _, (plan, frame) = run(SketchPart(place.services), "sketch", how, stable)
    _, (_, *others) = run(place, "watch", how, stable)
    assert (frame["k"], len(others), plan["words"][-1]) == (3, 4, "qwx")
    assert np.array_equal(toylab.decoded(frame["x"]), toylab.decoded(others[-1]["x"]))


@pytest.mark.parametrize("ref", SKETCHES)
def test_a_student_draws_the_sketches_of_its_model_in_all_its_own_steps(ref):
    models = Models(device="cpu")
    teacher, student = (models.known(name) for name in (ref, SKETCHES[ref]["checkpoint"]))
    check_same_images([teacher, student])
    values = {**SKETCHES[ref], "prompt": "fox", "count": 1}
    answer = plans.answer("sketch", values, {values["checkpoint"]: student})
    (said,) = answer["steps"]
    assert (said["kind"]["batch"], said["n"]) == (1, student.student.steps), "its guidance is inside"
    (lane,) = answer["asked"]["lanes"]
    assert LaneAsked(**lane).chain(student, 1).evaluations == 1


def test_sketches_wait_for_nobody_and_hold_nobody_up(place, stable):
    """Who draws a run of their own is not kept from sketches by it; others are before them."""
    turns, part = place.services.turns, SketchPart(place.services)
    note_visitor("me", None)
    with turns.join(None, "me"):
        part.request(toylab.asked(checkpoint=str(stable)))
    with turns.join(None, "another"), pytest.raises(ValueError, match="Others are using this computer"):
        part.request(toylab.asked(checkpoint=str(stable)))
