"""Whatever a checkpoint's files hold, `load` gives a network that can be evaluated, or an error of one sentence."""

import copy
import json
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from checkpoint_folders import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import ddpm_core
from ddpm_core import CheckpointError

SAFETENSORS = "diffusion_pytorch_model.safetensors"
PICKLE = "diffusion_pytorch_model.bin"
OWN = {"null_label": 2, "class_names": ["a", "b"], "weights": "EMA", "prediction": "epsilon"}
GAMMA = {"times": [1, 20], "gamma": [0.5, 0.9], "standard_error": [0.1, 0.1], "images": 2, "weights_sha256": "0" * 64}
CHAINS = {name: {"2": "18 4"} for name in ("ddim", "dpm++", "unipc")}
OPTIMISED = {"times": CHAINS, "errors": {}, "images": 2, "weights_sha256": "0" * 64}
# Fields that the checkpoint itself leaves out.
MORE = {
    "config.json": (
        *("num_class_embeds", "dropout", "mid_block_type", "add_attention", "class_embed_type", "num_train_timesteps"),
        *("attn_norm_num_groups", "time_embedding_dim", "downsample_type", "upsample_type"),
    ),
    "scheduler_config.json": ("prediction_type", "thresholding", "clip_sample_range", "rescale_betas_zero_snr"),
    "model_index.json": ("vae",),
    "ddpm_core.json": ("other",),
    "analytic_variance.json": ("other",),
    "optimised_steps.json": ("other",),
}
NAMES = [
    *("DownBlock2D", "AttnDownBlock2D", "SkipDownBlock2D", "KDownBlock2D", "DownEncoderBlock2D"),
    *("ResnetDownsampleBlock2D", "UpBlock2D", "AttnUpBlock2D", "SkipUpBlock2D", "KUpBlock2D", "CrossAttnUpBlock2D"),
    *("silu", "linear", "sigmoid", "fourier", "learned", "learned_range", "sample", "v_prediction", "scale_shift"),
    *("squaredcos_cap_v2", "resnet"),
]
NUMBERS = st.sampled_from([0, 1, 2, 3, 7, 8, 9, 16, 64, 1000, 100_000, 10**6, 10**9, 10**30, -1, 0.5, 1e-30, 1e300]) | (
    st.integers() | st.floats()
)
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(NAMES) | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def values(draw, old):
    """Any JSON in the place of a value, or the same with one entry changed."""
    if isinstance(old, list) and old and draw(st.booleans()):
        new = copy.copy(old)
        new[draw(st.integers(0, len(old) - 1))] = draw(JSON)
        return new
    return draw(JSON)


def mutate_json(folder: Path, data) -> None:
    name = data.draw(st.sampled_from(sorted(MORE)), "file")
    path = folder / name
    content = json.loads(path.read_text())
    for _ in range(data.draw(st.integers(1, 2), "changes")):
        key = data.draw(st.sampled_from([*content, *MORE[name]]), "key")
        content[key] = data.draw(values(content.get(key)), key)
    text = json.dumps(content)
    cut = data.draw(st.none() | st.integers(0, len(text)), "cut") if data.draw(st.integers(0, 9)) == 0 else None
    path.write_text(text[:cut])


def mutate_tensors(folder: Path, data) -> None:
    """Weights of other dtypes, shapes and sizes than the configuration says."""
    path = next(folder.glob("diffusion_pytorch_model.*"))
    save, read = (save_file, load_file) if path.suffix == ".safetensors" else (torch.save, torch.load)
    weights = read(path)
    key = data.draw(st.sampled_from(sorted(weights)), "tensor")
    dtypes = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8, torch.float8_e5m2)
    scale = data.draw(st.sampled_from([1.0, 0.0, -1e4, 1e10, 1e30, float("inf"), float("nan")]), "scale")
    weights[key] = (weights[key] * scale).to(data.draw(st.sampled_from(dtypes), "dtype"))
    if data.draw(st.booleans(), "reshape"):
        weights[key] = weights[key].reshape(-1)
    save(weights, path)


MUTATIONS = {"json": mutate_json, "tensors": mutate_tensors}  # headers and damage: test_hostile.py
SMALL = {
    "sample_size": 8,
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "num_class_embeds": 3,
}


def originals(folder: Path) -> Path:
    """The checkpoints to be changed, one with each kind of weights file."""
    for kind in ("safetensors", "bin"):
        write(folder / kind, pickle=kind == "bin", own=OWN, scheduler={"num_train_timesteps": 20}, **SMALL)
        (folder / kind / "analytic_variance.json").write_text(json.dumps(GAMMA))
        (folder / kind / "optimised_steps.json").write_text(json.dumps(OPTIMISED))
    return folder


def load_or_refuse(folder: Path) -> str:
    """What became of a checkpoint: "loaded", or the sentence."""
    try:
        model = ddpm_core.load(folder, device="cpu", precision="fp32", engine="torch")
    except CheckpointError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 1000
        return str(error)
    x = torch.linspace(-1, 1, model.channels * model.image_size**2)
    x = x.reshape(1, model.channels, model.image_size, model.image_size)
    for t in (0, model.schedule.T - 1):
        output = model.network(x, torch.tensor([t]), torch.tensor([0]) if model.num_classes else None)
        assert output.isfinite().all() and output.shape[2:] == x.shape[2:]
    return "loaded"


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory):
    return originals(tmp_path_factory.mktemp("originals"))


def test_what_is_not_changed_loads(unchanged):
    assert {load_or_refuse(unchanged / kind) for kind in ("safetensors", "bin")} == {"loaded"}


@pytest.mark.parametrize("mutation", MUTATIONS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_changed_checkpoint_loads_or_is_refused_in_one_sentence(unchanged, mutation, data):
    kind = data.draw(st.sampled_from(["safetensors", "bin"]), "kind")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(shutil.copytree(unchanged / kind, Path(temporary) / "checkpoint"))
        MUTATIONS[mutation](folder, data)
        load_or_refuse(folder)
