"""Record what OpenAI's own modules compute with small random weights, in openai_unets.npz, for test_openai.py.

    pip install einops git+https://github.com/openai/{improved-diffusion,guided-diffusion,consistency_models}
    python tests/helpers/record_openai_unets.py

Only this file needs the packages. Weights are not stored: they follow from their names, shapes and a seed.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

FILE = Path(__file__).with_name("openai_unets.npz")
TIMES = (0, 7, 613)  # t_index of the three images
SIGMAS = (0.002, 0.4, 80.0)  # σ for EDM's and consistency models, which get 250 ln σ
CHAIN = {"T": 4000, "steps": 50, "seeds": (3, 4)}
IMPROVED = {
    "num_channels": 32,
    "learn_sigma": True,
    "class_cond": False,
    "use_checkpoint": False,
    "num_heads": 4,
    "num_heads_upsample": -1,
    "attention_resolutions": "16,8",
    "use_scale_shift_norm": True,
    "dropout": 0.0,
}
GUIDED = {
    "num_channels": 32,
    "learn_sigma": True,
    "attention_resolutions": "32,16,8",
    "num_head_channels": 64,
    "use_scale_shift_norm": True,
    "resblock_updown": True,
}
TWO_HEADS = {"num_channels": 64, "channel_mult": "1,2,2,2", "image_size": 32, "num_res_blocks": 1, "class_cond": True}
NO_SHIFT = {"use_scale_shift_norm": False}
LSUN = {"image_size": 256, "num_res_blocks": 1}
# name: package, the flags of its `create_model`, and the name for `convert --like`
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "cifar10": ("improved_diffusion", IMPROVED | {"image_size": 32, "num_res_blocks": 3}, "improved-diffusion"),
    "imagenet64": ("improved_diffusion", IMPROVED | {"image_size": 64, "num_res_blocks": 1}, "improved-diffusion"),
    "imagenet64, classes": (
        "improved_diffusion",
        IMPROVED | {"image_size": 64, "num_res_blocks": 1, "class_cond": True},
        "improved-diffusion-classes",
    ),
    "LSUN": (
        "improved_diffusion",
        IMPROVED | LSUN | {"num_heads": 1, "use_scale_shift_norm": False, "attention_resolutions": "16"},
        "improved-diffusion-lsun",
    ),
    "fixed variance": (
        "improved_diffusion",
        IMPROVED | {"image_size": 32, "num_res_blocks": 2, "learn_sigma": False},
        "improved-diffusion-classes",  # its times are not rescaled
    ),
    "guided LSUN": ("guided_diffusion", GUIDED | LSUN, "guided-diffusion"),
    "guided, new order": (
        "guided_diffusion",
        GUIDED | TWO_HEADS | {"use_new_attention_order": True},
        "guided-diffusion-64",
    ),
    "guided 128, heads": (
        "guided_diffusion",
        GUIDED | {"image_size": 128, "num_res_blocks": 1, "num_head_channels": -1, "num_heads": 4, "class_cond": True},
        "guided-diffusion-128",
    ),
    "guided 512": (
        "guided_diffusion",
        GUIDED | {"image_size": 512, "num_res_blocks": 1, "num_channels": 64},
        "guided-diffusion",
    ),
    "guided, plain": (
        "guided_diffusion",
        GUIDED | LSUN | NO_SHIFT | {"resblock_updown": False},
        "guided-diffusion",
    ),
    "EDM": (
        "cm",
        GUIDED | LSUN | NO_SHIFT | {"learn_sigma": False},
        "edm",
    ),
    "consistency": (
        "cm",
        GUIDED | TWO_HEADS | {"learn_sigma": False},
        "consistency-distillation",
    ),
}


def weights(shapes: dict[str, list[int]], seed: int) -> dict[str, torch.Tensor]:
    """Return random weights of the size of a new network's. None is zero, although some new networks have zeros."""
    rng, found = np.random.default_rng(seed), {}
    for name, shape in shapes.items():
        drawn = rng.standard_normal(shape, np.float32)
        size = 0.1 if len(shape) == 1 else float(np.prod(shape[1:])) ** -0.5
        norm = len(shape) == 1 and name.endswith("weight")
        found[name] = torch.from_numpy(size * drawn + norm)
    return found


def images(seed: int, side: int) -> np.ndarray:
    """Return x of three images."""
    return np.random.default_rng(1000 + seed).standard_normal((3, 3, side, side), np.float32)


def noise(seeds: tuple[int, ...], stream: int, side: int) -> torch.Tensor:
    """Return the noise of seeds, as in `ddpm_core`: Philox with the key (seed, stream)."""
    drawn = [
        np.random.Generator(np.random.Philox(key=[seed, stream])).standard_normal((3, side, side), np.float32)
        for seed in seeds
    ]
    return torch.from_numpy(np.stack(drawn))


def _flash_attention() -> types.ModuleType:
    """Return a module in place of flash_attn, whose kernels are for CUDA: it computes the same attention."""

    class FlashAttention(torch.nn.Module):
        def __init__(self, **_: Any):
            super().__init__()

        def forward(self, qkv: torch.Tensor, **_: Any) -> tuple[torch.Tensor, None]:
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            scores = q @ k.mT / q.shape[-1] ** 0.5
            return (scores.softmax(-1) @ v).transpose(1, 2), None

    module = types.ModuleType("flash_attn.flash_attention")
    module.FlashAttention = FlashAttention  # pyright: ignore[reportAttributeAccessIssue]
    return module


def cases() -> Iterator[tuple[str, int, Any, dict[str, list[int]]]]:
    """Yield each case's name, seed, module with its random weights, and their shapes."""
    sys.modules |= {"flash_attn": types.ModuleType("flash_attn"), "flash_attn.flash_attention": _flash_attention()}
    for seed, (name, (package, flags, _)) in enumerate(CASES.items()):
        library = import_module(f"{package.replace('cm', 'guided_diffusion')}.script_util")
        theirs = import_module(f"{package}.unet").UNetModel  # cm's create_model is the same, with more packages
        with mock.patch.object(library, "UNetModel", theirs):
            network = library.create_model(**flags).eval()
        shapes = {key: [*value.shape] for key, value in network.state_dict().items()}
        network.load_state_dict(weights(shapes, seed))
        yield name, seed, network, shapes


@torch.no_grad()
def main() -> None:
    found: dict[str, np.ndarray] = {}
    for name, seed, network, shapes in cases():
        side = max(16, 2 ** (len(network.channel_mult) - 1))
        times = torch.tensor(TIMES)
        if name in ("cifar10", "imagenet64"):  # these models were trained with rescale_timesteps
            times = times * (1000.0 / CHAIN["T"])
        if CASES[name][0] == "cm":
            times = 1000 * 0.25 * torch.log(torch.tensor(SIGMAS) + 1e-44)
        labels = {"y": torch.tensor([0, 5, 999])} if network.num_classes else {}
        output = network(torch.from_numpy(images(seed, side)), times, **labels).numpy()
        found[f"{name}: output"] = output[..., :: side // 8, :: side // 8]
        print(name, sum(value.numel() for value in network.parameters()), flush=True)
        found[f"{name}: shapes"] = np.array(json.dumps(shapes))
        if name == "cifar10":
            found["chain"] = _chain(network)
    np.savez_compressed(FILE, **found)
    print(f"{FILE}: {FILE.stat().st_size:,} bytes")


def _chain(network: Any) -> np.ndarray:
    """Return the result of their p_sample_loop with the learned variance, 50 of 4000 steps."""
    from improved_diffusion import script_util

    diffusion = script_util.create_gaussian_diffusion(
        steps=CHAIN["T"],
        learn_sigma=True,
        noise_schedule="cosine",
        timestep_respacing=str(CHAIN["steps"]),
        rescale_timesteps=True,
    )
    seeds = CHAIN["seeds"]
    drawn = iter(range(1, CHAIN["steps"] + 1))
    with mock.patch.object(torch, "randn_like", lambda _: noise(seeds, next(drawn), 16)):
        end = diffusion.p_sample_loop(network, (len(seeds), 3, 16, 16), noise=noise(seeds, 0, 16), device="cpu")
    return end.numpy()


if __name__ == "__main__":
    main()
