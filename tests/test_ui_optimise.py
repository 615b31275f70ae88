"""The page's search for optimised steps: it takes turns with runs, ends when asked to, and says what goes wrong."""

import threading
from dataclasses import replace

import checkpoint_folders
import gradio as gr
import pytest
from test_ui_jobs import SETTINGS, Models, collect, wait_for

from ddpm_core import CheckpointError, optimised
from ui.runs.job import Job
from ui.runs.line import LINE
from ui.runs.models import Models as RealModels
from ui.runs.optimise import Search, is_missing
from ui.runs.plan import make_plan
from ui.tabs.denoise.optimise import OptimiseSteps


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(optimised, "STEPS", (4,))
    yield
    wait_for(lambda: len(LINE) == 0)


def test_it_finds_them_once_for_the_model_in_memory():
    models = Models()
    assert is_missing(models.model, "ddim", 3)
    assert [update.text for update in Search("toy", 3, models).updates()][-1] == "Found: press Run"
    assert set(models.model.optimised["unipc"]) == {3, 4} and not is_missing(models.model, "unipc", 3)
    before = models.model.optimised
    assert not any(update.failed for update in Search("toy", 3, models).updates())
    assert models.model.optimised is before  # nothing was computed
    models.model.optimised = {**before, "unipc": {2: (5, 1), **before["unipc"]}}  # refined by data, it may be
    list(Search("toy", 2, models).updates())
    assert models.model.optimised["unipc"][2] == (5, 1)
    assert set(models.model.optimised["ddim"]) == {2, 3, 4}
    updates, _ = collect(Job([replace(SETTINGS, steps=4, sampler="ddim", spacing="optimised")], models))
    assert updates[-1].state == "finished"


def test_it_is_kept_beside_the_weights_of_a_folder(tmp_path, monkeypatch):
    checkpoint_folders.write(tmp_path / "mine", layers_per_block=1, sample_size=8)
    each = {name: {2: (700, 40), 4: (900, 500, 200, 9)} for name in optimised.OPTIMISED_FOR}
    found = optimised.OptimisedSteps(each, {name: {} for name in each}, 16)
    monkeypatch.setattr(optimised, "optimise_timesteps", lambda model, steps, **_: found)
    models, ref = RealModels("cpu"), str(tmp_path / "mine")
    assert list(Search(ref, 2, models).updates())[-1].text == "Found: press Run"
    assert set(RealModels("cpu").peek(ref).optimised["dpm++"]) == {2, 4}
    assert not is_missing(models.known(ref), "dpm++", 2)


def test_a_run_need_not_wait_for_its_end():
    run_over, evaluated = threading.Event(), threading.Event()

    def network(x, t, labels):
        evaluated.set()
        if len(x) == 16:  # of the search
            run_over.wait(0.05)
        return 0.3 * x

    models, seen = Models(network), []
    search = Search("toy", 4, models)
    thread = threading.Thread(target=lambda: seen.extend(search.updates()))
    thread.start()
    assert evaluated.wait(10)
    updates, _ = collect(Job([SETTINGS], models))
    assert updates[-1].state == "finished" and thread.is_alive()
    run_over.set()
    thread.join(30)
    assert seen[-1].text == "Found: press Run"


def test_it_ends_when_nobody_wants_it_any_more():
    evaluations = []
    models = Models(lambda x, t, labels: evaluations.append(len(x)) or 0.3 * x)
    updates = Search("toy", 4, models).updates()
    assert "Loading" in next(updates).text
    updates.close()
    wait_for(lambda: len(LINE) == 0)
    count = len(evaluations)
    assert models.model.optimised is None and count < 100


def test_what_goes_wrong_is_said_in_a_sentence():
    def missing(progress):
        raise CheckpointError("There is no folder 'toy'")

    assert list(Search("toy", 4, Models(load=missing)).updates())[-1].text == "There is no folder 'toy'"

    def broken(x, t, labels):
        raise RuntimeError

    *_, last = Search("toy", 4, Models(broken)).updates()
    assert last.failed and last.text == "The search failed unexpectedly (RuntimeError)"


def test_the_button_is_there_where_steps_are_missing():
    models = Models()
    with gr.Blocks():
        found = OptimiseSteps(models)
    assert found.show("toy", "ddim", "optimised", 5)[0]["visible"]
    for others in (("linspace", 5), ("optimised", 90), ("optimised", None)):
        assert not found.show("toy", "ddim", *others)[0]["visible"]
    models.model.optimised = {name: {5: (9, 7, 5, 3, 1)} for name in optimised.OPTIMISED_FOR}
    assert not found.hide("toy", "ddpm", "optimised", 5)["visible"]


def test_two_lanes_of_optimised_steps_have_a_caption():
    """It compares them with another number of steps, for which there may be no optimised ones."""
    model = Models().model
    model.optimised = {name: {5: (90, 70, 50, 30, 10)} for name in optimised.OPTIMISED_FOR}
    lanes = [replace(SETTINGS, steps=5, spacing="optimised", variance=kind) for kind in ("beta", "beta_tilde")]
    assert "Last noisy step at 5 steps" in make_plan(lanes, [model, model]).caption
