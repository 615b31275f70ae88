"""The offered checkpoints: labels, what a public page refuses, what stays loaded, downloads from a Hub."""

import shutil
import time
from types import SimpleNamespace

import pytest
import torch
from checkpoint_folders import write
from hub_server import HubServer

import ddpm_core
from ddpm_core.hub import Status
from ui import checkpoints, controls
from ui.checkpoints import Checkpoints
from ui.jobs import Job
from ui.plan import make_plan
from ui.settings import Settings

CHURCH = "google/ddpm-ema-church-256"


@pytest.mark.parametrize(
    ("status", "label"),
    [
        (None, "Church 256 · EMA"),
        (Status("cached", 455_000_000), "Church 256 · EMA · downloaded"),
        (Status("download", 455_000_000), "Church 256 · EMA · 455 MB download"),
        (Status("download"), "Church 256 · EMA · download"),
        (Status("offline"), "Church 256 · EMA · not available offline"),
        (Status("missing"), "Church 256 · EMA · not found"),
    ],
)
def test_labels_say_what_it_takes_to_use_a_checkpoint(status, label):
    models = Checkpoints()
    models._status[CHURCH] = status
    choices = {ref: label for label, ref in models.choices()}
    assert choices[CHURCH] == label
    assert choices["cifar10-tiny"] == "CIFAR-10 tiny · embedded"


def test_a_checkpoint_is_named_in_a_few_words():
    assert checkpoints.name(CHURCH) == "Church 256"
    assert checkpoints.name("owner/ddpm-butterflies-128") == "ddpm-butterflies-128"
    assert checkpoints.name("runs/mine/") == "mine"


@pytest.mark.parametrize("ref", ["folder", "./folder", "/etc", "..", "../folder", "~", "owner/name", "a/b/c", "C:\\x"])
def test_a_public_page_takes_no_folders_and_does_not_tell_which_exist(ref, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "folder")
    write(tmp_path / "owner" / "name")
    models = Checkpoints(public=True)
    with pytest.raises(ddpm_core.CheckpointError, match="embedded checkpoints and Hub ids"):
        models.get(ref)
    with pytest.raises(ddpm_core.CheckpointError, match="embedded checkpoints and Hub ids"):
        models.peek(ref)


def test_a_public_page_takes_embedded_names_and_hub_ids():
    models = Checkpoints(public=True)
    for ref in ("cifar10-tiny", CHURCH, CHURCH + "@main"):
        models.refuse_folders(ref)


def test_models_stay_loaded_within_a_memory_budget_the_longest_unused_goes_first(monkeypatch):
    loads, parameters = [], {"small": 10**6, "a": 10**8, "b": 10**8, "huge": 10**9}

    def load(ref, **_):
        loads.append(ref)
        return SimpleNamespace(network=lambda: None, source=SimpleNamespace(parameters=parameters[ref]))

    monkeypatch.setattr(ddpm_core, "load", load, raising=False)
    monkeypatch.setattr(checkpoints, "MEMORY", 16 * 10**8)
    models = Checkpoints()
    for ref in ("a", "small", "a", "b", "small", "b", "huge", "huge", "b"):
        models.get(ref)
    # a and b fit, but not with the small one; the huge one fits with nothing, and stays until another comes
    assert loads == ["a", "small", "b", "small", "huge", "b"]


def test_peek_reads_classes_without_the_weights():
    peeked = Checkpoints().peek("cifar10-tiny")
    assert (peeked.num_classes, peeked.class_names[3], peeked.schedule.T) == (10, "cat", 1000)
    assert Checkpoints().peek(CHURCH) is None


def test_the_analytic_variance_is_offered_and_planned_before_the_model_is_loaded(tmp_path):
    """A link with it is opened on a page that has just started."""
    peeked = Checkpoints().peek("cifar10-tiny")
    assert torch.equal(peeked.gamma, ddpm_core.load("cifar10-tiny", device="cpu").gamma)
    fitted = controls.for_model(peeked, variance="analytic", variance_b="analytic")
    assert "value" not in fitted["variance"] and "value" not in fitted["variance_b"]
    both = [Settings(variance="analytic"), Settings(variance="beta")]
    assert "analytic adds σ" in make_plan(both, peeked).caption
    without = tmp_path / "copy"
    shutil.copytree(peeked.source.folder, without, ignore=shutil.ignore_patterns("analytic_variance.json"))
    peeked = Checkpoints().peek(str(without))
    assert controls.for_model(peeked, variance="analytic")["variance"]["value"] == "beta_tilde"
    with pytest.raises(ValueError, match="was not estimated"):
        make_plan(both, peeked)


def test_a_run_downloads_its_model_can_be_stopped_meanwhile_and_succeeds_the_next_time(tmp_path, monkeypatch):
    with HubServer() as hub:
        hub.use(monkeypatch, tmp_path / "home")
        write(tmp_path / "repo", "256", pickle=True, scheduler={"variance_type": "fixed_small"})
        hub.add_repo(CHURCH, tmp_path / "repo")
        models = Checkpoints()
        models.refresh()
        assert models.to_download(CHURCH) > 100_000
        assert models.peek(CHURCH) is None

        hub.bytes_per_second = 100_000
        settings = Settings(checkpoint=CHURCH, steps=2, count=1)
        job = Job([settings], models)
        for update in job.updates():
            if update.text.startswith("Downloading"):
                break
        started = time.monotonic()
        job.stop()
        assert time.monotonic() - started < 1

        hub.bytes_per_second = None
        updates = list(Job([settings], models).updates())
        assert updates[-1].state == "finished", updates[-1].text
        assert [frame.k for update in updates for frame in update.frames] == [0, 1]
        (plan,) = [update.plan for update in updates if update.plan]
        assert (plan.size, plan.lossless) == (256, False)
        assert models.peek(CHURCH).image_size == 256
        assert models.to_download(CHURCH) is None
