"""Describe where a checkpoint is located, in the form that diffusers' `from_pretrained` takes."""

from __future__ import annotations

import os
from pathlib import Path

from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.config import latent_config
from ddpm_core.checkpoint.config.fields import read_json
from ddpm_core.model import ModelSpec
from ui.protocol import Autoencoder, Home


def home(model: ModelSpec) -> Home:
    """Return the location of a loaded model for code with diffusers. Every model of the page was loaded
    from a folder.
    """
    source = model.source
    assert source is not None and source.folder is not None
    shipped = source.folder == refs.embedded().get(source.ref)
    if source.revision:
        where = f"{source.ref.partition('@')[0]!r}, revision={source.revision!r}"
    else:
        where = repr(f"checkpoints/{source.ref}" if shipped else str(Path(os.path.expanduser(source.ref))))
    has_scheduler = (source.folder / "scheduler" / "scheduler_config.json").is_file()
    found = refs.in_folder(source.folder, source.ref) if model.latent else None
    if found is not None and found.layout.decoder is not None:
        name = found.layout.decoder[0]
        config = read_json(found.file(name))
        scale, shift = latent_config.scaling(config)
        kind, folder = config["_class_name"], name.partition("/")[0]
        own: Autoencoder = {"folder": folder, "kind": kind, "scale": scale, "shift": shift}
        return {"where": where, "has_scheduler": has_scheduler, "autoencoder": own, "own_class": False}
    config = read_json((source.folder / (source.file or "")).with_name("config.json"))
    own_class = config["_class_name"] == "OpenAIUNet"
    return {"where": where, "has_scheduler": has_scheduler, "autoencoder": None, "own_class": own_class}
