"""Compare the time of a sampling step with other projects: `python -m benchmarks sampling`.

Each round runs every contender once, so that other work on the machine affects all of them alike. The ratios are
medians over the rounds. A run consists of a few complete steps (network, update, noise, conversion to pixels); its time
is divided by the number of steps. "of the peak" is the speed as a share of the machine's fastest matrix product or
convolution, which the same command measures. Each contender has its own process, whose peak memory is reported. While
one contender runs, the others wait.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from torch import nn

import ddpm_core
from benchmarks._measure import (
    Row,
    convolution_peak,
    describe,
    installed,
    matmul_peak,
    peak_resident,
    quartiles,
    synchronize,
    table,
)
from ddpm_core.checkpoint.cost import network_cost
from ddpm_core.commands.reading import Parser
from ddpm_core.disk import files
from ddpm_core.engines.choose import choose_device, torch_precision, wrap
from ddpm_core.engines.common import DTYPES
from ddpm_core.engines.network import unet as paper_unet

# For each configuration: the network and the batch size. "tiny" is the embedded class-conditional model.
CONFIGURATIONS = {
    "tiny-1": ("tiny", 1),
    "tiny-16": ("tiny", 16),
    "cifar10-1": ("cifar10", 1),
    "cifar10-16": ("cifar10", 16),
    "256-1": ("256", 1),
}
RUN_SECONDS = 0.5  # seconds that a run should take, which decide its number of steps (at least two)

Run = Callable[[int], object]  # a function that takes the number of steps and returns images


def network(name: str) -> UNet2DModel:
    """Return a network: "tiny" has trained weights; the other networks have the paper's initialisation with random
    numbers instead of its zeros.
    """
    if name == "tiny":
        return ddpm_core.load("cifar10-tiny", device="cpu", precision="fp32", engine="torch").network.unet
    torch.manual_seed(0)
    unet = paper_unet(name).eval()
    for parameter in unet.parameters():
        if parameter.ndim > 1 and not parameter.any():
            nn.init.xavier_uniform_(parameter)
    return unet


def ours(unet: UNet2DModel, batch: int, device: torch.device, engine_name: str = "auto") -> Run:
    """Return a run of `ddpm_core.sample` with an engine."""
    wrapped = wrap(unet, str(device), engine=engine_name, progress=print, owned=True)
    classes = (unet.config.num_class_embeds or 1) - 1
    model = ddpm_core.Model(
        network=wrapped,
        schedule=ddpm_core.NoiseSchedule.linear(),
        image_size=unet.config.sample_size,
        prediction="epsilon",
        num_classes=classes,
        null_label=classes or None,
    )
    return lambda steps: ddpm_core.sample(model, range(batch), steps)


def diffusers_default(unet: UNet2DModel, batch: int, device: torch.device) -> Run:
    """Return a run of DDPMPipeline with its defaults. The pipeline does not support networks with classes; for them,
    the run is the same loop without the pipeline.
    """
    unet = unet.to(device)
    if unet.class_embedding is not None:
        return _loop(unet, batch, device)
    pipeline = DDPMPipeline(unet, DDPMScheduler())
    pipeline.set_progress_bar_config(disable=True)
    return lambda steps: pipeline(batch_size=batch, num_inference_steps=steps, output_type="np").images


def diffusers_tuned(unet: UNet2DModel, batch: int, device: torch.device) -> Run:
    """Return a run of diffusers as its documentation advises: half precision if the processor supports it,
    channels_last, and torch.compile.
    """
    tuned = nn.Module.to(unet, device, _best_dtype(device), memory_format=torch.channels_last)
    mode = "reduce-overhead" if device.type == "cuda" else None
    return _loop(torch.compile(tuned, mode=mode), batch, device)


def diffusers_channels_last(unet: UNet2DModel, batch: int, device: torch.device) -> Run:
    """Return a run like that of `diffusers_tuned`, but without torch.compile."""
    tuned = nn.Module.to(unet, device, _best_dtype(device), memory_format=torch.channels_last)
    return _loop(tuned, batch, device)


def lucidrains(unet: UNet2DModel, batch: int, device: torch.device) -> Run:
    """Return a run of denoising-diffusion-pytorch with the same widths. Its network is not the same as ours, and has
    28.5 million parameters.
    """
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet

    size = unet.config.sample_size
    diffusion = GaussianDiffusion(
        Unet(dim=128, dim_mults=(1, 2, 2, 2)), image_size=size, objective="pred_noise", beta_schedule="linear"
    )
    diffusion = diffusion.to(device).eval()

    def run(steps: int) -> torch.Tensor:
        """Sample a batch in this many steps."""
        x = torch.randn(batch, 3, size, size, device=device)
        for t in reversed(range(1, steps + 1)):
            x, _ = diffusion.p_sample(x, t)
        return diffusion.unnormalize(x).cpu()

    return run


def _loop(unet: nn.Module, batch: int, device: torch.device) -> Run:
    """Return a run of DDPMPipeline's loop, with labels, for a network of any precision."""
    scheduler = DDPMScheduler()
    config = unet.config
    labels = torch.zeros(batch, dtype=torch.int64, device=device) if config.num_class_embeds else None
    dtype = next(unet.parameters()).dtype

    @torch.no_grad()
    def run(steps: int) -> np.ndarray:
        """Sample a batch in this many steps."""
        scheduler.set_timesteps(steps)
        x = torch.randn(batch, config.in_channels, config.sample_size, config.sample_size, device=device)
        for t in scheduler.timesteps:
            eps = unet(x.to(dtype), t, labels).sample.float()
            x = scheduler.step(eps, t, x).prev_sample
        return (x / 2 + 0.5).clamp(0, 1).cpu().permute(0, 2, 3, 1).numpy()

    return run


def _best_dtype(device: torch.device) -> torch.dtype:
    """Return the fastest data type of this device."""
    return DTYPES[torch_precision("auto", device)]


CONTENDERS = {
    "ours": ours,
    "ours, engine torch": partial(ours, engine_name="torch"),
    "ours, engine graph": partial(ours, engine_name="graph"),
    "diffusers": diffusers_default,
    "diffusers channels_last": diffusers_channels_last,
    "diffusers compiled": diffusers_tuned,
    "lucidrains": lucidrains,
}


def contenders(name: str, compiled: bool) -> dict[str, Callable[..., Run]]:
    """Return the installed contenders that can run this network here. compiled: include those that use
    torch.compile.
    """
    left_out = set() if name == "cifar10" else {"lucidrains"}
    left_out |= set() if compiled else {"diffusers compiled"}
    left_out |= set() if torch.cuda.is_available() else {"ours, engine graph"}  # this engine records CUDA graphs
    return {who: CONTENDERS[who] for who in installed(who for who in CONTENDERS if who not in left_out)}


def measure(
    name: str, batch: int, device: torch.device, options: argparse.Namespace
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Time the contenders in turns, for about options.seconds after the warm-up. Return the milliseconds per step of
    each contender in each round, and its peak memory in MB.
    """
    context, pipes = multiprocessing.get_context("spawn"), {}
    for who in contenders(name, not options.no_compile):
        pipes[who], theirs = context.Pipe()
        arguments = (name, batch, who, str(device), options.cpu_time, theirs)
        context.Process(target=_contender, args=arguments, daemon=True).start()
        theirs.close()  # otherwise recv() would wait for ever after a failure of the contender
        pipes[who].recv()
    times: dict[str, list[float]] = {who: [] for who in pipes}
    end = time.perf_counter() + options.seconds
    while len(times["ours"]) < max(2, options.rounds) or time.perf_counter() < end:
        for who, pipe in pipes.items():
            pipe.send("go")
            times[who].append(pipe.recv())
    peaks = {}
    for who, pipe in pipes.items():
        pipe.send("stop")
        peaks[who] = pipe.recv()
    return times, peaks


def _contender(name: str, batch: int, who: str, device_name: str, cpu_time: bool, pipe: Connection) -> None:
    """Work as the process of a contender: warm up (and compile), time a run for each "go", and at the end send the peak
    memory.
    """
    device, clock = torch.device(device_name), time.process_time if cpu_time else time.perf_counter
    run = CONTENDERS[who](network(name), batch, device)
    run(2)
    steps = min(50, max(2, round(RUN_SECONDS / _timed(run, 2, device, clock))))
    pipe.send("ready")
    while pipe.recv() == "go":
        pipe.send(1000 * _timed(run, steps, device, clock))
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_resident()
    pipe.send(round(peak / 1e6))


def _timed(run: Run, steps: int, device: torch.device, clock: Callable[[], float]) -> float:
    """Return the seconds per step of a run, by this clock."""
    synchronize(device)
    started = clock()
    run(steps)
    synchronize(device)
    return (clock() - started) / steps


def main(arguments: list[str]) -> None:
    """Time all configurations, and print a table for each."""
    parser = Parser(
        prog="python -m benchmarks sampling", description="Time a sampling step, ours and the peers', in alternation."
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", choices=CONFIGURATIONS, default=list(CONFIGURATIONS))
    parser.add_argument("--seconds", type=float, default=30, help="for each configuration, once everything is warm")
    parser.add_argument("--rounds", type=int, default=5, help="at least this many, however long they take")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, minutes of preparation")
    busy = "count processor time, for a machine that others use too; on one core (taskset -c 0) it is comparable"
    parser.add_argument("--cpu-time", action="store_true", help=busy)
    parser.add_argument("--json", type=Path, help="write the results there")
    options = parser.parse_args(arguments)
    device = choose_device(options.device)

    precisions = {"fp32", torch_precision("auto", device)}
    clock = time.process_time if options.cpu_time else time.perf_counter
    peaks = {
        f"{work.__name__.removesuffix('_peak')} {name}": work(device, DTYPES[name], clock)
        for work in (matmul_peak, convolution_peak)
        for name in sorted(precisions)
    }
    clock_name = "processor time" if options.cpu_time else "wall clock"
    report = {"machine": describe(device), "peak_gflops": peaks, "clock": clock_name, "results": []}
    print(json.dumps(report["machine"], indent=1), f"{clock_name}; peaks, GFLOP/s: {peaks}", sep="\n")
    for configuration in options.only:
        name, batch = CONFIGURATIONS[configuration]
        times, memory = measure(name, batch, device, options)
        # milliseconds per step at the machine's peak speed
        work = batch * network_cost(dict(network(name).config)).flop / max(peaks.values()) / 1e6
        rows: list[Row] = []
        for who, ms in times.items():
            ratios = [theirs / our for theirs, our in zip(ms, times["ours"], strict=True)]
            low, ratio, high = statistics.quantiles(ratios, n=4)
            median = statistics.median(ms)
            result = {
                "configuration": configuration,
                "contender": who,
                "ms_per_step": median,
                "ms_per_step_best": min(ms),
                "images_per_second": batch / median,  # for runs of 1000 steps
                "share_of_peak": work / median,
                "ratio": ratio,
                "ratio_quartiles": [low, high],
                "peak_memory_mb": memory[who],
                "rounds": len(ms),
            }
            report["results"].append(result)
            rows.append(
                {
                    f"{configuration}, {len(ms)} rounds": who,
                    "ms a step": f"{median:.1f}",
                    "of the peak": f"{work / median:.0%}",
                    "× slower than ours": quartiles({"median": ratio, "quartiles": [low, high]}),
                    "peak MB": memory[who],
                }
            )
        table(rows)
    if options.json:
        files.write_json(options.json, report)
