"""Time and memory of published families at their full sizes, with random weights: `python -m benchmarks families`.

Each is written as a checkpoint, then loaded and sampled from by a process of its own, whose peak is its memory.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DiTPipeline, DiTTransformer2DModel

import ddpm_core
from benchmarks._measure import describe, peak_resident
from ddpm_core.checkpoint.openai import shapes
from ddpm_core.checkpoint.save import write
from ddpm_core.engines.networks import make_network
from ddpm_core.model import ModelSpec
from ddpm_core.schedule import NoiseSchedule

HALVES = {"down": "En", "up": "De"}  # of an autoencoder, by diffusers' names


def _dit(folder: Path) -> None:
    """As facebook/DiT-XL-2-256, with the autoencoder of Stable Diffusion."""
    fields: dict[str, Any] = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2}
    fields |= {f"{side}_block_types": [f"{side.title()}{part}coderBlock2D"] * 4 for side, part in HALVES.items()}
    autoencoder = AutoencoderKL(**fields)
    network = DiTTransformer2DModel(out_channels=8)
    scheduler: Any = DDIMScheduler(beta_schedule="linear", clip_sample=False)
    DiTPipeline(network, autoencoder, scheduler).save_pretrained(folder)


def _lsun_bedroom(folder: Path) -> None:
    """As what `convert` makes of guided-diffusion's lsun_bedroom.pt."""
    flags = shapes.Flags(
        image_channels=3,
        channels=256,
        widths=(256, 256, 512, 512, 1024, 1024),
        blocks=2,
        attention=(False, False, False, True, True, True),
        scale_shift=True,
        updown=True,
        classes=0,
        learned=True,
    )
    network = make_network({"_class_name": "UNet2DModel", **shapes.config_of(flags), "attention_head_dim": 64})
    write(ModelSpec(schedule=NoiseSchedule.linear(), image_size=256, variance="learned_range"), network, folder)


FAMILIES: dict[str, Callable[[Path], None]] = {"DiT-XL-2-256": _dit, "lsun_bedroom": _lsun_bedroom}


def _measured(folder: Path, steps: int, options: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> None:
    started = time.perf_counter()
    model = ddpm_core.load(folder, **options)
    loaded, seconds = time.perf_counter() - started, []
    labels, x = 1 if model.num_classes else None, torch.empty(0)
    started = time.perf_counter()
    for step in ddpm_core.trajectory(model, [0], steps + 1, labels=labels):
        seconds.append(time.perf_counter() - started)
        x, started = step.x, time.perf_counter()
    model.pictures(x)
    found = {"engine": getattr(model.network, "description", ""), "load_s": round(loaded, 1)}
    found |= {"step_ms": round(1000 * statistics.median(seconds[1:])), "decode_ms": None}  # the first prepares
    if model.latent:
        found["decode_ms"] = round(1000 * (time.perf_counter() - started))
    send({**found, "parameters": model.source and model.source.parameters, "peak_gb": round(peak_resident() / 1e9, 2)})


def measure(folder: Path, steps: int, options: dict[str, Any]) -> dict[str, Any]:
    """What a step of a checkpoint takes, in a process of its own."""
    return _alone(_measured, folder, steps, options)


def _write(name: str, folder: Path, send: Callable[[dict[str, Any]], None]) -> None:
    torch.manual_seed(0)
    FAMILIES[name](folder)
    send({})


def _alone(work: Callable[..., None], *arguments: Any) -> dict[str, Any]:
    """What work(*arguments, send) sends, from a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(*arguments, sender.send))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        process.join()


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks families", description=__doc__)
    parser.add_argument("--only", choices=[*FAMILIES], help="one of them")
    parser.add_argument("--steps", type=int, default=3, help="steps that are timed")
    parser.add_argument("--engine", default="auto", help="auto, openvino or torch")
    parser.add_argument("--precision", default="auto", help="auto, fp32 or bf16")
    chosen = parser.parse_args(arguments)
    print(json.dumps(describe(torch.device("cpu"))))
    options = {"device": "cpu", "engine": chosen.engine, "precision": chosen.precision}
    for name in [chosen.only] if chosen.only else FAMILIES:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "model"
            _alone(partial(_write, name), folder)
            print(json.dumps({"family": name, **measure(folder, chosen.steps, options)}), flush=True)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
