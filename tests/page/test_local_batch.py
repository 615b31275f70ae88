"""The page learns (ui/web/network/batch_layers.js) with PyTorch's gradients: one run of node answers all questions."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
from diffusers import UNet2DModel
from test_local_network import CHECKPOINTS, CLOSE, SMALL, WEB, numbers, packed, pictures, randomised, write
from torch.nn import functional

SCRIPT = WEB / "tests/local/batch.mjs"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")

N = 8
# Of the largest number of a tensor. A sum of n numbers in float32 loses some 2⁻²⁴ √n: 5e-6 for the 8 × 784 of a bias.
LAYER = 1e-5
# Of the norm of the whole gradient, of networks that have learned. PyTorch's own float32 is 1.2e-6 from float64's.
WHOLE = 1e-6
# The same of random networks, where a gradient goes through twice as many layers as the images do.
RANDOM = 2 * CLOSE
# Of the norm of one tensor's gradient, small where large numbers cancel. PyTorch's own float32 has up to 1.2e-5.
TENSOR = 2e-5
# Of the largest number: both kernels round, some 4e-7 each.
SAME = 1e-6


def normalised(x, weights, groups, over=None, name="b"):
    made = functional.group_norm(x, groups, weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-5)
    if over is None:
        return made
    scale, shift = over.chunk(2, 1)
    return made * (1 + scale) + shift


def conv(x, weights, **options):
    return functional.conv2d(x, weights["a.weight"], weights["a.bias"], **{"padding": 1} | options)


def halved(x, weights, padding):
    return conv(x if padding else functional.pad(x, (0, 1, 0, 1)), weights, stride=2, padding=padding)


def linear(x, weights):
    made = torch.einsum("oi,nihw->nohw", weights["a.weight"].flatten(1), x)
    return made + weights["a.bias"].view(-1, 1, 1) if "a.bias" in weights else made


def attended(q, k, v, heads):
    parts = [x.flatten(2).unflatten(1, (heads, -1)).transpose(2, 3) for x in (q, k, v)]
    return functional.scaled_dot_product_attention(*parts).transpose(2, 3).reshape(q.shape)


def silu(x):
    return functional.silu(x)


# For each operation of layers.mjs what PyTorch makes of its weights `w` and images, given its options `o`.
TWINS = {
    "conv": lambda w, o, x, *more: conv(x, w) + sum(more),
    "normalised": lambda w, o, x, *over: conv(silu(normalised(x, w, o["groups"], *over)), w),
    "residual": lambda w, o, x: conv(silu(x), w) + x,
    "own": lambda w, o, x: conv(x, w) + x,
    "affine": lambda w, o, x: functional.group_norm(x, o["groups"], w["a.weight"], w["a.bias"], 1e-6),
    "upsample": lambda w, o, x: conv(functional.interpolate(x, scale_factor=2), w),
    "downsample": lambda w, o, x: halved(x, w, o["padding"]),
    "linear": lambda w, o, x, *more: linear(x, w) + sum(more),
    "unbiased": lambda w, o, x: linear(x, w),
    "attend": lambda w, o, q, k, v: attended(q, k, v, o["heads"]),
    "table": lambda w, o: w["a.weight"][o["labels"]][:, :, None, None],
    "skip": lambda w, o, x, y: torch.cat([x, y, x], 1),
    "sum": lambda w, o, x, y: silu(silu(x) + y),
}

THREE = {
    "down_block_types": ("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    **{"block_out_channels": (8, 16, 32), "downsample_padding": 1},
}
GREY = {"sample_size": 28, "in_channels": 1, "out_channels": 1}
# What differs from SMALL of test_local_network.py.
NETWORKS = {
    "digits, 8 to 32": THREE | GREY,
    "digits, 16 to 64": THREE | GREY | {"block_out_channels": (16, 32, 64), "num_class_embeds": 11},
    "digits, 32 to 128": THREE | GREY | {"block_out_channels": (32, 64, 128)},
    "colours": THREE | {"sample_size": 32, "block_out_channels": (16, 32, 64), "attention_head_dim": 8},
    "two blocks, heads, no padding": {
        **{"layers_per_block": 2, "attention_head_dim": 4, "downsample_padding": 0, "num_class_embeds": 4}
    },
    "scale and shift": {"resnet_time_scale_shift": "scale_shift"},
    "heads that leave channels": {"attention_head_dim": 6},
    "learned times": {"time_embedding_type": "learned", "num_train_timesteps": 1000, "center_input_sample": True},
    "a wide embedding": {"time_embedding_dim": 20, "flip_sin_to_cos": False, "freq_shift": 1},
    "no attention": {
        **{"add_attention": False, "down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    },
    "no middle": {"mid_block_type": None},
    "one level of odd sides": {
        **{"sample_size": 5, "block_out_channels": (8,), "down_block_types": ("AttnDownBlock2D",)},
        "up_block_types": ("AttnUpBlock2D",),
    },
}
EMBEDDED = ("mnist-tiny",)  # the one that the page trains


class Question:
    """Eight pictures for a network, and its gradient by autograd in float64."""

    def __init__(self, folder, network):
        network, config = network.double(), network.config
        x = pictures(N, config.in_channels, config.sample_size)
        t = [0, 3, 801, 412, 999, 77, 250, 640]
        classes = config.num_class_embeds
        labels = [j % classes for j in range(N)] if classes else None
        told = () if labels is None else (torch.tensor(labels),)
        self.forward = network(x.double(), torch.tensor(t), *told, return_dict=False)[0]
        gradient = (
            self.forward - pictures(N, config.out_channels, config.sample_size).flip(0)
        ).detach()  # of half the squares
        self.forward.backward(gradient)
        self.learned = {name: parameter.grad.flatten() for name, parameter in network.named_parameters()}
        self.case = {"folder": str(folder), "x": packed(x), "t": t, "labels": labels, "gradient": packed(gradient)}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """For each layer its answer, and for each network the question and its answer."""
    folder = tmp_path_factory.mktemp("batch")
    asked = {name: Question(CHECKPOINTS / name, UNet2DModel.from_pretrained(CHECKPOINTS / name)) for name in EMBEDDED}
    for i, (name, change) in enumerate(NETWORKS.items()):
        torch.manual_seed(0)
        network = randomised(UNet2DModel(**SMALL | change))  # no weight is 0: else nothing goes back through it
        asked[name] = Question(write(folder / str(i), network), network)
    (folder / "asked.json").write_text(json.dumps({"networks": [question.case for question in asked.values()]}))
    subprocess.run(["node", SCRIPT, folder / "asked.json", folder / "answered.json"], check=True, timeout=300)
    found = json.loads((folder / "answered.json").read_text())
    return found["layers"], dict(zip(asked, zip(asked.values(), found["networks"], strict=True), strict=True))


def close(found, exact, limit, about):
    exact = exact.detach().numpy().ravel()
    assert np.abs(numbers(found) - exact).max() <= limit * np.abs(exact).max(), about


def test_every_layer_has_the_gradients_of_pytorch(answers):
    layers, _ = answers
    assert {layer["operation"] for layer in layers.values()} == set(TWINS)
    for name, layer in layers.items():

        def tensor(text, shape):
            return torch.tensor(numbers(text), dtype=torch.float64).view(shape).requires_grad_()

        weights = {key: tensor(text, layer["tensors"][key]) for key, text in layer["weights"].items()}
        inputs = [tensor(text, shape) for text, shape in zip(layer["inputs"], layer["shapes"], strict=True)]
        out = TWINS[layer["operation"]](weights, layer["options"], *inputs)
        out.backward(tensor(layer["gradient"], layer["outShape"]).detach())
        close(layer["forward"], out, LAYER, name)
        for key, weight in weights.items():
            close(layer["learned"][key], weight.grad, LAYER, f"{name}, {key}")
        for i, image in enumerate(inputs):
            close(layer["back"][i], image.grad, LAYER, f"{name}, image {i}")


@pytest.mark.parametrize("name", [*EMBEDDED, *NETWORKS])
def test_a_network_has_the_gradient_of_pytorch(answers, name):
    question, answer = answers[1][name]
    # The gradient of to_k.bias is 0: a number that all keys share changes no softmax.
    exact = {key: value.numpy() for key, value in question.learned.items() if not key.endswith("to_k.bias")}
    errors = {key: numbers(answer["learned"][key]) - value for key, value in exact.items()}
    norm = {key: np.linalg.norm(value) for key, value in exact.items()}
    whole = np.linalg.norm([np.linalg.norm(error) for error in errors.values()])
    assert whole <= (WHOLE if name in EMBEDDED else RANDOM) * np.linalg.norm([*norm.values()])
    for key, error in errors.items():
        assert np.linalg.norm(error) <= TENSOR * norm[key], key


@pytest.mark.parametrize("name", [*EMBEDDED, *NETWORKS])
def test_eight_pictures_at_once_are_those_of_pytorch(answers, name):
    question, answer = answers[1][name]
    assert answer["alone"] == answer["forward"]
    close(answer["alone"], question.forward, CLOSE, "PyTorch")


@pytest.mark.parametrize("name", EMBEDDED)
def test_eight_pictures_at_once_are_those_of_one_at_a_time(answers, name):
    _, answer = answers[1][name]
    close(answer["alone"], torch.tensor(numbers(answer["kernel"])), SAME, "kernel")


def test_a_worker_needs_little_memory(answers):
    assert answers[1]["mnist-tiny"][1]["memory"] <= 50e6
