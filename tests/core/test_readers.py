"""Readers of a U-Net's blocks: they are the least squares; the file says all that is needed, and is of its weights."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import UNet2DModel
from safetensors import safe_open
from safetensors.torch import save_file

from ddpm_core import CheckpointError, Model, NoiseSchedule, inside, load, module, readers, save, trajectory
from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.sidecars import readers_file
from ddpm_core.engines.choose import wrap
from ddpm_core.engines.readers import fit_readers
from train.__main__ import main

FIGURES = {"seeds": 3, "steps": 20, "unit": "rms", "whole": 0, "off": {"time": {"all": 0.5}}, "graft": {}}


def toy(levels=2, size=8, channels=1, **fields):
    """A model of a random U-Net with so many levels."""
    torch.manual_seed(1)
    unet = UNet2DModel(
        sample_size=size,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(8,) * levels,
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D",) * levels,
        up_block_types=("UpBlock2D",) * levels,
    )
    network = wrap(unet, engine="torch", precision="fp32")
    return Model(
        network=network,
        schedule=NoiseSchedule.linear(30),
        image_size=size,
        channels=channels,
        **{"prediction": "epsilon", **fields},
    )


@pytest.fixture(scope="module")
def fitted():
    return fit_readers(toy(), 12, 4)


@pytest.fixture
def checkpoint(tmp_path):
    save(toy(), tmp_path / "model")
    return tmp_path / "model"


def open_one(folder):
    return load(folder, engine="torch", precision="fp32", device="cpu")


def test_a_reader_is_the_least_squares_over_the_runs(fitted):
    """With a constant for each place, and weights that all places share: one column a place, and one a channel."""
    model = toy()
    opened = inside(model)
    first, last = fitted.times[-1], fitted.times[0]
    seen = {first: [], last: []}
    for seed in range(12):
        for step in trajectory(opened.model, [seed], 20, "ddim"):
            if step.t in seen:
                seen[step.t].append((opened.taps["up 2"][0], step.x0_hat[0, 0]))
    for t, pairs in seen.items():
        a = np.stack([tap.flatten(1).T.numpy() for tap, _ in pairs])  # (12, 64, 8)
        wanted = np.stack([x.flatten().numpy() for _, x in pairs])
        design = np.concatenate([np.tile(np.eye(64), (12, 1)), a.reshape(-1, 8)], 1)
        weights, *_ = np.linalg.lstsq(design, wanted.reshape(-1), rcond=None)
        by_hand = (design @ weights).reshape(12, 8, 8).clip(-1, 1)
        found = fitted.read("up 2", torch.stack([tap for tap, _ in pairs]), t)[:, 0].numpy()
        scale = (wanted - wanted.mean(0)).std()
        assert np.abs(found - by_hand).max() < 0.1 * scale, t  # of the ridge and of float16


def test_the_share_is_that_of_runs_it_was_not_fitted_to(fitted):
    opened, t = inside(toy()), fitted.measured[7]
    steps = [
        (opened.taps["middle"], step.x0_hat)
        for seed in range(16)
        for step in trajectory(opened.model, [seed], 20, "ddim")
        if step.t == t
    ]
    targets = torch.cat([x for _, x in steps])
    mean, wrong = targets[:12].mean(0), 0.0
    for tap, x in steps[12:]:
        wrong += (fitted.read("middle", tap, t) - x).square().sum()
    share = 1 - wrong / (targets[12:] - mean).square().sum()
    assert fitted.r2("middle", t) == pytest.approx(share.item(), abs=1e-3)
    between = fitted.r2("middle", (fitted.measured[3] + fitted.measured[4]) / 2)
    assert between == pytest.approx(sum(fitted.shares["middle"][3:5]) / 2)


def by_the_documented_formula(path, name, a, t):
    """What the docstring of readers_file says, number by number, of the file alone: (read, colours)."""
    with safe_open(path, "np") as file:
        about = json.loads(file.metadata()["ddpm_core"])
        mean = file.get_tensor("mean").astype(float)
        of = {
            part: file.get_tensor(f"{name}.{part}").astype(float)
            for part in ("features", "offset", "patches", "basis", "centre", "spread")
        }
    times, (_, D, S, _) = about["times"], mean.shape
    j = max(0, min(max((i for i in range(len(times)) if times[i] <= t), default=0), len(times) - 2))
    u = min(max((t - times[j]) / (times[j + 1] - times[j]), 0), 1)
    C, h = a.shape[0], a.shape[1]
    pictures = []
    places = a
    if h > S:
        places = a.reshape(C, S, h // S, S, h // S).mean((2, 4))
    side = places.shape[1]
    s = S // side
    for i in (j, j + 1):
        read = np.zeros((D, S, S))
        for y in range(side):
            for x in range(side):
                f = [
                    sum(of["features"][i, r, c] * places[c, y, x] for c in range(C)) + of["offset"][i, r, y, x]
                    for r in range(of["features"].shape[1])
                ]
                for d in range(D):
                    for dy in range(s):
                        for dx in range(s):
                            row = of["patches"][i, (d * s + dy) * s + dx]
                            at = d, y * s + dy, x * s + dx
                            read[at] = sum(p * q for p, q in zip(row, f, strict=True)) + mean[i][at]
        pictures.append(read)
    read = (1 - u) * pictures[0] + u * pictures[1]
    if about["clip"]:
        read = read.clip(-1, 1)
    centre, spread = ((1 - u) * of[row][j] + u * of[row][j + 1] for row in ("centre", "spread"))
    colours = np.zeros((h, h, 3), np.uint8)
    for y in range(h):
        for x in range(h):
            q = [1.6 * math.tanh((of["basis"][k] @ a[:, y, x] - centre[k]) / spread[k] / 1.6) for k in range(3)]
            L, red, yellow = 56 + 22 * q[0], 30 * q[1], 30 * q[2]
            fy = (L + 16) / 116
            f = np.array([fy + red / 500, fy, fy - yellow / 200])
            xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.9505, 1, 1.089]
            matrix = [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
            linear = (np.array(matrix) @ xyz).clip(0, 1)
            colours[y, x] = np.round(
                255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
            )
    return read, colours


@pytest.mark.parametrize("size", [8, 128], ids=["whole", "means"])
def test_the_file_says_all_that_its_docstring_reads(size, tmp_path):
    """Another reader of the file can be written from there."""
    save(toy(size=size, channels=2 if size == 8 else 1), tmp_path / "model")
    model = open_one(tmp_path / "model")
    readers_file.write(model, fit_readers(model, 3 if size == 8 else 2, 2))
    found, opened = readers(model), inside(model)
    assert found.mean.shape[-1] == min(size, 64)
    names = ("down 1", "middle", "up 2") if size == 8 else ("down 1",)
    for step in trajectory(opened.model, [99], [found.times[-1], 17], "ddim"):
        for name in names:
            tap = opened.taps[name]
            read, colours = by_the_documented_formula(
                tmp_path / "model" / refs.READERS, name, tap[0].double().numpy(), step.t
            )
            assert np.abs(found.read(name, tap, step.t)[0].numpy() - read).max() < 1e-4
            assert np.abs(found.colours(name, tap, step.t)[0].astype(int) - colours).max() <= 1
        if size > 8:
            break


def test_colours_have_one_meaning_and_light_is_where_the_picture_is_light():
    model = load("mnist-tiny", device="cpu", engine="torch", precision="fp32", batched=True)
    found, opened = fit_readers(model, 10, 2), inside(model)
    for step in trajectory(opened.model, [500], 20, "ddim", labels=3):
        if step.t < 400:
            colours = found.colours("up 3", opened.taps["up 3"], step.t)
            assert colours.shape == (1, 28, 28, 3) and colours.dtype == np.uint8
            light, picture = colours[0].mean(-1).ravel(), step.x0_hat[0, 0].numpy().ravel()
            assert light[picture > 0].mean() > light[picture < -0.9].mean()
    spreads = torch.stack([block.spread for block in found.blocks.values()])
    assert spreads.isfinite().all() and (spreads > 0).all()


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_networks_of_any_number_of_levels_have_readers(levels):
    found = fit_readers(toy(levels=levels, size=32), 2, 2)
    assert len(found.blocks) == 2 * levels + 1 and found.mean.shape == (len(found.times), 1, 32, 32)


def test_latents_and_prompts():
    model = load("emoji-tiny", device="cpu", engine="torch", precision="fp32", batched=True)
    counted = []
    found = fit_readers(model, 3, 2, ["fox", "red apple"], lambda done, total: counted.append((done, total)))
    assert counted[-1] == (5, 5) and not found.clip
    opened = inside(model)
    step = next(trajectory(opened.model, [7], 20, "ddim", prompts="fox"))
    read = found.read("up 2", opened.taps["up 2"], step.t)
    assert read.shape == step.x.shape and model.pictures(read).shape == (1, 64, 64, 3)


def test_they_are_kept_beside_the_weights_and_belong_to_them(checkpoint, fitted, tmp_path):
    model = open_one(checkpoint)
    with pytest.raises(ValueError, match="no readers were fitted for these weights: run `python -m train readers /"):
        readers(model)
    path = readers_file.write(model, replace(fitted, figures=FIGURES))
    again = readers(model)
    assert path == checkpoint / "readers.safetensors" and (again.times, again.shares) == (fitted.times, fitted.shares)
    assert all(a.equal(b) for n in fitted.blocks for a, b in zip(again.blocks[n], fitted.blocks[n], strict=True))
    assert again.mean.equal(fitted.mean) and again.figures == FIGURES and again.seeds == (12, 4)
    readers_file.write(model, fitted)
    assert readers(model).figures == FIGURES  # they are of the same weights
    for half in (False, True):
        save(model, tmp_path / "copy", half=half)
        copied = readers(open_one(tmp_path / "copy"))
        assert copied.mean.equal(fitted.mean) and copied.figures == FIGURES
    model.network.unet.conv_out.weight.mul_(1.1)
    save(model, tmp_path / "copy")
    assert not (tmp_path / "copy" / path.name).exists()
    shutil.copy(path, tmp_path / "copy")
    with pytest.raises(ValueError, match="no readers were fitted"):
        readers(open_one(tmp_path / "copy"))
    with pytest.raises(ValueError, match="no readers were fitted"):
        readers(toy())


def test_other_weights_and_another_schedule_have_none(checkpoint, fitted, tmp_path):
    model = open_one(checkpoint)
    readers_file.write(model, fitted)
    assert readers(replace(model, clip=False)).times == fitted.times
    for other in (
        replace(model, schedule=NoiseSchedule.linear(30, beta_end=0.03)),
        replace(model, prediction="x0"),
        model.with_schedule(NoiseSchedule.linear(20)),
    ):
        with pytest.raises(ValueError, match=r"belong to its weights and its schedule, .* were changed: save it"):
            readers(other)
        if other.coordinates is None:  # else nothing can be saved
            save(other, tmp_path / "other")
            assert not (tmp_path / "other" / refs.READERS).exists()
    for precision in ("fp32", "bf16"):  # the model's own network, and a copy of it
        model = load(checkpoint, engine="torch", precision=precision, device="cpu")
        assert readers(model).times == fitted.times
        with torch.no_grad():
            module(model).get_parameter("conv_out.weight").mul_(1.1)
        with pytest.raises(ValueError, match="belong to its weights and its schedule"):
            readers(model)


def test_of_the_hub_they_are_in_the_users_cache(checkpoint, fitted, tmp_path, monkeypatch):
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path / "cache"))
    model = open_one(checkpoint)
    model.source = replace(model.source, name="some/model", revision="abc123")
    path = readers_file.write(model, fitted)
    assert path == tmp_path / "cache/some--model/abc123/readers.safetensors" and readers(model).times == fitted.times


def damaged(path):
    """Files that are no readers, each with one thing wrong."""
    with safe_open(path, "pt", backend="pread") as file:
        about = json.loads(file.metadata()["ddpm_core"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    yield b"no safetensors"
    for change in (
        {"times": [5, 1]},
        {"times": about["times"][:-1]},
        {"times": []},
        {"measured": [True]},
        {"r2": {"middle": [1.0]}},
        {"r2": {"elsewhere": about["r2"]["middle"]}},
        {"seeds": 3},
        {"r2": {}},
        {"r2": about["r2"] | {"middle": [math.nan] * len(about["measured"])}},
        {"figures": []},
        {"figures": {"seeds": 3}},
        {"figures": FIGURES | {"judge": math.nan}},
        {"figures": FIGURES | {"off": {"time": {"all": "much"}}}},
        {"padding": "x" * 500_000},
    ):
        yield tensors, {"ddpm_core": json.dumps(about | change)}
    yield tensors, {"ddpm_core": "["}
    yield tensors, {}
    for name, tensor in tensors.items():
        if name == "mean" or name.startswith("middle."):
            yield tensors | {name: tensor[..., :-1].clone()}, {"ddpm_core": json.dumps(about)}
    yield tensors | {"middle.offset": tensors["middle.offset"][..., :0, :0].clone()}, {"ddpm_core": json.dumps(about)}
    yield tensors | {"mean": tensors["mean"] * math.nan}, {"ddpm_core": json.dumps(about)}
    yield tensors | {"mean": tensors["mean"].float()}, {"ddpm_core": json.dumps(about)}


def test_a_damaged_file_is_a_sentence_and_no_model_suffers(checkpoint, fitted, tmp_path):
    model = open_one(checkpoint)
    path = readers_file.write(model, fitted)
    for content in list(damaged(path)):
        path.write_bytes(content) if isinstance(content, bytes) else save_file(*content[:1], path, content[1])
        with pytest.raises(CheckpointError, match=r"readers\.safetensors is not a file of readers: delete it, or make"):
            readers(model)
    save(open_one(checkpoint), tmp_path / "copy")
    assert not (tmp_path / "copy" / path.name).exists()
    readers_file.write(model, fitted)
    assert readers(model).times == fitted.times


def test_other_values_are_a_sentence(fitted):
    with pytest.raises(ValueError, match="no block 'up 9' with a reader: choose from down 1, down 2, middle, up 1, up"):
        fitted.r2("up 9", 3)
    with pytest.raises(ValueError, match=r"middle gives \(N, 8, h, h\), got \(1, 9, 4, 4\)"):
        fitted.read("middle", torch.zeros(1, 9, 4, 4), 3)
    with pytest.raises(ValueError, match="pictures of the model's own size"):
        fitted.colours("middle", torch.zeros(1, 8, 8, 8), 3)
    with pytest.raises(ValueError, match="at least 2 runs, and 2 more to measure them, got 1 and 2"):
        fit_readers(toy(), 1, 2)
    with pytest.raises(ValueError, match="prompts must be one text or more"):
        fit_readers(toy(), 2, 2, ["fox"])


def test_the_command_fits_and_keeps_them(checkpoint, capsys):
    assert main(["readers", str(checkpoint), "--seeds", "2", "--held-out", "2", "--device", "cpu"]) == 0
    path, *lines = capsys.readouterr().out.splitlines()
    assert path == str(checkpoint / "readers.safetensors") and lines[1].startswith("down 1")
    assert readers(open_one(checkpoint)).seeds == (2, 2)
    assert main(["readers", str(checkpoint), "--seeds", "1"]) == 2
    assert "--seeds must be 2 to 100,000, got 1." in capsys.readouterr().err


LARGEST = {"mnist-tiny": 150_000, "cifar10-tiny": 300_000, "cifar10-tiny-4-steps": 300_000, "emoji-tiny": 300_000}


@pytest.mark.parametrize("ref", LARGEST)
def test_embedded_checkpoints_have_readers_of_a_small_file(ref, capsys):
    model = load(ref, device="cpu", engine="torch", precision="fp32")
    found, opened = readers(model), inside(model)
    assert found.blocks.keys() == opened.blocks.keys() and found.seeds == (200, 50)
    assert (model.source.folder / refs.READERS).stat().st_size < LARGEST[ref]
    assert found.measured[-1] == model.schedule.T
    assert main(["readers", ref]) == 2
    assert f"{ref} comes with its own readers, which stay as they are" in capsys.readouterr().err


def test_the_middle_says_the_digit_that_was_asked_for_in_pure_noise():
    """In mnist-tiny at t = T the way down says hardly anything of x̂_0, the middle half of it, and the top all."""
    model = load("mnist-tiny", device="cpu", engine="torch", precision="fp32", batched=True)
    found, opened = readers(model), inside(model)
    step = next(trajectory(opened.model, range(900, 920), 20, "ddim", labels=[i % 10 for i in range(20)]))
    spread = (step.x0_hat - found.mean[-1].float()).square().sum()
    for name, low, high in (("down 1", -0.1, 0.1), ("middle", 0.4, 0.65), ("up 3", 0.95, 1)):
        share = 1 - (found.read(name, opened.taps[name], step.t) - step.x0_hat).square().sum() / spread
        assert low < share < high and abs(share - found.r2(name, step.t)) < 0.08, name
