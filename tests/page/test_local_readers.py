"""The page reads readers.safetensors as ddpm_core does: one run of node answers all."""

import base64
import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from test_local_network import WEB, numbers, packed

from ddpm_core.checkpoint.sidecars import readers_file
from ddpm_core.engines.readers import BlockReaders, Readers

SCRIPT = WEB / "tests/local/readers.mjs"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")

TIMES = (1, 40, 41, 700, 1000)
# By name (channels of x, S, clip, times, blocks with their C and side): the last pools 32 places a side to 16.
READERS = {
    "grey": (1, 8, True, TIMES, {"down 1": (6, 8), "middle": (10, 2), "up 1": (1, 4)}),
    "colours": (3, 6, True, (500,), {"middle": (5, 3), "up 1": (7, 6)}),
    "latents": (4, 8, False, TIMES[1:3], {"middle": (9, 4)}),
    "pooled": (3, 16, True, TIMES, {"up 1": (4, 32), "middle": (8, 16)}),
}


def readers(channels, size, clip, times, blocks):
    generator = torch.Generator().manual_seed(size)

    def some(*shape):
        return (torch.randn(shape, generator=generator) / 2).half()

    def block(c, side):
        h, n = min(side, size), len(times)
        pixels = channels * (size // h) ** 2
        rank = min(6, c, pixels)
        parts = some(n, rank, c), some(n, rank, h, h), some(n, pixels, rank)
        return BlockReaders(*parts, some(3, c), some(n, 3), some(n, 3).abs() + 0.5)

    shares = {name: tuple(0.1 * i for i in range(len(TIMES))) for name in blocks}
    made = {name: block(*shape) for name, shape in blocks.items()}
    return Readers(times, clip, some(len(times), channels, size, size), made, TIMES, shares, (20, 10), FIGURES)


def ask(folder, cases):
    asked, answered = folder / "asked.json", folder / "answered.json"
    asked.write_text(json.dumps(cases))
    subprocess.run(["node", SCRIPT, asked, answered], check=True, timeout=60)
    return json.loads(answered.read_text())


def written(path, found):
    """The file as `readers_file.write` writes it."""
    tensors = {f"{name}.{part}": value for name, its in found.blocks.items() for part, value in its._asdict().items()}
    about = {"weights_sha256": "0", "r2": found.shares}
    about |= {name: getattr(found, name) for name in ("times", "clip", "measured", "seeds", "figures")}
    readers_file._write(path, {**about, "tensors": {"mean": found.mean, **tensors}})


def test_what_is_read_and_its_colours_are_those_of_ddpm_core(tmp_path):
    made = {name: readers(*shape) for name, shape in READERS.items()}
    cases, taps = [], []
    for name, found in made.items():
        written(tmp_path / name, found)
        cases.append({"file": str(tmp_path / name), "asked": []})
        for block, (c, side) in READERS[name][-1].items():
            for t in (1, 17, 40, 555, 1000):
                tap = torch.randn(1, c, side, side, generator=torch.Generator().manual_seed(t))
                taps.append((found, block, tap, t))
                cases[-1]["asked"].append({"name": block, "shape": [c, side, side], "data": packed(tap), "t": t})
    answers = [one for answer in ask(tmp_path, cases) for one in answer]
    for (found, block, tap, t), answer in zip(taps, answers, strict=True):
        wanted = found.read(block, tap, t).numpy().ravel()
        np.testing.assert_allclose(numbers(answer["read"]), wanted, rtol=0, atol=1e-6 * max(1, np.abs(wanted).max()))
        colours = np.frombuffer(base64.b64decode(answer["colours"]), np.uint8)
        apart = np.abs(colours.astype(int) - found.colours(block, tap, t).ravel())
        assert apart.max() <= 1 and (apart > 0).mean() < 0.01  # where float32 lies at the edge between two levels
        assert answer["r2"] == pytest.approx(found.r2(block, t), abs=1e-12)


FIGURES = {"seeds": 3, "steps": 20, "unit": "rms", "whole": 0, "off": {"time": {"all": 0.5}}, "graft": {}}
DAMAGED = {
    "no times": {"times": []},
    "times that fall": {"times": [1000, 40, 41, 700, 1]},
    "other times": {"times": [1, 2]},
    "too few shares": {"r2": dict.fromkeys(READERS["grey"][-1], (0.1,))},
    "a share that is text": {"r2": dict.fromkeys(READERS["grey"][-1], (0.1, 0.1, 0.1, 0.1, "much"))},
    "another block": {"r2": {"up 7": [0.1] * 5}},
    "no blocks": {"r2": {}},
    "no figures": {"figures": {"seeds": 3}},
    "odd figures": {"figures": FIGURES | {"off": {"time": {"all": "much"}}}},
    "much text": {"padding": "x" * 500_000},
}


def test_a_damaged_file_is_a_sentence(tmp_path):
    written(tmp_path / "whole", readers(*READERS["grey"]))
    with safe_open(tmp_path / "whole", framework="pt") as file:
        about = json.loads(file.metadata()["ddpm_core"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, change in DAMAGED.items():
        save_file(tensors, tmp_path / name, {"ddpm_core": json.dumps(about | change)})
    save_file(tensors, tmp_path / "weights")
    (tmp_path / "text").write_text("no file of tensors")
    names = [*DAMAGED, "weights", "text"]
    answers = ask(tmp_path, [{"file": str(tmp_path / name), "asked": []} for name in names])
    for name, answer in zip(names, answers, strict=True):
        assert answer == {"error": "readers.safetensors is not a file of readers: delete it, or make it again"}, name
