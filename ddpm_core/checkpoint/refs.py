"""What a checkpoint reference names, and which files a checkpoint consists of. Nothing here asks the Hub."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ddpm_core import files

WEIGHT_FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")  # in order of preference
OWN = "ddpm_core.json"  # what the Hub's layout has no field for
ANALYTIC = "analytic_variance.json"  # see gamma_file
OPTIMISED = "optimised_steps.json"  # see optimised_file
EXTRA = ("model_index.json", OWN, ANALYTIC, OPTIMISED)
FILES = (
    *(folder + name for folder in ("unet/", "") for name in ("config.json", *WEIGHT_FILES)),
    *("scheduler/scheduler_config.json", "scheduler_config.json"),
    *EXTRA,
)


class CheckpointError(Exception):
    """A checkpoint cannot be used; str(error) is one sentence for the user: what is wrong and what to do."""


@dataclass(frozen=True)
class Ref:
    """What a checkpoint reference names. name: the embedded name, the path or the repository id."""

    kind: Literal["embedded", "folder", "hub"]
    name: str
    folder: Path | None = None  # None for the Hub
    revision: str | None = None  # Hub only: branch, tag or commit; None is the default branch

    def __str__(self) -> str:
        return self.name if self.revision is None else f"{self.name}@{self.revision}"


@dataclass(frozen=True)
class Layout:
    """The files of a checkpoint, as paths relative to its root. Weights come last: they are the large file.

    unknown: files that the checkpoint may have on the Hub, which could not be asked, and that are not in the cache.
    """

    config: str
    scheduler: str
    weights: str
    extra: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.extra, self.config, self.scheduler, self.weights)


@dataclass(frozen=True)
class LocalCheckpoint:
    """A checkpoint whose files are on this machine.

    folder: the root of its layout. commit: the one on the Hub that the files are of, None for other references.
    """

    ref: Ref
    folder: Path
    layout: Layout
    commit: str | None = None

    @property
    def weights(self) -> Path:
        """The file of the weights, which is there once the download is complete."""
        return self.folder / self.layout.weights


def embedded() -> dict[str, Path]:
    """The checkpoints that come with the project, by name."""
    here = Path(__file__).resolve().parents[1]
    root = here / "checkpoints"  # where pip puts them
    if not root.is_dir():
        root = here.parent / "checkpoints"  # where the repository has them
    return {folder.name: folder for folder in sorted(root.glob("*")) if (folder / "config.json").is_file()}


def shipped(ref: Ref) -> str | None:
    """The name of the embedded checkpoint that a reference names, by its name or by its folder; None for others."""
    if ref.folder is None:
        return None
    real = os.path.realpath(ref.folder)
    return next((name for name, folder in embedded().items() if os.path.realpath(folder) == real), None)


def parse(ref: str | Path | Ref, revision: str | None = None, local: bool = True) -> Ref:
    """Read a reference: an embedded name, an existing folder, or "owner/name" with an optional "@revision".

    A Ref comes back as it is. local=False: folders are refused, and the message does not tell which exist.
    Raises CheckpointError for anything else, and for a revision of something that has none.
    """
    if isinstance(ref, Ref):
        return ref
    text = str(ref).strip()
    inside = embedded()
    folder = Path(os.path.expanduser(text))
    if text in inside:
        return _unversioned(Ref("embedded", text, inside[text]), revision)
    if local:
        files.restore(folder)
    if local and text and os.path.isdir(folder):  # unlike Path.is_dir, this accepts any text
        return _unversioned(Ref("folder", text, folder), revision)
    if local and os.path.isfile(folder):
        raise CheckpointError(f"{text!r} is a file: give the folder that holds it and its config.json")
    if "://" in text:
        raise CheckpointError(f"{text!r} is an address: give the repository id alone, such as google/ddpm-cifar10-32")
    name, at, version = text.partition("@")
    if text.startswith((".", "~", "/")) or "\\" in text or name.count("/") > 1:
        raise CheckpointError(f"there is no folder {text!r}")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII):
        if at and revision is not None and revision != version:
            raise CheckpointError(f"two revisions were given, {version!r} and {revision!r}: give one")
        return Ref("hub", _checked_id(name), None, _checked_revision(version if at else revision))
    raise CheckpointError(
        f"there is no checkpoint {text!r}: give an embedded name ({', '.join(inside) or 'none here'}), "
        f"a folder, or a Hub id such as google/ddpm-cifar10-32"
    )


def _unversioned(ref: Ref, revision: str | None) -> Ref:
    if revision is not None:
        raise CheckpointError(f"{ref.name!r} has no revisions: only Hub checkpoints (owner/name) do")
    return ref


def _checked_id(name: str) -> str:
    """The Hub's own rules for a repository id."""
    bad = len(name) > 96 or "--" in name or ".." in name or name.endswith(".git")
    if bad or any(part.strip(".-") != part for part in name.split("/")):
        raise CheckpointError(
            f"{name!r} is not a Hub id: owner/name, at most 96 characters, of letters, digits, '-', '_' and '.', "
            f"with no '--' or '..', no '-' or '.' at either end, and no .git"
        )
    return name


def _checked_revision(revision: str | None) -> str | None:
    if revision is None:
        return None
    allowed = re.fullmatch(r"\w[\w./-]{0,199}", revision, re.ASCII)
    if not allowed or ".." in revision or "//" in revision or revision.endswith("/"):
        raise CheckpointError(f"{revision!r} is not a revision: give a branch, a tag or a commit hash")
    return revision


def layout(names: Iterable[str], where: str) -> Layout:
    """Choose among a checkpoint's file names (with '/'): unet/ and scheduler/ folders or all at the root.

    where names the checkpoint in the sentence of the CheckpointError that is raised when something is missing.
    """
    names = set(names)
    folder = "unet/" if "unet/config.json" in names else ""
    scheduler = "scheduler/scheduler_config.json"
    if scheduler not in names:
        scheduler = "scheduler_config.json"
    if folder + "config.json" not in names:
        raise CheckpointError(f"{where} is not a UNet2DModel checkpoint: no config.json at its root or in unet/")
    if scheduler not in names:
        raise CheckpointError(f"{where} has no scheduler_config.json, at its root or in scheduler/")
    weights = [folder + name for name in WEIGHT_FILES if folder + name in names]
    if not weights:
        others = [n for n in names if n.startswith(folder + "diffusion_pytorch_model")]
        found = f"only {min(others)} (shards and variants are not supported)" if others else "no weights"
        raise CheckpointError(f"{where} has {found}: {' or '.join(folder + name for name in WEIGHT_FILES)} is needed")
    return Layout(folder + "config.json", scheduler, weights[0], tuple(name for name in EXTRA if name in names))


def names_in(folder: Path) -> list[str]:
    """The names, relative and with '/', of the files in a folder and its unet/ and scheduler/ folders."""
    paths = [path for pattern in ("*", "unet/*", "scheduler/*") for path in folder.glob(pattern)]
    return [path.relative_to(folder).as_posix() for path in paths if path.is_file()]
