"""The file with the readers and colours of a U-Net's blocks, beside the weights to which they were fitted.

A reader is a linear map from a block's output to x̂_0: see engines.readers. R is the number of its features.

readers.safetensors has float16 tensors. Its header's `__metadata__` has one text, "ddpm_core", which is a JSON object:

    weights_sha256  the SHA-256 of the file of weights; beside other weights, this file counts as missing
    schedule        T, and ᾱ at some times, of the model to which the readers were fitted
    times           the K times t that have readers, ascending
    clip            whether readings are clipped to [−1, 1]
    measured, r2    M times, ascending, and R² of each block at these times; between them, R² is linear in t
    seeds           [number of runs to which the readers were fitted, number of runs on which R² was measured]
    figures         the results of `python -m benchmarks inside` for these weights; {} if there are none

The model has D channels of x, and a reading has S × S pixels: S is the side of x, halved until it is at most 64. A
block NAME ("down 1", …, "middle", "up 1", …) with C channels and h × h places outputs a tensor a (C, h, h). If h > S,
readers first average a over squares of (h/S)² places, and h is S in what follows. With s = S/h, the tensors are:

    mean            (K, D, S, S)
    NAME.features   (K, R, C)
    NAME.offset     (K, R, h, h)
    NAME.patches    (K, D s s, R)
    NAME.basis      (3, C)
    NAME.centre     (K, 3)
    NAME.spread     (K, 3)

At a time t, let j be the last index with times[j] ≤ t, at least 0 and at most K − 2, and
u = (t − times[j]) / (times[j + 1] − times[j]), clipped to [0, 1]. If K is 1, j = u = 0.

The reading is (1 − u) · read_j + u · read_{j+1}, clipped if `clip` is true. For i = j and i = j + 1, read_i is

    f[r, y, x] = Σ_c features[i, r, c] · a[c, y, x] + offset[i, r, y, x]
    read_i[d, y s + dy, x s + dx]
               = Σ_r patches[i, (d s + dy) s + dx, r] · f[r, y, x] + mean[i, d, y s + dy, x s + dx]

For the colours of a, let centre and spread be (1 − u) · row j + u · row (j + 1). With k = 0, 1, 2, the colours are

    q[k, y, x] = 1.6 tanh((Σ_c basis[k, c] · a[c, y, x] − centre[k]) / spread[k] / 1.6)
    L* = 56 + 22 q[0],  a* = 30 q[1],  b* = 30 q[2]

They are stored as sRGB with the white D65 (X, Y, Z = 0.9505, 1, 1.089), clipped, and rounded to 8 bits.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ddpm_core.checkpoint import refs, spec
from ddpm_core.checkpoint.config.fields import MAX_FILE, MAX_JSON, is_number, is_whole
from ddpm_core.checkpoint.refs import READERS, CheckpointError
from ddpm_core.checkpoint.sidecars.sidecar import Sidecar
from ddpm_core.checkpoint.weights import network_of, stored_weights
from ddpm_core.disk import files
from ddpm_core.engines.readers import BlockReaders, Readers
from ddpm_core.errors import first_line
from ddpm_core.model import Model, ModelSpec, Source

_KEY = "ddpm_core"  # key of the JSON object in the metadata of the safetensors file


def readers(model: Model) -> Readers:
    """Return the linear probes (readers) and colours of blocks that are stored beside a model's weights.

    Arguments:
        model: a model that was loaded from a checkpoint.

    Raises:
        ValueError: if no readers were fitted for these weights, or for this schedule.
        CheckpointError: if the file is damaged.
    """
    source = model.source
    found = None if source is None else _SIDECAR.read(source)
    if source is None or found is None:
        ref = quote(source.ref) if source and source.ref else "CHECKPOINT"
        raise ValueError(f"no readers were fitted for these weights: run `python -m train readers {ref}`")
    if not _fit(model) or _sidecar(model).read(source) is None:
        raise ValueError(
            "the readers of this checkpoint belong to its weights and its schedule, and this model's were changed: "
            "save it, and run `python -m train readers` for what was saved"
        )
    return found


def place(model: Model) -> Path:
    """Return the path of the file that `write` writes. Raise the errors of `Sidecar.place`."""
    return _SIDECAR.place(model.source)


def write(model: Model, found: Readers) -> Path:
    """Store readers beside the weights, or in the user's cache for a checkpoint from the Hub. Return the file's path.

    If these readers have no figures, the figures in the file stay. Raise the errors of `place`, and CheckpointError
    if the file can't be written.
    """
    figures = found.figures
    if not figures and model.source:
        with suppress(CheckpointError):  # a damaged file counts as missing, and is replaced
            kept = _sidecar(model).read(model.source)
            figures = kept.figures if kept else {}
    content = {
        "times": found.times,
        "clip": found.clip,
        "measured": found.measured,
        "r2": found.shares,
        "seeds": found.seeds,
        "figures": figures,
        "tensors": {"mean": found.mean}
        | {f"{name}.{part}": value for name, its in found.blocks.items() for part, value in its._asdict().items()},
    }
    return _sidecar(model).write(model.source, content)


def exists(source: Source | None) -> bool:
    """Return whether a checkpoint has a file of readers, even if they were fitted to other weights."""
    return _SIDECAR.exists(source)


def copy(model: ModelSpec, folder: Path, weights: Path, rounded: bool) -> None:
    """Write the readers of a model's checkpoint beside a copy of its weights. Do nothing if no readers fit the model.

    folder: the folder of the copy. weights: the file of the copied weights. rounded: whether the copied weights are
    rounded to float16. This changes the output of a block by far less than the error of its reader.
    """
    source = model.source
    with suppress(CheckpointError):  # a damaged file counts as missing
        kept = _sidecar(model)
        if source and kept.read(source) and _same_process(model):
            content = kept.content_for_copy(source, lambda _: True, weights, rounded)
            _write(folder / READERS, content or {})


def _fit(model: Model) -> bool:
    """Return whether a model still has the weights and the schedule of its checkpoint."""
    network = network_of(model)
    return _same_process(model) and (network is None or stored_weights(network, model.source) is not None)


def _same_process(model: ModelSpec) -> bool:
    """Return whether a model has the schedule, the prediction and the coordinates of its checkpoint's files."""
    assert model.source is not None and model.source.folder is not None
    folder = model.source.folder
    there = spec.check(refs.in_folder(folder, str(folder))).spec
    parts = ("schedule", "prediction", "coordinates")
    return all(spec.comparable(getattr(model, part)) == spec.comparable(getattr(there, part)) for part in parts)


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file, with the tensors under "tensors". Raise ValueError if it can't be read."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise ValueError(f"it is larger than {MAX_FILE // 1000:,} kB")
        with safe_open(path, framework="pt", backend="pread") as file:  # "pread" does not map the file into memory
            about = (file.metadata() or {})[_KEY]
            if len(about) > MAX_JSON:
                raise ValueError(f"its metadata is longer than {MAX_JSON:,} characters")
            content = json.loads(about)
            return content | {"tensors": {name: file.get_tensor(name) for name in file.keys()}}  # noqa: SIM118
    except (SafetensorError, OSError, RecursionError) as error:
        raise ValueError(f"{path.name} cannot be read ({first_line(error)})") from None


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write a file of readers. content: its JSON object, with the tensors under "tensors", as `_read` returns it."""
    tensors = {name: value.contiguous() for name, value in content["tensors"].items()}
    about = {name: value for name, value in content.items() if name != "tensors"}
    files.write_bytes(path, save(tensors, {_KEY: json.dumps(about, ensure_ascii=False)}))


def _parse(content: dict[str, Any]) -> Readers:
    """Return the readers in a file's content. Raise an error if it has wrong values or shapes."""
    times, measured = (tuple(content[name]) for name in ("times", "measured"))
    for found in (times, measured):
        if not found or not all(map(is_whole, found)) or list(found) != sorted(set(found)) or found[0] < 1:
            raise ValueError("no times")
    tensors: dict[str, Tensor] = content["tensors"]
    mean, shares = tensors["mean"], {name: tuple(map(float, row)) for name, row in content["r2"].items()}
    blocks = {name: BlockReaders(*(tensors[f"{name}.{part}"] for part in BlockReaders._fields)) for name in shares}
    fitted, held_out = map(int, content["seeds"])
    K, (D, S) = len(times), mean.shape[1:3]
    if mean.shape != (K, D, S, S) or not blocks:
        raise ValueError("no readers")
    for name, block in blocks.items():
        R, h, C = block.features.shape[1], block.offset.shape[-1], block.basis.shape[-1]
        shapes = ((K, R, C), (K, R, h, h), (K, D * (S // h) ** 2, R), (3, C), (K, 3), (K, 3))
        if tuple(part.shape for part in block) != shapes or S % h:
            raise ValueError(f"no readers of {name}")
        if len(shares[name]) != len(measured) or not all(map(math.isfinite, shares[name])):
            raise ValueError(f"no R² of {name}")
    if not all(value.dtype == torch.float16 and bool(value.isfinite().all()) for value in tensors.values()):
        raise ValueError("no numbers")
    figures = _figures(content["figures"])
    return Readers(times, bool(content["clip"]), mean, blocks, measured, shares, (fitted, held_out), figures)


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    """Return the results of `python -m benchmarks inside`. Raise an error if entries that the page reads are wrong."""
    if found != {}:
        counts, rows = (found["seeds"], found["steps"]), [*found["off"].values(), *found["graft"].values()]
        numbers = [found["whole"], *(number for row in rows for number in row.values())]
        if not all(map(is_whole, counts)) or not all(map(is_number, numbers)) or found["unit"] not in ("rms", "right"):
            raise ValueError("no figures")
        json.dumps(found, allow_nan=False)
    return found


_SIDECAR = Sidecar(READERS, "a file of readers", _parse, None, in_cache=True, load=_read, dump=_write)


def _sidecar(model: ModelSpec) -> Sidecar[Readers]:
    """Return the `Sidecar` that reads and writes the readers of models with this model's schedule."""
    return replace(_SIDECAR, schedule=model.schedule)
