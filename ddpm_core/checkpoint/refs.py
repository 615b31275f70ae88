"""Parse references to checkpoints, and find the files of a checkpoint. Nothing here connects to the Hub."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from shlex import quote
from typing import Literal

from ddpm_core.checkpoint.config.fields import read_json
from ddpm_core.disk import files
from ddpm_core.errors import UserError

# Files of weights; the first one that exists is loaded.
WEIGHT_FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
FACTS = "ddpm_core.json"  # file with facts about the model for which the Hub's layout has no field
ANALYTIC = "analytic_variance.json"  # file with Γ_t of the analytic variance, see gamma_file
OPTIMISED = "optimised_steps.json"  # file with optimised times, see optimised_file
SHARED = "shared_parts"  # field of FACTS: name of the embedded checkpoint whose decoder and text encoder are used
READERS = "readers.safetensors"  # file with linear probes of blocks, see readers_file; the model works without it
EXTRA = ("model_index.json", FACTS, ANALYTIC, OPTIMISED)
DECODERS = ("vae/", "vqvae/")
TEXT, TOKENIZER = "text_encoder/", "tokenizer/"
TEXT_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
TOKENIZER_FILES = (  # all files that transformers reads for a CLIPTokenizer
    *("tokenizer_config.json", "tokenizer.json", "vocab.json", "merges.txt"),
    *("special_tokens_map.json", "added_tokens.json"),
)
HOMES = ("transformer/", "unet/", "")  # folders that may contain the network; the first one that exists is used
FILES = (
    *(folder + name for folder in HOMES for name in ("config.json", *WEIGHT_FILES)),
    *("scheduler/scheduler_config.json", "scheduler_config.json"),
    *(folder + name for folder in DECODERS for name in ("config.json", *WEIGHT_FILES)),
    *(TEXT + name for name in ("config.json", *TEXT_WEIGHTS)),
    *(TOKENIZER + name for name in TOKENIZER_FILES),
    *EXTRA,
    READERS,
)


class CheckpointError(UserError):
    """The error for a checkpoint that cannot be used."""


@dataclass(frozen=True)
class Ref:
    """A parsed reference to a checkpoint."""

    kind: Literal["embedded", "folder", "hub"]
    name: str
    """the embedded name, the path, or the repository id"""
    folder: Path | None = None
    """the checkpoint's folder; None for the Hub"""
    revision: str | None = None
    """a branch, tag or commit of the Hub; None for the default branch"""
    open: bool = False
    """whether only public files may be used, because a stranger gave the reference: no private files that this
    machine's user may read, and none of them from the cache"""

    def __str__(self) -> str:
        return self.name if self.revision is None else f"{self.name}@{self.revision}"


@dataclass(frozen=True)
class Layout:
    """The files of a checkpoint, as paths relative to its folder.

    Attributes:
        config, scheduler, weights: the network's config.json, the scheduler's configuration, and the network's weights.
        extra: the files of EXTRA and READERS that the checkpoint has.
        unknown: files that are not in the cache, but may be on the Hub, which could not be reached.
        decoder, text: config and weights of a latent model's decoder and text encoder.
        tokenizer: the files of the tokenizer.
    """

    config: str
    scheduler: str
    weights: str
    extra: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    decoder: tuple[str, str] | None = None
    text: tuple[str, str] | None = None
    tokenizer: tuple[str, ...] = ()

    @property
    def small(self) -> tuple[str, ...]:
        """The small files. They are downloaded first, and checked before the large ones are downloaded."""
        configs = [part[0] for part in (self.decoder, self.text) if part]
        return (*self.extra, *self.tokenizer, *configs, self.config, self.scheduler)

    @property
    def large(self) -> tuple[str, ...]:
        """The files of weights."""
        return (*(part[1] for part in (self.decoder, self.text) if part), self.weights)

    @property
    def optional(self) -> set[str]:
        """The files without which a checkpoint can still be loaded, but perhaps as another model."""
        return {*EXTRA, *(TOKENIZER + name for name in TOKENIZER_FILES if self.text)}

    @property
    def files(self) -> tuple[str, ...]:
        """All files, the small ones first."""
        return (*self.small, *self.large)


@dataclass(frozen=True)
class LocalCheckpoint:
    """A checkpoint whose files are on this machine.

    Attributes:
        ref: the reference.
        folder: the folder to which the paths of the layout are relative.
        layout: the names of the files.
        commit: the commit on the Hub, None for a checkpoint that is not from the Hub.
        shared: {name in the layout: path} of the files that belong to another checkpoint.
    """

    ref: Ref
    folder: Path
    layout: Layout
    commit: str | None = None
    shared: Mapping[str, Path] = field(default_factory=dict, compare=False)

    @property
    def weights(self) -> Path:
        """The path of the network's weights. The file exists when the download is complete."""
        return self.file(self.layout.weights)

    def file(self, name: str) -> Path:
        """Return the path of a file of the layout. The file may not be downloaded yet."""
        return self.shared.get(name) or self.folder / name


@cache
def embedded() -> dict[str, Path]:
    """Return {name: folder} of the checkpoints that come with the project. The result is cached."""
    here = Path(__file__).resolve().parents[1]
    root = here / "checkpoints"  # the folder in an installed package
    if not root.is_dir():
        root = here.parent / "checkpoints"  # the folder in the repository
    return {folder.name: folder for folder in sorted(root.glob("*")) if holds_model(folder)}


def holds_model(folder: Path) -> bool:
    """Return whether a folder has the config.json of a network, at its root or in one of the folders HOMES."""
    return any((folder / home / "config.json").is_file() for home in HOMES)


def typed(text: str) -> str:
    """Return a reference without the spaces at its ends, unless a folder has exactly this name."""
    return text if os.path.isdir(os.path.expanduser(text)) else text.strip()


def shipped(ref: Ref) -> str | None:
    """Return the name of the embedded checkpoint that a reference means, by its name or its folder; else None."""
    if ref.folder is None:
        return None
    real = os.path.realpath(ref.folder)
    return next((name for name, folder in embedded().items() if os.path.realpath(folder) == real), None)


def parse(ref: str | Path | Ref, revision: str | None = None, local: bool = True) -> Ref:
    """Parse a reference: an embedded name, an existing folder, or "owner/name" with an optional "@revision".

    A Ref is returned unchanged. local: whether folders are allowed; if not, no message reveals which folders exist.
    Raise CheckpointError for anything else, and for a revision of a checkpoint that is not on the Hub.
    """
    if isinstance(ref, Ref):
        return ref
    text = str(ref)
    if local:
        files.restore(os.path.expanduser(text))
    text = typed(text) if local else text.strip()
    inside = embedded()
    folder = Path(os.path.expanduser(text))
    if text in inside:
        return _unversioned(Ref("embedded", text, inside[text]), revision)
    if local:
        files.restore(folder)
    if local and text and os.path.isdir(folder):  # Path.is_dir can raise OSError, such as for a long text
        return _unversioned(Ref("folder", text, folder), revision)
    if local and folder.suffix in (".pt", ".pth") and os.path.isfile(folder):
        raise CheckpointError(
            f"{text!r} is a file of weights: if it is OpenAI's, `python -m ddpm_core convert {quote(text)} FOLDER` "
            "makes a folder of it that loads"
        )
    if local and os.path.isfile(folder):
        raise CheckpointError(f"{text!r} is a file: give the folder that holds it and its config.json")
    if "://" in text:
        raise CheckpointError(
            f"{_shown(text)} is an address: give the repository id alone, such as google/ddpm-cifar10-32"
        )
    name, at, version = text.partition("@")
    if text.startswith((".", "~", "/")) or "\\" in text or name.count("/") > 1:
        raise CheckpointError(f"there is no folder {_shown(text)}")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII):
        if at and revision is not None and revision != version:
            raise CheckpointError(f"two revisions were given, {_shown(version)} and {_shown(revision)}: give one")
        return Ref("hub", _checked_id(name), None, _checked_revision(version if at else revision))
    near = get_close_matches(text, inside, 1)
    instead = f"did you mean {near[0]}?" if near else "give an embedded name, a folder, or a Hub id (owner/name)"
    raise CheckpointError(f"there is no checkpoint {_shown(text)}: {instead}")


def _shown(text: str) -> str:
    """Return a name in quotes for a message. The middle of a long name is left out."""
    return repr(text if len(text) <= 200 else f"{text[:150]}…{text[-40:]}")


def _unversioned(ref: Ref, revision: str | None) -> Ref:
    """Return a reference to a checkpoint outside the Hub. Raise CheckpointError if a revision was given."""
    if revision is not None:
        raise CheckpointError(f"{_shown(ref.name)} has no revisions: only Hub checkpoints (owner/name) do")
    return ref


def _checked_id(name: str) -> str:
    """Return the id. Raise CheckpointError unless it follows the Hub's rules for repository ids."""
    bad = len(name) > 96 or "--" in name or ".." in name or name.endswith(".git")
    if bad or any(part.strip(".-") != part for part in name.split("/")):
        raise CheckpointError(
            f"{_shown(name)} is not a Hub id: owner/name, at most 96 characters, of letters, digits, '-', '_' and '.', "
            f"with no '--' or '..', no '-' or '.' at either end, and no .git"
        )
    return name


def _checked_revision(revision: str | None) -> str | None:
    """Return the revision. Raise CheckpointError for a text that can't be a branch, a tag or a commit."""
    if revision is None:
        return None
    allowed = re.fullmatch(r"\w[\w./-]{0,199}", revision, re.ASCII)
    if not allowed or ".." in revision or "//" in revision or revision.endswith("/"):
        raise CheckpointError(f"{_shown(revision)} is not a revision: give a branch, a tag or a commit hash")
    return revision


def layout(names: Iterable[str], where: str) -> Layout:
    """Return the layout of a checkpoint: the files that `load` uses.

    names: the paths of all its files, relative to its folder and with '/'. where: the name of the checkpoint for
    messages. Raise CheckpointError if a necessary file is missing.
    """
    names = set(names)
    folder = next((home for home in HOMES if home + "config.json" in names), "")
    scheduler = "scheduler/scheduler_config.json"
    if scheduler not in names:
        scheduler = "scheduler_config.json"
    if folder + "config.json" not in names:
        raise CheckpointError(f"{where} is not a UNet2DModel checkpoint: no config.json at its root or in unet/")
    if scheduler not in names:
        raise CheckpointError(f"{where} has no scheduler_config.json, at its root or in scheduler/")
    decoder = next((part for part in DECODERS if folder and part + "config.json" in names), None)
    text = TEXT if decoder and TEXT + "config.json" in names else None
    tokenizer = tuple(TOKENIZER + name for name in TOKENIZER_FILES if text and TOKENIZER + name in names)
    if text and not tokenizer:
        raise CheckpointError(f"{where} has a text encoder and no tokenizer: the folder tokenizer/ is needed")
    return Layout(
        folder + "config.json",
        scheduler,
        _weights(names, folder, WEIGHT_FILES, where),
        tuple(name for name in (*EXTRA, READERS) if name in names),
        decoder=(decoder + "config.json", _weights(names, decoder, WEIGHT_FILES, where)) if decoder else None,
        text=(text + "config.json", _weights(names, text, TEXT_WEIGHTS, where)) if text else None,
        tokenizer=tokenizer,
    )


def _weights(names: set[str], folder: str, allowed: tuple[str, ...], where: str) -> str:
    """Return the first name of `allowed` that a folder has. Raise CheckpointError if it has none.

    where: the checkpoint's name for the message.
    """
    weights = next((folder + name for name in allowed if folder + name in names), None)
    if weights is None:
        stem = allowed[0].partition(".")[0]
        others = [name for name in names if name.startswith(folder + stem)]
        found = f"only {min(others)} (shards and variants are not supported)" if others else "no weights"
        needed = " or ".join(folder + name for name in allowed)
        raise CheckpointError(f"{where} has {found}: {needed} is needed")
    return weights


def in_folder(folder: Path, where: str) -> LocalCheckpoint:
    """Return the checkpoint in a folder. Raise CheckpointError if a file is missing.

    where: the checkpoint's name for messages.
    """
    shared = _shared(folder, where)
    return LocalCheckpoint(
        Ref("folder", where, folder), folder, layout([*_names(folder), *shared], where), shared=shared
    )


def _names(folder: Path, parts: Iterable[str] = (*HOMES, "scheduler/", *DECODERS, TEXT, TOKENIZER)) -> list[str]:
    """Return the names of the files in some folders of a checkpoint, relative to `folder` and with '/'."""
    paths = [path for part in parts for path in folder.glob(f"{part}*")]
    return [path.relative_to(folder).as_posix() for path in paths if path.is_file()]


def _shared(folder: Path, where: str) -> dict[str, Path]:
    """Return {name: path} of the files that a checkpoint takes from an embedded checkpoint: decoder and text encoder.

    The file FACTS names the embedded checkpoint. FACTS is read only if the network has a folder of its own, and the
    checkpoint has no decoder.
    """
    at_home = any(home and (folder / home / "config.json").is_file() for home in HOMES)
    if not at_home or any((folder / part).is_dir() for part in DECODERS) or not (folder / FACTS).is_file():
        return {}
    try:
        name = read_json(folder / FACTS).get(SHARED)
    except ValueError as error:
        raise CheckpointError(f"{where}: {error}") from None
    if name is None:
        return {}
    root = embedded().get(name) if isinstance(name, str) else None
    if root is None:
        raise CheckpointError(f"{where}: {SHARED} in {FACTS} must name an embedded checkpoint, got {name!r}")
    return {name: root / name for name in _names(root, (*DECODERS, TEXT, TOKENIZER))}
