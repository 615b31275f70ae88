"""Where a checkpoint lies for diffusers' `from_pretrained`, as its files tell."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.config import latent_config
from ddpm_core.model import ModelSpec


@dataclass(frozen=True)
class Autoencoder:
    """folder: of it in the checkpoint. kind: its class. z · scale, shifted, is what the network knows."""

    folder: str
    kind: str
    scale: float
    shift: float


@dataclass(frozen=True)
class Home:
    """where: the arguments that name the checkpoint. has_scheduler: whether that has a folder of its own.

    own_class: whether diffusers does not have the network's class.
    """

    where: str
    has_scheduler: bool
    autoencoder: Autoencoder | None = None
    own_class: bool = False


def home(model: ModelSpec) -> Home:
    """Of a model that was loaded; every model of the page was."""
    source = model.source
    assert source is not None and source.folder is not None
    if source.revision:
        where = f"{source.ref.partition('@')[0]!r}, revision={source.revision!r}"
    else:
        where = repr(f"checkpoints/{source.ref}" if source.ref in refs.embedded() else str(source.folder))
    has_scheduler = (source.folder / "scheduler" / "scheduler_config.json").is_file()
    for folder in ("vae", "vqvae") if model.latent else ():
        if (source.folder / folder).is_dir():
            config = json.loads((source.folder / folder / "config.json").read_text(encoding="utf-8"))
            autoencoder = Autoencoder(folder, config["_class_name"], *latent_config.scaling(config))
            return Home(where, has_scheduler, autoencoder)
    config = json.loads((source.folder / (source.file or "")).with_name("config.json").read_text(encoding="utf-8"))
    return Home(where, has_scheduler, None, config["_class_name"] == "OpenAIUNet")
