"""A model on another schedule than that of its training: saved, loaded, measured, and on the command line."""

import json
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler
from kinds import KINDS, pixels
from test_inside import model_of

import ddpm_core
from ddpm_core import CheckpointError, NoiseSchedule, load, sample, save
from ddpm_core.__main__ import main
from ddpm_core.analytic import Gamma
from ddpm_core.checkpoint.sidecars import gamma_file, optimised_file, readers_file
from ddpm_core.coordinates import EDM, TrainedOn
from ddpm_core.engines.readers import fit_readers
from ddpm_core.few_steps.optimised import OptimisedSteps
from ddpm_core.schedule import find

OWN = NoiseSchedule.from_alpha_bar(lambda u: 0.99 - 0.95 * u, T=9)
TABLE = NoiseSchedule.from_betas(np.linspace(0.02, 0.5, 7))


def open_one(folder, **options):
    return load(folder, device="cpu", precision="fp32", engine="torch", **options)


@pytest.fixture
def checkpoint(tmp_path):
    pixels(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.fixture
def own_module(monkeypatch):
    module = types.ModuleType("my_schedules")
    module.steep = lambda T: NoiseSchedule.from_alpha_bar(lambda u: 0.99 * (1 - u) ** 3 + 1e-3, T)
    module.number = lambda T: 3.0
    monkeypatch.setitem(sys.modules, "my_schedules", module)


@pytest.mark.parametrize("kind", ["colours", "score model", "flow", "words, v", "classes"])
@pytest.mark.parametrize("schedule", [OWN, NoiseSchedule.from_sigmas([0.1, 0.5, 2, 20.0])], ids=["own", "sigmas"])
def test_save_and_load_keep_the_schedule(kind, schedule, tmp_path):
    if "words" in kind:
        pytest.importorskip("transformers")
    KINDS[kind].write(tmp_path / "trained")
    options = {"seeds": [5], "steps": 3, **KINDS[kind].told}
    on_it = open_one(tmp_path / "trained").with_schedule(schedule)
    save(on_it, tmp_path / "saved")
    again = open_one(tmp_path / "saved")
    assert again.schedule.beta.equal(schedule.beta) and again.schedule.exploding == schedule.exploding
    assert again.trained_on.beta.equal(on_it.trained_on.beta)
    assert np.array_equal(sample(again, **options), sample(on_it, **options))
    save(again, tmp_path / "saved")  # in its own place, too
    assert open_one(tmp_path / "saved").schedule.beta.equal(schedule.beta)


def test_diffusers_draws_such_a_checkpoint_on_the_schedule_of_its_training(checkpoint, tmp_path):
    save(open_one(checkpoint).with_schedule(OWN), tmp_path / "saved")
    ours, theirs = (DDPMPipeline.from_pretrained(folder) for folder in (tmp_path / "saved", checkpoint))
    assert ours.scheduler.alphas_cumprod.equal(theirs.scheduler.alphas_cumprod)
    save(replace(open_one(checkpoint), schedule=TABLE), tmp_path / "table")  # its own times: no other network input
    assert DDPMScheduler.from_pretrained(tmp_path / "table").betas.equal(TABLE.beta[1:].float())


def test_it_is_kept_beside_a_network_of_your_own(tmp_path):
    def network(x, time, labels=None):
        return x * time.view(-1, 1, 1, 1).to(x) / 1000

    sigmas = NoiseSchedule.from_sigmas([0.1, 1, 10.0])
    for own in (model_of(network), replace(model_of(network), prediction="x0", schedule=sigmas, coordinates=EDM())):
        on_it = own.with_schedule(TABLE)
        with pytest.warns(UserWarning, match="everything except your own network"):
            save(on_it, tmp_path / "own")
        again = load(tmp_path / "own", network=network)
        assert isinstance(again.coordinates, TrainedOn) and again.trained_on.beta.equal(own.schedule.beta)
        assert np.array_equal(sample(again, [1], 3), sample(on_it, [1], 3))


@pytest.mark.parametrize(
    ("kind", "entry", "sentence"),
    [
        ("colours", [1], "schedule must be a JSON object"),
        ("colours", {"trained_betas": [0.5, 2]}, "trained_betas must be a list"),
        ("colours", {"trained_betas": [0.5], "_function": 3}, "_function must be a text"),
        ("colours", {"_class_name": "EDMEulerScheduler", "sigma_max": 0.001}, "sigma_max must be at least twice"),
        ("μ̃", {"beta_schedule": "linear"}, "predicts the mean of"),
        ("consistency student", {"beta_schedule": "linear"}, "a student has learned its own times"),
        ("OpenAI's U-Net", {"beta_schedule": "linear"}, "this network knows only whole ones"),
    ],
)
def test_a_schedule_that_does_not_fit_is_refused_in_a_sentence(kind, entry, sentence, tmp_path):
    KINDS[kind].write(tmp_path)
    path = tmp_path / "ddpm_core.json"
    own = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(own | {"schedule": entry}))
    with pytest.raises(CheckpointError, match=sentence):
        open_one(tmp_path)


def test_a_schedule_is_found_by_its_name_in_a_file_and_in_a_module(own_module, tmp_path):
    assert find("cosine", 12).beta.equal(NoiseSchedule.cosine(12).beta)
    assert find("my_schedules:steep", 12).T == 12
    for suffix, write in ((".npz", np.savez), (".json", lambda path, **table: path.write_text(json.dumps(table)))):
        path = tmp_path / f"own{suffix}"
        for name, table in (("alpha_bar", OWN.alpha_bar), ("betas", OWN.beta[1:]), ("sigmas", OWN.sigma)):
            write(path, **{name: table.tolist()})  # ᾱ and σ with their t = 0
            torch.testing.assert_close(find(str(path), 99).alpha_bar, OWN.alpha_bar, rtol=1e-12, atol=0)
    path.write_text(json.dumps(dict(TABLE.config)))
    assert find(str(path), 99).beta.equal(TABLE.beta)
    path.write_text(json.dumps({"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 8}))
    assert find(str(path), 99).beta.equal(NoiseSchedule.cosine(8).beta)


@pytest.mark.parametrize(
    ("text", "content", "sentence"),
    [
        ("steep", None, r"unknown schedule 'steep': choose from linear, .*flow, or give"),
        ("no_such_module:f", None, "can't be made: No module named"),
        ("my_schedules:nothing", None, "can't be made: .*has no attribute 'nothing'"),
        ("my_schedules:number", None, r"my_schedules:number\(6\) must return a NoiseSchedule, got a float"),
        ("no.json", None, "can't be read: No such file"),
        ("own.json", "{", "can't be read: it is damaged"),
        ("own.json", "[0.1, 0.2]", "needs a list named betas, alpha_bar or sigmas"),
        ("own.json", '{"betas": [0.1, 2]}', "own.json is no schedule: every beta must lie"),
        ("own.json", '{"alpha_bar": "x"}', "own.json is no schedule"),
        ("own.npz", "{", "can't be read: it is damaged"),
    ],
)
def test_what_is_no_schedule_is_refused(text, content, sentence, own_module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / text).write_text(content)
    with pytest.raises(ValueError, match=sentence):
        find(text, 6)


def test_the_name_of_a_function_travels_and_no_checkpoint_runs_it(
    checkpoint, own_module, tmp_path, monkeypatch, capsys
):
    model = open_one(checkpoint).with_schedule("my_schedules:steep")
    save(model, tmp_path / "saved")
    monkeypatch.delitem(sys.modules, "my_schedules")
    again = open_one(tmp_path / "saved")
    assert again.schedule.beta.equal(model.schedule.beta) and again.schedule.config["_function"] == "my_schedules:steep"
    main(["info", str(tmp_path / "saved"), "--engine", "torch", "--precision", "fp32"])
    shown = capsys.readouterr().out
    assert "my_schedules:steep, T = 6" in shown and "trained on" in shown and "linear, T = 6" in shown


FOUND = OptimisedSteps({"ddim": {2: (6, 3)}}, {"ddim": {2: 0.1}}, 2)


def test_what_was_measured_says_for_which_schedule_and_is_not_used_with_another(checkpoint, tmp_path):
    model = open_one(checkpoint)
    ones = torch.ones(2, dtype=torch.float64)
    gamma_file.write(model, Gamma((1, 6), ones, ones, 2))
    optimised_file.write(model, FOUND)
    path = readers_file.write(model, fit_readers(open_one(checkpoint, batched=True), 2, 2))
    for file in ("analytic_variance.json", "optimised_steps.json"):
        said = json.loads((checkpoint / file).read_text())["schedule"]
        assert said["T"] == 6 and said["alpha_bar"]["6"] == pytest.approx(model.schedule.alpha_bar[6].item(), rel=1e-9)
    model = open_one(checkpoint)
    assert model.gamma is not None and model.optimised is not None and ddpm_core.readers(model).times
    save(model.with_schedule(TABLE), tmp_path / "saved")
    assert not any((tmp_path / "saved" / name).exists() for name in ("analytic_variance.json", path.name))
    for options in ({"variance": "analytic"}, {"sampler": "ddim", "spacing": "optimised"}):
        with pytest.raises(ValueError, match=r"on this schedule: save the model, run `python -m train .* FOLDER"):
            sample(open_one(tmp_path / "saved"), [1], 2, **options)
    # The same weights, and the schedule changed by hand: the files that say another one count as missing.
    scheduler = checkpoint / "scheduler_config.json"
    scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"beta_end": 0.5}))
    other = open_one(checkpoint)
    assert other.gamma is None and other.optimised is None
    with pytest.raises(ValueError, match="belong to its weights and its schedule"):
        ddpm_core.readers(other)
    optimised_file.write(other, replace(FOUND, times={"ddim": {3: (6, 4, 1)}}))
    assert open_one(checkpoint).optimised == {"ddim": {3: (6, 4, 1)}}  # those of the other schedule are gone


def test_what_is_measured_on_another_schedule_belongs_to_the_saved_model(checkpoint, tmp_path):
    save(open_one(checkpoint).with_schedule(TABLE), tmp_path / "saved")
    model = open_one(tmp_path / "saved")
    gamma_file.write(model, Gamma((1, 7), torch.ones(2).double(), torch.ones(2).double(), 2))
    readers_file.write(model, fit_readers(open_one(tmp_path / "saved", batched=True), 2, 2))
    again = open_one(tmp_path / "saved")
    assert again.gamma is not None and ddpm_core.readers(again).times[-1] <= 7
    assert sample(again, [1], 7, variance="analytic").shape == (1, 8, 8, 3)
    save(again, tmp_path / "copy")
    assert open_one(tmp_path / "copy").gamma.equal(again.gamma) and ddpm_core.readers(open_one(tmp_path / "copy")).times


def test_the_command_line_takes_a_schedule(checkpoint, own_module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "own.npz", alpha_bar=OWN.alpha_bar)
    flags = [
        "--checkpoint",
        str(checkpoint),
        "--seeds",
        "5",
        "--steps",
        "3",
        "--engine",
        "torch",
        "--precision",
        "fp32",
    ]
    for text in ("cosine", "own.npz", "my_schedules:steep"):
        main(["sample", *flags, "--schedule", text, "--out", "drawn.npz"])
        with np.load("drawn.npz") as drawn:
            expected = sample(open_one(checkpoint).with_schedule(text), [5], 3)
            assert np.array_equal(drawn["images"], expected)
        (tmp_path / "drawn.npz").unlink()
    main(["sample", *flags, "--schedule", "cosine", "--out", "drawn"])
    with pytest.raises(SystemExit, match="other"):  # a run on another schedule can't continue there
        main(["sample", *flags, "--schedule", "own.npz", "--out", "drawn"])
    with pytest.raises(SystemExit, match="unknown schedule 'cosin': choose from"):
        main(["sample", *flags, "--schedule", "cosin"])
    main(["export", str(checkpoint), "saved", "--schedule", "own.npz"])
    assert open_one(tmp_path / "saved").schedule.beta.equal(find("own.npz", 6).beta)
