"""The page's own networks (ui/web/local/network) compute what PyTorch does: one run of node answers all questions."""

import base64
import json
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_folders import SCHEDULER
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel, UNet2DModel, VQModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

WEB = Path(__file__).parents[1] / "ui/web"
SCRIPT = WEB / "tests/local/network.mjs"
CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")

# Of the largest number, from float64's: a sum of n numbers in float32 loses some 2⁻²⁴ √n, which is 1e-6 for the few
# hundred that count, in each layer. PyTorch's own float32 lies between 4e-7 and 3e-6 from it.
CLOSE = 2e-6
PIXELS = ("mnist-tiny", "mnist-tiny-2-steps", "mnist-tiny-consistency", "cifar10-tiny", "cifar10-tiny-4-steps")
PROMPTS = ["", "a red heart", "Grinning face, with 2 BIG eyes & it's smiling! <|endoftext|> é中🙂 " * 3]

SMALL = {
    **{"sample_size": 8, "in_channels": 3, "out_channels": 3, "layers_per_block": 1, "block_out_channels": (8, 16)},
    **{"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")},
    **{"norm_num_groups": 4, "attention_head_dim": None, "norm_eps": 1e-6},
}
# What differs from SMALL.
PIXEL_NETWORKS = {
    "small": {},
    "defaults": {"attention_head_dim": 8, "norm_eps": 1e-5, "downsample_padding": 1, "freq_shift": 0},
    "google": {
        **{"sample_size": 32, "block_out_channels": (16, 32, 32, 32), "layers_per_block": 2, "downsample_padding": 0},
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        **{"flip_sin_to_cos": False, "freq_shift": 1},
    },
    "no padding": {"downsample_padding": 0},
    "heads": {"attention_head_dim": 4},
    "heads that leave channels": {"attention_head_dim": 6},
    "cos and sin": {"flip_sin_to_cos": True, "freq_shift": 0.5},
    "classes": {"num_class_embeds": 5},
    "scale and shift": {"resnet_time_scale_shift": "scale_shift"},
    "scale and shift, groups": {"resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 2},
    "no attention": {"add_attention": False, "down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2},
    "no middle": {"mid_block_type": None},
    "a scaled middle": {"mid_block_scale_factor": 1.5},
    "learned times": {"time_embedding_type": "learned", "num_train_timesteps": 1000},
    "a wide embedding": {"time_embedding_dim": 20},
    "centred": {"center_input_sample": True},
    "gelu": {"act_fn": "gelu"},
    "relu": {"act_fn": "relu"},
    "mish": {"act_fn": "mish"},
    "twelve pixels": {"sample_size": 12},
    "fourteen pixels, grey": {"sample_size": 14, "in_channels": 1, "out_channels": 1},
    "twenty pixels": {"sample_size": 20, "block_out_channels": (12, 20)},
    "one level": {
        **{"sample_size": 5, "block_out_channels": (8,), "down_block_types": ("AttnDownBlock2D",)},
        "up_block_types": ("AttnUpBlock2D",),
    },
    "odd widths": {"block_out_channels": (6, 9), "norm_num_groups": 3, "layers_per_block": 2},
    "many pixels attend": {"sample_size": 16, "down_block_types": ("AttnDownBlock2D",) * 2, "up_block_types": ("AttnUpBlock2D",) * 2},
}


def packed(array):
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def numbers(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def ask(folder, cases):
    """What network.mjs says to each case."""
    asked, answered = folder / "asked.json", folder / "answered.json"
    asked.write_text(json.dumps(cases))
    subprocess.run(["node", SCRIPT, asked, answered], check=True, timeout=300)
    return json.loads(answered.read_text())


def randomised(network, seed=0):
    """Every parameter drawn anew, of a size that keeps numbers of the order of 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            size = 0.3 if parameter.ndim < 2 else 1 / parameter[0].numel() ** 0.5
            parameter.add_(torch.randn(parameter.shape, generator=generator) * size)
    return network.eval()


def pictures(count, channels, side):
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(5))


def write(folder, network, scheduler=SCHEDULER):
    """A checkpoint of pixels at the folder's root."""
    network.save_pretrained(folder)
    (folder / "scheduler_config.json").write_text(json.dumps(scheduler))
    return folder


class Question:
    """A case for network.mjs, and what PyTorch answers to it in float64."""

    def __init__(self, folder, plain=False):
        self.case = {"folder": str(folder), "plain": plain, "evaluations": [], "latents": [], "prompts": []}
        self.outputs, self.decoded, self.states = [], [], []

    @torch.no_grad()
    def evaluate(self, network, x, t, *told, **condition):
        self.outputs.append(network(x.double(), torch.tensor([t]), *told, return_dict=False)[0])
        self.case["evaluations"].append({"x": packed(x), "t": t, **condition})

    @torch.no_grad()
    def decode(self, autoencoder, z):
        scaled = z.double() / autoencoder.config.scaling_factor
        self.decoded.append(autoencoder.double().decode(scaled, return_dict=False)[0])
        self.case["latents"].append(packed(z))

    def check(self, answer):
        assert "error" not in answer, answer["error"]
        for name in ("outputs", "decoded", "states"):
            for ours, theirs in zip(answer[name], getattr(self, name), strict=True):
                exact = theirs.numpy().ravel()
                assert np.abs(numbers(ours) - exact).max() <= CLOSE * np.abs(exact).max(), name


def embedded(name, plain=False):
    """The questions about an embedded model of pixels."""
    network = UNet2DModel.from_pretrained(CHECKPOINTS / name).eval().double()
    config = network.config
    question = Question(CHECKPOINTS / name, plain)
    for x, t, label in zip(pictures(3, config.in_channels, config.sample_size).split(1), (0, 412, 999), (0, 3, 10), strict=True):
        question.evaluate(network, x, t, torch.tensor([label]), label=label)
    return question


def pixels(folder, change, plain=False):
    config = SMALL | change
    network = randomised(UNet2DModel(**config))
    question = Question(write(folder, network), plain)
    network.double()
    label = {"label": 2} if config.get("num_class_embeds") else {}
    for x, t in zip(pictures(2, config["in_channels"], config["sample_size"]).split(1), (3, 801), strict=True):
        question.evaluate(network, x, t, *(torch.tensor([value]) for value in label.values()), **label)
    return question


@torch.no_grad()
def emoji():
    folder = CHECKPOINTS / "emoji-tiny"
    network = UNet2DConditionModel.from_pretrained(folder / "unet").eval().double()
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval().double()
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    question = Question(folder)
    question.case["prompts"] = PROMPTS
    for prompt in PROMPTS:
        tokens = tokenizer(prompt, padding="max_length", truncation=True, max_length=20, return_tensors="pt")
        question.states.append(encoder(tokens["input_ids"]).last_hidden_state)
    for x, t, prompt, states in zip(pictures(3, 16, 8).split(1), (0, 412, 999), PROMPTS, question.states, strict=True):
        question.evaluate(network, x, t, states, prompt=prompt)
    question.decode(AutoencoderTiny.from_pretrained(folder / "vae").eval(), pictures(1, 16, 8))
    return question


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """For each name the question and its answer."""
    folder = tmp_path_factory.mktemp("networks")
    asked = {name: embedded(name) for name in PIXELS}
    asked["emoji-tiny"] = emoji()
    for i, (name, change) in enumerate(PIXEL_NETWORKS.items()):
        asked[name] = pixels(folder / str(i), change)
    found = ask(folder, [question.case for question in asked.values()])
    return {name: (question, answer) for (name, question), answer in zip(asked.items(), found, strict=True)}


@pytest.mark.parametrize("name", [*PIXELS, "emoji-tiny", *PIXEL_NETWORKS])
def test_networks_give_the_numbers_of_pytorch(answers, name):
    question, answer = answers[name]
    question.check(answer)
