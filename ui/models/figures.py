"""Provide the models that visitors' browsers evaluate for figures, and the URLs of their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ddpm_core.checkpoint import refs

REFS = ("mnist-tiny", "mnist-tiny-2-steps", "emoji-tiny-3-steps")
Files = Mapping[str, tuple[str, int]]  # the files of a model: {path: [URL, size in bytes]}


def files_of(ref: str) -> dict[str, Path]:
    """Return the files of a model that figures use, by their paths in its folder; {} for any other model."""
    folder = refs.embedded().get(ref) if ref in REFS else None
    if folder is None:
        return {}
    found = refs.in_folder(folder, ref)
    return {path: found.file(path) for path in found.layout.files}


def served_files() -> dict[str, Files]:
    """Return the files of all models that figures use, by model: the URLs at which this app serves them, and their
    sizes.
    """
    return {
        ref: {path: (f"checkpoints/{ref}/{path}", file.stat().st_size) for path, file in files.items()}
        for ref in REFS
        if (files := files_of(ref))
    }


def start_data(models: Mapping[str, Files], frame: str = "") -> dict[str, object]:
    """Return the data with which figures start: `Given` of web/figures/figure.js.

    frame: the page that shows one figure, if other sites may embed it; else "".
    """
    return {"models": models, "lab": "./", "frame": frame}
