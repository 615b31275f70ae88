"""Every engine gives the network's output, the same alone and in a batch; one that does not work is replaced."""

import copy
import gc
import itertools
import logging
import os
import shutil
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pretend
import pytest
import torch
from bf16 import NATIVE, needs_bf16
from torch import nn

import ddpm_core
from ddpm_core.engines import choose as engine
from ddpm_core.engines import common, same_bits
from ddpm_core.engines import openvino as openvino_engine
from ddpm_core.engines.from_diffusers import UNet2DConditionModel
from ddpm_core.engines.network import unet

openvino = pytest.importorskip("openvino")


def small(seed=0, **config):
    """A network of every kind of block, with no zeros left in it."""
    torch.manual_seed(seed)
    network = unet(
        "cifar10",
        **{
            "sample_size": 8,
            "block_out_channels": (32, 64),
            "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
            "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
            "layers_per_block": 1,
            **config,
        },
    ).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.05)
    return network


def smallest(seed, **config):
    """A network that is converted quickly."""
    blocks = {"block_out_channels": (32,), "down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    return small(seed, **{**blocks, "mid_block_type": None, **config})


ATTENTION = {"down_block_types": ("AttnDownBlock2D",), "up_block_types": ("AttnUpBlock2D",)}  # in its one level


def inputs(n, size=8, classes=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 3, size, size, generator=generator, dtype=dtype)
    labels = (torch.arange(n) % classes,) if classes else ()
    return x, torch.arange(n) * 37, *labels


def tells_times_apart(network, x, *conditions):
    """bf16 has no whole number between 904 and 908."""
    outputs = [network(x, torch.tensor([t_index]), *conditions) for t_index in (904, 906, 907, 908)]
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(outputs))


def relative_error(got, expected):
    return ((got - expected).norm() / expected.norm()).item()


def truth(network, *arguments):
    with torch.no_grad():
        return network(*arguments, return_dict=False)[0]


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    """Converted networks go to a folder of the tests' own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DDPM_CACHE", str(folder))
        yield folder / "openvino"


@pytest.fixture
def all_cores():
    """OpenVINO has them, as for users: where the result could depend on how it shares the work out."""
    before = openvino_engine.CORE.get_property("CPU", "INFERENCE_NUM_THREADS")
    openvino_engine.CORE.set_property("CPU", {"INFERENCE_NUM_THREADS": 0})
    yield
    openvino_engine.CORE.set_property("CPU", {"INFERENCE_NUM_THREADS": before})


# Every shape that OpenVINO meets is compiled, for most of a second. A network is compiled at once for one image of its
# own size: where that is enough, tests evaluate no other.


@pytest.mark.parametrize("name", ["torch", "openvino"])
@pytest.mark.parametrize("config", [{}, {"num_class_embeds": 5, "out_channels": 6}], ids=["plain", "classes and 2C"])
def test_computes_the_network_for_any_batch_and_size_and_keeps_the_dtype(name, config):
    network = smallest(0, **config) if config else small()
    wrapped = engine.wrap(network, "cpu", "fp32", name)
    for n, size, dtype in ((3 if config else 1, 8, torch.float32), (1, 16, torch.float64)):
        x, *conditions = inputs(n, size, config.get("num_class_embeds", 0), dtype)
        got = wrapped(x, *conditions)
        assert got.dtype == dtype and not got.is_inference()  # so that it may be part of what has gradients
        assert relative_error(got, truth(network, x.float(), *conditions)) < 1e-5


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_what_a_network_does_not_take_is_one_sentence(name):
    """OpenVINO would compute something, and PyTorch fails in words of its own."""
    plain = engine.wrap(smallest(0), "cpu", "fp32", name)
    classes = engine.wrap(smallest(0, num_class_embeds=5), "cpu", "fp32", name)
    x, time, two = torch.zeros(2, 3, 8, 8), torch.tensor([5, 6]), torch.tensor([1, 4])
    for network, t_index, labels, match in (
        (classes, time, torch.tensor([1, 5]), "knows labels 0 to 4, got"),
        (classes, time, torch.tensor([1, -1]), "knows labels 0 to 4, got"),
        (classes, time, torch.tensor([1]), "labels must have one number for each of 2 images"),
        (classes, time, torch.tensor([1.0, 2.0]), "labels must be whole numbers, got .*float32"),
        (classes, time, None, "this network needs labels"),
        (classes, time[:1], two, "t_index must have one number for each of 2 images"),
        (plain, time, two, "this network takes no labels"),
    ):
        for call in (network, network.with_gradients):
            with pytest.raises(ValueError, match=match):
                call(x, t_index, labels)
    assert classes(x[:1], time[:1].int(), two[1:].to(torch.uint8)).equal(classes(x[:1], time[:1], two[1:]))


def test_an_image_alone_is_the_image_in_a_batch(all_cores):
    """Of OpenVINO; of torch: the next test."""
    wrapped = engine.wrap(small(mid_block_type=None), "cpu", "auto", "openvino")
    x, t_index = inputs(15)  # in chunks of 8, 4, 2 and 1
    batch = wrapped(x, t_index)
    for i in (0, 7, 8, 11, 12, 13, 14):  # at the ends of each
        assert torch.equal(wrapped(x[i : i + 1], t_index[i : i + 1]), batch[i : i + 1])


@pytest.fixture
def with_bf16(monkeypatch):
    """OpenVINO says that this processor has bf16. Where it has none, OpenVINO computes in float32 all the same."""
    real = openvino.Core.get_property

    def get_property(core, *names):
        found = real(core, *names)
        return [*found, "BF16"] if names[-1] == "OPTIMIZATION_CAPABILITIES" else found

    monkeypatch.setattr(openvino.Core, "get_property", get_property)


HERE = [("openvino", "fp32"), ("torch", "fp32"), ("torch", "bf16")]
HERE += [("openvino", "bf16")] if NATIVE else []


@pytest.mark.parametrize("name", ["mnist-tiny", "cifar10-tiny", "emoji-tiny"])
@pytest.mark.parametrize(("by", "precision"), [("openvino", "auto"), ("torch", "fp32"), ("torch", "bf16")])
def test_embedded_models_give_an_image_the_bits_that_it_has_alone(all_cores, name, by, precision):
    """Of a student: its network has the shapes of its teacher's."""
    model = ddpm_core.load(name, device="cpu", engine=by, precision=precision)
    x = torch.randn(5, model.channels, model.image_size, model.image_size, generator=torch.Generator().manual_seed(1))
    given = [x, torch.arange(5) * 235]
    if model.text is not None:
        given.append(model.text(["fox", "red apple", "fox", "red apple", "fox"]))
    elif model.num_classes:
        given.append(torch.arange(5) % model.num_classes)
    alone = torch.cat([model.network(*(part[i : i + 1] for part in given)) for i in range(5)])
    for n in (3, 5):
        assert torch.equal(model.network(*(part[:n] for part in given)), alone[:n]), n


@pytest.mark.parametrize(
    ("precision", "refused", "expected"),
    [
        ("fp32", lambda size, apart: size > 2, [(2, False)] * 3),
        ("fp32", lambda size, apart: size > 1, [(1, False)] * 6),
        ("bf16", lambda size, apart: size == 4 and not apart, [(4, True), (2, False)]),
        ("bf16", lambda size, apart: size > 1, [(1, False)] * 6),
    ],
)
def test_only_sizes_that_give_the_bits_of_single_images_are_used(
    monkeypatch, with_bf16, tmp_path, caplog, precision, refused, expected
):
    """refused(size, apart): whether a batch has other bits. Sizes are tried once for a network and a machine."""
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path))
    infer, seen = openvino_engine.OpenVINONetwork._infer, []

    def otherwise(network, arrays, parts):
        seen.extend(parts)
        return infer(network, arrays, [(1, False)] * len(arrays[0])) + any(refused(*part) for part in parts)

    monkeypatch.setattr(openvino_engine.OpenVINONetwork, "_infer", otherwise)
    for seed, place in ((0, "tried"), (0, "from the disk"), (1, "other weights")):
        network = engine.wrap(smallest(seed), "cpu", precision, "openvino")
        alone = torch.cat([network(*(part[i : i + 1] for part in inputs(6))) for i in range(6)])
        for known in (False, True):
            seen.clear()
            assert network(*inputs(6)).equal(alone)
            assert seen[-len(expected) :] == expected
            assert (len(seen) == len(expected)) == (known or place == "from the disk"), place
    assert ("this network draws one picture after the other" in caplog.text) == (expected[0] == (1, False))


ODD = {"block_out_channels": (8, 24), "norm_num_groups": 4, "sample_size": 7}
SINGLE = {"block_out_channels": (8,), "norm_num_groups": 4}
SINGLE |= {"down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"]}
BLOCKS = {"down_block_types": ["KDownBlock2D"] * 2, "up_block_types": ["KUpBlock2D"] * 2}
RESNETS = {"down_block_types": ["ResnetDownsampleBlock2D"] * 2, "up_block_types": ["ResnetUpsampleBlock2D"] * 2}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("size", "config"),
    [
        (32, SINGLE),  # norms of more than 1024 pixels are shared out among threads
        (14, ODD),  # the ends of what is computed by vectors
        (14, {**ODD, "num_class_embeds": 5, "act_fn": "gelu"}),
        (8, {**BLOCKS, "act_fn": "mish"}),
        (14, {**ODD, **RESNETS, "resnet_time_scale_shift": "scale_shift"}),
    ],
)
def test_torch_gives_an_image_the_same_bits_in_batches_of_any_size_and_at_any_place(size, config, precision):
    wrapped = engine.wrap(small(**config), "cpu", precision, "torch")
    wrapped.together = 16  # so that 17 are evaluated in two parts
    given = inputs(17, size, config.get("num_class_embeds", 0))
    alone = torch.cat([wrapped(*(part[i : i + 1] for part in given)) for i in range(17)])
    for n in (2, 3, 8):
        assert torch.equal(wrapped(*(part[:n] for part in given)), alone[:n])
    order = torch.randperm(17, generator=torch.Generator().manual_seed(0))
    assert torch.equal(wrapped(*(part[order] for part in given)), alone[order])


def test_what_a_batch_does_not_change_is_computed_together_and_what_it_does_alone(monkeypatch):
    """A sum that depends on the number of images, and one that does not."""
    calls = []

    def product(x, weight):
        calls.append(len(x))
        rows = x @ weight
        return rows * (1 + 1e-6 * (len(x) > 1)) if weight.shape[1] == 3 else rows

    monkeypatch.setitem(same_bits.BY_BATCH, product, 1)
    x = torch.randn(4, 5, 6)
    for columns, expected in ((2, [4]), (3, [1, 1, 1, 1])):
        weight = torch.randn(6, columns)
        alone = torch.cat([product(part, weight) for part in x.split(1)])
        mode = same_bits.SameBits(4)
        for times in ("tried", "known"):
            calls.clear()
            assert mode.__torch_function__(product, (), (x, weight)).equal(alone), times
        assert calls == expected


def test_a_padding_that_was_changed_is_followed():
    """As for pictures that continue at the opposite edge. With gradients torch's own layers do that."""
    network = small()
    wrapped = engine.wrap(network, "cpu", "fp32", "torch")
    before = wrapped(*inputs(2))
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.padding_mode = "circular"
    found = wrapped(*inputs(2))
    with torch.enable_grad():
        expected = network(*inputs(2), return_dict=False)[0]
    assert relative_error(found, expected) < 1e-5 and relative_error(found, before) > 0.01
    assert wrapped(*(part[1:] for part in inputs(2))).equal(found[1:])


@pytest.mark.parametrize(("by", "precision"), HERE)
def test_what_was_trained_is_what_is_saved(by, precision, tmp_path):
    """What is compiled stays as it was: else some layers would have the new weights and others the old ones."""
    model = ddpm_core.load("mnist-tiny", device="cpu", engine=by, precision=precision)
    weights = dict(ddpm_core.module(model).named_parameters())
    given = torch.randn(1, 1, 28, 28), torch.tensor([500]), torch.tensor([3])
    before = model.network(*given)
    with torch.no_grad():
        for weight in weights.values():
            weight += 0.001
    assert model.network(*given).equal(before) == ((by, precision) != ("torch", "fp32"))
    assert model.network(*(torch.cat([part] * 2) for part in given))[:1].equal(model.network(*given))
    ddpm_core.save(model, tmp_path / "trained")
    again = ddpm_core.load(tmp_path / "trained", device="cpu", engine="torch", precision="fp32")
    assert all(weight.equal(weights[name]) for name, weight in ddpm_core.module(again).named_parameters())
    with pytest.raises(ValueError, match="no readers were fitted"):
        ddpm_core.readers(again)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float64])
def test_another_precision_takes_torchs_own_layers(precision):
    """A teacher is evaluated under autocast, or moved to float64, after an engine has prepared it."""
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    own = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(288, 4)).requires_grad_(False)
    prepared = copy.deepcopy(own)
    same_bits.prepare(prepared)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        if precision == torch.float64:
            x, own, prepared = x.double(), own.double(), prepared.double()
        found = prepared(x)
        assert found.dtype == precision and torch.equal(found, own(x))


def test_a_compiler_and_another_device_take_torchs_own_layers():
    network = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(288, 4)).requires_grad_(False)
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = network(x)
    same_bits.prepare(network)
    with torch.no_grad():
        torch.testing.assert_close(torch.export.export(network, (x,)).module()(x), expected)
        assert network.to("meta")(x.to("meta")).shape == expected.shape


def test_a_caller_may_give_that_up():
    network = small(**ODD)
    wrapped = engine.wrap(network, "cpu", "fp32", "torch", batched=True)
    given = inputs(5, 14)
    assert wrapped.description.endswith("fp32 · batched")
    last = given[0].contiguous(memory_format=torch.channels_last), *given[1:]
    assert torch.equal(wrapped(*given), truth(network, *last))


def test_what_keeps_all_cores_busy_is_evaluated_one_by_one():
    assert openvino_engine.largest_chunk(32 * 32, 35_000_000) == 16
    assert openvino_engine.largest_chunk(256 * 256, 35_000_000) == 1
    assert openvino_engine.largest_chunk(64 * 64, 860_000_000) == 1


def test_networks_that_are_told_words_are_evaluated_alike_in_any_batch_and_with_any_number_of_tokens(all_cores):
    torch.manual_seed(0)
    network = UNet2DConditionModel(
        sample_size=3,  # 3×3 pixels are an odd number
        block_out_channels=(32,),
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        mid_block_type=None,
        layers_per_block=1,
        cross_attention_dim=16,
        norm_num_groups=8,
        attention_head_dim=2,
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
    ).eval()
    wrapped = engine.wrap(network, "cpu")
    assert wrapped.description.startswith("OpenVINO")
    tells_times_apart(wrapped, torch.randn(1, 4, 3, 3), torch.randn(1, 77, 16))
    for tokens, n in ((77, 2), (5, 1)):
        given = torch.randn(n, 4, 3, 3), torch.tensor([0, 999])[:n], torch.randn(n, tokens, 16)
        found = wrapped(*given)
        assert relative_error(found, truth(network, *given)) < 0.05
        for i in range(n):
            assert torch.equal(wrapped(*(part[i : i + 1] for part in given)), found[i : i + 1])


def test_attention_to_an_odd_number_of_pixels_does_not_depend_on_the_batch(all_cores):
    wrapped = engine.wrap(smallest(0, **ATTENTION, attention_head_dim=None, sample_size=7), "cpu", "auto", "openvino")
    x, t_index = inputs(3, size=7)  # 7×7 pixels for one head: OpenVINO would not share them among cores
    batch = wrapped(x, t_index)
    for i in range(3):
        assert torch.equal(wrapped(x[i : i + 1], t_index[i : i + 1]), batch[i : i + 1])


@pytest.mark.parametrize(("device", "sizes"), [("cpu", {1}), ("cuda", {1, 8})])
def test_torch_compile_in_chunks(monkeypatch, device, sizes):
    """A network that is compiled to itself; a GPU is a pretended one."""
    seen = set()
    monkeypatch.setattr(
        torch, "compile", lambda forward, **_: lambda *given: seen.add(len(given[0])) or forward(*given)
    )
    network, (x, t_index) = smallest(0), inputs(9)
    expected = truth(network, x, t_index)
    with pretend.accelerator("cuda") if device == "cuda" else nullcontext():
        wrapped = engine.wrap(network, device, "fp32", "compile")
        got, alone = (wrapped(*part).cpu() for part in ((x, t_index), (x[:1], t_index[:1])))
    assert wrapped.description == f"torch.compile · {device} · fp32"
    assert relative_error(got, expected) < 1e-5 and relative_error(alone, expected[:1]) < 1e-5
    assert seen == sizes and (device == "cuda" or torch.equal(got[:1], alone))


def test_one_thread_evaluates_all_compiled_networks_and_each_has_code_of_its_own(monkeypatch):
    """torch before 2.13 knows the CUDA graphs of one thread only: a second network would not be compiled.

    And any compiles one code for eight shapes, of all networks together.
    """
    threads, codes = set(), []

    def compile(forward, **_):
        codes.append(forward.__func__.__code__)
        return lambda *inputs: threads.add(threading.get_ident()) or forward(*inputs)

    monkeypatch.setattr(torch, "compile", compile)
    for seed in range(2):
        engine.wrap(smallest(seed), "cpu", "fp32", "compile")(*inputs(1))
    assert len(threads) == 1 and threading.get_ident() not in threads
    assert codes[0] is not codes[1] and codes[0] == codes[1]


def test_torch_says_what_its_weights_take():
    network = small()
    weights = sum(parameter.numel() for parameter in network.parameters())
    assert engine.wrap(network, "cpu", "fp32", "torch").memory == 4 * weights
    half = engine.wrap(network, "cpu", "bf16", "torch")
    assert half.memory == 2 * weights


def test_openvino_keeps_few_compiled_shapes(monkeypatch):
    monkeypatch.setattr(openvino_engine, "KEPT_SHAPES", 2)
    wrapped = engine.wrap(smallest(0), "cpu", "fp32", "openvino")
    expected = wrapped(*inputs(1))
    weights = 4 * sum(parameter.numel() for parameter in wrapped.unet.parameters())
    assert wrapped.memory >= 2 * weights  # torch's and those of the shape that is compiled
    memory = []
    for size in (8, 16, 24):
        assert wrapped(*inputs(1, size)).shape == (1, 3, size, size)
        memory.append(wrapped.memory)
    assert memory[1] - memory[0] >= weights and memory[2] == memory[1]  # one has gone
    assert torch.equal(wrapped(*inputs(1)), expected)


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_two_threads_may_share_a_network(name):
    wrapped = engine.wrap(smallest(0), "cpu", "fp32", name)
    images = [[part[i : i + 1] for part in inputs(4)] for i in range(4)]
    expected = [wrapped(*image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(lambda _: [wrapped(*image) for image in images], range(10))]
    assert all(torch.equal(a, b) for each in found for a, b in zip(each, expected, strict=True))


def test_a_signal_after_the_networks_are_gone_is_survived():
    """Otherwise this process ends here."""
    noticed, before = [], signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda *_: noticed.append(True))
    networks = [engine.wrap(smallest(seed), "cpu", "fp32", "openvino") for seed in range(2)]
    while networks:
        networks.pop(0)
        gc.collect()
    os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    assert noticed


DEVICES = ["tpu", "hpu", "meta", "privateuseone", "mtia", "cuda:-1", "cuda:99999999999", "CPU"]


@pytest.mark.parametrize(
    "wrong", [{"precision": "int8"}, {"engine": "onnx"}, *({"device": name} for name in DEVICES)], ids=str
)
def test_unknown_choices_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong.values()))):
        engine.wrap(small(), **wrong)


def test_a_precision_the_cpu_lacks_is_replaced_with_a_warning(monkeypatch):
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32"])
    with pytest.warns(UserWarning, match="using fp32"):
        wrapped = engine.wrap(smallest(0), "cpu", "bf16", "openvino")
    assert wrapped.description == "OpenVINO · cpu · fp32 (no native bf16)"


@pytest.mark.parametrize("fast", [True, False])
def test_auto_is_bf16_only_where_it_is_fast(monkeypatch, fast):
    """Some processors have its instructions and are slower with them."""
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32", "BF16"])
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    for place in (engine, common):
        monkeypatch.setattr(place, "bf16_is_fast", lambda: fast)
    expected = ("bf16", "") if fast else ("fp32", " (bf16 is slower here)")
    assert engine.torch_precision("auto", torch.device("cpu")) == expected[0]  # of training
    assert engine.wrap(smallest(0), "cpu", "auto", "torch").description == "torch · cpu · fp32"
    description = engine.wrap(smallest(0), "cpu", "auto", "openvino").description
    assert description == f"OpenVINO · cpu · {''.join(expected)}"
    assert (
        engine.wrap(smallest(0), "cpu", "bf16", "openvino").description == "OpenVINO · cpu · bf16"
    )  # as was asked for


@pytest.mark.parametrize(("bf16", "fast"), [(0.5, True), (0.7, True), (0.9, False), (1.8, False)])
def test_which_precision_is_fast_is_measured(monkeypatch, bf16, fast):
    """bf16: its time for a product, as a share of float32's. A little faster is not enough."""
    now = 0.0

    def multiply(a, b):
        nonlocal now
        now += bf16 if a.dtype == torch.bfloat16 else 1.0

    monkeypatch.setattr(torch, "mm", multiply)
    monkeypatch.setattr(common.time, "thread_time", lambda: now)
    common.bf16_is_fast.cache_clear()
    assert common.bf16_is_fast() == fast
    common.bf16_is_fast.cache_clear()


def test_without_openvino_torch_evaluates(monkeypatch):
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match="not installed"):
        asked = engine.wrap(smallest(0), "cpu", "fp32", "openvino")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        automatic = engine.wrap(smallest(0), "cpu", "fp32")
    for wrapped in (asked, automatic):
        assert wrapped.description.startswith("torch · cpu · fp32 (")
        assert wrapped(*inputs(2)).shape == (2, 3, 8, 8)


def failing(words):
    def fail(*_, **__):
        raise RuntimeError(words)

    return fail


def test_torch_evaluates_what_openvino_cannot_convert(monkeypatch):
    monkeypatch.setattr(openvino_engine, "TorchScriptPythonDecoder", failing("no such operation\nand a long trace"))
    with pytest.warns(UserWarning, match="no such operation$"):
        wrapped = engine.wrap(smallest(10, norm_eps=1e-4), "cpu", "fp32")  # of no configuration kept before
    assert wrapped.description == "torch · cpu · fp32 (openvino did not work: no such operation)"
    assert wrapped(*inputs(2)).shape == (2, 3, 8, 8)


def test_conversion_is_silent_and_leaves_logging_alone(monkeypatch, caplog, capfd):
    monkeypatch.setattr(common, "PATIENCE", 1000)
    with warnings.catch_warnings(), caplog.at_level(logging.INFO):
        warnings.simplefilter("error")
        engine.wrap(smallest(11, norm_eps=1e-3), "cpu", "fp32", "openvino")
        engine.wrap(smallest(11), "cpu", "bf16", "torch")
        assert logging.getLogger().level == logging.INFO
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_a_long_preparation_is_announced(monkeypatch):
    monkeypatch.setattr(common, "PATIENCE", 0)
    said = []
    engine.wrap(smallest(12), "cpu", "fp32", "openvino", progress=said.append)
    assert len(said) == 1 and "OpenVINO" in said[0]


def test_a_network_is_converted_once_and_the_cache_holds_no_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path))
    network = smallest(20)
    expected = engine.wrap(network, "cpu", "fp32", "openvino")(*inputs(1))
    (entry,) = (tmp_path / "openvino").iterdir()
    assert (entry / "model.bin").stat().st_size < sum(p.numel() for p in network.parameters())
    monkeypatch.setattr(openvino_engine, "TorchScriptPythonDecoder", failing("converted again"))
    os.utime(entry, (1000, 1000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(engine.wrap(smallest(20), "cpu", "fp32", "openvino")(*inputs(1)), expected)
        assert entry.stat().st_mtime > 1000  # the newest, as it was used
        # nor is another of the same configuration, with weights of its own, however they lie in memory
        other = smallest(21)
        wrapped = engine.wrap(other.to(memory_format=torch.channels_last), "cpu", "fp32", "openvino")
        assert relative_error(wrapped(*inputs(1)), truth(other, *inputs(1))) < 1e-5


def test_memory_holds_the_weights_once():
    network = smallest(22)
    wrapped = engine.wrap(network, "cpu", "fp32", "openvino")
    constants = [node for node in wrapped._model.get_ops() if node.get_type_name() == "Constant"]
    addresses = {node.data.ctypes.data for node in constants}
    assert all(weight.data_ptr() in addresses for weight in network.parameters())


@needs_bf16
def test_in_bf16_every_time_is_told_and_owned_weights_take_half_the_memory_and_compute_the_same():
    outputs = []
    for owned, exact, kept in (
        (False, None, torch.float32),
        (True, None, torch.bfloat16),
        (True, lambda: smallest(24, **ATTENTION), torch.bfloat16),  # rounded before they are compiled
    ):
        wrapped = engine.wrap(smallest(24, **ATTENTION), "cpu", "bf16", "openvino", owned=owned, exact=exact)
        outputs.append(wrapped(*inputs(1)))
        tells_times_apart(wrapped, inputs(1)[0])
        assert {p.ndim > 1: p.dtype for p in wrapped.unet.parameters()} == {True: kept, False: torch.float32}
    assert torch.equal(outputs[0], outputs[1]) and torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize("exact", [None, lambda: smallest(27)], ids=["no file", "a file"])
@pytest.mark.parametrize(
    "place", [(openvino_engine, "take_two_parts"), (openvino.Core, "compile_model")], ids=["converting", "compiling"]
)
def test_weights_stay_exact_when_openvino_fails_after_all(place, exact, monkeypatch, with_bf16):
    """Else torch in fp32 would take rounded ones for the checkpoint's, and `save` keep them."""
    monkeypatch.setattr(*place, failing("no memory"))
    monkeypatch.setattr(common, "bf16_is_fast", lambda: True)  # which "auto" means for OpenVINO, and fp32 for torch
    network = smallest(27)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    with pytest.warns(UserWarning, match="no memory"):
        wrapped = engine.wrap(network, "cpu", "auto", "openvino", owned=True, exact=exact)
    after = wrapped.unet.state_dict()
    assert all(after[name].dtype == torch.float32 and torch.equal(after[name], before[name]) for name in before)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def test_an_entry_that_is_damaged_or_another_networks_is_converted_again(monkeypatch, tmp_path):
    """Of another one, with weights of the same names: it fails only when it is filled or compiled."""
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path / "other"))
    engine.wrap(smallest(28, block_out_channels=(64,)), "cpu", "fp32", "openvino")
    (other,) = (tmp_path / "other" / "openvino").iterdir()
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path / "mine"))
    network = smallest(28)
    engine.wrap(network, "cpu", "fp32", "openvino")
    (entry,) = (tmp_path / "mine" / "openvino").iterdir()
    for file, damage in (
        ("model.bin", flip_a_bit),
        ("model.xml", lambda path: shutil.copytree(other, path.parent, dirs_exist_ok=True)),
    ):
        damage(entry / file)
        damaged = (entry / file).read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            wrapped = engine.wrap(network, "cpu", "fp32", "openvino")
        assert wrapped.description == "OpenVINO · cpu · fp32"
        assert (entry / file).read_bytes() != damaged
    assert relative_error(wrapped(*inputs(1)), truth(network, *inputs(1))) < 1e-5
    # Nor is kept what fails although it was made anew.
    monkeypatch.setattr(openvino.Core, "compile_model", failing("cannot be compiled"))
    with pytest.warns(UserWarning, match="cannot be compiled"):
        engine.wrap(network, "cpu", "fp32", "openvino")
    assert not entry.exists()


def test_networks_that_compute_otherwise_do_not_share_an_entry(monkeypatch, tmp_path):
    """Of one configuration and with weights of the same names: another class, part, or constant."""

    class Doubled(type(smallest(0))):
        def forward(self, *arguments, **options):
            return tuple(2 * part for part in super().forward(*arguments, **options))

    class Mirrored(nn.SiLU):
        def forward(self, x):
            return -super().forward(x)

    plain, doubled, part, constant = (smallest(30) for _ in range(4))
    doubled.__class__ = Doubled
    part.conv_act = Mirrored()
    constant.register_buffer("scale", torch.ones(2), persistent=False)
    changed = smallest(30)
    changed.register_buffer("scale", torch.zeros(2), persistent=False)
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path))
    for count, network in enumerate([plain, doubled, part, constant, changed], 1):
        wrapped = engine.wrap(network, "cpu", "fp32", "openvino")
        assert relative_error(wrapped(*inputs(1)), truth(network, *inputs(1))) < 1e-5
        assert len([*(tmp_path / "openvino").iterdir()]) == count


def test_the_cache_is_bounded(monkeypatch, tmp_path):
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path))
    folder = tmp_path / "openvino"
    for age, name in enumerate(["second", "third", "oldest"]):
        (folder / name).mkdir(parents=True)
        (folder / name / "model.bin").write_bytes(bytes(10**7))
        os.utime(folder / name, (1000 - age, 1000 - age))
    monkeypatch.setattr(openvino_engine, "CACHE_BYTES", 15 * 10**6)
    engine.wrap(smallest(0), "cpu", "fp32", "openvino")
    names = {path.name for path in folder.iterdir()}
    assert len(names) == 2 and "second" in names  # and what was just converted
    monkeypatch.setattr(openvino_engine, "CACHE_BYTES", 50)
    engine.wrap(smallest(0, norm_eps=1e-4), "cpu", "fp32", "openvino")
    (last,) = folder.iterdir()  # the newest stays, however large it is
    assert last.name not in names


def test_a_cache_that_cannot_be_written_does_not_matter(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path / "file"))
    network = smallest(24)
    wrapped = engine.wrap(network, "cpu", "fp32", "openvino")
    assert "cannot be kept" in caplog.text
    assert relative_error(wrapped(*inputs(1)), truth(network, *inputs(1))) < 1e-5


def test_two_threads_may_convert_at_once():
    """As when a page's model is loaded behind its back while a script loads it too."""
    networks = [smallest(26, norm_eps=1e-5) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        made = [*pool.map(lambda network: engine.wrap(network, "cpu", "auto", "openvino"), networks)]
    assert all(network.description.startswith("OpenVINO") for network in made)
    assert torch.equal(*(network(*inputs(1)) for network in made))


def test_bf16_of_torch_where_the_image_is_not_read_by_the_first_convolution_alone():
    """Of OpenVINO: test_openvino_graph."""
    blocks = {"down_block_types": ("SkipDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "SkipUpBlock2D")}
    network = small(norm_num_groups=8, center_input_sample=True, **blocks)
    arguments = inputs(2)
    expected = truth(network, *arguments)
    wrapped = engine.wrap(network, "cpu", "bf16", "torch")
    assert relative_error(wrapped(*arguments), expected) < 0.1  # a network with random weights doubles what is rounded


@pytest.mark.parametrize("name", ["torch", pytest.param("openvino", marks=needs_bf16)])
def test_bf16_errs_little_on_trained_weights_and_sees_the_last_bits_of_the_image(name):
    """At t = 1, where they are the noise: closer than the exact network comes that gets a rounded image."""
    network = ddpm_core.load("cifar10-tiny", device="cpu", precision="fp32", engine="torch").network.unet
    ramp = torch.linspace(-1, -0.5, 32).expand(1, 3, 32, 32)  # large numbers, which bf16 rounds most
    x = ramp + 0.01 * inputs(1, size=32)[0]
    conditions = torch.tensor([0]), torch.tensor([3])
    expected = truth(network, x, *conditions)
    rounded = truth(network, x.bfloat16().float(), *conditions)
    if name == "openvino":  # in float32 it only rounds
        assert relative_error(engine.wrap(network, "cpu", "fp32", name)(x, *conditions), expected) < 1e-5
    wrapped = engine.wrap(network, "cpu", "bf16", name)
    assert relative_error(wrapped(x, *conditions), expected) < 0.8 * relative_error(rounded, expected)
    others = inputs(1, size=32)[0], torch.tensor([37]), torch.tensor([8])
    assert relative_error(wrapped(*others), truth(network, *others)) < 0.02
