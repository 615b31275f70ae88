"""Score models and consistency models in diffusers' own layouts: values and chains are those of its pipelines."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import checkpoint_folders
import numpy as np
import pipelines
import plans
import pytest
import torch
import toylab
from bf16 import needs_bf16
from hub_server import HubServer
from PIL import Image

import ddpm_core
from ddpm_core import CheckpointError, predict, trajectory
from ddpm_core.checkpoint import refs, spec
from ddpm_core.checkpoint.hub import snapshots
from ddpm_core.coordinates import EDM, VarianceExploding
from ddpm_core.noise import gaussian
from ddpm_core.samplers import CORRECTIONS
from ui.models.catalogue import OFFERED
from ui.models.loaded import Models
from ui.parts.fetching import FetchingPart
from ui.parts.sampling import SamplingAsked, SamplingPart

ROOT = Path(__file__).parents[2]
T = 12
SIZE = 8
USUAL = {"device": "cpu", "precision": "fp32", "engine": "torch"}


def load(folder, **options):
    return ddpm_core.load(folder, **{**USUAL, **options})


def edit(path, **fields):
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(found | fields))


def described(folder):
    """What the files say of a model."""
    return spec.read(snapshots.fetch(refs.parse(folder), spec.check)).spec


def z(number):
    """The noise of one picture, float64."""
    return gaussian(3, number, (1, 3, SIZE, SIZE)).double()


@pytest.fixture
def handed(monkeypatch):
    """What the pipelines draw, one after the other."""
    numbers = []

    def drawn(shape, *_, dtype=torch.float32, **__):
        return z(numbers.pop(0)).to(dtype)

    for module in pipelines.DRAWING:
        monkeypatch.setattr(module, "randn_tensor", drawn)
    return numbers


class Made(NamedTuple):
    """A folder, diffusers' pipeline with the same weights, and the model that was loaded of it."""

    folder: Path
    pipeline: Any
    model: ddpm_core.Model


@pytest.fixture(scope="module")
def score(tmp_path_factory):
    folder = tmp_path_factory.mktemp("score") / "ncsnpp"
    return Made(folder, pipelines.score(folder, snr=0.17), load(folder))


@pytest.fixture(scope="module")
def consistency(tmp_path_factory):
    folder = tmp_path_factory.mktemp("consistency") / "diffusers-cd_bedroom256_l2"
    return Made(folder, pipelines.consistency(folder), load(folder))


@pytest.fixture(scope="module")
def with_classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("consistency") / "diffusers-cd_imagenet64"
    return Made(folder, pipelines.consistency(folder, 5), load(folder))


# --- Score models


@pytest.mark.parametrize("pickle", [False, True])
def test_what_a_score_models_files_say(tmp_path, pickle):
    """At the root, as Google's repositories have them; the weights of those are a pickle."""
    pipelines.score(tmp_path, pickle, snr=0.075)
    found = load(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        "model_index.json",
        "scheduler_config.json",
        f"diffusion_pytorch_model.{'bin' if pickle else 'safetensors'}",
    }
    assert (found.prediction, found.variance, found.clip, found.snr) == ("epsilon", "beta", False, 0.075)
    torch.testing.assert_close(found.schedule.sigma[1:] / 2, torch.logspace(-2, np.log10(50), T).double())


@pytest.mark.parametrize("t", [1, 2, 3, 4, 5, 7, 8, 10, 11, 12])
def test_score_models_give_what_their_modules_give(score, t):
    _, pipeline, model = score
    pipeline.scheduler.set_timesteps(T)
    pipeline.scheduler.set_sigmas(T)
    # Its tables are float32: the same numbers with all digits, as 1e-7 of σ turns the highest features by 1e-5.
    sigma, told = (0.01 * 5000**part for part in ((t - 1) / (T - 1), 1 - (T - t) * (1 - 1e-5) / (T - 1)))
    assert pipeline.scheduler.discrete_sigmas[t - 1].item() == pytest.approx(sigma, rel=1e-5)
    assert pipeline.scheduler.sigmas[T - t].item() == pytest.approx(told, rel=1e-5)
    y = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(t)).double() + sigma * z(0)
    with torch.no_grad():
        its = pipeline.unet(y.float(), torch.tensor([told])).sample.double()
    found = predict(model, (2 * y - 1) * model.schedule.alpha_bar[t].sqrt(), t)
    torch.testing.assert_close(found.eps, -sigma * its, rtol=1e-5, atol=1e-5)
    # x̂_0 is a difference of numbers of the size of y.
    torch.testing.assert_close(found.x0, 2 * (y + sigma**2 * its) - 1, rtol=1e-5, atol=1e-5 * max(1, sigma))


@pytest.mark.parametrize("corrections", [None, 0, 2])
def test_score_models_take_the_chain_of_their_pipeline(score, handed, tmp_path, corrections):
    """Reverse diffusion is "beta". Norms of one picture are the means over a batch of one."""
    folder, pipeline, _ = score
    pipeline.scheduler.register_to_config(correct_steps=corrections or 0)
    if corrections is not None:
        folder = shutil.copytree(folder, tmp_path / "corrected")
        pipeline.scheduler.save_pretrained(folder)
    of_step = [[*(k * CORRECTIONS + i for k in range(1, (corrections or 0) + 1)), i] for i in range(T)]
    handed += [0, *(1 + number for numbers in of_step for number in numbers)]
    expected = pipeline(num_inference_steps=T, output_type="np").images
    assert not handed

    model = load(folder)
    x_T = model.schedule.alpha_bar[T].sqrt() * (2 * 50 * z(0) - 1)
    sampler = "ddpm" if corrections is None else "langevin"
    *_, last = trajectory(model, steps=T, sampler=sampler, x_T=x_T, noise=lambda i, x: z(i + 1))
    ours = (last.x.permute(0, 2, 3, 1) + 1) / 2
    assert ours.std() > 0.05
    np.testing.assert_allclose(ours.clamp(0, 1), expected, atol=1e-4)  # their states are float32, to 50


def test_a_corrected_picture_is_its_seeds_alone_and_in_company(score):
    model = score.model
    options = {"steps": 4, "sampler": "langevin", "variance": "beta_tilde"}
    (*_, alone), (*_, among) = (trajectory(model, seeds, **options) for seeds in ([7], [5, 7]))
    assert torch.equal(alone.x[0], among.x[1])
    first, *rest = trajectory(model, [7], **options)
    again = [*trajectory(model, [7], after=first, **options)]
    assert torch.equal(again[-1].x, rest[-1].x)
    lanes = [{"steps": 4}, {"steps": 4, "sampler": "langevin", "variance": "beta_tilde"}]
    both = dict(ddpm_core.side_by_side(model, [7], lanes))
    assert torch.equal(both[1].x, alone.x) and not torch.equal(both[0].x, alone.x)


def test_the_checkpoints_snr_is_the_correctors(score):
    model = score.model
    ends = [
        [*trajectory(own, [7], 3, "langevin")][-1].x
        for own in (model, replace(model, snr=0.17), replace(model, snr=0.1))
    ]
    assert torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])


@pytest.mark.parametrize(
    "changes", [{"snr": 0.0}, {"network": lambda x, *_: torch.zeros_like(x)}, {"corrections": 0}], ids=[*"rε0"]
)
def test_without_a_ratio_or_a_direction_the_corrector_changes_nothing(score, changes):
    """A network that was not trained yet says 0, whose norm is no number to divide by."""
    model = replace(score.model, **changes)
    (*_, corrected), (*_, plain) = (trajectory(model, [7], 3, sampler) for sampler in ("langevin", "ddpm"))
    assert torch.equal(corrected.x, plain.x) and plain.x.isfinite().all()


# --- Consistency models


def test_what_a_consistency_models_files_say(consistency):
    model = consistency.model
    assert (model.prediction, model.clip, model.student.method) == ("x0", True, "consistency")
    assert (model.student.times, model.student.usual) == (tuple(range(40, 0, -1)), (40, 22))
    assert model.student.pairs(2) == [(40, 22), (22, 0)] and model.student.pairs(4)[1] == (30, 20)
    theirs = consistency.pipeline.scheduler.__class__().sigmas.flip(0)  # of all times
    torch.testing.assert_close(model.schedule.sigma[1:], theirs, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("name", "T", "usual"),
    [
        ("diffusers-cd_bedroom256_lpips", 40, (40, 23)),
        ("cd_imagenet64_l2", 40, (40, 18)),
        ("diffusers-ct_imagenet64", 201, (201, 95)),
        ("diffusers-ct_bedroom256", 151, (151, 84)),
        ("diffusers-ct_cat256", 151, (151, 89)),
        ("diffusers-ct_cat256", 40, ()),
        ("diffusers-cd_cat256_l2", 40, ()),
    ],
)
def test_times_that_were_published_are_the_usual_ones(consistency, tmp_path, name, T, usual):
    folder = shutil.copytree(consistency.folder, tmp_path / name)
    edit(folder / "scheduler" / "scheduler_config.json", num_train_timesteps=T)
    assert described(folder).student.usual == usual
    for method in ("consistency", "progressive"):  # of a folder that says itself which times it has learned
        edit(folder / "ddpm_core.json", student={"method": method, "times": [T, 2]})
        assert described(folder).student.usual == ()


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("t", [2, 5, 9, 13, 20, 22, 28, 33, 39, 40])
def test_consistency_models_give_what_their_modules_give(request, t, classes):
    _, pipeline, model = request.getfixturevalue("with_classes" if classes else "consistency")
    scheduler = pipeline.scheduler
    scheduler.set_timesteps(timesteps=[40 - t])
    sigma = scheduler._convert_to_karras(np.array([(40 - t) / 39]))[0]
    y = 0.5 * z(1) + sigma * z(0)
    told = [torch.tensor([3])] if classes else []
    c_skip, c_out = scheduler.get_scalings_for_boundary_condition(sigma)
    with torch.no_grad():
        F = pipeline.unet(
            (y / (sigma**2 + 0.25) ** 0.5).float(), torch.tensor([250 * np.log(sigma)]), *told
        ).sample.double()
    x_0 = c_out * F + c_skip * y
    found = predict(model, y * model.schedule.alpha_bar[t].sqrt(), t, 3 if classes else None, clip=False)
    torch.testing.assert_close(found.x0, x_0, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.eps, (y - x_0) / sigma, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("times", "classes"), [((40,), False), ((40, 22), False), ((40, 22), True), ((40, 31, 17, 2), True)]
)
def test_consistency_models_take_the_chain_of_their_pipeline(request, handed, times, classes):
    _, pipeline, model = request.getfixturevalue("with_classes" if classes else "consistency")
    handed += range(len(times) + 1)
    told = {"class_labels": 3} if classes else {}
    expected = pipeline(
        timesteps=[40 - t for t in times[::-1]], num_inference_steps=None, output_type="np", **told
    ).images
    own = replace(model, student=replace(model.student, usual=times))
    x_T = 80 * model.schedule.alpha_bar[40].sqrt() * z(0)
    run = {"x_T": x_T, "noise": lambda i, x: z(i + 1), "labels": 3 if classes else None}
    *_, last = trajectory(own, steps=len(times), **run)
    ours = (last.x.permute(0, 2, 3, 1) + 1) / 2
    assert ours.std() > 0.05
    np.testing.assert_allclose(ours.clamp(0, 1), expected, atol=1e-4)


def test_what_consistency_models_cannot_do_is_a_sentence(consistency):
    model = consistency.model
    for options, words in (
        ({"sampler": "ddpm"}, "is a consistency student: it needs the sampler 'consistency', not 'ddpm'"),
        ({"sampler": "langevin"}, "needs the sampler 'consistency', not 'langevin'"),
        ({"steps": 41}, "takes 1 to 40 steps, not 41"),
    ):
        with pytest.raises(ValueError, match=words):
            trajectory(model, [1], **options)
    with pytest.raises(ValueError, match="has no steps to measure"):
        ddpm_core.bits_per_dim(model, np.zeros((1, SIZE, SIZE, 3), np.uint8))


# --- Both


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("score", {"coordinates": VarianceExploding(-1.0, 1e-5)}),
        ("score", {"variance": "beta_tilde"}),
        ("score", {"clip": True}),
        ("consistency", {"coordinates": EDM(0.5, 0.002, 500.0)}),
        ("consistency", {"coordinates": EDM(0.5, 0.01)}),
        ("consistency", {"student": None}),
        ("consistency", {"leading_offset": 1}),
        ("consistency", {"snr": 0.1}),
    ],
    ids=str,
)
def test_what_their_pipelines_have_no_place_for_is_refused(tmp_path, request, kind, fields):
    model = replace(request.getfixturevalue(kind).model, **fields)
    with pytest.raises(ValueError, match=f"has no place for {next(iter(fields))} "):
        ddpm_core.save(model, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_folder_that_says_its_times_itself_has_no_published_ones(tmp_path, consistency):
    model = replace(consistency.model, student=replace(consistency.model.student, usual=()))
    ddpm_core.save(model, tmp_path / consistency.folder.name)
    assert load(tmp_path / consistency.folder.name).student == model.student


@pytest.mark.parametrize("kind", ["score", "consistency"])
def test_saved_and_loaded_they_are_the_same_here_and_in_diffusers(tmp_path, request, kind):
    _, pipeline, model = request.getfixturevalue(kind)
    if kind == "score":
        model = replace(model, corrections=2)
        pipeline.scheduler.register_to_config(correct_steps=2)
    ddpm_core.save(model, tmp_path / "again")
    again = load(tmp_path / "again")
    for field in ("coordinates", "student", "snr", "corrections", "clip", "variance", "prediction"):
        assert getattr(again, field) == getattr(model, field), field
    assert torch.equal(again.schedule.beta, model.schedule.beta)
    theirs = type(pipeline).from_pretrained(tmp_path / "again")
    ignored = ("_use_default_values", "_diffusers_version")
    configs = [
        {name: x for name, x in one.scheduler.config.items() if name not in ignored} for one in (theirs, pipeline)
    ]
    assert configs[0] == configs[1]
    for changed in ({"snr": 3.0} if kind == "consistency" else {"clip": True}, {"coordinates": None}):
        with pytest.raises(ValueError, match="no place for"):
            ddpm_core.save(replace(model, **changed), tmp_path / "other")


@pytest.mark.parametrize("kind", ["score", "consistency"])
@pytest.mark.parametrize(
    ("engine", "precision"),
    [("openvino", "fp32"), pytest.param("openvino", "bf16", marks=needs_bf16), ("torch", "bf16")],
)
def test_every_engine_computes_them(request, kind, engine, precision):
    """In bf16 to its three digits, at each time: the angles of Fourier features would be lost in it."""
    if engine == "openvino":
        pytest.importorskip("openvino")
    folder, _, model = request.getfixturevalue(kind)
    own = load(folder, engine=engine, precision=precision)
    exact = own.network.description.endswith("fp32") or "fp32" in own.network.description
    for t in (1, 4, 8, model.schedule.T):
        x = 0.5 * z(1)  # of one picture: OpenVINO compiles the network for each number of them
        field = "eps" if kind == "score" else "x0"
        found, expected = (getattr(predict(each, x, t, clip=False), field) for each in (own, model))
        tolerance = 1e-4 if exact else 0.1 * expected.std().item()
        torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


RUNS = {
    "some": ("score", {"steps": 5, "spacing": "quadratic_T"}),
    "one": ("score", {"steps": 1}),
    "two corrections a step": ("score", {"steps": 4, "sampler": "langevin"}),
    "a consistency model's own steps": ("consistency", {"steps": 2, "sampler": "consistency"}),
    "others": ("consistency", {"steps": 3, "sampler": "consistency", "clip": False}),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_script_for_diffusers_repeats_the_pictures(request, handed, tmp_path, monkeypatch, name):
    kind, settings = RUNS[name]
    folder, pipeline, model = request.getfixturevalue(kind)
    if settings.get("sampler") == "langevin":
        folder = shutil.copytree(folder, tmp_path / "corrected")
        pipeline.scheduler.register_to_config(correct_steps=2)
        pipeline.scheduler.save_pretrained(folder)
        model = load(folder)
    asked = {"checkpoint": str(folder), "variance": "beta", "seed": 5, "count": 2, **settings}
    found = plans.answer("watch", asked, {str(folder): model})
    request = SamplingAsked(**found["asked"])
    monkeypatch.chdir(tmp_path)
    exec(found["diffusers"], {})
    pictures = ddpm_core.sample(model, request.seeds, clip=request.clip, **request.lanes[0].arguments())
    for seed, picture in zip(request.seeds, pictures, strict=True):
        drawn = np.asarray(Image.open(f"seed-{seed}.png"), int)
        assert np.abs(drawn - picture).max() <= 1 and picture.std() > 10  # 1e-4 can be the border of two levels


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"variance": "beta_tilde"}, "only has DDPM and Langevin with βₜ"),
        ({"sampler": "ddim"}, "only has DDPM and Langevin with βₜ"),
        ({"variance": "beta", "clip": True}, "does not clip"),
    ],
)
def test_what_the_pipeline_of_score_models_lacks_is_a_sentence(score, settings, why):
    asked = {"checkpoint": str(score.folder), "steps": 4, **settings}
    assert why in plans.answer("watch", asked, {str(score.folder): score.model})["why"]


@pytest.fixture(scope="module")
def pairs():
    """The values that a button of Compare sets, by its name."""
    if not shutil.which("node"):
        pytest.skip("needs node")
    url = (ROOT / "ui" / "web" / "form" / "presets.js").as_uri()
    code = f"import({json.dumps(url)}).then((found) => console.log(JSON.stringify(found.OF_FAMILIES)))"
    return json.loads(subprocess.run(["node", "-e", code], check=True, capture_output=True, timeout=60).stdout)


def test_a_pair_of_families_is_of_one_data_set_of_the_list(pairs):
    for values in pairs.values():
        assert OFFERED[values["checkpoint"]].data == OFFERED[values["checkpoint_b"]].data


@pytest.mark.parametrize("pair", ["bedroomsScore", "bedroomsConsistency"])
def test_a_pair_of_families_runs_from_one_noise(pairs, torch_engine, tmp_path, monkeypatch, pair):
    values = pairs[pair]
    checkpoint_folders.write(tmp_path / "a", **checkpoint_folders.SMALLEST)
    kind, small = (pipelines.score, {"widths": (32,)}) if pair == "bedroomsScore" else (pipelines.consistency, {})
    kind(tmp_path / "b", num_train_timesteps=60, **small)
    with HubServer() as hub:
        hub.use(monkeypatch, tmp_path / "home")
        for ref, folder in (("checkpoint", "a"), ("checkpoint_b", "b")):
            hub.add_repo(values[ref], tmp_path / folder)
        services = toylab.toy_services(Models("cpu"))
        fetching = FetchingPart(services)
        toylab.heard(fetching, fetching.request({"refs": [values["checkpoint"], values["checkpoint_b"]]}))
        run, seen = toylab.messages(SamplingPart(services), "compare", values | {"count": 1})
    assert seen[-1]["state"] == "finished", seen[-1]
    assert [lane.asked.checkpoint for lane in run.plan.lanes] == [values["checkpoint"], values["checkpoint_b"]]
    assert {frame["lane"] for frame in toylab.results(seen, "frame")} == {0, 1}
    models = {ref: services.models.known(ref) for ref in run.computation.refs}
    assert plans.answer("compare", values, models)["shown"]["caption"].startswith("Both begin with the same noise")


ODD = {
    "score": {
        "one time": ({"scheduler": {"num_train_timesteps": 1}}, "at least 2 for noise that grows"),
        "times in words": (
            {"scheduler": {"num_train_timesteps": "2000"}},
            "num_train_timesteps must be a whole number",
        ),
        "far too many": ({"scheduler": {"num_train_timesteps": 10**9}}, "num_train_timesteps must be a whole number"),
        "noise that falls": ({"scheduler": {"sigma_max": 0.001}}, "sigma_max must be at least twice sigma_min"),
        "NaN": ({"scheduler": {"sigma_max": float("nan")}}, "sigma_max must be a number"),
        "infinity": ({"scheduler": {"sigma_min": float("inf")}}, "sigma_min must be a number"),
        "no noise": ({"scheduler": {"sigma_min": 0}}, "sigma_min must be a number"),
        "a list": ({"scheduler": {"sigma_max": [50]}}, "sigma_max must be a number"),
        "snr below 0": ({"scheduler": {"snr": -1}}, "snr must be a number"),
        "snr of null": ({"scheduler": {"snr": None}}, "snr must be a number"),
        "an end in the middle": ({"scheduler": {"sampling_eps": 0.5}}, "sampling_eps must be a number"),
        "many corrections": ({"scheduler": {"correct_steps": 101}}, "correct_steps must be a whole number from 0 to"),
        "told t": ({"unet": {"time_embedding_type": "positional"}}, "unknown time_embedding_type 'positional'"),
        "another scheduler": (
            {"scheduler": {"_class_name": "ScoreSdeVpScheduler"}},
            "unknown time_embedding_type 'fourier'",
        ),
        "a name that is a list": ({"scheduler": {"_class_name": ["ScoreSdeVeScheduler"]}}, "'fourier'"),
        "of DDPM": ({"scheduler": {"_class_name": "DDPMScheduler", "beta_schedule": "linear"}}, "'fourier'"),
        "groups of null in other blocks": (
            {"unet": {"down_block_types": ["DownBlock2D", "AttnSkipDownBlock2D"]}},
            "norm_num_groups must be a whole number",
        ),
        "too few channels": ({"unet": {"block_out_channels": [2, 2]}}, "UNet2DModel can't be built from config.json"),
        "other widths": ({"unet": {"block_out_channels": [64, 64]}}, "does not fit config.json"),
        "more than a network": ({"index": {"vae": ["diffusers", "AutoencoderKL"]}}, "also needs vae"),
        "another class": ({"unet": {"_class_name": "NCSNpp"}}, "the network is a NCSNpp"),
        "a prediction of its own": ({"own": {"prediction": "v"}}, "VarianceExploding coordinates"),
        "a student": ({"own": {"student": {"method": "consistency", "times": [5]}}}, "a student starts at t = T"),
        "an odd snr": ({"own": {"snr": "x"}}, "snr must be a number"),
        "half a correction": ({"own": {"corrections": 0.5}}, "corrections must be a whole number"),
    },
    "consistency": {
        "one time": ({"scheduler": {"num_train_timesteps": 1}}, "at least 2"),
        "noise that falls": ({"scheduler": {"sigma_max": 0.002}}, "sigma_max must be at least twice"),
        "no data": ({"scheduler": {"sigma_data": 0}}, "sigma_data must be a number"),
        "rho of 0": ({"scheduler": {"rho": 0}}, "rho must be a number"),
        "rho of true": ({"scheduler": {"rho": True}}, "rho must be a number"),
        "louder noise": ({"scheduler": {"s_noise": 1.01}}, "s_noise must be 1, got 1.01"),
        "clip in words": ({"scheduler": {"clip_denoised": "yes"}}, "clip_denoised must be true or false"),
        "told sigma": ({"unet": {"time_embedding_type": "fourier"}}, "unknown time_embedding_type 'fourier'"),
        "a table of times": ({"unet": {"time_embedding_type": "learned"}}, "unknown time_embedding_type 'learned'"),
        "two variances": ({"unet": {"out_channels": 6}}, "the network gives 6 channels"),
        "times that rise": ({"own": {"student": {"method": "consistency", "times": [1, 40]}}}, "times descend"),
        "times beyond": ({"own": {"student": {"method": "consistency", "times": [99]}}}, "starts at t = T = 40"),
        "usual times that it does not know": (
            {"own": {"student": {"method": "consistency", "times": [40, 20], "usual": [40, 7]}}},
            "usual times",
        ),
        "usual times in words": (
            {"own": {"student": {"method": "consistency", "times": [40, 20], "usual": "40"}}},
            "usual must be a list",
        ),
        "a null label among none": ({"own": {"null_label": 1}}, "null_label must be the last"),
        "another middle": ({"unet": {"mid_block_type": "UNetMidBlock2DCrossAttn"}}, "unknown mid_block_type"),
    },
}
FILES = {
    "score": {"scheduler": "scheduler_config.json", "unet": "config.json"},
    "consistency": {"scheduler": "scheduler/scheduler_config.json", "unet": "unet/config.json"},
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, each in ODD.items() for name in each])
def test_odd_folders_are_a_sentence(tmp_path, request, kind, name):
    changes, words = ODD[kind][name]
    shutil.copytree(request.getfixturevalue(kind).folder, tmp_path / "odd")
    for file, fields in changes.items():
        edit(tmp_path / "odd" / {"index": "model_index.json", "own": "ddpm_core.json", **FILES[kind]}[file], **fields)
    with pytest.raises(CheckpointError) as error:
        load(tmp_path / "odd")
    assert words in str(error.value) and "\n" not in str(error.value)
