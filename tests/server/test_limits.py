"""The limits of a server: their defaults, how they are changed, and what a refusal says."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import toylab
from checkpoint_folders import write
from torch import nn

import ddpm_core
from ddpm_core.checkpoint.cost import network_cost
from ddpm_core.engines.from_diffusers import Attention, UNet2DModel
from ui.machine.limits import Places, Refused, ServerLimits
from ui.models.loaded import Models
from ui.parts.sampling import Frame
from ui.runs.jobs import Job

ROOT = Path(__file__).resolve().parents[2]


def test_a_public_page_allows_no_more_than_ones_own():
    own, public = ServerLimits(), ServerLimits.public()
    wider = ("free_disk_mb", "shutdown_seconds")  # what is kept free; how long one waits for others
    for limit in fields(ServerLimits):
        assert limit.metadata["what"]
        if limit.name not in wider:
            assert getattr(public, limit.name) <= getattr(own, limit.name)
    assert public.free_disk_mb > own.free_disk_mb


def test_the_flag_counts_more_than_the_environment_and_that_more_than_the_default():
    environment = {"DDPM_LIMIT_RUN_SECONDS": "60", "DDPM_LIMIT_TEMPORARY_MB": "2.5"}
    limits = ServerLimits.choose(True, ["run-seconds=30", "waiting_runs=3"], environment)
    assert (limits.run_seconds, limits.temporary_mb, limits.waiting_runs) == (30, 2.5, 3)
    assert limits.repository_mb == ServerLimits.public().repository_mb
    assert ServerLimits.choose(False, [], {}) == ServerLimits()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("speed=3", "--limit takes NAME=VALUE, got 'speed=3': the names are concurrent_runs, "),
        ("run_seconds=-1", "The limit run_seconds must be a number above 0, got '-1'"),
        ("run_seconds=nan", "The limit run_seconds must be a number above 0, got 'nan'"),
        ("waiting_runs=2.5", "The limit waiting_runs must be a whole number above 0, got '2.5'"),
        ("temporary_mb=1e308", "The limit temporary_mb can be at most 1,000,000,000, got '1e308'"),
    ],
)
def test_a_limit_that_does_not_exist_or_is_no_number_is_one_sentence(text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ServerLimits.choose(False, [text], {})


@pytest.mark.parametrize(
    ("check", "within", "beyond", "sentence"),
    [
        (
            "check_time",
            (900,),
            (901,),
            "stopped after 901 s of computing: take fewer steps or images (limit: run_seconds = 900)",
        ),
        ("check_model", ("x", 2e9), ("x", 3e9), "x takes 3,000 MB of memory: choose a smaller one"),
        (
            "check_run",
            (1000, 16, 2.07e9),
            (1000, 16, 500e9),
            "needs 8,000 TFLOP (1,000 steps × 16 images × 500 GFLOP): take fewer steps or images (limit: run_tflop",
        ),
    ],
)
def test_a_refusal_says_which_limit_it_is_and_its_value(check, within, beyond, sentence):
    limits = ServerLimits.public()
    getattr(limits, check)(*within)
    with pytest.raises(Refused, match=re.escape(sentence)):
        getattr(limits, check)(*beyond)


def test_the_documents_list_every_limit_with_its_defaults():
    text = (ROOT / "docs" / "online.md").read_text(encoding="utf-8")
    for limit in fields(ServerLimits):
        assert f"| `{limit.name}` | {limit.default:,} | {limit.metadata['public']:,} |" in text, limit.name


def test_places_are_so_many_in_all_and_so_many_of_an_address():
    places, refused = Places("Too many ({}): wait", 3, 2), r"^Too many \(at most 3, 2 of one address\): wait$"
    with places.occupy("a"):
        with places.occupy("a"), pytest.raises(Refused, match=refused), places.occupy("a"):
            pass
        with places.occupy(None), places.occupy("b"), pytest.raises(Refused, match=refused), places.occupy("c"):
            pass
        with places.occupy("a"):
            pass
    assert not places.of


# --- Where they hold


def test_a_run_that_costs_too_much_is_refused_before_its_model_is_loaded(monkeypatch):
    monkeypatch.setattr(ddpm_core, "load", None, raising=False)
    services = toylab.toy_services(Models(), run_tflop=1)
    job = Job(toylab.sampling(services, toylab.script("cifar10-tiny", steps=100, count=16)), services)
    *_, last = job.updates()
    assert last.state == "error" and services.events.read()["refused"] == 1
    assert "This run needs 3.3 TFLOP (100 steps × 16 images × 2.07 GFLOP)" in last.text


@pytest.mark.parametrize("name", ["mnist-tiny", "cifar10-tiny"])
def test_a_card_names_the_cost_that_is_counted(name):
    folder = ROOT / "checkpoints" / name
    cost = network_cost(json.loads((folder / "config.json").read_text()))
    assert f" {cost.flop / 1e9:.3g} GFLOP a forward pass" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_products_of_attention_are_counted_too():
    """By hand: convolutions and linear layers by what they compute, and QKᵀ and its product with V."""
    fields = {"sample_size": 8, "block_out_channels": (8,), "norm_num_groups": 4, "layers_per_block": 1}
    blocks = {"down_block_types": ("AttnDownBlock2D",), "up_block_types": ("AttnUpBlock2D",)}
    unet = UNet2DModel(**fields, **blocks, attention_head_dim=None)
    counted = []

    def count(layer, _, out):
        counted.append(2 * out.numel() * layer.weight[0].numel())

    for layer in unet.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(count)
    with torch.no_grad():
        unet(torch.zeros(1, 3, 8, 8), torch.zeros(1, dtype=torch.int64))
    attentions = sum(isinstance(module, Attention) for module in unet.modules())
    assert attentions == 4 and network_cost(dict(unet.config)).flop == sum(counted) + attentions * 4 * 64**2 * 8


def test_guidance_and_two_lanes_cost_twice():
    services = toylab.toy_services(Models(), run_tflop=0.3)

    def admit(lanes):
        computation = toylab.sampling(services, *lanes)
        computation.checked_plan([services.models.known(ref) for ref in computation.refs])

    admit([toylab.script("cifar10-tiny", steps=100, count=1)])  # 0.21 TFLOP
    for lanes in (
        [toylab.script("cifar10-tiny", steps=100, count=1, label="cat", guidance=2)],
        [toylab.script("cifar10-tiny", steps=100, count=1)] * 2,
    ):
        with pytest.raises(Refused):
            admit(lanes)


def test_a_run_ends_when_its_time_is_over_and_keeps_its_frames():
    services = toylab.toy_services(run_seconds=1e-9)
    updates = list(Job(toylab.sampling(services, toylab.script("toy", steps=10)), services).updates())
    assert "The run was stopped after 0 s of computing: take fewer" in updates[-1].text
    assert any(isinstance(result, Frame) for update in updates for result in update.results)


def test_a_model_is_refused_for_its_weights_before_they_are_read(tmp_path, monkeypatch):
    write(tmp_path / "model")
    monkeypatch.setattr(ddpm_core, "load", None, raising=False)
    with pytest.raises(Refused, match=r"model takes .* MB of memory"):
        Models(limits=ServerLimits(model_memory_mb=0.01)).get(str(tmp_path / "model"))
