"""Compare the images per second of a training step with those of popular training loops, in turns on one machine.

    python -m benchmarks training                                  # the paper's CIFAR-10 network, batch 16
    python -m benchmarks training --network cifar10-tiny --batch 64 --flags --channels-last --precision bf16 --fused

The other contenders are the loop of diffusers' unconditional_image_generation example (with its network, scheduler, EMA
and data transforms), and lucidrains' Trainer (pip install denoising-diffusion-pytorch) with a U-Net of the same widths.
Ours always has the options of --flags. Contenders named "tuned" also have them, except --fused, which exists only in
ours. "ours compiled" uses --compile instead of --fused. Each contender has its own process and its own optimiser. The
table shows the median speed of each contender, the ratios, and the FLOP per image, because lucidrains' network is
different. The last line shows our share of the measured peak of matrix products.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._measure import Row, describe, installed, matmul_peak, quartiles, spread, synchronize, table
from ddpm_core.commands.reading import Parser, read
from ddpm_core.disk import files
from train.common.config import PRESETS, Config
from train.fit.outputs.progress import Window
from train.fit.recipe import make_network
from train.fit.trainer import Trainer

Step = Callable[[], object]


def pictures(folder: Path, n: int = 256) -> Path:
    """Fill a folder with n random pictures, and return the folder."""
    rng = np.random.default_rng(0)
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{i:04}.png")
    return folder


def ours(config: Config) -> Step:
    """Return a function that takes a step with this project's trainer."""
    trainer = Trainer(config)
    window, rounds = Window(trainer.device), trainer.rounds()
    return lambda: trainer.train_step(rounds, window)


def tune(network: torch.nn.Module, config: Config) -> None:
    """Apply our options channels_last and compile to the network of another project."""
    if config.channels_last:
        network.to(memory_format=torch.channels_last)
    if config.compile:
        network.compile()


def endless(loader: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Yield the batches of one epoch after another, without end."""
    while True:
        yield from loader


def diffusers_loop(config: Config, folder: Path, tuned: bool) -> Step:
    """Return a function that takes a step of diffusers' example train_unconditional.py, with its EMA."""
    import torchvision.transforms as T
    from diffusers import DDPMScheduler
    from diffusers.optimization import get_scheduler
    from diffusers.training_utils import EMAModel

    transform = T.Compose(
        [T.Resize(32), T.CenterCrop(32), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize([0.5], [0.5])]
    )
    paths = sorted(folder.iterdir())

    class Pictures(torch.utils.data.Dataset):
        """The pictures of the folder, transformed as in the example."""

        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, i: int) -> torch.Tensor:
            """Return picture i."""
            return transform(Image.open(paths[i]).convert("RGB"))

    accelerator = Accelerator(mixed_precision=precision_name(config) if tuned else "no", cpu=config.device == "cpu")
    network = make_network(config, 0)
    if tuned:
        tune(network, config)
    ema = EMAModel(network.parameters(), decay=0.9999, use_ema_warmup=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6)
    rate = get_scheduler("cosine", optimizer, num_warmup_steps=500, num_training_steps=100_000)
    loader = torch.utils.data.DataLoader(Pictures(), batch_size=config.batch, shuffle=True, drop_last=True)
    network, optimizer, loader, rate = accelerator.prepare(network, optimizer, loader, rate)
    ema.to(accelerator.device)
    schedule, data = DDPMScheduler(num_train_timesteps=1000), endless(loader)

    def step() -> None:
        """Take one training step."""
        x_0 = next(data)
        noise = torch.randn_like(x_0)
        t = torch.randint(0, 1000, (len(x_0),), device=x_0.device)
        x_t = schedule.add_noise(x_0, noise, t)
        if tuned and config.channels_last:
            x_t = x_t.contiguous(memory_format=torch.channels_last)
        loss = torch.nn.functional.mse_loss(network(x_t, t).sample.float(), noise.float())
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        rate.step()
        optimizer.zero_grad()
        ema.step(network.parameters())
        loss.item()

    return step


def lucidrains_network(config: Config) -> torch.nn.Module:
    """Return lucidrains' U-Net with our widths."""
    from denoising_diffusion_pytorch import Unet

    widths = config.widths
    return Unet(dim=widths[0], dim_mults=tuple(width // widths[0] for width in widths))


def lucidrains(config: Config, folder: Path, results: Path, tuned: bool) -> Step:
    """Return a function that takes a step with denoising_diffusion_pytorch.Trainer."""
    from denoising_diffusion_pytorch import GaussianDiffusion
    from denoising_diffusion_pytorch import Trainer as Peer

    network = lucidrains_network(config)
    if tuned:
        tune(network, config)
    diffusion = GaussianDiffusion(network, image_size=32, timesteps=1000, objective="pred_noise")
    half = tuned and precision_name(config) != "no"
    options = {"amp": True, "mixed_precision_type": precision_name(config)} if half else {}
    peer = Peer(
        diffusion,
        str(folder),
        train_batch_size=config.batch,
        train_num_steps=0,
        save_and_sample_every=10**9,
        calculate_fid=False,
        results_folder=str(results),
        **options,
    )

    def step() -> None:
        """Take one training step."""
        peer.train_num_steps = peer.step + 1
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            peer.train()

    return step


def precision_name(config: Config) -> str:
    """Return accelerate's name for the precision."""
    return config.precision if config.precision in ("bf16", "fp16") else "no"


def seconds(step: Step, n: int, device: torch.device) -> float:
    """Return the seconds per call, measured over n calls."""
    started = time.perf_counter()
    for _ in range(n):
        step()
    synchronize(device)
    return (time.perf_counter() - started) / n


def flops_per_image(network: torch.nn.Module) -> float:
    """Return the FLOP of a forward and backward pass for one image, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        output = network(torch.randn(1, 3, 32, 32), torch.zeros(1, dtype=torch.int64))
        getattr(output, "sample", output).sum().backward()
    return counter.get_total_flops()


CONTENDERS: dict[str, Callable[[Config, Path, Path], Step]] = {
    "ours": lambda config, folder, results: ours(config),
    "ours compiled": lambda config, folder, results: ours(replace(config, fused=False, compile=True)),
    "diffusers": lambda config, folder, results: diffusers_loop(config, folder, tuned=False),
    "diffusers tuned": lambda config, folder, results: diffusers_loop(config, folder, tuned=True),
    "lucidrains": lambda config, folder, results: lucidrains(config, folder, results, tuned=False),
    "lucidrains tuned": lambda config, folder, results: lucidrains(config, folder, results, tuned=True),
}


def run_contender(name: str, config: Config, folder: Path, n: int, pipe: Connection) -> None:
    """Work as the process of a contender: set up, warm up (and compile), then time n steps for each message."""
    if config.threads:
        torch.set_num_threads(config.threads)
    step = CONTENDERS[name](config, folder, folder.parent / "results")
    device = Accelerator().device
    for _ in range(2):
        step()
    pipe.send("ready")
    while pipe.recv():
        pipe.send(seconds(step, n, device))


def compete(names: list[str], config: Config, folder: Path, rounds: int, n: int) -> dict[str, list[float]]:
    """Time the contenders in turns. Return the seconds per step of each contender in each round."""
    context, processes, pipes = multiprocessing.get_context("spawn"), [], {}
    try:
        for name in names:
            pipes[name], theirs = context.Pipe()
            # This process is no daemon: a daemon could not start the processes that read images for lucidrains'
            # Trainer.
            processes.append(context.Process(target=run_contender, args=(name, config, folder, n, theirs)))
            processes[-1].start()
            theirs.close()  # otherwise recv() would wait for ever after a failure of the contender
            pipes[name].recv()
            print(f"{name:18} ready", file=sys.stderr)
        times: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name, pipe in pipes.items():
                pipe.send("go")
                times[name].append(pipe.recv())
                print(f"{name:18} {times[name][-1]:8.3f} s/step", file=sys.stderr)
        return times
    finally:
        for process in processes:
            process.terminate()


def main(arguments: list[str]) -> None:
    """Time all contenders and print the table."""
    parser = Parser(
        prog="python -m benchmarks training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="cifar10", choices=["cifar10", "cifar10-tiny"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--steps", type=int, default=2, help="steps in a turn")
    parser.add_argument("--only", nargs="*", choices=CONTENDERS, default=[*CONTENDERS])
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--flags", nargs=argparse.REMAINDER, default=[], help="flags of `train fit` for our run")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "images"
        folder.mkdir()
        preset = replace(
            PRESETS[options.network], data=str(pictures(folder)), batch=options.batch, conditional=False, steps=10**6
        )
        config = read(Config, options.flags, "python -m benchmarks training --flags", default=preset)
        times = compete(installed(options.only), config, folder, options.rounds, options.steps)
    device = Accelerator(cpu=config.device == "cpu").device
    if config.threads:
        torch.set_num_threads(config.threads)
    flops = {"ours": flops_per_image(make_network(config, 0))}
    flops["diffusers"] = flops["ours"]
    if any(name.startswith("lucidrains") for name in times):
        flops["lucidrains"] = flops_per_image(lucidrains_network(config))
    results = {}
    for name, values in times.items():
        results[name] = {"images_per_second": config.batch / statistics.median(values)}
        results[name]["gflop_per_image"] = flops[name.removesuffix(" tuned").removesuffix(" compiled")] / 1e9
        if name != "ours" and "ours" in times and len(values) > 1:
            ratios = [theirs / own for theirs, own in zip(values, times["ours"], strict=True)]
            results[name]["times_slower_than_ours"] = spread(ratios)
    print(f"{torch.get_num_threads()} threads, {device} {options.flags}")

    def row(name: str, result: dict) -> Row:
        """Return a row of the table."""
        speed, work = result["images_per_second"], result["gflop_per_image"]
        return {
            f"{options.network}, batch {config.batch}": name,
            "images/s": f"{speed:.2f}",
            "× slower than ours": quartiles(ratio) if (ratio := result.get("times_slower_than_ours")) else "",
            "GFLOP an image": f"{work:.1f}",
            "GFLOP/s": f"{speed * work:.0f}",
        }

    table(row(name, result) for name, result in results.items())
    if "ours" in results:
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.precision, torch.float32)
        peak = 1e9 * matmul_peak(device, dtype)
        share = results["ours"]["images_per_second"] * flops["ours"] / peak
        results["ours"]["share_of_matrix_product_peak"] = share
        print(f"ours reaches {share:.0%} of the measured matrix-product peak")
    if options.json:
        report = {"machine": describe(device), "network": options.network, "batch": config.batch}
        report |= {"flags": options.flags, "results": results}
        files.write_text(options.json, json.dumps(report, indent=1, default=str) + "\n")
