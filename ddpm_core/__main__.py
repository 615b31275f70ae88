"""Command line: `python -m ddpm_core sample`, `info` and `export`."""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import tyro
from tqdm import tqdm

from ddpm_core.names import Engine, Precision, Sampler, Spacing, Variance

if TYPE_CHECKING:
    from ddpm_core import Model

# torch takes seconds to import: the commands import what needs it when they run, so that --help appears at once.

DEFAULT_CHECKPOINT = "mnist-tiny"


@dataclass
class Where:
    """Where and how the network is evaluated."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps"""
    precision: Precision = "auto"
    """the network's arithmetic; the state of the chain is always float32"""
    engine: Engine = "auto"
    """what evaluates the network"""


@dataclass
class Sample:
    """Draw images; save them as a grid, and the steps as an animation."""

    checkpoint: str = DEFAULT_CHECKPOINT
    """embedded name, local folder, or Hub id (owner/name, owner/name@revision)"""
    steps: int | None = None
    """number of steps, 1 to T; default: 50, or those that a student was made for"""
    seeds: str = "0-15"
    """one image each: 7, 0-15, or 1,5,9-12"""
    variance: Variance | None = None
    """reverse variance of the sampler ddpm; default: the checkpoint's own"""
    sampler: Sampler | None = None
    """ddpm, ddim and consistency are the papers', dpm++ and unipc diffusers' solvers; default: ddpm, or what a student
    was made for"""
    spacing: Spacing | None = None
    """which times the steps visit; default: linspace, or those that a student was made for"""
    eta: float = 0.0
    """DDIM's noise: 0 is deterministic, 1 has the variance beta_tilde"""
    clip: bool | None = None
    """clip the estimate of x_0 to [-1, 1]; default: what the checkpoint asks for"""
    label: str | None = None
    """class name, or number from 0, for class-conditional models; default: any class"""
    guidance: float | None = None
    """classifier-free guidance scale; 1 is none"""
    grid: Path = Path("samples.png")
    """PNG of the final images: a file name that ends in .png"""
    gif: Path | None = None
    """GIF of the trajectory: a file name that ends in .gif"""
    where: tyro.conf.OmitArgPrefixes[Where] = field(default_factory=Where)

    def run(self) -> None:
        from ddpm_core import files, imaging, trajectory
        from ddpm_core.predict import class_index
        from ddpm_core.runs import SamplerSettings

        seeds = parse_seeds(self.seeds)
        if self.gif and os.path.realpath(self.grid) == os.path.realpath(self.gif):
            raise ValueError(f"--grid and --gif name one file, {self.grid}: the second would replace the first")
        check_output("--grid", self.grid, ".png")
        if self.gif:
            check_output("--gif", self.gif, ".gif")
        model = open_checkpoint(self.checkpoint, self.where)
        imaging.check_channels(model.channels)
        run = trajectory(
            model,
            seeds,
            steps=self.steps,
            sampler=self.sampler,
            variance=self.variance,
            spacing=self.spacing,
            eta=self.eta,
            clip=self.clip,
            labels=None if self.label is None else class_index(model, self.label),
            guidance=self.guidance,
        )
        steps = SamplerSettings(self.steps).of(model).steps
        frames = []
        for step in tqdm(run, total=steps, unit="step"):
            if self.gif or step.s == 0:
                frames.append(imaging.grid(imaging.to_uint8(step.x)))
        files.write_bytes(self.grid, imaging.png(frames[-1]))
        print(f"{len(seeds)} images: {self.grid}")
        if self.gif:
            imaging.save_gif(self.gif, frames, scale=max(1, 128 // model.image_size))
            print(f"{steps} steps: {self.gif}")


@dataclass
class Info:
    """Print what a checkpoint is: weights, architecture, schedule, variance, revision."""

    checkpoint: Annotated[str, tyro.conf.Positional] = DEFAULT_CHECKPOINT
    """embedded name, local folder, or Hub id (owner/name, owner/name@revision)"""
    where: tyro.conf.OmitArgPrefixes[Where] = field(default_factory=Where)

    def run(self) -> None:
        from ddpm_core.checkpoint.describe import describe

        rows = describe(open_checkpoint(self.checkpoint, self.where))
        width = max(map(len, rows))
        for name, value in rows.items():
            print(f"{name:<{width}}  {value}")


@dataclass
class Export:
    """Write a checkpoint to a folder in the Hub's layout, weights as safetensors."""

    checkpoint: Annotated[str, tyro.conf.Positional]
    """embedded name, local folder, or Hub id (owner/name, owner/name@revision)"""
    folder: Annotated[Path, tyro.conf.Positional]
    """a folder that already holds such a checkpoint is replaced; other files in it stay"""
    half: bool = False
    """weights as float16: half the size; not into the folder of the checkpoint itself"""

    def run(self) -> None:
        from ddpm_core import save

        save(open_checkpoint(self.checkpoint, Where("cpu", "fp32", "torch")), self.folder, self.half)
        print(self.folder)


def parse_seeds(text: str) -> list[int]:
    """ "7", "0-15" or "1,5,9-12" as a list of seeds; ValueError for anything else, or for more than 100,000."""
    from ddpm_core.noise import check_seed

    ranges = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)):
            raise ValueError(f"seeds are whole numbers and ranges like 7, 0-15 or 1,5,9-12, got {text!r}")
        if max(len(first), len(last)) > 19:  # what has more digits may be too much for int
            raise ValueError(f"a seed is a whole number from 0 to 2^63 − 1, got {part.strip()!r}")
        ranges.append((check_seed(int(first)), check_seed(int(last or first))))
    count = sum(max(last - first + 1, 0) for first, last in ranges)
    if not 0 < count <= 100_000:
        raise ValueError(f"seeds must name 1 to 100,000 images, {text!r} names {count}")
    return [seed for first, last in ranges for seed in range(first, last + 1)]


def check_output(option: str, path: Path, suffix: str) -> None:
    """ValueError, before anything is computed, where the option's file can't be written or has another suffix."""
    if path.suffix.lower() != suffix:
        raise ValueError(
            f"{option} writes a {suffix[1:].upper()} file: its name must end in {suffix}, got {str(path)!r}"
        )
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise ValueError(f"the folder {folder} does not exist: create it, or choose another place")
    if os.path.isdir(path):
        raise ValueError(f"{option} needs a file name, and {path} is a folder")
    try:
        if os.path.exists(path):
            path.open("r+b").close()
        else:
            tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}") from None


def open_checkpoint(ref: str, where: Where) -> Model:
    """`ddpm_core.load` with a progress bar while it downloads, and a line on stderr for a long preparation.

    Raises what `load` does.
    """
    from ddpm_core import load

    logging.basicConfig(format="%(message)s")
    logging.getLogger("ddpm_core").setLevel(logging.INFO)
    with tqdm(unit="B", unit_scale=True, desc="download", delay=1, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return load(ref, device=where.device, precision=where.precision, engine=where.engine, progress=progress)


class Command(Protocol):
    """A command line that has been read."""

    def run(self) -> None: ...


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; errors of the user's input end with one sentence on stderr and exit status 1."""
    commands: dict[str, Callable[..., Command]] = {"sample": Sample, "info": Info, "export": Export}
    command = tyro.extras.subcommand_cli_from_dict(
        commands, prog="python -m ddpm_core", description=__doc__, args=arguments
    )
    from ddpm_core import CheckpointError

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has an ε
    try:
        command.run()
    except (ValueError, CheckpointError, OSError, RuntimeError, MemoryError) as error:  # torch's of a full memory too
        sys.exit(f"error: {(str(error).splitlines() or [type(error).__name__])[0]}")
    except KeyboardInterrupt:
        sys.exit("stopped")


if __name__ == "__main__":
    main()
