"""The latents of a run's images. Its autoencoder computes them once, and the run's folder keeps them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn
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
from train.common.config import Config
from train.data.images import Images
from train.fit.inputs.identity import OTHER_DECODER
from train.fit.state import find_checkpoints

LATENTS = "latents.safetensors"


def latent_shape(config: Config) -> tuple[int, int]:
    """Return the channels and the side of a latent of --decoder. Raises TrainError if the image size does not fit."""
    assert config.decoder is not None
    with _naming(config.decoder):
        channels, factor = check_decoder(_files(config.decoder)[0])
    if config.image_size % factor:
        raise TrainError(
            f"--image-size must be a multiple of {factor}, as a latent of --decoder stands for so many pixels a side, "
            f"got {config.image_size}."
        )
    return channels, config.image_size // factor


def open_decoder(folder: str, device: torch.device) -> LatentDecoder:
    """Return the autoencoder of --decoder, on the device. Raises TrainError if it can't be read."""
    config, weights = _files(folder)
    with _naming(folder):
        check_decoder(config)
        return read_decoder(config, weights, f"{folder}: {weights.name}", device)


def _files(folder: str) -> tuple[dict[str, Any], Path]:
    """Return the configuration of an autoencoder, and the file of its weights. Raises TrainError if one of them is
    missing.
    """
    path = user_path(folder)
    weights = next((path / name for name in refs.WEIGHT_FILES if (path / name).is_file()), None)
    if weights is None or not (path / "config.json").is_file():
        raise TrainError(f"--decoder {folder} is no folder of an autoencoder: its config.json and weights are needed.")
    with _naming(folder):
        return read_json(path / "config.json"), weights


@contextmanager
def _naming(folder: str) -> Iterator[None]:
    """Turn an error of the code inside into a TrainError that names the autoencoder's folder."""
    try:
        yield
    except (ValueError, CheckpointError) as error:
        raise TrainError(f"--decoder {folder}: {error}.") from error


def identity_of(decoder: LatentDecoder) -> dict[str, Any]:
    """Return the values that decide the latents of a picture, as JSON: the autoencoder's digest and scaling."""
    return {"autoencoder": digest_of(decoder.autoencoder), "scaling": [decoder.scale, decoder.shift]}


def digest_of(network: nn.Module) -> str:
    """Return the SHA-256 of a network's weights, in hexadecimal."""
    weights = hashlib.sha256()
    for name, value in network.state_dict().items():
        weights.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return weights.hexdigest()


def encode(images: Images, decoder: LatentDecoder, out: Path, quiet: bool) -> None:
    """Set the latents of images: read them from OUT if they belong to these pixels, weights and scaling; else compute
    them.

    Raises TrainError if OUT has a run that was started with another autoencoder, or if the images are not in memory.
    """
    if images.pixels is None:
        raise TrainError("Latents need the images in memory: raise --memory.")
    made_by = identity_of(decoder)
    made_of = {"images": images.digests["pixels"], **made_by}
    path, latents, is_other = out / LATENTS, None, False
    try:
        kept = load_file(path)
        before = json.loads(bytes(kept["made_of"].tolist()))
        latents = kept["latents"] if before == made_of else None
        is_other = any(before.get(name, value) != value for name, value in made_by.items())
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        pass  # the file does not exist yet, or is damaged
    if is_other and find_checkpoints(out / "checkpoints"):
        raise TrainError(OTHER_DECODER)
    if latents is None:
        parts = tqdm(images.pixels.split(64), "encoding images", unit="×64", leave=False, disable=quiet)
        latents = torch.cat([decoder.encode(from_uint8(part)) for part in parts]).contiguous()
        if not quiet:
            label = torch.tensor(list(json.dumps(made_of).encode()), dtype=torch.uint8)
            out.mkdir(parents=True, exist_ok=True)
            with files.replacing(path) as file:
                file.write(save({"latents": latents, "made_of": label}))
    images.encode(latents, hashlib.sha256(json.dumps(made_by).encode()).hexdigest())
