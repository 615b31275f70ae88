"""The compiled normalisation against torch's own: single values, whole blocks and training runs."""

import copy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from training import LEVELS, fit, make_folder, process_restored, tiny, weights  # noqa: F401

import ddpm_core
from ddpm_core.engines.from_diffusers import UNet2DModel
from train import TrainError
from train.common.config import PRESETS
from train.fit import fused
from train.fit.fused import FusedNorm, fuse
from train.fit.recipe import make_network

pytestmark = pytest.mark.skipif(not (shutil.which("c++") or shutil.which("g++")), reason="needs a C++ compiler")


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    a, b = a.detach(), b.detach()
    return float((a - b).norm() / b.norm().clamp(min=1e-12))


def random_image(generator, *shape, scale=1.0, centre=0.0):
    x = torch.randn(shape, generator=generator) * scale + centre
    return x.contiguous(memory_format=torch.channels_last)


@given(
    images=st.integers(1, 4),
    groups=st.integers(1, 5),
    width=st.integers(1, 9),
    size=st.integers(2, 9),
    shifted=st.booleans(),
    scale=st.sampled_from([1e-2, 1.0, 30.0]),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=30, deadline=None)
def test_values_and_gradients_are_those_of_group_norm_then_silu(images, groups, width, size, shifted, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    norm = FusedNorm(groups, groups * width, eps=1e-6)
    with torch.no_grad():
        norm.weight.normal_(generator=generator)
        norm.bias.normal_(generator=generator)
    x = random_image(generator, images, groups * width, size, size, scale=scale).requires_grad_()
    shift = torch.randn(images, groups * width, generator=generator).requires_grad_() if shifted else None
    dy = random_image(generator, *x.shape)
    inputs = [x, norm.weight, norm.bias] + ([shift] if shifted else [])
    found = norm(x, shift)
    gradients = torch.autograd.grad(found, inputs, dy)

    exact = [value.detach().double().requires_grad_() for value in inputs]
    moved = exact[0] + exact[3][:, :, None, None] if shifted else exact[0]
    expected = F.silu(F.group_norm(moved, groups, exact[1], exact[2], 1e-6))
    oracles = torch.autograd.grad(expected, exact, dy.double())
    assert relative(found.double(), expected) < 1e-4
    magnitude = max(float(oracle.norm()) for oracle in oracles)
    for gradient, oracle in zip(gradients, oracles, strict=True):
        # gradients that cancel to nothing (one number a group) are compared with the size of the others
        assert float((gradient - oracle.detach()).norm()) < 2e-3 * max(float(oracle.norm()), 0.1 * magnitude)


def test_bfloat16_is_rounded_once_and_keeps_nan():
    generator = torch.Generator().manual_seed(0)
    norm = FusedNorm(4, 32)
    x = random_image(generator, 2, 32, 8, 8).bfloat16()
    exact = F.silu(F.group_norm(x.double(), 4, eps=norm.eps))
    assert float(((norm(x).double() - exact) / exact.abs().clamp(min=1e-3)).abs().max().detach()) < 2**-8
    x[0, 0, 0, 0] = float("nan")
    out = norm(x)
    assert out[0, :8].isnan().all() and out[1].isfinite().all()


def test_a_mean_far_from_zero_does_not_drown_the_deviation():
    x = 300 + random_image(torch.Generator().manual_seed(0), 2, 8, 64, 64)
    norm = FusedNorm(4, 8)
    expected = F.silu(F.group_norm(x.double(), 4, eps=norm.eps))
    assert relative(norm(x).double(), expected) < 1e-4


def test_extreme_inputs_stay_finite():
    norm = FusedNorm(1, 1)
    with torch.no_grad():
        norm.weight.fill_(1e4)
    x = torch.tensor([-1.0, 0.0, 1.0]).reshape(1, 1, 1, 3).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(norm(x), F.silu(F.group_norm(x, 1, norm.weight)), atol=1e-3, rtol=1e-5)


PAPERS = {
    "act_fn": ["silu", "swish"],
    "mid_block_scale_factor": [1],
    "resnet_time_scale_shift": ["default"],
    "downsample_type": ["conv"],
    "upsample_type": ["conv"],
    "kind": ["", "Attn"],
}
OTHERS = {
    "act_fn": ["relu", "gelu", "mish"],
    "mid_block_scale_factor": [1.4],
    "resnet_time_scale_shift": ["scale_shift"],
    "downsample_type": ["resnet"],
    "upsample_type": ["resnet"],
    "kind": ["Resnet{}sample", "Skip", "AttnSkip", "K"],
}


def small_network(fields, seed):
    """Of 8×8 pixels and three classes, with random weights; fields: of UNet2DModel, and the kind of its blocks."""
    kind = fields.pop("kind")
    blocks = {
        f"{side}_block_types": (f"{kind if '{' in kind else kind + '{}'}Block2D".format(side.title()),) * 2
        for side in ("down", "up")
    }
    torch.manual_seed(seed)
    widths = (32, 32) if kind in ("AttnSkip", "K") else (8, 16)  # their norms have groups of 32 or so
    fields = {"block_out_channels": widths, "norm_num_groups": 4, "layers_per_block": 1, **fields}
    network = UNet2DModel(sample_size=8, num_class_embeds=3, **blocks, **fields)
    for parameter in network.parameters():  # nothing at zero, so that every path shows
        torch.nn.init.normal_(parameter, std=0.2)
    return network


def assert_fuses_to_the_same(plain, seed):
    changed = copy.deepcopy(plain)
    fuse(changed)
    assert changed.state_dict().keys() == plain.state_dict().keys()
    generator = torch.Generator().manual_seed(seed)
    x, t, labels = torch.randn(3, 3, 8, 8, generator=generator), torch.tensor([0, 500, 999]), torch.tensor([0, 2, 1])
    results = []
    for network in (plain, changed.to(memory_format=torch.channels_last)):
        out = network(x, t, class_labels=labels).sample
        out.square().mean().backward()
        results.append((out, torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])))
    for expected, found in zip(*results, strict=True):
        assert relative(found, expected) < 1e-3


@given(
    fields=st.fixed_dictionaries(
        {
            **{name: st.sampled_from(values) for name, values in PAPERS.items()},
            "norm_num_groups": st.sampled_from([1, 2, 4, 8]),
            "norm_eps": st.sampled_from([1e-6, 1e-5, 0.1]),
            "layers_per_block": st.integers(1, 2),
            "block_out_channels": st.sampled_from([(8, 8), (8, 16), (16, 8)]),
            "downsample_padding": st.integers(0, 1),
            "attention_head_dim": st.sampled_from([None, 4, 8]),
            "flip_sin_to_cos": st.booleans(),
            "center_input_sample": st.booleans(),
            "add_attention": st.booleans(),
            "mid_block_type": st.sampled_from(["UNetMidBlock2D", None]),
        }
    ),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=10, deadline=None)
def test_a_fused_network_computes_the_same_from_the_same_parameters(fields, seed):
    assert_fuses_to_the_same(small_network(fields, seed), seed)


@given(
    one=st.sampled_from([(name, value) for name, values in OTHERS.items() for value in values]),
    fields=st.fixed_dictionaries({name: st.sampled_from([*PAPERS[name], *OTHERS[name]]) for name in PAPERS}),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=15, deadline=None)
def test_another_network_is_refused_in_a_sentence_or_computes_the_same(one, fields, seed):
    """The latter where the odd field is of a block that is left alone, or that this network does not have."""
    plain = small_network({**fields, **dict([one])}, seed)
    before = [type(module) for module in plain.modules()]
    try:
        assert_fuses_to_the_same(plain, seed)
    except TrainError as error:
        assert "--fused is for the paper's residual blocks" in str(error) and "\n" not in str(error)
    assert [type(module) for module in plain.modules()] == before


def test_threads_do_not_change_a_fused_result(process_restored):  # noqa: F811
    norm, results = FusedNorm(4, 32), []
    x = random_image(torch.Generator().manual_seed(0), 5, 32, 8, 8).requires_grad_()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        y = norm(x)
        results.append(torch.cat([y.flatten(), torch.autograd.grad(y.square().sum(), x)[0].flatten()]))
    assert torch.equal(*results)


def test_a_fused_run_is_resumed_and_its_result_is_an_ordinary_model(tmp_path, torch_engine):
    folder = make_folder(tmp_path / "images")
    options = {"fused": True, "channels_last": True, "precision": "bf16", "dropout": 0.0, "steps": 4, **LEVELS}
    whole = fit(tiny(folder, tmp_path / "whole", **options))
    first = fit(tiny(folder, tmp_path / "parts", **{**options, "steps": 2}))
    again = fit(tiny(folder, tmp_path / "parts", resume=True, **options), first.state())
    assert all(torch.equal(a, b) for a, b in zip(whole.unet.parameters(), again.unet.parameters(), strict=True))
    fit(tiny(folder, tmp_path / "plain", **{**options, "fused": False}))
    a, b = weights(tmp_path / "whole", 4), weights(tmp_path / "plain", 4)
    assert a.keys() == b.keys()
    assert relative(*(torch.cat([part.flatten() for part in each.values()]) for each in (a, b))) < 1e-3
    assert ddpm_core.load(tmp_path / "whole" / "model", device="cpu").source.weights == "EMA"


def test_the_raw_weights_of_a_fused_run_are_sampled_by_an_ordinary_network(tmp_path, torch_engine):
    """The compiled code can't be traced: OpenVINO's network of it would be wrong, and be kept."""
    folder = make_folder(tmp_path / "images")
    trainer = fit(tiny(folder, tmp_path / "run", fused=True, channels_last=True, sample_every=2, steps=2, **LEVELS))
    network = trainer.snapshot(trainer.unet, "not EMA").network
    assert not any(isinstance(module, (FusedNorm, fused.FusedBlock)) for module in network.unet.modules())
    x, t = torch.randn(2, 3, 8, 8), torch.tensor([0, 19])
    trainer.unet.eval()
    with torch.no_grad():
        expected = trainer.unet(x.contiguous(memory_format=torch.channels_last), t).sample
    assert relative(network(x, t), expected) < 1e-4
    assert (tmp_path / "run" / "samples" / "step-000000002-raw.png").is_file()


@pytest.fixture
def forgotten():
    """As in a new process: nothing is compiled or loaded yet."""
    fused.library.cache_clear()
    yield
    fused.library.cache_clear()


@pytest.mark.parametrize(("command", "why"), [("no-such-compiler", "No such file"), ("false", "false has failed")])
def test_without_a_compiler_it_is_one_sentence(monkeypatch, tmp_path, forgotten, command, why):
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", command)
    with pytest.raises(TrainError, match=rf"--fused needs a C\+\+ compiler: .*{why}") as error:
        fuse(make_network(replace(PRESETS["cifar10-tiny"], widths=(8, 16), norm_groups=8, attention=()), 0))
    assert "\n" not in str(error.value) and not fused.is_available()


def test_it_is_compiled_once_and_not_held_up_by_a_compilation_that_was_killed(monkeypatch, tmp_path, forgotten):
    library, seen = fused.library()._name, []

    def compile(command, **_):
        made = Path(command[-1])
        seen.append(sorted(made.parent.iterdir()))
        made.write_bytes(b"cut off")
        if len(seen) == 1:
            raise KeyboardInterrupt
        shutil.copy(library, made)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("subprocess.run", compile)
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        in_a_new_process()
    for _ in range(2):
        in_a_new_process()
    assert seen == [[], []]
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path / "other"))
    (kept,) = (tmp_path / "fused").iterdir()
    damaged = tmp_path / "other" / "fused" / kept.name / "fused.so"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"cut off")
    in_a_new_process()
    assert seen == [[], [], []]


def in_a_new_process():
    fused.library.cache_clear()
    assert fused.library().norm_silu


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_torchs_own_threads_share_the_work(forgotten):
    """Not a second set of them, which would wait for the first one's processors; and not one alone."""
    code = """
import os, sys, torch
from unittest.mock import MagicMock
for name in ("common", "from_diffusers"):  # which it needs only to look for what it can replace, and import for seconds
    sys.modules[f"ddpm_core.engines.{name}"] = MagicMock()
from train.fit.fused import FusedNorm
torch.set_num_threads(3)
torch.randn(64, 256, 256).exp().sum()
tasks = lambda: {int(task): sum(map(int, open(f"/proc/self/task/{task}/stat").read().rsplit(")", 1)[1].split()[11:13]))
                 for task in os.listdir("/proc/self/task")}
x = torch.randn(24, 64, 32, 32).contiguous(memory_format=torch.channels_last)
norm = FusedNorm(8, 64)
norm(x)
before = after = tasks()
working = lambda: sum(after[task] > before[task] for task in after)
for _ in range(400):  # the clock of a thread ticks every 10 ms
    norm(x)
    after = tasks()
    if working() == 3:
        break
assert before.keys() == after.keys(), (before, after)
print(working())
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(found.stdout) == 3
