"""The link that restores the controls, and the scripts that repeat a run (the tests run them)."""

import os
import subprocess
import sys
from dataclasses import replace

import checkpoint_folders
import numpy as np
import pytest
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.schedulers import scheduling_ddpm
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from ui.export.link import from_address
from ui.runs.models import Models
from ui.runs.settings import DEFAULTS, MAX_SEED, PAGE, Settings, lanes

import ddpm_core
from ddpm_core.checkpoint.refs import embedded
from ui.export import scripts


def query(values):
    """As the page writes it."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}


@given(
    st.fixed_dictionaries(
        {
            "checkpoint": st.sampled_from(["cifar10-tiny", "google/ddpm-cifar10-32@0123abc"]),
            "steps": st.integers(1, 1000),
            "steps_b": st.integers(1, 1000),
            "variance": st.sampled_from(["beta", "beta_tilde", "analytic"]),
            "variance_b": st.sampled_from(["beta", "beta_tilde", "analytic"]),
            "checkpoint_b": st.sampled_from(["same", "google/ddpm-cifar10-32@0123abc"]),
            "sampler": st.sampled_from(["ddpm", "ddim", "dpm++", "unipc"]),
            "sampler_b": st.sampled_from(["ddpm", "ddim", "dpm++", "unipc"]),
            "eta": st.floats(0, 1),
            "eta_b": st.floats(0, 1),
            "spacing": st.sampled_from(["auto", "linspace", "quadratic", "leading", "trailing"]),
            "spacing_b": st.sampled_from(["same", "auto", "linspace", "quadratic", "leading", "trailing"]),
            "clip": st.booleans(),
            "compare": st.booleans(),
            "seed": st.integers(0, MAX_SEED).map(str),
            "count": st.integers(1, 16),
            "label": st.sampled_from(["any", "cat", "7"]),
            "guidance": st.floats(0, 10),
        }
    )
)
def test_an_address_restores_every_control(values):
    assert set(values) == set(PAGE)
    restored, refused = from_address(query(values) | {"__theme": "dark", "tab": "denoise"})
    assert restored == values and not refused
    assert lanes([restored[name] for name in PAGE]) == lanes([values[name] for name in PAGE])


def test_what_is_not_allowed_in_an_address_is_left_out_and_said():
    wrong = {"steps": "0", "seed": str(2**63), "clip": "perhaps", "eta_b": "2", "sampler": "<b>", "checkpoint": ""}
    values, refused = from_address(wrong | {"count": "3"})
    assert values == {"count": 3}
    assert len(refused) == len(wrong)
    assert any(
        "In the address, seed: The seed must be a whole number from 0 to 4,294,967,295" in text for text in refused
    )


# The scripts

MODEL = {"checkpoint": "cifar10-tiny", "count": 2, "seed": 7}
RUNS = [
    Settings(**MODEL, steps=5, spacing="linspace"),
    Settings(**MODEL, steps=6, variance="beta", spacing="trailing", label="ship"),
    Settings(**MODEL, steps=4, variance="beta", spacing="quadratic", label="cat", guidance=2.0, clip=False),
    Settings(**MODEL, steps=1, spacing="leading"),
    Settings(**MODEL, steps=4, sampler="unipc", spacing="quadratic", label="ship"),
    Settings(**MODEL, steps=3, sampler="dpm++", spacing="linspace", label="cat", guidance=2.0, clip=False),
]


@pytest.fixture(scope="module")
def model():
    """As a script loads it with the fixture torch_engine."""
    return ddpm_core.load("cifar10-tiny", device="cpu", precision="fp32", engine="torch")


def executed(script, folder):
    """Run a script as a user would, in a process of its own."""
    (folder / "checkpoints").symlink_to(embedded()["cifar10-tiny"].parent)
    root = embedded()["cifar10-tiny"].parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def execute_here(tmp_path, monkeypatch, torch_engine):
    """Run a script in this process, which has imported the slow libraries already, by torch, which is ready at once."""

    def execute(script):
        (tmp_path / "checkpoints").symlink_to(embedded()["cifar10-tiny"].parent)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(scheduling_ddpm, "randn_tensor", scheduling_ddpm.randn_tensor)  # a script replaces it
        exec(compile(script, "script", "exec"), {"__name__": "__main__"})

    return execute


def pictures(folder, settings, prefix=""):
    return np.stack([np.asarray(Image.open(folder / f"{prefix}seed-{seed}.png")) for seed in settings.seeds])


@pytest.mark.parametrize("run", [RUNS[1], RUNS[4]], ids=str)
def test_the_script_gives_the_pictures_of_the_run(run, model, tmp_path, execute_here):
    execute_here(scripts.python([run], [model]))
    np.testing.assert_array_equal(pictures(tmp_path, run), ddpm_core.sample(model, **run.arguments(model)))


def test_the_script_of_two_lanes_gives_both(tmp_path):
    """In a process of its own, with the engine that is usual here."""
    model, first = ddpm_core.load("mnist-tiny", device="cpu"), replace(RUNS[0], checkpoint="mnist-tiny")
    both = [first, replace(first, steps=3, sampler="ddim", eta=0.5)]
    executed(scripts.python(both, [model, model]), tmp_path)
    for number, run in enumerate(both):
        (expected,) = np.moveaxis(ddpm_core.sample(model, **run.arguments(model)), -1, 0)  # grey
        np.testing.assert_array_equal(pictures(tmp_path, run, f"lane-{number}-"), expected)


def test_the_script_of_two_models_gives_both(model, tmp_path, execute_here):
    folder = tmp_path / "student"
    ddpm_core.save(model, folder)
    both = [RUNS[4], replace(RUNS[4], checkpoint=str(folder), steps=2, sampler="ddim")]
    execute_here(scripts.python(both, [model, Models().peek(str(folder))]))
    loaded = ddpm_core.load(str(folder))
    for number, (run, of) in enumerate(zip(both, (model, loaded), strict=True)):
        expected = ddpm_core.sample(of, **run.arguments(of))
        np.testing.assert_array_equal(pictures(tmp_path, run, f"lane-{number}-"), expected)


@pytest.mark.parametrize("run", RUNS, ids=str)
def test_diffusers_script_gives_the_same_pictures(run, model, tmp_path, execute_here):
    """To the rounding of float32 arithmetic in another order: a grey level here and there."""
    execute_here(scripts.diffusers([run], [model]))
    ours = ddpm_core.sample(model, **run.arguments(model)).astype(int)
    difference = np.abs(ours - pictures(tmp_path, run))
    assert difference.max() <= 2 and difference.mean() < 0.05


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        ([RUNS[0], RUNS[0]], "one lane"),
        ([replace(RUNS[0], sampler="ddim")], "visits other times"),
        ([replace(RUNS[0], variance="analytic")], "β or β̃"),
    ],
)
def test_what_diffusers_cannot_repeat_is_said(runs, why, model):
    with pytest.raises(ValueError, match=why):
        scripts.diffusers(runs, [model] * len(runs))


def test_a_revision_goes_into_the_script(model):
    source = replace(model.source, ref="owner/name", revision="0123abc")
    hub = replace(model, source=source)
    run = Settings(checkpoint="owner/name", steps=3, spacing="linspace")
    assert "load('owner/name@0123abc')" in scripts.python([run], [hub])
    assert "revision='0123abc'" in scripts.diffusers([run], [hub])


def test_a_folder_with_an_at_sign_is_no_revision(tmp_path):
    folder = tmp_path / "mine@home"
    checkpoint_folders.write(folder)
    run = Settings(checkpoint=f"{folder}/", steps=2)
    script = scripts.diffusers([run], [Models().peek(run.checkpoint)])
    assert "revision=" not in script and f"from_pretrained({str(folder)!r})" in script
    assert f"load({run.checkpoint!r})" in scripts.python([run], [Models().peek(run.checkpoint)])


def test_a_revision_that_was_asked_for_is_the_commit_that_was_loaded(model):
    hub = replace(model, source=replace(model.source, ref="owner/name@main", revision="0123abc"))
    run = Settings(checkpoint="owner/name@main", steps=3)
    assert "from_pretrained('owner/name', revision='0123abc')" in scripts.diffusers([run], [hub])
    assert "load('owner/name@0123abc')" in scripts.python([run], [hub])


@pytest.mark.parametrize("unet", [False, True])
@pytest.mark.parametrize("scheduler", [False, True])
def test_the_parts_of_a_checkpoint_are_loaded_from_where_they_lie(unet, scheduler, tmp_path):
    checkpoint_folders.write(tmp_path, subfolders=unet)
    place = tmp_path / "scheduler/scheduler_config.json" if unet else tmp_path / "scheduler_config.json"
    if unet != scheduler:
        wanted = tmp_path / "scheduler" if scheduler else tmp_path
        wanted.mkdir(exist_ok=True)
        place.rename(wanted / "scheduler_config.json")
    run = Settings(checkpoint=str(tmp_path), steps=2, variance="beta", count=1)
    script = scripts.diffusers([run], [Models().peek(run.checkpoint)])
    start = script.index("unet = ")
    loads = script[start : script.index("scheduler.set_timesteps")]
    names = {"UNet2DModel": UNet2DModel, "DDPMScheduler": DDPMScheduler}
    exec(loads, names)
    assert list(names["unet"].config.block_out_channels) == [8, 16, 16, 16]
    assert names["scheduler"].config.beta_schedule == "linear"


def test_the_defaults_are_a_run():
    assert lanes(list(DEFAULTS.values())) == (Settings(),)
    assert len(lanes(list((DEFAULTS | {"compare": True}).values()))) == 2
