"""DiT: the folders of diffusers' DiTPipeline, compared with that pipeline."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from bf16 import needs_bf16
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, DiTPipeline, DiTTransformer2DModel
from diffusers.pipelines.dit import pipeline_dit
from diffusers.schedulers import scheduling_ddpm

import ddpm_core
from ddpm_core import CheckpointError, predict, trajectory
from ddpm_core.checkpoint import weights
from ddpm_core.engines.torch import stays_finite
from ddpm_core.noise import gaussian_batch
from ddpm_core.prediction import class_index

SEEDS, LABELS = [5, 6], [1, 407]
NAMES = {str(label): f"thing {label}, one of {label}" for label in range(1000)}


def edit(path, **changes):
    """A change of None leaves the field out."""
    content = {name: value for name, value in (json.loads(path.read_text()) | changes).items() if value is not ...}
    path.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """As diffusers writes it, with random weights in place of the zeros of a fresh one, and id2label as on the Hub."""
    place = tmp_path_factory.mktemp("dit") / "dit"
    torch.manual_seed(0)
    network = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, out_channels=8, num_layers=2, sample_size=8
    )
    autoencoder = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
    )
    scheduler = DDIMScheduler(beta_schedule="linear", clip_sample=False)
    DiTPipeline(network, autoencoder, scheduler).save_pretrained(place)
    edit(place / "model_index.json", id2label=NAMES)
    return place


@pytest.fixture(scope="module")
def model(folder):
    return ddpm_core.load(folder, device="cpu", precision="fp32", engine="torch")


def test_what_a_folder_says(model):
    assert (model.image_size, model.channels, model.factor, model.latent) == (8, 4, 2, True)
    assert (model.variance, model.num_classes, model.null_label, model.clip) == ("learned_range", 1000, 1000, False)
    assert (
        class_index(model, "one of 12") == class_index(model, "thing 12, one of 12") == class_index(model, "12") == 12
    )


def test_x_0_and_eps_are_their_modules(model, folder):
    theirs = DiTTransformer2DModel.from_pretrained(folder, subfolder="transformer").eval()
    x = gaussian_batch(SEEDS, 0, (4, 8, 8))
    for t in np.linspace(1, 1000, 10).round().astype(int).tolist():
        found = predict(model, x, t, LABELS)
        with torch.no_grad():
            eps, v = theirs(x, torch.full((2,), t - 1), torch.tensor(LABELS)).sample.chunk(2, 1)
        signal = model.schedule.alpha_bar[t].sqrt().item()
        x_0 = (x - (1 - signal**2) ** 0.5 * eps) / signal
        np.testing.assert_allclose(found.eps, eps, atol=1e-5)
        np.testing.assert_allclose(found.v, v, atol=1e-5)
        np.testing.assert_allclose(found.x0, x_0, atol=1e-5 / signal)  # what is wrong with ε, divided by √ᾱ


@pytest.mark.parametrize(("sampler", "guidance"), [("ddim", 1.0), ("ddim", 4.0), ("ddpm", 4.0)])
def test_a_chain_is_their_pipelines(model, folder, monkeypatch, sampler, guidance):
    """With our noise. Their pipeline leaves the learned variance out, and DDPM has β̃ then."""
    steps = 10
    pipeline = DiTPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    if sampler == "ddpm":
        pipeline.scheduler = DDPMScheduler(beta_schedule="linear", clip_sample=False)
    streams = iter(range(1, steps + 1))

    def noise(shape, **_):
        return gaussian_batch(SEEDS, next(streams), (4, 8, 8)).repeat(len(shape) and shape[0] // 2, 1, 1, 1)

    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", noise)
    monkeypatch.setattr(pipeline_dit, "randn_tensor", lambda *_, **__: gaussian_batch(SEEDS, 0, (4, 8, 8)))
    theirs = pipeline(LABELS, guidance, num_inference_steps=steps, output_type="np").images
    options = {"variance": "beta_tilde"} if sampler == "ddpm" else {}
    ours = trajectory(
        model, SEEDS, steps, sampler=sampler, spacing="leading", labels=LABELS, guidance=guidance, **options
    )
    *_, last = ours
    ours = (model.decoder.decode(last.x) / 2 + 0.5).clamp(0, 1).movedim(1, -1)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_the_learned_variance_is_live(model):
    """Another variance draws other pictures of the same noise."""
    ends = [[*trajectory(model, SEEDS, 4, labels=LABELS, variance=kind)][-1].x for kind in (None, "beta_tilde", "beta")]
    assert not ends[0].equal(ends[1]) and not ends[0].equal(ends[2])


def test_the_layout_of_the_hub_is_the_same_model(folder, model, tmp_path):
    """Written before diffusers had a class of its own for it."""
    public = shutil.copytree(folder, tmp_path / "public")
    unused = {"cross_attention_dim": None, "num_vector_embeds": None, "attention_type": "default"}
    edit(public / "transformer" / "config.json", _class_name="Transformer2DModel", only_cross_attention=False, **unused)
    former = ddpm_core.load(public, device="cpu", precision="fp32", engine="torch")
    x = gaussian_batch(SEEDS, 0, (4, 8, 8))
    assert predict(former, x, 500, LABELS).eps.equal(predict(model, x, 500, LABELS).eps)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
def test_engines_agree_at_every_time(folder, model, precision):
    """In bf16 a time near T has three digits: the angles of its embedding come from a table."""
    pytest.importorskip("openvino")
    other = ddpm_core.load(folder, device="cpu", precision=precision, engine="openvino")
    x = gaussian_batch([5], 0, (4, 8, 8))
    for t in (1, 500, 1000):
        found, expected = (one.network(x, torch.tensor([t - 1]), torch.tensor([3])) for one in (other, model))
        # bf16: products of eight bits, summed in float32, through two blocks
        bound = 1e-5 if other.network.description.endswith("fp32") else 0.01
        assert (found - expected).norm() < bound * expected.norm()


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_an_engine_refuses_times_and_classes_beyond_its_tables(folder, engine):
    """OpenVINO would take the last ones, and a GPU would fail for all that runs on it."""
    if engine == "openvino":
        pytest.importorskip("openvino")
    model, x = ddpm_core.load(folder, device="cpu", precision="fp32", engine=engine), torch.zeros(1, 4, 8, 8)
    for call in (model.network, model.network.with_gradients):
        for t_index, label, sentence in (
            (1000, 3, "this network knows t_index 0 to 999, got [1000]"),
            (-1, 3, "this network knows t_index 0 to 999, got [-1]"),
            (5, 1001, "this network knows labels 0 to 1000, got [1001]"),
            (5, -1, "this network knows labels 0 to 1000, got [-1]"),
        ):
            with pytest.raises(ValueError, match=re.escape(sentence)):
                call(x, torch.tensor([t_index]), torch.tensor([label]))
    longer = replace(model, schedule=ddpm_core.NoiseSchedule.linear(1200))
    with pytest.raises(ValueError, match="knows t_index 0 to 999"):
        predict(longer, x, 1100, 3)
    assert predict(longer, x, 1000, 3).x0.shape == x.shape


def test_a_table_of_fewer_times_than_are_tried_in_fp16(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "short")
    edit(tmp_path / "short/scheduler/scheduler_config.json", num_train_timesteps=50)
    network = ddpm_core.load(tmp_path / "short", device="cpu", precision="fp32", engine="torch").network
    assert stays_finite(network.unet, torch.device("cpu")) in (True, False)


def test_round_trip(model, tmp_path):
    ddpm_core.save(model, tmp_path / "saved")
    again = ddpm_core.load(tmp_path / "saved", device="cpu", precision="fp32", engine="torch")
    x = gaussian_batch(SEEDS, 0, (4, 8, 8))
    assert predict(again, x, 500, LABELS).eps.equal(predict(model, x, 500, LABELS).eps)
    assert (again.class_names, again.variance, again.clip) == (model.class_names, model.variance, False)
    assert DiTPipeline.from_pretrained(tmp_path / "saved").get_label_ids(["one of 7"]) == [7]
    ddpm_core.save(model, tmp_path / "saved")  # replaces what it wrote


@pytest.mark.parametrize(
    "fields",
    [
        *({"variance": "learned"}, {"null_label": None}, {"null_label": 0}, {"num_classes": 0, "class_names": None}),
        *({"image_size": 16}, {"factor": 4}, {"leading_offset": 2}),
    ],
    ids=str,
)
def test_what_its_pipeline_has_no_place_for_is_refused(model, tmp_path, fields):
    with pytest.raises(ValueError, match=f"has no place for {next(iter(fields))} |steps_offset must be") as error:
        ddpm_core.save(replace(model, **fields), tmp_path / "again")
    assert "\n" not in str(error.value) and len(str(error.value)) < 300 and not (tmp_path / "again").exists()


def test_a_state_has_the_size_that_it_knows(model):
    with pytest.raises(ValueError, match="a transformer knows only its own size"):
        predict(model, torch.zeros(1, 4, 16, 16), 5, 3)


CONFIG, INDEX, SCHEDULER = "transformer/config.json", "model_index.json", "scheduler/scheduler_config.json"
ODD = [
    *((CONFIG, {"num_layers": value}, "num_layers must be a whole number") for value in (0, 129, "2", None, 1.5)),
    *((CONFIG, {"patch_size": value}, "patch_size must be") for value in (0, [2], 65)),
    (CONFIG, {"patch_size": 3}, "sample_size must be a multiple of patch_size 3"),
    (CONFIG, {"patch_size": 4}, "does not fit config.json"),
    *((CONFIG, {"sample_size": value}, "sample_size must be a whole number") for value in (0, [8, 8], 10**6)),
    (CONFIG, {"sample_size": 1024}, "attention over 262,144 patches"),
    (CONFIG, {"num_attention_heads": 10**6}, "num_attention_heads must be"),
    (CONFIG, {"attention_head_dim": 3, "num_attention_heads": 3}, "must have a multiple of 4 channels"),
    (CONFIG, {"attention_head_dim": 8192, "num_attention_heads": 1024, "sample_size": 64}, "is too much"),
    (CONFIG, {"attention_head_dim": 1024, "num_attention_heads": 8, "num_layers": 128}, "parameters; the limit is"),
    (CONFIG, {"num_embeds_ada_norm": None}, "num_embeds_ada_norm must be"),
    (CONFIG, {"num_embeds_ada_norm": 999}, "id2label must have a name for each class from 0 to 998"),
    (CONFIG, {"activation_fn": "tanh"}, "unknown activation_fn 'tanh'"),
    (CONFIG, {"norm_type": "layer_norm"}, "of transformers, only DiTTransformer2DModel loads"),
    (CONFIG, {"_class_name": "SD3Transformer2DModel"}, "the network is a 'SD3Transformer2DModel'"),
    (CONFIG, {"_class_name": "UNet2DModel"}, "also needs transformer"),
    (CONFIG, {"cross_attention_dim": 768}, "cross_attention_dim 768 is not supported"),
    (CONFIG, {"in_channels": 3}, "the network draws 3 channels"),
    (CONFIG, {"out_channels": 12}, "gives 12 channels"),
    (CONFIG, {"attention_bias": "yes"}, "attention_bias must be true or false"),
    (CONFIG, {"norm_eps": -1}, "norm_eps must be"),
    (CONFIG, {"num_layers": 3}, "does not fit config.json: it lacks transformer_blocks.2"),
    (INDEX, {"id2label": ["cat"]}, "id2label must have a name for each class"),
    (INDEX, {"id2label": {**NAMES, "0": 5}}, "id2label must be a list of names"),
    (INDEX, {"text_encoder": ["transformers", "T5EncoderModel"]}, "also needs text_encoder"),
    (SCHEDULER, {"thresholding": True}, "thresholding"),
    (SCHEDULER, {"beta_schedule": "unheard of"}, "unknown beta_schedule"),
    ("vae/config.json", {"latent_channels": 8}, "the autoencoder's latents have 8"),
]


@pytest.mark.parametrize(("file", "changes", "sentence"), ODD, ids=lambda value: str(value)[:40])
def test_odd_folders_are_one_sentence(folder, tmp_path, monkeypatch, file, changes, sentence):
    odd = shutil.copytree(folder, tmp_path / "odd")
    edit(odd / file, **changes)
    monkeypatch.setattr(weights, "check_evaluation", lambda *_: pytest.fail("it was evaluated"))
    with pytest.raises(CheckpointError) as told:
        ddpm_core.load(odd, device="cpu", precision="fp32", engine="torch")
    assert sentence in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("missing", ["vae", "scheduler", "transformer/diffusion_pytorch_model.safetensors"])
def test_a_part_that_is_missing_is_named(folder, tmp_path, missing):
    odd = shutil.copytree(folder, tmp_path / "odd")
    shutil.rmtree(odd / missing) if (odd / missing).is_dir() else (odd / missing).unlink()
    with pytest.raises(CheckpointError, match=missing.partition("/")[0]):
        ddpm_core.load(odd)
