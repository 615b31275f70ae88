"""Loading and saving checkpoints in local folders, and the embedded one. Hub: test_hub.py."""

import json
import os
import re
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from checkpoint_folders import CONFIGS, SMALLEST, write_json
from checkpoint_folders import write as write_published
from diffusers import DDPMPipeline, UNet2DModel
from kinds import KINDS
from safetensors.torch import load_file, save_file

import ddpm_core
from ddpm_core import CheckpointError, Model, NoiseSchedule
from ddpm_core.__main__ import main as command
from ddpm_core.checkpoint.describe import describe
from ddpm_core.coordinates import EDM, RectifiedFlow, VarianceExploding
from ddpm_core.model import Source
from ddpm_core.student import Student
from ui.forms.fields import reference
from ui.models.loaded import Models

SAFETENSORS = "diffusion_pytorch_model.safetensors"
PICKLE = "diffusion_pytorch_model.bin"
GROWING = NoiseSchedule.from_sigmas(torch.logspace(-2, 2, 10))
OF_SCORES = NoiseSchedule.from_config({"_class_name": "ScoreSdeVeScheduler", "num_train_timesteps": 9})
ZERO_SNR = {"beta_schedule": "scaled_linear", "rescale_betas_zero_snr": True}
TWO_LEVELS = {
    "sample_size": 16,
    "block_out_channels": [32, 32],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
}

pytestmark = pytest.mark.usefixtures("torch_engine")


def refusal(*arguments, **keywords) -> str:
    """The text with which loading is refused: one sentence, one line."""
    with pytest.raises(CheckpointError) as caught:
        ddpm_core.load(*arguments, **keywords)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same(model: Model, weights: dict[str, torch.Tensor]) -> bool:
    """Whether the network has these weights, in the precision in which it holds them."""
    state = model.network.unet.state_dict()
    return state.keys() == weights.keys() and all(
        torch.equal(state[key], weights[key].to(state[key].dtype)) for key in weights
    )


def write(folder: Path, **changes) -> dict[str, torch.Tensor]:
    """The smallest network, unless changes say otherwise."""
    return write_published(folder, **{**SMALLEST, **changes})


def edit(path: Path, **fields) -> None:
    write_json(path, {**json.loads(path.read_text()), **fields})


def test_embedded():
    model = ddpm_core.load("cifar10-tiny")
    assert (model.image_size, model.channels, model.schedule.T) == (32, 3, 1000)
    assert (model.prediction, model.variance, model.clip) == ("v", "beta_tilde", True)
    assert (model.num_classes, model.null_label, model.class_names[3]) == (10, 10, "cat")
    assert (model.source.weights, model.source.parameters) == ("EMA", 8_481_699)
    said = describe(model)
    assert {"weights": "EMA", "checkpoint": "cifar10-tiny", "parameters": "8,481,699"}.items() <= said.items()
    assert said["file"] == f"{model.source.file}, {model.source.bytes / 1e6:.1f} MB"
    assert "cat" in said["classes"] and said["classes"].endswith(", or no class")
    assert "as published" in said["variance"] and "T = 1000" in said["schedule"]
    assert ddpm_core.sample(model, [0], steps=2).shape == (1, 32, 32, 3)


@pytest.mark.parametrize("layout", [{}, {"subfolders": True}, {"pickle": True}, {"subfolders": True, "pickle": True}])
def test_layouts(tmp_path, layout):
    weights = write_published(tmp_path, **layout)
    model = ddpm_core.load(tmp_path)
    assert same(model, weights)
    assert model.image_size == 32
    assert (model.num_classes, model.null_label, model.source.revision) == (0, None, None)
    assert model.source.bytes == (tmp_path / model.source.file).stat().st_size


def test_the_network_is_the_one_diffusers_loads(tmp_path):
    write_published(tmp_path, pickle=True)
    x, t = torch.randn(2, 3, 32, 32), torch.tensor([3, 900])
    theirs = UNet2DModel.from_pretrained(tmp_path, low_cpu_mem_usage=False, use_safetensors=False)
    with torch.no_grad():
        expected = theirs(x, t).sample
    torch.testing.assert_close(ddpm_core.load(tmp_path).network(x, t, None), expected, rtol=1e-4, atol=1e-5)


def test_safetensors_are_preferred(tmp_path):
    write(tmp_path, pickle=True, seed=1)
    weights = write(tmp_path, seed=2)
    assert same(ddpm_core.load(tmp_path), weights)


def test_half_precision_weights_become_float32(tmp_path):
    halves = {key: value.half() for key, value in write(tmp_path).items()}
    save_file(halves, tmp_path / SAFETENSORS)
    assert same(ddpm_core.load(tmp_path), {key: value.float() for key, value in halves.items()})


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ({}, ("epsilon", "beta", True)),
        ({"variance_type": "fixed_large_log"}, ("epsilon", "beta", True)),
        ({"variance_type": "fixed_small_log"}, ("epsilon", "beta_tilde", True)),
        ({"variance_type": ..., "clip_sample": ...}, ("epsilon", "beta_tilde", True)),  # diffusers' defaults
        (
            {"_class_name": "DDIMScheduler", "variance_type": ..., "clip_sample": False},
            ("epsilon", "beta_tilde", False),
        ),
        ({"_class_name": "SASolverScheduler", "variance_type": None}, ("epsilon", "beta_tilde", True)),
        ({"prediction_type": "sample"}, ("x0", "beta", True)),
        ({"prediction_type": "v_prediction"}, ("v", "beta", True)),
        ({"predict_epsilon": False}, ("x0", "beta", True)),  # as it was called before prediction_type
    ],
)
def test_scheduler_settings(tmp_path, scheduler, expected):
    write(tmp_path, scheduler=scheduler)
    model = ddpm_core.load(tmp_path)
    assert (model.prediction, model.variance, model.clip) == expected


@pytest.mark.parametrize("kind", ["learned", "learned_range"])
def test_learned_variance_has_twice_the_channels(tmp_path, kind):
    write(tmp_path / "learned", out_channels=6, scheduler={"variance_type": kind, "num_train_timesteps": 2})
    model = ddpm_core.load(tmp_path / "learned")
    assert model.variance == kind
    assert ddpm_core.sample(model, [0], steps=2).shape == (1, 8, 8, 3)
    write(tmp_path / "three", scheduler={"variance_type": kind})
    assert "need 6" in refusal(tmp_path / "three")
    write(tmp_path / "six", out_channels=6)
    assert "need 3" in refusal(tmp_path / "six")


def test_schedules_come_from_the_checkpoint(tmp_path):
    write(tmp_path, scheduler={"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 200})
    assert torch.equal(ddpm_core.load(tmp_path).schedule.beta, NoiseSchedule.cosine(200).beta)


def test_classes(tmp_path):
    write(tmp_path / "bare", num_class_embeds=4)
    model = ddpm_core.load(tmp_path / "bare")
    assert (model.num_classes, model.null_label, model.class_names) == (4, None, None)
    write(tmp_path / "own", num_class_embeds=4, own={"null_label": 3, "class_names": ["a", "b", "c"], "weights": "EMA"})
    model = ddpm_core.load(tmp_path / "own")
    assert (model.num_classes, model.null_label, model.class_names) == (3, 3, ("a", "b", "c"))
    assert model.source.weights == "EMA"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"_class_name": "UNet2DConditionModel"}, "the network is a UNet2DConditionModel: only a UNet2DModel can"),
        ({"sample_size": [32, 64]}, "sample_size must be one whole number"),
        ({"class_embed_type": "timestep"}, "class_embed_type 'timestep' is not supported"),
        ({"in_channels": 1}, "1 image channels"),
        ({"own": {"weights": "ema"}}, "unknown weights 'ema': allowed are EMA, not EMA, unknown"),
        ({"own": {"null_label": 10}}, "null_label must be the last"),
        ({"own": {"class_names": ["a"]}}, "class_names must be a list of 0 names"),
        ({"own": ["EMA"]}, "ddpm_core.json must hold a JSON object"),
        ({"scheduler": {"prediction_type": "score"}}, "unknown prediction_type 'score'"),
        ({"scheduler": {"beta_schedule": "odd"}}, "unknown beta_schedule 'odd'"),
        ({"scheduler": {"beta_schedule": ["linear"]}}, "unknown beta_schedule ['linear']: choose from linear"),
        ({"scheduler": {"num_train_timesteps": "many"}}, "must be a whole number from 1 to 10,000, got 'many'"),
        ({"time_embedding_type": "learned", "num_train_timesteps": 999}, "1000 times, but config.json's num_train_t"),
        ({"scheduler": {"beta_end": float("nan")}}, "beta_end must be a number from 0 to 1, got nan"),
        ({"scheduler": {"trained_betas": [0.1, 0]}}, "every beta must lie strictly between 0 and 1"),
        ({"scheduler": {"clip_sample": "no"}}, "clip_sample must be true or false, got 'no'"),
        ({"scheduler": {"clip_sample_range": 2.5}}, "clip_sample_range is 2.5: only 1"),
        ({"scheduler": {"thresholding": True}}, "thresholding (of x̂_0 at a quantile) is not supported"),
        ({"own": {"class_names": ["\ud800"]}, "num_class_embeds": 1}, "class_names must be a list of names"),
        ({"sample_size": 36}, "sample_size must be a multiple of 8 with 4 levels, got 36"),
        ({"scheduler": {"_class_name": "ScoreSdeVpScheduler", "beta_schedule": ...}}, "ScoreSdeVpScheduler is not a"),
    ],
)
def test_wrong_settings(tmp_path, change, sentence):
    write_published(tmp_path, **change)
    assert sentence in refusal(tmp_path)


def test_latent_models_are_refused(tmp_path):
    write(tmp_path, subfolders=True)
    edit(tmp_path / "model_index.json", _class_name="LDMPipeline", vqvae=["diffusers", "VQModel"])
    assert "LDMPipeline also needs vqvae" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w.pop("conv_in.bias"), "it lacks conv_in.bias"),
        (lambda w: w.update(other=torch.zeros(1)), "it has also other"),
        (lambda w: w.update({"conv_in.bias": torch.zeros(3)}), "conv_in.bias has shape (3,), not (4,)"),
        (lambda w: w["conv_in.bias"].fill_(float("nan")), "NaN or infinite numbers in conv_in.bias"),
        (lambda w: w["time_embedding.linear_2.weight"].fill_(3e38), "3e+38 in time_embedding.linear_2.weight"),
    ],
)
def test_wrong_weights(tmp_path, change, sentence):
    weights = write(tmp_path)
    change(weights)
    save_file(weights, tmp_path / SAFETENSORS)
    assert sentence in refusal(tmp_path)


FILES = ["config.json", "scheduler_config.json", "model_index.json", "ddpm_core.json"]


@pytest.mark.parametrize("name", FILES)
def test_json_that_python_cannot_or_should_not_read(tmp_path, name):
    write(tmp_path)
    for content in ("", "{", "\xff", "[" * 100_000, "1" * 10_000, '{"a": "%s"}' % ("x" * 500_000)):
        (tmp_path / name).write_bytes(content.encode("latin-1"))
        assert f"{name} cannot be read as JSON" in refusal(tmp_path)
    for content in ("[]", "null"):
        (tmp_path / name).write_text(content)
        assert f"{name} must hold a JSON object" in refusal(tmp_path)


def test_a_configuration_that_cannot_be_built(tmp_path):
    write(tmp_path)
    edit(tmp_path / "config.json", norm_num_groups=3)
    assert "UNet2DModel can't be built from config.json" in refusal(tmp_path)
    edit(tmp_path / "config.json", **{**CONFIGS["cifar10"], "block_out_channels": [4096] * 4})
    assert "parameters; the limit is 1,000,000,000" in refusal(tmp_path)  # and they were not allocated
    edit(tmp_path / "config.json", **{**CONFIGS["cifar10"], "block_out_channels": [1024] * 4})
    assert "does not fit config.json" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("layers_per_block", 1_000_000),
        ("block_out_channels", [8, [16], 16, 16]),
        ("block_out_channels", [8]),
        ("down_block_types", ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "NoSuchBlock"]),
        ("up_block_types", ["UpBlock2D"] * 3),
        ("norm_num_groups", "4"),
        ("norm_eps", -1e-6),
        ("attention_head_dim", 0),
        ("mid_block_scale_factor", 0),
        ("mid_block_type", "UNetMidBlock3D"),
        ("downsample_padding", -1),
        ("act_fn", ["silu"]),
        ("time_embedding_type", "fourier"),
        ("num_class_embeds", 10**9),
        ("center_input_sample", "yes"),
        ("freq_shift", {"a": 1}),
        ("sample_size", 9 * 8 * 1024),
        ("out_channels", None),
    ],
)
def test_values_outside_their_limits_are_refused_before_anything_is_built(tmp_path, field, value, monkeypatch):
    monkeypatch.setattr(UNet2DModel, "from_config", lambda config: pytest.fail("it was built"))
    write_published(tmp_path)
    edit(tmp_path / "config.json", **{field: value})
    assert field in refusal(tmp_path)


def test_sizes_that_no_evaluation_could_bear_are_refused(tmp_path):
    write(tmp_path)
    kinds = {"down_block_types": ["DownBlock2D"] * 9, "up_block_types": ["UpBlock2D"] * 9}
    for change, sentence in (
        ({"block_out_channels": [8] * 9, **kinds}, "block_out_channels must be a list of 1 to 8 whole numbers"),
        ({"sample_size": 1024, "block_out_channels": [512, 16, 16, 16]}, "the network is too large"),
        ({"sample_size": 1024}, "attention over 262,144 pixels is too much"),
    ):
        edit(tmp_path / "config.json", **{**CONFIGS["cifar10"], **change})
        assert sentence in refusal(tmp_path)


def test_json_that_is_nested_as_deep_as_python_reads_it(tmp_path):
    write(tmp_path)
    (tmp_path / "ddpm_core.json").write_text('{"class_names": %s}' % ("[" * 900 + "]" * 900))
    assert "class_names must be a list of names, got [[" in refusal(tmp_path)


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")  # from torch 2.15 on, while it reads one
def test_pickles_of_other_things(tmp_path):
    weights = write_published(tmp_path, pickle=True)
    for content in (
        {1: torch.zeros(1)},
        {"conv_in.bias": torch.zeros(8, dtype=torch.int64)},
        {"conv_in.bias": torch.zeros(8).to_sparse()},
        {"conv_in.bias": torch.zeros(1).expand(8)},
        {"conv_in.bias": torch.zeros(8, device="meta")},
        {"conv_in.bias": torch.zeros(8, dtype=torch.complex64)},
        {"conv_in.bias": {"weight": torch.zeros(8)}},
        [torch.zeros(8)],
    ):
        torch.save({**weights, **content} if isinstance(content, dict) else content, tmp_path / PICKLE)
        told = refusal(tmp_path)
        assert re.search("does not map names to weights|values that are not floating-point tensors", told), content


def test_an_archive_that_unpacks_to_more_than_it_is_long_is_refused(tmp_path):
    write(tmp_path, pickle=True)
    path = tmp_path / PICKLE
    torch.save({key: value * 0 for key, value in torch.load(path).items()}, path)
    with zipfile.ZipFile(path) as stored, zipfile.ZipFile(tmp_path / "new", "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in stored.infolist():
            packed.writestr(entry.filename, stored.read(entry.filename))
    (tmp_path / "new").rename(path)
    assert torch.load(path)  # torch accepts it
    assert "is damaged" in refusal(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"down_block_types": ["KDownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "KUpBlock2D"]},
        {"in_channels": 1, "out_channels": 1, "down_block_types": ["SkipDownBlock2D", "DownBlock2D"]},
    ],
)
def test_networks_that_can_be_built_but_not_evaluated_are_refused(tmp_path, change):
    write_published(tmp_path, **{**TWO_LEVELS, **change})
    assert "the network of config.json cannot be evaluated" in refusal(tmp_path)


@pytest.mark.parametrize(
    "blocks",
    [
        {"down_block_types": ["KDownBlock2D"] * 2, "up_block_types": ["KUpBlock2D"] * 2, "layers_per_block": 2},
        {"down_block_types": ["SkipDownBlock2D", "AttnSkipDownBlock2D"], "mid_block_type": None},
        {"up_block_types": ["AttnSkipUpBlock2D", "SkipUpBlock2D"]},
        {"down_block_types": ["ResnetDownsampleBlock2D", "DownBlock2D"]},
        {"down_block_types": ["UNetResDownBlock2D", "AttnDownBlock2D"], "downsample_type": "resnet"},
        {"time_embedding_type": "learned", "num_train_timesteps": 1000},
        {"add_attention": False, "resnet_time_scale_shift": "scale_shift", "act_fn": "SiLU"},
    ],
)
def test_networks_of_any_blocks_are_those_that_diffusers_loads(tmp_path, blocks):
    write_published(tmp_path, **{**TWO_LEVELS, **blocks})
    x, t = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 900])
    with torch.no_grad():
        expected = UNet2DModel.from_pretrained(tmp_path).eval()(x, t).sample
    torch.testing.assert_close(ddpm_core.load(tmp_path).network(x, t, None), expected, rtol=1e-4, atol=1e-5)


def test_buffers_that_no_file_holds_and_nobody_can_make_are_refused(tmp_path, monkeypatch):
    """As a network is built without memory, they would hold whatever lay there."""
    write(tmp_path)
    build = UNet2DModel.from_config

    def with_table(config):
        unet = build(config)
        unet.mid_block.register_buffer("table", torch.zeros(2), persistent=False)
        return unet

    monkeypatch.setattr(UNet2DModel, "from_config", with_table)
    assert "mid_block, a UNetMidBlock2D, is not supported" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("config.json", "no config.json"),
        ("scheduler_config.json", "no scheduler_config.json"),
        (SAFETENSORS, "no weights"),
    ],
)
def test_missing_files(tmp_path, missing, sentence):
    write(tmp_path)
    (tmp_path / missing).unlink()
    assert sentence in refusal(tmp_path)


def test_shards_and_variants_are_refused_by_name(tmp_path):
    write(tmp_path)
    for name in ("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors.index.json"):
        (tmp_path / SAFETENSORS).rename(tmp_path / name)
        assert f"only {name} (shards and variants are not supported)" in refusal(tmp_path)
        (tmp_path / name).rename(tmp_path / SAFETENSORS)


@pytest.mark.parametrize(
    "fields",
    [
        {"prediction": "mu", "schedule": NoiseSchedule.from_betas(np.random.default_rng(0).uniform(1e-5, 0.3, 37))},
        {"prediction": "v", "variance": "beta_tilde", "clip": False, "schedule": NoiseSchedule.from_config(ZERO_SNR)},
        {"num_classes": 2, "null_label": 2, "class_names": ("ä", "b"), "schedule": NoiseSchedule.cosine(50)},
    ],
)
def test_round_trip(tmp_path, fields):
    weights = write(tmp_path / "a", **({"num_class_embeds": 3} if "num_classes" in fields else {}))
    network = ddpm_core.load(tmp_path / "a").network
    model = Model(
        **{"schedule": NoiseSchedule.linear(), "prediction": "epsilon", **fields}, network=network, image_size=8
    )
    model.source = Source(weights="not EMA")
    ddpm_core.save(model, tmp_path / "b" / "c")
    again = ddpm_core.load(tmp_path / "b" / "c")
    assert same(again, weights)
    assert torch.equal(again.schedule.beta, model.schedule.beta)
    assert again.source.weights == "not EMA"
    names = ("image_size", "channels", "prediction", "variance", "num_classes", "null_label", "class_names", "clip")
    assert [getattr(again, name) for name in names] == [getattr(model, name) for name in names]
    ddpm_core.save(again, tmp_path / "d")
    for name in ("config.json", "ddpm_core.json", SAFETENSORS):
        assert (tmp_path / "b" / "c" / name).read_bytes() == (tmp_path / "d" / name).read_bytes()


def test_diffusers_runs_what_we_save(tmp_path):
    write_published(tmp_path / "a", pickle=True)
    ddpm_core.save(ddpm_core.load(tmp_path / "a"), tmp_path / "b")
    pipeline = DDPMPipeline.from_pretrained(tmp_path / "b", low_cpu_mem_usage=False)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(batch_size=2, num_inference_steps=2, output_type="np").images
    assert images.shape == (2, 32, 32, 3)
    assert pipeline.scheduler.config.variance_type == "fixed_large"
    assert load_file(tmp_path / "b" / SAFETENSORS).keys() == pipeline.unet.state_dict().keys()


@pytest.mark.parametrize("name", ["a ", " a", "a"])
def test_spaces_around_the_name_of_a_folder_are_its_own(tmp_path, name):
    write(tmp_path / name)
    assert ddpm_core.load(f"{tmp_path / name}").source.folder == tmp_path / name
    assert ddpm_core.load(tmp_path / name).source.name == name
    ddpm_core.save(ddpm_core.load(tmp_path / name), tmp_path / name)
    with pytest.raises(CheckpointError, match="no folder"):
        ddpm_core.load(f"{tmp_path / name}".replace(name, f"  {name}"))
    if name == "a":
        assert ddpm_core.load(f" {tmp_path / name}  ").source.folder == tmp_path / name
    assert reference(str(tmp_path / name)) == str(tmp_path / name)
    assert Models(device="cpu").peek(str(tmp_path / name)).image_size == 8


def test_models_of_this_machine_need_no_client_of_the_hub(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "huggingface_hub"]:
        monkeypatch.setitem(sys.modules, name, None)  # as where it is not installed
    assert ddpm_core.load("mnist-tiny", engine="torch").channels == 1
    with pytest.raises(CheckpointError, match="pip install huggingface-hub"):
        ddpm_core.load("google/ddpm-cifar10-32")


def test_save_replaces_checkpoints_only(tmp_path):
    write(tmp_path / "a")
    model = ddpm_core.load(tmp_path / "a")
    target = tmp_path / "target"
    target.mkdir()
    (target / "precious.txt").write_text("keep")
    with pytest.raises(CheckpointError, match=r"was not written by ddpm_core \(it holds precious.txt\)"):
        ddpm_core.save(model, target)
    (target / "precious.txt").rename(target / "README.md")
    with pytest.raises(CheckpointError, match="was not written by ddpm_core"):
        ddpm_core.save(model, target)
    with pytest.raises(CheckpointError, match="was not written by ddpm_core"):
        ddpm_core.save(model, target / "README.md")
    write(target, seed=3)
    ddpm_core.save(model, target)
    assert (target / "README.md").read_text() == "keep"
    assert same(ddpm_core.load(target), model.network.unet.state_dict())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "target"]
    assert len({(target / name).stat().st_mode for name in (SAFETENSORS, "config.json", "scheduler_config.json")}) == 1


def test_a_failed_save_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    weights = write(tmp_path / "a")
    model = ddpm_core.load(tmp_path / "a")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ddpm_core.checkpoint.save.save_file", full)
    with pytest.raises(CheckpointError, match="the disk is full"):
        ddpm_core.save(model, tmp_path / "a")
    assert same(ddpm_core.load(tmp_path / "a"), weights)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(("error", "failing"), [(OSError(5, "I/O error"), [2]), (KeyboardInterrupt(), [2, 3])])
def test_a_checkpoint_survives_a_failed_renaming(tmp_path, monkeypatch, error, failing):
    """The second of the two renamings fails, and giving the name back fails too: then loading does that."""
    weights = write(tmp_path / "a")
    model = ddpm_core.load(tmp_path / "a")
    real, calls = os.rename, iter(range(1, 10))

    def rename(*paths):
        if next(calls) in failing:
            raise error
        real(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        with pytest.raises((CheckpointError, KeyboardInterrupt)):
            ddpm_core.save(model, tmp_path / "a")
    monkeypatch.setattr("ddpm_core.disk.files.PATIENCE", 0)
    assert same(ddpm_core.load(tmp_path / "a"), weights)
    ddpm_core.save(model, tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_save_keeps_what_the_user_added(tmp_path):
    write(tmp_path / "a")
    model = ddpm_core.load(tmp_path / "a")
    ddpm_core.save(model, tmp_path / "b")
    added = {"README.md": "card", "samples.png": "picture", "notes.txt": "notes", "drafts/1/a.txt": "draft"}
    added |= {"analytic_variance.json.1234": "left by a killed process"}
    for name, text in added.items():
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_text(text)
    ddpm_core.save(model, tmp_path / "b", extra={"samples.png": b"new", "README.md": None})
    assert (tmp_path / "b" / "samples.png").read_text() == "new" and not (tmp_path / "b" / "README.md").exists()
    for name in ("notes.txt", "drafts/1/a.txt"):
        assert (tmp_path / "b" / name).read_text() == added[name]
    ddpm_core.load(tmp_path / "b")


def test_save_refuses_what_would_be_lost_or_loaded_instead(tmp_path):
    write(tmp_path / "a")
    model = ddpm_core.load(tmp_path / "a")
    ddpm_core.save(model, tmp_path / "b")
    for i, (others, found) in enumerate(
        (
            ({"unet/config.json": "{}"}, "unet"),
            ({PICKLE: ""}, PICKLE),
            ({"config.json": '{"_class_name": "BertModel"}', "notes.txt": ""}, "notes.txt"),
            ({"config.json": "[]", "notes.txt": ""}, "notes.txt"),
        )
    ):
        folder = shutil.copytree(tmp_path / "b", tmp_path / f"{i}")
        for name, text in others.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        with pytest.raises(CheckpointError, match=rf"was not written by ddpm_core \(it holds {found}\)"):
            ddpm_core.save(model, folder)
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["", "a\0b", Path("a\0b")])
def test_what_names_no_folder_to_save_to_is_a_sentence(tmp_path, monkeypatch, name):
    write(tmp_path / "a")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # which an empty text would mean
    for network in (ddpm_core.load(tmp_path / "a").network, lambda x, *_: x):
        model = Model(network=network, schedule=NoiseSchedule.linear(), image_size=8, prediction="epsilon")
        with pytest.raises(CheckpointError, match="give the name of a folder to save to, got "):
            ddpm_core.save(model, name)
    assert not any((tmp_path / "here").iterdir())


def test_save_refuses_numbers_that_load_would_refuse(tmp_path):
    write(tmp_path / "a")
    model = ddpm_core.load(tmp_path / "a")
    for value, half, sentence in (
        (70000.0, True, "conv_in.bias has numbers beyond ±65504"),
        (float("nan"), False, "conv_in.bias has NaN or infinite numbers"),
        (float("-inf"), True, "conv_in.bias has NaN or infinite numbers"),
    ):
        with torch.no_grad():
            model.network.unet.conv_in.bias[1] = value
        with pytest.raises(ValueError, match=sentence):
            ddpm_core.save(model, tmp_path / "b", half=half)
        assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("fields", "unet", "sentence"),
    [
        ({"schedule": NoiseSchedule.linear(100_001, beta_end=1e-4)}, {}, "num_train_timesteps must be"),
        ({"student": Student("progressive", (1000,), guidance=2000.0)}, {}, "guidance must be a number from -1,000"),
        ({"student": Student("progressive", (1000,), "x" * 201)}, {}, "teacher must be a text of at most 200"),
        ({"class_names": ("a", "\udcff"), "num_classes": 2}, {"num_class_embeds": 2}, "class_names must be a list"),
        ({"variance": "learned_range"}, {}, "3 image channels with variance learned_range need 6"),
        ({}, {"sample_size": 160, "down_block_types": ["AttnDownBlock2D", *["DownBlock2D"] * 3]}, "attention over"),
    ],
)
def test_save_refuses_a_model_that_load_would_refuse(tmp_path, fields, unet, sentence):
    network = UNet2DModel(**{key: value for key, value in {**CONFIGS["cifar10"], **unet}.items() if key[0] != "_"})
    model = Model(
        **{"schedule": NoiseSchedule.linear(), "prediction": "epsilon", **fields},
        network=SimpleNamespace(unet=network),
        image_size=32,
    )
    with pytest.raises(ValueError, match=f"`load` would not give this model back: .*{sentence}"):
        ddpm_core.save(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("own", [False, True], ids=["network", "own"])
@pytest.mark.parametrize(
    "fields",
    [
        {"leading_offset": 1},
        {"factor": 2},
        {"latent": True},
        {"takes_words": True},
        {"image_size": 16},
        {"num_classes": 2},
        {"null_label": 3},
        {"optimised": {"ddpm": {2: (900, 30)}}},
        {"optimised": {"ddim": {2: (30, 900)}}},
        {"gamma": torch.ones(11, dtype=torch.float64)},
        {"gamma": torch.full((1001,), float("nan"), dtype=torch.float64)},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_a_folder_cannot_say_is_refused(tmp_path, fields, own):
    """A network of one's own has its size and classes from the folder."""
    write(tmp_path / "a", **SMALLEST)
    model = replace(ddpm_core.load(tmp_path / "a"), **fields)
    if own:
        model.network = lambda x, *_: x
    name = next(iter(fields))
    if own and name in ("image_size", "num_classes", "null_label"):
        with pytest.warns(UserWarning, match="everything except your own network"):
            ddpm_core.save(model, tmp_path / "out")
        assert getattr(ddpm_core.load(tmp_path / "out", network=model.network), name) == fields[name]
        return
    with pytest.raises(
        ValueError, match=f"has no place for {name}|of your own in latents|embeddings|its schedule does not fit a "
    ) as error:
        ddpm_core.save(model, tmp_path / "out")
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def test_export_keeps_the_model_and_halves_its_file(tmp_path):
    write_published(tmp_path / "a", scheduler={"prediction_type": "v_prediction"})
    command(["export", str(tmp_path / "a"), str(tmp_path / "b"), "--half"])
    before, after = ddpm_core.load(tmp_path / "a"), ddpm_core.load(tmp_path / "b")
    assert after.prediction == "v" and after.source.bytes == pytest.approx(before.source.bytes / 2, rel=0.1)
    assert same(after, {key: value.half().float() for key, value in before.network.unet.state_dict().items()})
    assert UNet2DModel.from_pretrained(tmp_path / "b").dtype == torch.float32


def test_export_in_8_bits_keeps_each_weight_to_half_a_step_of_its_row(tmp_path):
    write_published(tmp_path / "a", scheduler={"prediction_type": "v_prediction"})
    command(["export", str(tmp_path / "a"), str(tmp_path / "b"), "--int8"])
    before, after = ddpm_core.load(tmp_path / "a"), ddpm_core.load(tmp_path / "b")
    assert after.source.bytes < before.source.bytes / 2  # a quarter, and the names of its scales
    again = after.network.unet.state_dict()
    for key, value in before.network.unet.state_dict().items():
        if value.ndim == 1:
            assert torch.equal(again[key], value.half().float()), key
        else:
            rows = value.flatten(1)
            step = value.half().float().flatten(1).abs().amax(1, keepdim=True) / 127
            assert ((again[key].flatten(1) - rows).abs() <= 0.501 * step + rows.abs() / 2048).all(), key


@pytest.mark.parametrize(
    "fields",
    [
        {"prediction": "mu", "schedule": NoiseSchedule.from_betas(np.random.default_rng(0).uniform(1e-5, 0.3, 37))},
        {"clip": False, "variance": "learned_range", "gamma": torch.linspace(0, 1, 1001, dtype=torch.float64)},
        {"num_classes": 2, "null_label": 0, "class_names": ("ä", "b"), "optimised": {"ddim": {2: (900, 30)}}},
        {"channels": 2, "student": Student("progressive", (1000, 500))},
        {"prediction": "flow", "clip": False},
        {
            "schedule": GROWING,
            "coordinates": VarianceExploding(0.0, 1e-5),
            "snr": 0.2,
            "corrections": 2,
            "variance": "beta_tilde",
        },
        {"schedule": OF_SCORES, "coordinates": EDM(0.3, 0.01, 1.0), "prediction": "x0"},
    ],
)
def test_all_but_the_network_of_ones_own_is_read_back(tmp_path, fields):
    def network(x, t_index, labels):
        return x

    model = Model(
        **{"schedule": NoiseSchedule.linear(), "prediction": "epsilon", **fields}, network=network, image_size=3
    )
    for folder in (tmp_path / "a", tmp_path / "a", tmp_path / "b"):
        with pytest.warns(UserWarning, match="everything except your own network: keep its weights"):
            ddpm_core.save(model, folder)
        again = ddpm_core.load(folder, network=network)
        assert again.network is network and torch.equal(again.schedule.beta, model.schedule.beta)
        assert (again.gamma is None) == (model.gamma is None) and not (folder / "config.json").exists()
        if model.gamma is not None:
            torch.testing.assert_close(again.gamma[1:], model.gamma[1:], rtol=1e-14, atol=0)  # its table interpolates
        for name in vars(model.spec).keys() - {"schedule", "gamma", "source"}:
            assert getattr(again, name) == getattr(model, name), name
        model = again
    assert "except your own network: give it as load(" in refusal(tmp_path / "a")


OWN = {"network": lambda x, t, labels: x, "schedule": NoiseSchedule.linear(), "image_size": 3, "prediction": "epsilon"}


@pytest.mark.parametrize(
    "fields",
    [
        {"image_size": np.int64(4), "channels": np.int64(3), "clip": np.bool_(False)},
        {"num_classes": np.int64(3), "null_label": np.int64(3), "class_names": tuple(np.array(["a", "b", "c"]))},
        {"schedule": NoiseSchedule.linear(np.int64(9), np.float32(0.01), np.float32(0.5))},
        {"schedule": GROWING, "coordinates": VarianceExploding(np.float32(0.5)), "snr": np.float32(0.25)},
        {"prediction": "flow", "coordinates": RectifiedFlow(np.int64(7)), "corrections": np.int64(2)},
        {"prediction": "v", "student": Student("progressive", tuple(np.array([1000, 500])), guidance=np.float32(1.5))},
    ],
    ids=lambda fields: ", ".join(fields),
)
def test_the_numbers_of_numpy_are_saved_as_plain_ones(tmp_path, fields):
    model = Model(**{**OWN, **fields})
    with pytest.warns(UserWarning, match="everything except your own network"):
        ddpm_core.save(model, tmp_path / "a")
    again = ddpm_core.load(tmp_path / "a", network=model.network)
    assert torch.equal(again.schedule.beta, model.schedule.beta)
    for name in fields.keys() - {"schedule"}:
        assert getattr(again, name) == getattr(model, name)


def test_coordinates_that_no_file_can_say_are_a_sentence(tmp_path):
    """Nor any that a file says wrong."""

    class Own(VarianceExploding):
        pass

    def network(x, *_):
        return x

    own = Model(network=network, schedule=GROWING, image_size=3, prediction="epsilon", coordinates=Own())
    with pytest.raises(ValueError, match="your own coordinates, Own, can't be saved in a folder"):
        ddpm_core.save(own, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    with pytest.warns(UserWarning, match="everything except your own network"):
        ddpm_core.save(replace(own, coordinates=VarianceExploding()), tmp_path / "a")
    facts = json.loads((tmp_path / "a" / "ddpm_core.json").read_text())
    for coordinates, sentence in (
        ({"kind": "Own"}, "unknown kind 'Own': allowed are VarianceExploding, EDM, RectifiedFlow"),
        ({"kind": "VarianceExploding", "low": 1}, "low must be a number from"),
        ({"kind": "RectifiedFlow"}, "RectifiedFlow coordinates are for the prediction 'flow', got 'epsilon'"),
        ([], "coordinates must be a JSON object"),
    ):
        write_json(
            tmp_path / "a" / "ddpm_core.json",
            facts | {"own_network": facts["own_network"] | {"coordinates": coordinates}},
        )
        assert sentence in refusal(tmp_path / "a", network=network)
    old = facts["own_network"] | {"coordinates": {"kind": "Exploding"}}  # as saved before it had the field's name
    write_json(tmp_path / "a" / "ddpm_core.json", facts | {"own_network": old})
    assert ddpm_core.load(tmp_path / "a", network=network).coordinates == VarianceExploding()


def test_a_network_of_ones_own_takes_the_place_of_a_checkpoints(tmp_path):
    write(tmp_path / "a", scheduler={"beta_schedule": "squaredcos_cap_v2"})
    theirs = ddpm_core.load(tmp_path / "a")
    model = ddpm_core.load(tmp_path / "a", network=theirs.network)
    assert model.network is theirs.network and torch.equal(model.schedule.beta, theirs.schedule.beta)
    assert model.source.weights_path is None and model.source.name == "a"
    own = Model(network=lambda x, t, labels: x, schedule=NoiseSchedule.linear(), image_size=8, prediction="epsilon")
    with pytest.raises(CheckpointError, match="holds the weights of a network, and yours would not be saved"):
        ddpm_core.save(own, tmp_path / "a")
    with pytest.raises(ValueError, match="those of your own network are not saved"):
        ddpm_core.save(own, tmp_path / "b", half=True)
    with pytest.raises(ValueError, match="leave out device, precision, engine"):
        ddpm_core.load(tmp_path / "a", network=own.network, device="cpu")
    with pytest.raises(ValueError, match="a network is a function or a module"):
        ddpm_core.load(tmp_path / "a", network="unet")
    with pytest.raises(ValueError, match="`load` would not give this model back: channels must be"):
        ddpm_core.save(
            Model(network=own.network, schedule=own.schedule, image_size=1, prediction="epsilon", channels=65),
            tmp_path / "b",
        )
    assert not (tmp_path / "b").exists()
    write_json(tmp_path / "b" / "ddpm_core.json", {"own_network": [1]})
    write_json(tmp_path / "b" / "scheduler_config.json", {"beta_schedule": "linear"})
    assert "own_network must be a JSON object, got [1]" in refusal(tmp_path / "b", network=own.network)


def test_save_takes_weights_that_are_held_rounded_from_their_file(tmp_path):
    weights = write(tmp_path / "a")
    model = ddpm_core.load(tmp_path / "a", device="cpu", precision="bf16", engine="torch")
    ddpm_core.save(model, tmp_path / "b")
    stored = load_file(tmp_path / "b" / SAFETENSORS)
    assert all(torch.equal(stored[key], weights[key]) for key in weights)
    with torch.no_grad():
        model.network.unet.conv_out.weight.add_(1)
    model.network.unet.conv_out.weight.data = model.network.unet.conv_out.weight.data.bfloat16()
    with pytest.raises(ValueError, match="precision='fp32'"):
        ddpm_core.save(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"prediction": "score"},
        {"variance": "analytic"},
        {"variance": "huge"},
        {"num_classes": 2, "class_names": ("a",)},
    ],
)
def test_model_checks_itself(wrong):
    with pytest.raises(ValueError, match=r"one of|unknown|names"):
        Model(**{**OWN, **wrong})


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_is_the_same_where_torchs_default_is_float64(kind, tmp_path):
    """torch.set_default_dtype is for all of a program: what is ours is float32 all the same."""
    if KINDS[kind].told.keys() & {"prompts"}:
        pytest.importorskip("transformers", reason="needed for words only")
    KINDS[kind].write(tmp_path / "kind")
    before = torch.get_default_dtype()
    found = []
    for default in (torch.float32, torch.float64):
        torch.set_default_dtype(default)
        try:
            model = ddpm_core.load(tmp_path / "kind", device="cpu", precision="fp32", engine="torch")
            found.append(ddpm_core.sample(model, [5], **{"steps": 2, **KINDS[kind].run}, **KINDS[kind].told))
        finally:
            torch.set_default_dtype(before)
    assert np.array_equal(*found)
