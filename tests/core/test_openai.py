"""OpenAI's files of weights against what their modules computed with them (`record_openai_unets.py`)."""

import json
from dataclasses import replace
from functools import cache

import kinds
import numpy as np
import pytest
import record_openai_unets as recorded
import torch
from bf16 import needs_bf16
from record_openai_unets import CASES, CHAIN, FILE, SIGMAS, TIMES, images, weights

import ddpm_core
from ddpm_core import CheckpointError
from ddpm_core.checkpoint.openai.convert import convert
from ddpm_core.checkpoint.openai.presets import preset_of
from ddpm_core.checkpoint.openai.shapes import read_flags
from ddpm_core.coordinates import EDM

OUTPUTS = np.load(FILE)
EXACT = {"device": "cpu", "precision": "fp32", "engine": "torch"}


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """The folder that is made of a case's weights, and its model."""

    @cache
    def of(case):
        folder, shapes = tmp_path_factory.mktemp("openai"), json.loads(str(OUTPUTS[f"{case}: shapes"]))
        torch.save(weights(shapes, [*CASES].index(case)), folder / "model000100.pt")
        convert(folder / "model000100.pt", folder / "model", CASES[case][2])
        (folder / "model000100.pt").unlink()
        return folder / "model", ddpm_core.load(folder / "model", **EXACT)

    return of


@pytest.mark.parametrize("case", CASES)
def test_a_converted_file_computes_what_their_module_does(converted, case):
    (_, model), seed = converted(case), [*CASES].index(case)
    side = max(16, 2 ** (len(model.network.unet.config["block_out_channels"]) - 1))
    labels = torch.tensor([0, 5, 999]) if model.num_classes else None
    times = torch.tensor(TIMES)
    if case in ("EDM", "consistency"):
        assert type(model.coordinates) is EDM
        times = model.coordinates.times * torch.tensor(SIGMAS).log() / 4
    found = model.network(torch.from_numpy(images(seed, side)), times, labels)
    expected = OUTPUTS[f"{case}: output"]
    # sums of some hundred float32 products, in another order
    np.testing.assert_allclose(found[..., :: side // 8, :: side // 8], expected, rtol=1e-5, atol=1e-5)


def test_a_chain_with_learned_variance_is_theirs(converted):
    """Their p_sample_loop, 50 of 4000 steps of the cosine schedule, with our noise."""
    _, model = converted("cifar10")
    assert (model.schedule.T, model.schedule.name, model.variance) == (4000, "cosine", "learned_range")
    seeds = CHAIN["seeds"][:1]
    x_T = recorded.noise(seeds, 0, 16)
    *_, last = ddpm_core.trajectory(model, seeds, CHAIN["steps"], x_T=x_T)
    np.testing.assert_allclose(last.x, OUTPUTS["chain"][:1], atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
def test_openvino_agrees_at_every_time(tmp_path, precision):
    """In bf16 the angles of a scaled time near T would be wrong by radians. A small network has them, too."""
    pytest.importorskip("openvino")
    small = {"block_out_channels": [32], "norm_num_groups": 32, "resnet_time_scale_shift": "scale_shift"}
    kinds.openai(tmp_path, num_train_timesteps=4000, beta_start=1e-4, beta_end=5e-3, **small)
    exact, x = ddpm_core.load(tmp_path, **EXACT), torch.from_numpy(images(0, 8))[:1]
    found = ddpm_core.load(tmp_path, **(EXACT | {"precision": precision, "engine": "openvino"}))
    # bf16: products of eight bits, summed in float32, through some blocks
    bound = 1e-5 if found.network.description.endswith("fp32") else 0.02
    for t in (1, 1000, 4000):
        expected = exact.network(x, torch.tensor([t - 1]))
        assert (found.network(x, torch.tensor([t - 1])) - expected).norm() < bound * expected.norm()


UNET = "improved-diffusion-classes"
NAN, FAR = torch.full((32,), torch.nan), torch.full((32,), 1e12)


ODD = {  # changes, or what makes them of the content; None leaves a tensor out
    "no time": ({"time_embed.0.weight": None}, "it has no time_embed.0.weight"),
    "no first": ({"input_blocks.0.0.weight": None}, "it has no input_blocks.0.0.weight"),
    "no last": ({"out.2.weight": None}, "it has no out.2.weight"),
    "flat": ({"time_embed.0.weight": torch.zeros(4)}, "time_embed.0.weight has shape (4,), where 2 numbers"),
    "narrow time": ({"time_embed.0.weight": torch.zeros(64, 32)}, "has shape (64, 32), not (128, 32)"),
    "a decoder's end": ({"out.2.weight": torch.zeros(5, 32, 3, 3)}, "out.2.weight gives 5 channels"),
    "an upsampler": ({"input_blocks.0.0.weight": torch.zeros(32, 6, 3, 3)}, "not upsamplers"),
    "a level less": ({"output_blocks.11.0.out_layers.3.weight": None}, "output_blocks.11.0.out_layers.3.weight"),
    "no outputs": ({"output_blocks.0.0.out_layers.3.weight": None}, "output_blocks.0.0.out_layers.3.weight is"),
    "widths": ({"output_blocks.9.0.out_layers.3.weight": torch.zeros(96, 96, 3, 3)}, "are 96, 64, 64, 64 wide"),
    "more": ({"extra.weight": torch.zeros(1)}, "extra.weight belongs to no U-Net of OpenAI's"),
    "a bias less": ({"middle_block.0.in_layers.2.bias": None}, "middle_block.0.in_layers.2.bias is missing"),
    "no attention": ({"middle_block.1.qkv.weight": None}, "middle_block.1.qkv.weight is missing"),
    "another shape": ({"out.0.weight": torch.zeros(33)}, "out.0.weight has shape (33,), not (32,)"),
    "a large kernel": ({"input_blocks.0.0.weight": torch.zeros(32, 3, 5, 5)}, "shape (32, 3, 5, 5), not (32, 3"),
    "not trained": ({"out.0.weight": NAN}, "NaN or infinite numbers in out.0.weight"),
    "far off": ({"out.0.weight": FAR}, "1e+12 in out.0.weight, too large"),
    "whole numbers": ({"out.0.weight": torch.zeros(32, dtype=torch.int64)}, "not floating-point tensors"),
    "complex": ({"out.0.weight": torch.zeros(32, dtype=torch.complex64)}, "not floating-point tensors"),
    "a list": ({"out.0.weight": [1.0]}, "not floating-point tensors"),
    "a number": ({"label_emb.weight": torch.zeros(())}, "label_emb.weight has shape (), where 2 numbers"),
    "no width": ({"time_embed.0.weight": torch.zeros(0, 0)}, "time_embed.0.weight has shape (0, 0), where 2 numbers"),
    "narrow classes": ({"label_emb.weight": torch.zeros(10, 5)}, "label_emb.weight has shape (10, 5), not (10, 128)"),
    "a classifier": (
        lambda content: {name: value for name, value in content.items() if not name.startswith("output_blocks")},
        "output_blocks.0.0.out_layers.3.weight is missing",
    ),
    "another program's": (
        lambda content: {f"model.{name}": value for name, value in content.items()},
        "it has no input_blocks.0.0.weight",
    ),
    "a training state": (
        lambda content: {"state_dict": content, "step": 3},
        "not floating-point tensors",
    ),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The weights of the smallest case, half as long."""
    shapes = json.loads(str(OUTPUTS["fixed variance: shapes"]))
    return {name: value.half() for name, value in weights(shapes, 0).items()}


def refusal(tmp_path, like=UNET, **options):
    with pytest.raises(CheckpointError) as told:
        convert(tmp_path / "file.pt", tmp_path / "model", like, **options)
    assert "\n" not in str(told.value) and not (tmp_path / "model").exists()
    return str(told.value)


@pytest.mark.parametrize("odd", ODD)
def test_a_file_that_fits_no_network_is_one_sentence_that_names_the_tensor(tmp_path, small, odd):
    change, sentence = ODD[odd]
    content = change(small) if callable(change) else {**small, **change}
    content = {name: value for name, value in content.items() if value is not None}
    torch.save(content, tmp_path / "file.pt")
    assert sentence in refusal(tmp_path)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("its code was run",))


def test_files_that_hold_no_weights_are_one_sentence_each(tmp_path, small):
    file = tmp_path / "file.pt"
    assert "there is no file" in refusal(tmp_path)
    for content in (b"", b"weights", b"PK\x03\x04" + bytes(100)):
        file.write_bytes(content)
        assert "is damaged" in refusal(tmp_path)
    torch.save({**small, "trap": Trap()}, file)
    assert "no code in it was run" in refusal(tmp_path)
    torch.save([*small.values()][:1], file)
    assert "does not map names to weights" in refusal(tmp_path)
    torch.save(small, file)
    file.write_bytes(file.read_bytes()[:-1000])
    assert "is damaged or cut off" in refusal(tmp_path)


def test_more_times_than_a_table_should_have_are_refused_before_the_network_is_built(tmp_path):
    kinds.openai(tmp_path, num_train_timesteps=10_000, beta_start=1e-6, beta_end=1e-5, time_width=8192)
    with pytest.raises(CheckpointError, match="10,000 times of 8,192 numbers each"):
        ddpm_core.load(tmp_path)


def test_what_the_file_does_not_say_is_asked_for(tmp_path, small):
    torch.save(small, tmp_path / "file.pt")
    assert "add --like with one of improved-diffusion, " in refusal(tmp_path, None)
    assert "there is no --like 'stable'" in refusal(tmp_path, "stable")
    shapes = json.loads(str(OUTPUTS["imagenet64: shapes"]))
    torch.save({name: torch.zeros(shape, dtype=torch.half) for name, shape in shapes.items()}, tmp_path / "file.pt")
    assert "has heads of 64 channels, and there is an attention over 96 channels" in refusal(
        tmp_path, "guided-diffusion"
    )
    with pytest.raises(CheckpointError, match=r"python -m ddpm_core convert .*file.pt FOLDER"):
        ddpm_core.load(tmp_path / "file.pt")


def test_a_teacher_and_its_student_are_told_by_their_names(tmp_path):
    """Their tensors have the same shapes. The student has the times that were published for it."""
    shapes = json.loads(str(OUTPUTS["EDM: shapes"]))
    flags = read_flags({name: tuple(shape) for name, shape in shapes.items()})
    names = {
        "edm_bedroom256_ema": "edm",
        "cd_cat256_l2": "consistency-distillation",
        "ct_cat256": "consistency-training",
    }
    assert {name: preset_of(flags, name) for name in names} == names
    with pytest.raises(ValueError, match="add --like"):
        preset_of(flags, "bedroom")
    torch.save(weights(shapes, 0), tmp_path / "cd_bedroom256_l2.pt")
    convert(tmp_path / "cd_bedroom256_l2.pt", tmp_path / "student")
    found = ddpm_core.load(tmp_path / "student", **EXACT)
    assert (found.schedule.T, found.student.usual, found.clip) == (40, (40, 22), True)


def test_a_folder_that_holds_something_else_stays(tmp_path, small):
    torch.save(small, tmp_path / "file.pt")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "thesis.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="was not written by ddpm_core"):
        convert(tmp_path / "file.pt", tmp_path / "kept", UNET)


@pytest.mark.parametrize(("case", "preset"), [("cifar10", "improved-diffusion"), ("guided LSUN", "guided-diffusion")])
def test_published_files_are_known_by_their_shapes(case, preset):
    """Their channels, with the small ones of a case multiplied."""
    shapes = {name: tuple(shape) for name, shape in json.loads(str(OUTPUTS[f"{case}: shapes"])).items()}
    flags = read_flags(shapes)
    published = {"improved-diffusion": (128, 3), "guided-diffusion": (256, 2)}[preset]
    larger = replace(
        flags,
        channels=published[0],
        blocks=published[1],
        widths=tuple(width * published[0] // flags.channels for width in flags.widths),
    )
    assert preset_of(larger, "any") == preset
