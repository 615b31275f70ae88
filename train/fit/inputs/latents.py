"""The latents of a run's images, computed once by its autoencoder and kept in its folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from tqdm import tqdm

from ddpm_core import CheckpointError
from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.config.fields import read_json
from ddpm_core.checkpoint.config.latent_config import check_decoder
from ddpm_core.checkpoint.latent_parts import read_decoder
from ddpm_core.disk import files
from ddpm_core.engines.latent import LatentDecoder
from ddpm_core.imaging import from_uint8
from train import TrainError
from train.common.command_line import user_path
from train.data.images import Images
from train.fit.state import find_checkpoints

LATENTS = "latents.safetensors"


def open_decoder(folder: str, device: torch.device) -> LatentDecoder:
    """The autoencoder of --decoder. Raises TrainError."""
    path = user_path(folder)
    weights = next((path / name for name in refs.WEIGHT_FILES if (path / name).is_file()), None)
    if weights is None or not (path / "config.json").is_file():
        raise TrainError(f"--decoder {folder} is no folder of an autoencoder: its config.json and weights are needed.")
    try:
        config = read_json(path / "config.json")
        check_decoder(config)
        return read_decoder(config, weights, f"{folder}: {weights.name}", device)
    except (ValueError, CheckpointError) as error:
        raise TrainError(f"--decoder {folder}: {error}.") from error


def encoded(images: Images, decoder: LatentDecoder, out: Path, quiet: bool) -> Tensor:
    """The latents of all images, float32 (N, C, H, W): those in OUT if they are of these images and weights.

    Raises TrainError where OUT has a run that was started with other weights.
    """
    if images.pixels is None:
        raise TrainError("--decoder needs the images in memory: raise --memory.")
    weights = hashlib.sha256()
    for name, value in decoder.autoencoder.state_dict().items():
        weights.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    made_of = {"images": images.digests["pixels"], "autoencoder": weights.hexdigest()}
    path = out / LATENTS
    try:
        kept = load_file(path)
        before = json.loads(bytes(kept["made_of"].tolist()))
        if before == made_of:
            return kept["latents"]
        is_other = before["autoencoder"] != made_of["autoencoder"]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        is_other = False  # not there yet, or damaged
    if is_other and find_checkpoints(out / "checkpoints"):
        raise TrainError("--decoder is not what this run was started with: the autoencoder has other weights.")
    parts = tqdm(images.pixels.split(64), "encoding images", unit="×64", leave=False, disable=quiet)
    latents = torch.cat([decoder.encode(from_uint8(part)) for part in parts]).contiguous()
    if not quiet:
        label = torch.tensor(list(json.dumps(made_of).encode()), dtype=torch.uint8)
        out.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as file:
            file.write(save({"latents": latents, "made_of": label}))
    return latents
