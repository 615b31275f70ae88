"""The handlers of the Denoise and Learn tabs, called as gradio calls them, without a page."""

import asyncio
import time
from types import SimpleNamespace

import gradio as gr
import pytest
from test_ui_jobs import Models as OneModel
from ui.runs.line import LINE
from ui.runs.listeners import Streams
from ui.runs.models import Models
from ui.runs.settings import DEFAULTS, LANE, PAGE, lanes
from ui.runs.warmup import Warmup
from ui.tabs.denoise import controls
from ui.tabs.denoise.handlers import Fit, Handlers

import ddpm_core
from ddpm_core.checkpoint.refs import embedded
from ddpm_core.names import SAMPLERS
from ui.export import files
from ui.tabs.learn.lessons import LESSON_SETTINGS, lessons
from ui.tabs.learn.tab import HANDLES, denoise_values, switch

SKIPPED = gr.skip()


class Offered(OneModel):
    """A model that is loaded at once, with what handlers ask of Models besides."""

    engine, note, kind = "torch · cpu · fp32", "CPU · fp32", "CPU"

    def to_download(self, ref):
        return None

    def choices(self):
        return [("Toy", "toy")]


def request(**query):
    return SimpleNamespace(session_hash="page", query_params=query)


def values(**changes):
    assert changes.keys() <= DEFAULTS.keys()
    return list((DEFAULTS | {"checkpoint": "toy", "steps": 5, "count": 2} | changes).values())


def made(models):
    return Handlers(gr.Blocks(), models, Warmup(models, "toy"), "toy")


@pytest.fixture
def handlers(monkeypatch):
    monkeypatch.setattr(Streams, "installed", False)  # another test of this process may have served the app
    yield made(Offered())
    end = time.monotonic() + 10
    while len(LINE) and time.monotonic() < end:
        time.sleep(0.01)


@pytest.fixture(scope="module")
def real():
    """Of the embedded checkpoint, which is not loaded."""
    models = Models()
    return Handlers(gr.Blocks(), models, Warmup(models, "cifar10-tiny"), "cifar10-tiny")


def streamed(handlers):
    async def collect():
        return [message async for message in handlers.stream(request())]

    return asyncio.run(collect())


# --- While the user chooses


def test_settings_are_described_with_scripts_that_repeat_them(real):
    said = real.describe(*values(checkpoint="cifar10-tiny", seed="7", label="ship"))
    assert "<p>" in said.estimate and "wrong" not in said.estimate
    assert said.summary == "CIFAR-10 tiny · 5 steps · β̃ₜ · ship · seed 7"
    assert "seeds=range(7, 9)" in said.python and "set_timesteps" in said.diffusers
    assert said.copy_diffusers["interactive"] and said.caption == ""


@pytest.mark.parametrize("ref", sorted(embedded()))
def test_every_model_of_the_list_is_described_with_every_sampler(real, ref):
    student = ddpm_core.load(ref, device="cpu", engine="torch").student
    for sampler in SAMPLERS:
        said = real.describe(*values(checkpoint=ref, sampler=sampler, steps=student.steps if student else 5))
        assert ("wrong" in said.estimate) == (student is not None and sampler != student.sampler)
        assert bool(said.python) == ("wrong" not in said.estimate)


def test_two_lanes_are_described_with_a_caption_and_without_diffusers(real):
    said = real.describe(*values(checkpoint="cifar10-tiny", compare=True, steps_b=5))
    assert "same noise z" in said.caption and "side_by_side" in said.python
    assert said.diffusers == "" and not said.copy_diffusers["interactive"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seed": "<b>"}, "got &#x27;&lt;b&gt;&#x27;"),
        ({"steps": 1001}, "from 1 to 1000 for this checkpoint"),
        ({"compare": True, "steps_b": 0}, "Lane B: Steps must be"),
        ({"checkpoint": None}, "Choose a checkpoint"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_while_the_user_chooses(real, wrong, sentence):
    said = real.describe(*values(**{"checkpoint": "cifar10-tiny", **wrong}))
    assert 'class="wrong"' in said.estimate and sentence in said.estimate
    assert said.python == said.diffusers == "" and not said.copy_diffusers["interactive"]


def test_controls_are_fitted_to_the_chosen_checkpoint(real):
    fit = real.choose(request(), "cifar10-tiny", "same", 4, True, "ddpm", 2000, "learned", "any", "ddpm", 2000, "beta")
    assert (fit.steps["maximum"], fit.steps["value"]) == (1000, 1000)
    assert fit.variance["value"] == "beta_tilde" and "value" not in fit.variance_b
    assert fit.steps_b["value"] == 1000  # lane B has the same model
    assert "cat" in fit.label["choices"] and fit.label["visible"]
    assert fit.clip == SKIPPED and fit.revision == fit.revision_b == ""


def test_lane_b_is_fitted_to_a_model_of_its_own(real):
    fit = real.choose(
        request(), "cifar10-tiny", "/nowhere", 4, True, "ddpm", 50, "analytic", "any", "ddpm", 50, "analytic"
    )
    assert "value" not in fit.variance and fit.variance_b["value"] == "beta_tilde"  # nothing is known of it


def test_a_checkpoint_that_is_not_here_leaves_the_controls_open(real):
    fit = real.choose(request(), "/nowhere", "same", 4, True, *(DEFAULTS[name] for name in controls.FITTED))
    assert fit.steps["maximum"] == 1000 and not fit.label["visible"]
    assert all("value" not in change for change in (fit.steps, fit.variance, fit.label))


@pytest.mark.parametrize(
    ("sampler", "other"),
    [
        ("ddpm", {"variance": "beta_tilde"}),
        ("ddim", {"sampler": "unipc"}),
        ("dpm++", {"sampler": "ddim"}),
        ("unipc", {"sampler": "ddim"}),
    ],
)
def test_compare_starts_lane_b_as_lane_a_with_another_variance_or_sampler(handlers, sampler, other):
    lane = {"checkpoint": "toy", "sampler": sampler, "steps": 20, "spacing": "auto", "variance": "beta", "eta": 0.5}
    wanted = lane | {"checkpoint": "same", "spacing": "same"} | other
    assert dict(zip(LANE, handlers.compare(*(lane[name] for name in LANE)), strict=True)) == wanted


@pytest.mark.parametrize("title", controls.COMPARISONS)
def test_ready_made_comparisons_are_of_two_lanes_that_differ_whatever_was_chosen_before(real, title):
    before = {"sampler": "unipc", "eta": 0.5, "spacing": "leading", "spacing_b": "trailing", "steps_b": 7, "eta_b": 1}
    before |= {"checkpoint": "cifar10-tiny", "checkpoint_b": "/nowhere"}
    after = dict(zip(controls.COMPARISONS[title], real.comparison(title)(), strict=True))
    first, second = lanes(values(**before | after))
    assert first.checkpoint == second.checkpoint and first.steps == second.steps and first.spacing == second.spacing
    assert {first.variance, second.variance, first.sampler, second.sampler} > {first.sampler}
    said = real.describe(*values(**before | after))
    assert "wrong" not in said.estimate and "one x_T" in said.caption


def test_the_controls_say_which_spacing_auto_is(real):
    few = {"sampler": "unipc", "steps": 10}
    for changes, word in (
        (few, "auto is optimised here"),  # it comes with times for 10 steps
        (few | {"steps": 11}, "auto is quadratic here"),
        ({}, "auto is linspace here"),
    ):
        assert word in real.describe(*values(checkpoint="mnist-tiny", **changes)).spacing["info"]
    assert "here" not in real.describe(*values(checkpoint="cifar10-tiny", spacing="trailing")).spacing["info"]


# --- A run


def test_a_run_is_prepared_streamed_once_and_saved(handlers, monkeypatch):
    monkeypatch.setattr(files, "cached", lambda demo, name, content: name)
    with pytest.raises(gr.Error, match="press Run"):
        handlers.saver("png")(request())
    assert handlers.prepare(request(), *values(seed="9"), True, "", "") == "9"
    messages = streamed(handlers)
    assert messages[-1]["state"] == "finished"
    (plan,) = [message["plan"] for message in messages if "plan" in message]
    assert plan["settings"][PAGE.index("seed")] == "9" and plan["seeds"] == ["9", "10"]
    assert streamed(handlers) == []  # nobody gets a run's messages twice
    *saves, models, models_b = handlers.finish(request())
    assert all(save["interactive"] for save in saves) and len(saves) == len(files.KINDS)
    assert models["choices"] == [("Toy", "toy")] and models_b["choices"] == [("As in lane A", "same"), ("Toy", "toy")]
    assert handlers.saver("png")(request()).endswith("seed-9.png")


def test_the_controls_are_fitted_again_after_a_run_that_loaded_its_model_only(handlers):
    state = ["toy", "same", 2, True, "ddpm", 200, "beta", "any", "ddpm", 5, "beta"]
    assert handlers.refit(request(), *state) == Fit(*[SKIPPED] * len(Fit._fields))
    for steps in (100, None):
        handlers.prepare(request(), *values(), True, "", "")
        streamed(handlers)
        fit = handlers.refit(request(), *state)
        assert fit.steps == SKIPPED if steps is None else fit.steps["value"] == steps


def test_clip_that_the_page_could_not_know_is_the_models_own(handlers):
    handlers._models.model.clip = False
    handlers.pages.clip(request(), "toy", None, True)
    handlers.prepare(request(), *values(clip=True), True, "", "")
    (plan,) = [message["plan"] for message in streamed(handlers) if "plan" in message]
    assert plan["settings"][PAGE.index("clip")] is False


def test_wrong_settings_are_one_message_and_no_run(handlers):
    handlers.prepare(request(), *values(steps=0), True, "", "")
    (message,) = streamed(handlers)
    assert message["state"] == "error" and "Steps must be" in message["text"]
    assert not any(save["interactive"] for save in handlers.finish(request())[:-2])


# --- The page opens


def test_an_address_goes_into_the_controls_and_what_is_wrong_in_it_is_said(handlers, monkeypatch):
    said = []
    monkeypatch.setattr(gr, "Warning", said.append)
    *restored, tabs = handlers.restore(request(seed="7", eta="<i>", clip="false", count="3", tab="learn", more="x"))
    found = dict(zip(PAGE, restored, strict=True))
    assert {name: value for name, value in found.items() if value != SKIPPED} == {
        "seed": "7",
        "clip": False,
        "count": 3,
    }
    assert tabs.selected == "learn"
    assert len(said) == 1 and "&lt;i&gt;" in said[0]
    assert handlers.pages.says_clip(request(), "toy", False)
    assert handlers.restore(request(tab="nowhere"))[-1] == SKIPPED


# --- Lessons


def test_a_lesson_sets_its_tab_and_gives_the_other_controls_their_defaults(monkeypatch):
    monkeypatch.setattr(gr, "Info", lambda text, duration: None)
    for lesson, settings in zip(lessons(), LESSON_SETTINGS, strict=True):
        assert lesson.title and lesson.text and lesson.see and lesson.link and 1 <= lesson.page <= 25
        if settings.tab != "denoise":
            assert switch(lesson, settings)().selected == settings.tab and settings.tab in HANDLES
            continue
        wanted = denoise_values(settings)
        tab, *changes = switch(lesson, settings, wanted)()
        assert tab.selected == "denoise" and [change["value"] for change in changes] == list(wanted.values())
        assert wanted | settings.values == wanted and wanted.keys() <= DEFAULTS.keys()
        assert wanted["spacing"] == settings.values.get("spacing", DEFAULTS["spacing"])
