"""The models that figures compute in visitors' browsers, and where the browsers get their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ddpm_core.checkpoint import refs

REFS = ("mnist-tiny", "mnist-tiny-2-steps", "emoji-tiny-3-steps")
Files = Mapping[str, tuple[str, int]]  # for each file of a model, its address and its size in bytes


def files_of(ref: str) -> dict[str, Path]:
    """Return the files of a model that figures use, by their paths in its folder; {} for any other name."""
    folder = refs.embedded().get(ref) if ref in REFS else None
    if folder is None:
        return {}
    found = refs.in_folder(folder, ref)
    return {path: found.file(path) for path in found.layout.files}


def here() -> dict[str, Files]:
    """Return the files of all these models, as this app serves them."""
    return {
        ref: {path: (f"checkpoints/{ref}/{path}", file.stat().st_size) for path, file in files.items()}
        for ref in REFS
        if (files := files_of(ref))
    }


def given(models: Mapping[str, Files], frame: str = "") -> dict[str, object]:
    """Return what figures need from the beginning: `Given` of web/figures/figure.js.

    frame: the page of one figure, if other sites may show it.
    """
    return {"models": models, "lab": "./", "frame": frame}
