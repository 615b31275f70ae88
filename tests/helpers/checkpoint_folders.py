"""Tiny random checkpoints, in the layouts of public ones."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors.torch import save_file

from ddpm_core.checkpoint import refs

# The configurations of google/ddpm-cifar10-32 and google/ddpm-ema-church-256, field for field, but with small networks.
_GOOGLE = {
    "_class_name": "UNet2DModel",
    "_diffusers_version": "0.0.4",
    "act_fn": "silu",
    "attention_head_dim": None,
    "block_out_channels": [8, 16, 16, 16],
    "center_input_sample": False,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "in_channels": 3,
    "layers_per_block": 1,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-06,
    "norm_num_groups": 4,
    "out_channels": 3,
    "resnet_time_scale_shift": "default",
    "sample_size": 32,
    "time_embedding_type": "positional",
    "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
}
CONFIGS = {
    "cifar10": _GOOGLE,
    "256": {
        **_GOOGLE,
        "block_out_channels": [8, 8, 8, 8, 16, 16],
        "down_block_types": [*["DownBlock2D"] * 4, "AttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "AttnUpBlock2D", *["UpBlock2D"] * 4],
        "sample_size": 256,
    },
}
# Changes of the configuration that make the smallest network.
SMALLEST = {
    **{"block_out_channels": [4], "down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"]},
    **{"sample_size": 8, "layers_per_block": 1, "norm_num_groups": 2},
}
SCHEDULER = {
    "_class_name": "DDPMScheduler",
    "_diffusers_version": "0.1.0",
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "clip_sample": True,
    "num_train_timesteps": 1000,
    "timestep_values": None,
    "trained_betas": None,
    "variance_type": "fixed_large",
}
# Changes that make a network fast for pictures of any size: it takes a hundredth of the work of an embedded one.
NARROW = {
    "UNet2DModel": {
        **{"block_out_channels": [16], "down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"]},
        **{"layers_per_block": 1, "norm_num_groups": 4},
    },
    "UNet2DConditionModel": {"block_out_channels": [16, 16], "norm_num_groups": 4},
    "AutoencoderTiny": {f"{half}coder_block_out_channels": [8] * 4 for half in ("en", "de")},
}
WEIGHTS = "diffusion_pytorch_model.safetensors"
LEGACY = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}


def write(
    folder: Path,
    config: str = "cifar10",
    *,
    subfolders: bool = False,
    pickle: bool = False,
    own: dict[str, Any] | None = None,
    scheduler: dict[str, Any] | None = None,
    seed: int = 0,
    **unet: Any,
) -> dict[str, torch.Tensor]:
    """Write a checkpoint and return its weights.

    subfolders: whether to use unet/ and scheduler/ instead of the root. pickle: whether to write a .bin file with the
        attention keys of 2022 instead of safetensors. own: the content of ddpm_core.json. scheduler, unet: changes of
        the configurations; a field set to ... is left out.
    """
    network, schedule = (folder / "unet", folder / "scheduler") if subfolders else (folder, folder)
    network.mkdir(parents=True, exist_ok=True)
    schedule.mkdir(exist_ok=True)
    fields = {key: value for key, value in {**CONFIGS[config], **unet}.items() if value is not ...}
    buildable = {key: value for key, value in fields.items() if not key.startswith("_")}
    weights = {key: value.clone() for key, value in _weights("UNet2DModel", json.dumps(buildable), seed).items()}
    write_json(network / "config.json", fields)
    table = {**SCHEDULER, **(scheduler or {})}
    write_json(schedule / "scheduler_config.json", {key: value for key, value in table.items() if value is not ...})
    parts = {"scheduler": ["diffusers", table["_class_name"]], "unet": ["diffusers", "UNet2DModel"]}
    write_json(folder / "model_index.json", {"_class_name": "DDPMPipeline", "_diffusers_version": "0.1.0", **parts})
    if own is not None:
        write_json(folder / "ddpm_core.json", own)
    if pickle:
        torch.save({_legacy(key): value for key, value in weights.items()}, network / "diffusion_pytorch_model.bin")
    else:
        save_file(weights, network / WEIGHTS)
    return weights


def narrow_copies(folder: Path) -> dict[str, Path]:
    """Write copies of the embedded checkpoints with narrow networks of random weights, and return their folders by
    name.
    """
    for name, own in refs.embedded().items():
        shutil.copytree(own, folder / name, ignore=shutil.ignore_patterns(WEIGHTS))
        for part in (file.parent.relative_to(own) for file in own.rglob(WEIGHTS)):
            config = json.loads((own / part / "config.json").read_text())
            kind = config["_class_name"]
            config |= NARROW[kind]
            write_json(folder / name / part / "config.json", config)
            save_file(_weights(kind, json.dumps(config), 0), folder / name / part / WEIGHTS)
        for table in folder.glob(f"{name}/*_*.json"):  # tables that were estimated for the original weights
            content = json.loads(table.read_text())
            if "weights_sha256" in content:
                digest = hashlib.sha256((folder / name / WEIGHTS).read_bytes()).hexdigest()
                write_json(table, content | {"weights_sha256": digest})
    return {name: folder / name for name in refs.embedded()}


@lru_cache(maxsize=8)  # cached, because most tests use the same weights and building a network takes time
def _weights(kind: str, config: str, seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return getattr(diffusers, kind).from_config(json.loads(config)).state_dict()


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2))


def _legacy(key: str) -> str:
    for new, old in LEGACY.items():
        key = key.replace(new, old)
    return key
