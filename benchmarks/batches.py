"""Time a batch of pictures, from the checkpoint's files to PNG files, and compare it with diffusers: `python -m
benchmarks batches`.

Our side is `python -m ddpm_core sample --out`. Diffusers' side is the loop of its documentation with a U-Net and a
scheduler. It is measured in float32, and again tuned as the documentation advises (half precision if the processor
supports it, channels last). All contenders run in one process, one after another in each round. The ratios are medians
over the rounds.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from torch import nn
from tqdm import tqdm

from benchmarks._measure import Row, describe, table, times
from ddpm_core.checkpoint.refs import embedded
from ddpm_core.commands.chain import Where
from ddpm_core.commands.reading import Parser
from ddpm_core.commands.sample import Sample
from ddpm_core.engines.choose import choose_device, torch_precision
from ddpm_core.engines.common import DTYPES
from ddpm_core.names import Engine

BATCH = 64


def sample_ours(name: str, count: int, steps: int, out: Path, engine: Engine = "auto") -> None:
    """Sample the pictures with our command."""
    where = Where(engine=engine)
    Sample(name, steps=str(steps), variance="beta", seeds=f"0-{count - 1}", out=out, batch=BATCH, where=where).run()


def sample_theirs(name: str, count: int, steps: int, out: Path, tuned: bool = False) -> None:
    """Sample the pictures with diffusers' loop. A class-conditional network gets the label "no class", which diffusers'
    pipeline can't pass.
    """
    folder, device = embedded()[name], choose_device()
    dtype = DTYPES[torch_precision("auto", device)] if tuned else torch.float32
    unet: Any = UNet2DModel.from_pretrained(folder)
    to: Any = nn.Module.to  # the method `to` of diffusers would print a warning
    to(unet, device, dtype, memory_format=torch.channels_last if tuned else torch.contiguous_format)
    unet.eval()
    scheduler: Any = DDPMScheduler.from_pretrained(folder, variance_type="fixed_large")
    config = unet.config
    scheduler.set_timesteps(steps)
    out.mkdir()
    for first in range(0, count, BATCH):
        n = min(BATCH, count - first)
        labels = torch.full((n,), config.num_class_embeds - 1, device=device) if config.num_class_embeds else None
        x = torch.randn(n, config.in_channels, config.sample_size, config.sample_size, device=device)
        with torch.no_grad():
            for t in tqdm(scheduler.timesteps, leave=False):
                x = scheduler.step(unet(x.to(dtype), t, labels).sample.float(), t, x).prev_sample
        arrays = (x / 2 + 0.5).clamp(0, 1).cpu().permute(0, 2, 3, 1).numpy()
        for number, picture in enumerate(DDPMPipeline.numpy_to_pil(arrays), first):
            picture.save(out / f"{number}.png")


CONTENDERS: dict[str, Callable[[str, int, int, Path], None]] = {
    "ours": sample_ours,
    "ours, engine torch": lambda *run: sample_ours(*run, engine="torch"),
    "diffusers": sample_theirs,
    "diffusers, tuned": lambda *run: sample_theirs(*run, tuned=True),
}


def main(arguments: list[str]) -> None:
    """Time all contenders in turns, and print the table."""
    parser = Parser(prog="python -m benchmarks batches", description="Time a batch of pictures.")
    parser.add_argument("--checkpoint", default="mnist-tiny", choices=sorted(embedded()))
    parser.add_argument("--count", type=int, default=512, help="pictures of each contender in a round")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="the first is compared")
    options = parser.parse_args(arguments)
    print(json.dumps(describe(choose_device()), indent=1))
    seconds: dict[str, list[tuple[float, float]]] = {who: [] for who in options.only}
    for number in range(-1, options.rounds):  # round −1 warms up, with one batch
        for who in options.only:
            with tempfile.TemporaryDirectory() as folder:
                wall, processor = time.perf_counter(), time.process_time()
                CONTENDERS[who](
                    options.checkpoint, options.count if number >= 0 else BATCH, options.steps, Path(folder, "out")
                )
                if number >= 0:
                    seconds[who].append((time.perf_counter() - wall, time.process_time() - processor))
    first = seconds[options.only[0]]

    def rows() -> Iterator[Row]:
        """Yield a row for each contender. The ratios compare it with the first contender."""
        for who, turns in seconds.items():
            wall, processor = (statistics.median(turn[i] for turn in turns) for i in range(2))
            walls, processors = ([turn[i] / o[i] for turn, o in zip(turns, first, strict=True)] for i in range(2))
            yield {
                f"{options.count} pictures of {options.checkpoint}, {options.steps} steps": who,
                "pictures/s": f"{options.count / wall:.1f}",
                "× as long": times(walls),
                "CPU s, 1,000 pictures": f"{1000 * processor / options.count:.1f}",
                "× as much": times(processors),
            }

    table(rows())
