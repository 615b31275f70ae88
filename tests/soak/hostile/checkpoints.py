"""Checkpoints with odd JSON, pickles, headers that lie, odd archives and damage."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from checkpoint_folders import write, write_json

from soak.hostile.case import Case

WEIGHTS = "diffusion_pytorch_model"
DEEP = 100_000  # levels of nesting


class Evil:
    """Unpickled with Python's own reader, this makes a file."""

    def __init__(self, mark: Path):
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._mark}",)


def write_checkpoint(folder: Path) -> None:
    """A small checkpoint in the Hub's layout, with random weights."""
    own = {"weights": "EMA", "null_label": 3, "class_names": ["a", "b", "c"]}
    sizes = {"sample_size": 8, "block_out_channels": [8, 16], "layers_per_block": 1, "attention_head_dim": 8}
    blocks = {"down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"]}
    write(folder, own=own, scheduler={"num_train_timesteps": 100}, num_class_embeds=4, **sizes, **blocks)


ODD_VALUES: tuple[Any, ...] = (
    *(2**63, 10**400, -1, 0, 1e308, 5e-324, float("nan"), float("inf"), float("-inf"), True, None),
    *("", "x" * 10**6, "../../../etc/passwd", "a\0b", "\ud800", "__import__('os').system('true')"),
    *([], {}, [1] * 10**5, [[[[]]]], {"a": {"b": 1}}, [0], ["x"], [2**40] * 2),
)


JSON_FILES = ("config.json", "scheduler_config.json", "model_index.json", "ddpm_core.json")


def odd_values(
    checkpoint: Path, folder: Path, values: Callable[[str], Iterable[Any]] = lambda field: ODD_VALUES
) -> Iterator[Case]:
    """Every field of every JSON file with every odd value, or with those that are given for it."""
    for name in JSON_FILES:
        good = json.loads((checkpoint / name).read_text())
        for field in sorted({*good, *EXTRA_FIELDS.get(name, ())}):
            for number, value in enumerate(values(field)):
                here = variant(checkpoint, folder / f"{name}-{field}-{number}")
                write_json(here / name, good | {field: value})
                yield Case(f"{name}: odd values", here, may_load=True)


def json_cases(checkpoint: Path, folder: Path) -> Iterator[Case]:
    """Odd values, and files that are no JSON."""
    yield from odd_values(checkpoint, folder)
    for name in JSON_FILES:
        for number, content in enumerate((b"", b"\xff\xfe", b"[" * DEEP, b'{"a":' * DEEP, b"[]", b"1", b"\0" * 1000)):
            here = variant(checkpoint, folder / f"{name}-{number}")
            (here / name).write_bytes(content)
            yield Case(f"{name}: no JSON object", here)
        here = variant(checkpoint, folder / f"{name}-large")
        (here / name).write_bytes(b'{"a": "' + b"x" * 500_000 + b'"}')
        yield Case(f"{name}: no JSON object", here)


EXTRA_FIELDS = {
    "config.json": ("time_embedding_dim", "dropout", "mid_block_type"),
    "scheduler_config.json": ("prediction_type", "rescale_betas_zero_snr", "thresholding", "clip_sample_range"),
}


def pickle_cases(checkpoint: Path, folder: Path, mark: Path) -> Iterator[Case]:
    """Weights that would run a command, in each form that Python or torch has, under both names."""
    import torch

    state = {"conv_in.weight": Evil(mark)}
    forms: dict[str, bytes] = {f"protocol {p}": pickle.dumps(state, protocol=p) for p in range(6)}
    for zipped in (True, False):
        file = io.BytesIO()
        torch.save(state, file, _use_new_zipfile_serialization=zipped)
        forms[f"torch, {'zip' if zipped else 'legacy'}"] = file.getvalue()
    file = io.BytesIO()
    torch.save(torch.nn.Linear(2, 2), file)
    forms["a whole module"] = file.getvalue()
    forms["numpy"] = pickle.dumps({"conv_in.weight": __import__("numpy").zeros(3)})
    forms["no mapping"] = pickle.dumps([1, 2, 3])
    for kind, content in forms.items():
        for suffix in (".bin", ".safetensors"):
            yield weights_case(checkpoint, folder / f"{kind}{suffix}", f"pickles as {suffix}", suffix, content)


def safetensors_cases(checkpoint: Path, folder: Path) -> Iterator[Case]:
    """Headers that lie about lengths, shapes, types and places."""
    content = (checkpoint / f"{WEIGHTS}.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    first = next(name for name in header if name != "__metadata__")

    def lying(**changes: Any) -> bytes:
        text = json.dumps(header | {first: header[first] | changes}).encode()
        return struct.pack("<Q", len(text)) + text + body

    lies: list[bytes] = [struct.pack("<Q", n) + content[8:] for n in (0, 1, 7, length - 1, length + 1, 2**31)]
    lies += [struct.pack("<Q", n) + content[8:] for n in (2**40, 2**63, 2**64 - 1)]
    lies += [lying(shape=shape) for shape in ([], [0], [2**40], [2**63], [2**20, 2**20, 2**24], [-1], [1.5], ["3"])]
    lies += [lying(dtype=dtype) for dtype in ("F64", "I64", "BOOL", "F4", "", None, 3)]
    end = len(body)
    places = ([0, 0], [5, 3], [0, end], [0, 2**63], [end, 2 * end], [-8, 0], [0], None, "x", [0, 2**64])
    lies += [lying(data_offsets=place) for place in places]
    lies += [struct.pack("<Q", 2) + b"{}", b"", b"\0" * 8, struct.pack("<Q", 10**8) + b"{" + b" " * 10**6]
    text = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    lies += [struct.pack("<Q", len(text)) + text]
    for number, lie in enumerate(lies):
        yield weights_case(checkpoint, folder / str(number), "safetensors with lying headers", ".safetensors", lie)


def zip_cases(checkpoint: Path, folder: Path, heavy: bool = True) -> Iterator[Case]:
    """Archives with names that lead out of them, and (heavy) that unpack to far more than they are long."""
    for number, name in enumerate(("../../evil", "/tmp/evil", "a\0b", "x" * 60_000, "archive/../../evil")):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as out:
            out.writestr(name, pickle.dumps({}))
            out.writestr("archive/version", "3")
        yield weights_case(checkpoint, folder / f"name-{number}", "archives with odd names", ".bin", file.getvalue())
    if not heavy:
        return
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        out.writestr("archive/data.pkl", pickle.dumps({}))
        with out.open("archive/data/0", "w", force_zip64=True) as entry:
            for _ in range(200):
                entry.write(b"\0" * (1 << 22))
    yield weights_case(checkpoint, folder / "bomb", "zip bombs", ".bin", bomb.getvalue())
    yield weights_case(checkpoint, folder / "bomb-2", "zip bombs", ".safetensors", bomb.getvalue())
    lie = bytearray(bomb.getvalue())
    at = lie.rindex(b"PK\x01\x02")
    lie[at + 24 : at + 28] = struct.pack("<I", 10)  # says that the large entry unpacks to 10 bytes
    yield weights_case(checkpoint, folder / "lie", "zip bombs", ".bin", bytes(lie))


def damaged_cases(checkpoint: Path, folder: Path, times: int, seed: int = 0) -> Iterator[Case]:
    """Weights with bits flipped or the end cut off, at random places, as .safetensors and as .bin."""
    import torch
    from safetensors.torch import load_file

    random_ = random.Random(seed)
    whole = (checkpoint / f"{WEIGHTS}.safetensors").read_bytes()
    file = io.BytesIO()
    torch.save(load_file(checkpoint / f"{WEIGHTS}.safetensors"), file)
    files = {".safetensors": whole, ".bin": file.getvalue()}
    for number in range(times):
        suffix = random_.choice((".safetensors", ".bin"))
        content = bytearray(files[suffix])
        if random_.random() < 0.3:
            del content[random_.randrange(len(content)) :]
            kind = "cut off"
        else:
            # half of them in the header, where they do most
            reach = min(len(content), 4000) if random_.random() < 0.5 else len(content)
            for _ in range(random_.choice((1, 1, 1, 8, 64))):
                content[random_.randrange(reach)] ^= 1 << random_.randrange(8)
            kind = "bits flipped"
        case = weights_case(checkpoint, folder / f"{number}", f"weights, {kind}, {suffix}", suffix, bytes(content))
        yield case._replace(may_load=kind == "bits flipped")


def weights_case(checkpoint: Path, folder: Path, kind: str, suffix: str, content: bytes) -> Case:
    here = variant(checkpoint, folder)
    (here / f"{WEIGHTS}.safetensors").unlink()
    (here / f"{WEIGHTS}{suffix}").write_bytes(content)
    return Case(kind, here)


def variant(checkpoint: Path, folder: Path) -> Path:
    shutil.copytree(checkpoint, folder)
    return folder
