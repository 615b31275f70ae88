"""What a step of a large network of another family costs: `python -m benchmarks families`.

Each is written with random weights in the layout of its repository, and loaded by a process of its own for each engine:
so the memory is that of one model. Milliseconds are the median of some evaluations of one picture; the seconds of the
processor, of all its cores, hardly grow where others use it, too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    ScoreSdeVePipeline,
    ScoreSdeVeScheduler,
    UNet2DModel,
)

import ddpm_core
from benchmarks._measure import describe, peak_resident, spread
from ddpm_core.commands.reading import Parser
from ddpm_core.noise import seeded_noise

UNET: Any = UNet2DModel  # whose type knows no null


def _church() -> ScoreSdeVePipeline:
    """google/ncsnpp-church-256: attention at 16×16."""
    levels = ["Skip"] * 4 + ["AttnSkip"] + ["Skip"] * 2
    unet = UNET(
        sample_size=256,
        block_out_channels=(128, 128, *[256] * 5),
        down_block_types=tuple(f"{level}DownBlock2D" for level in levels),
        up_block_types=tuple(f"{level}UpBlock2D" for level in reversed(levels)),
        time_embedding_type="fourier",
        attention_head_dim=None,
        mid_block_scale_factor=2**0.5,
        norm_num_groups=None,
        norm_eps=1e-6,
    )
    return ScoreSdeVePipeline(unet, ScoreSdeVeScheduler())


def _openai(**more: Any) -> UNet2DModel:
    """OpenAI's network for LSUN: attention at 32, 16 and 8."""
    return UNet2DModel(
        sample_size=256,
        block_out_channels=(256, 256, 512, 512, 1024, 1024),
        down_block_types=("ResnetDownsampleBlock2D",) * 3 + ("AttnDownBlock2D",) * 3,
        up_block_types=("AttnUpBlock2D",) * 3 + ("ResnetUpsampleBlock2D",) * 3,
        attention_head_dim=64,
        downsample_type="resnet",
        upsample_type="resnet",
        **more,
    )


def _bedroom() -> ConsistencyModelPipeline:
    """openai/diffusers-cd_bedroom256_l2."""
    return ConsistencyModelPipeline(_openai(), CMStochasticIterativeScheduler())


def _guided_bedroom() -> DDPMPipeline:
    """What `convert` makes of guided-diffusion's lsun_bedroom.pt."""
    unet = _openai(out_channels=6, resnet_time_scale_shift="scale_shift", attn_norm_num_groups=32)
    return DDPMPipeline(unet, DDPMScheduler(variance_type="learned_range"))


def _dit() -> DiTPipeline:
    """facebook/DiT-XL-2-256, with the autoencoder of Stable Diffusion."""
    fields: dict[str, Any] = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2}
    halves = {"down": "En", "up": "De"}
    fields |= {f"{side}_block_types": [f"{side.title()}{part}coderBlock2D"] * 4 for side, part in halves.items()}
    scheduler: Any = DDIMScheduler(beta_schedule="linear", clip_sample=False)
    return DiTPipeline(DiTTransformer2DModel(out_channels=8), AutoencoderKL(**fields), scheduler)


MODELS = {
    "ncsnpp-church-256": _church,
    "diffusers-cd_bedroom256_l2": _bedroom,
    "lsun_bedroom": _guided_bedroom,
    "DiT-XL-2-256": _dit,
}


def main(words: list[str]) -> None:
    parser = Parser(prog="python -m benchmarks families", description=__doc__)
    parser.add_argument("--model", nargs="+", choices=MODELS, default=[*MODELS])
    parser.add_argument("--engine", nargs="+", default=["openvino", "torch"], help="of ddpm_core.load")
    parser.add_argument("--precision", default="auto", help="of ddpm_core.load")
    parser.add_argument("--steps", type=int, default=5, help="that are timed, after one that is not")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # a folder, in a process of its own
    options = parser.parse_args(words)
    if options.measure:
        print(json.dumps(measured(options.measure, options.engine[0], options.precision, options.steps)))
        return
    print(json.dumps(describe(torch.device("cpu"))))
    print(f"| model | parameters | engine | ms a step | quartiles | processor s | GB |\n|{' --- |' * 7}")
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.model:
            folder = Path(scratch) / name
            own = ["--precision", options.precision, "--steps", str(options.steps), "--measure", str(folder)]
            # Its own process too, whose memory is then free.
            code = f"from benchmarks import families as f; f.MODELS[{name!r}]().save_pretrained({str(folder)!r})"
            subprocess.run([sys.executable, "-c", code], check=True)
            for engine in options.engine:
                command = [sys.executable, "-m", "benchmarks", "families", "--engine", engine, *own]
                said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                print(row(name, json.loads(said.splitlines()[-1])), flush=True)


def measured(folder: Path, engine: Any, precision: Any, steps: int) -> dict[str, Any]:
    """Of some evaluations, each at another time."""
    model = ddpm_core.load(folder, engine=engine, precision=precision)
    x = seeded_noise([0])(0, torch.empty(1, model.channels, model.image_size, model.image_size))
    times = []
    for i in range(steps + 1):
        began = time.perf_counter(), time.process_time()
        ddpm_core.predict(model, x, model.schedule.T - i)
        times.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    seconds, busy = zip(*times[1:], strict=True)
    if model.latent:
        model.pictures(x)  # whose memory counts too
    network: Any = model.network
    parameters = model.source.parameters if model.source else None
    about = {"engine": network.description, "parameters": parameters, "bytes": peak_resident(), "busy": median(busy)}
    return {**about, **spread([1000 * one for one in seconds])}


def row(name: str, found: dict[str, Any]) -> str:
    low, high = found["quartiles"]
    size = f"{found['parameters'] / 1e6:.1f} M"
    return (
        f"| {name} | {size} | {found['engine']} | {found['median']:.0f} | {low:.0f} to {high:.0f} "
        f"| {found['busy']:.1f} | {found['bytes'] / 1e9:.1f} |"
    )
