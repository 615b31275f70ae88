"""The shared parts of the commands that draw pictures: a model, its reverse chain, and their checks."""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import numpy as np
import tyro
from tqdm import tqdm

from ddpm_core.commands import defaults
from ddpm_core.commands.reading import Unset
from ddpm_core.names import Engine, OtherOptions, Precision, Spacing, Variance

if TYPE_CHECKING:
    from ddpm_core import Model
    from ddpm_core.model import ModelSpec
    from ddpm_core.runs import Condition

# Importing torch takes seconds. So each command imports torch only when it runs, and --help is fast.


@dataclass
class Where:
    """Where and how the network is evaluated."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps"""
    precision: Precision = "auto"
    """the network's arithmetic; the state of the chain is always float32"""
    engine: Engine = "auto"
    """the engine that evaluates the network"""


Flags = TypeVar("Flags")


def _with_options(flags: type[Flags]) -> type[Flags]:
    """Return a dataclass of flags with a further flag for each of `OtherOptions`."""
    options = OtherOptions.__annotations__.items()
    rows = [
        (name, Annotated[Unset[kind.__origin__], tyro.conf.arg(help=kind.__metadata__[0])], None)
        for name, kind in options
    ]
    return make_dataclass(flags.__name__, rows, bases=(flags,), namespace={"__doc__": flags.__doc__})


@_with_options
@dataclass
class ChainFlags:
    """Choose a model and its reverse chain. The flags for a sampler's options have the names of these options."""

    checkpoint: str = defaults.CHECKPOINT
    """embedded name, local folder, or Hub id (owner/name, owner/name@revision)"""
    schedule: Unset[str] = None
    """another noise schedule for the network: linear, cosine, quadratic or flow, a .json or .npz file with betas,
    alpha_bar or sigmas, or module:function for your own; default: the checkpoint's own"""
    steps: Unset[str] = None
    """number of steps, 1 to T, or their times, such as 999,500.5,1; default: 50, or a student's own steps"""
    variance: Unset[Variance] = None
    """reverse variance of the samplers ddpm and langevin; default: the checkpoint's own"""
    sampler: Unset[str] = None
    """ddpm, ddim, langevin, consistency and heun come from the papers, dpm++ and unipc are diffusers' solvers, and
    module:sampler is your own; default: ddpm, or a student's own sampler"""
    spacing: Unset[Spacing] = None
    """the rule for the times that the steps visit; default: linspace, or a student's own times"""
    eta: float = 0.0
    """DDIM's noise: 0 is deterministic, 1 has the variance beta_tilde"""
    clip: Unset[bool] = None
    """clip the estimate of x_0 to [-1, 1]; default: as the checkpoint says"""
    label: Unset[str] = None
    """a class by name or by number from 0, for class-conditional models; default: any class"""
    prompt: Unset[str] = None
    """prompt that says what to draw, for models that take words"""
    negative: Unset[str] = None
    """prompt that guidance leads away from, for models that take words"""
    guidance: Unset[float] = None
    """classifier-free guidance scale; 1 is none"""
    where: tyro.conf.OmitArgPrefixes[Where] = field(default_factory=Where)

    def open_model(self, check: Callable[[ModelSpec], object] | None = None) -> Model:
        """Return the loaded model. For flags that it doesn't allow, raise ValueError before its network is prepared.

        check: as for `open_checkpoint`; None for `self.check`.
        """
        return open_checkpoint(self.checkpoint, self.where, check or self.check, schedule=self.schedule)

    def chain(self) -> dict[str, Any]:
        """Return the flags as arguments of `ddpm_core.runs.make_chain`, without the condition."""
        from ddpm_core.runs import of_chain
        from ddpm_core.samplers import find

        sampler = None if self.sampler is None else find(self.sampler)
        steps = None if self.steps is None else parse_steps(self.steps)
        return of_chain(vars(self) | {"steps": steps, "sampler": sampler})

    def check(self, model: ModelSpec) -> None:
        """Raise ValueError for flags that the model doesn't allow."""
        from ddpm_core.runs import make_chain

        self.check_condition(model)
        make_chain(model, **self.chain(), condition=self.condition(model))

    def check_condition(self, model: ModelSpec) -> None:
        """Raise ValueError if the model can't take the condition, or has too many channels for a picture file."""
        from ddpm_core import imaging

        imaging.check_channels(model.picture_channels)
        self.condition(model).check(model)

    def condition(self, model: ModelSpec) -> Condition:
        """Return the condition: label, prompts and guidance."""
        from ddpm_core.prediction import class_index
        from ddpm_core.runs import Condition

        label = None if self.label is None else class_index(model, self.label)
        return Condition(label, self.prompt, self.negative, self.guidance)

    def options(self, model: ModelSpec) -> dict[str, Any]:
        """Return all chosen flags as arguments of `ddpm_core.trajectory`, except flags with the value None."""
        chosen = {"clip": self.clip, **vars(self.condition(model)), **self.chain()}
        return {name: value for name, value in chosen.items() if value is not None}


def parse_steps(text: str) -> int | list[float]:
    """Read "50" as a number of steps and "999,500.5,1" as their times. Raise ValueError for anything else."""
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", text):
        return int(text)
    times = parse_times(text)
    if times is None or len(times) == 1:
        raise ValueError(f"--steps takes a whole number, or times such as 999,500.5,1, got {text!r}")
    return times


def parse_times(text: str) -> list[float] | None:
    """Read "750,500.5,250" as times, with whole times as ints. Return None for other text."""
    from ddpm_core.timesteps import as_time

    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,20})?", part) for part in parts):
        return None
    return [as_time(float(part)) for part in parts]


def parse_seeds(text: str) -> list[int]:
    """Read "7", "0-15" or "1,5,9-12" as a list of seeds. Raise ValueError for other text, or more than
    100,000 seeds.
    """
    from ddpm_core.noise import check_seed

    ranges = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)):
            raise ValueError(f"seeds are whole numbers and ranges like 7, 0-15 or 1,5,9-12, got {text!r}")
        if max(len(first), len(last)) > 19:  # a seed has at most 19 digits; int() refuses thousands of digits
            raise ValueError(f"a seed is a whole number from 0 to 2^63 − 1, got {part.strip()!r}")
        ranges.append((check_seed(int(first)), check_seed(int(last or first))))
    count = sum(max(last - first + 1, 0) for first, last in ranges)
    if not 0 < count <= 100_000:
        raise ValueError(f"seeds must name 1 to 100,000 images, {text!r} names {count}")
    return [seed for first, last in ranges for seed in range(first, last + 1)]


def read_picture(path: Path, size: int, channels: int) -> np.ndarray:
    """Return the middle square of a picture file as uint8 (1, size, size, channels).

    Raise ValueError or OSError if the file can't be read.
    """
    from PIL import Image

    from ddpm_core.imaging.image_files import open_picture, square, to_8_bits

    try:
        with open_picture(path) as image:
            return square(to_8_bits(image, channels), size)[None]
    except Image.DecompressionBombError:
        raise ValueError(f"{path} is too large to be read as a picture") from None
    except SyntaxError:  # Pillow raises SyntaxError for a damaged PNG
        raise ValueError(f"{path} is damaged: it cannot be read as a picture") from None


def check_output(option: str, path: Path, suffix: str) -> None:
    """Raise ValueError, before anything is computed, if the option's file can't be written or has another suffix."""
    if path.suffix.lower() != suffix:
        kind = suffix[1:].upper()
        article = "an" if kind[0] in "AEIOU" else "a"
        raise ValueError(f"{option} writes {article} {kind} file: its name must end in {suffix}, got {str(path)!r}")
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
            with suppress(FileNotFoundError):
                path.lstat()  # raises OSError if the name is too long
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}") from None


def open_checkpoint(
    ref: str,
    where: Where,
    check: Callable[[ModelSpec], object] | None = None,
    batched: bool = False,
    schedule: str | None = None,
) -> Model:
    """Return the model of a checkpoint. Show the download's progress, and a line on stderr for a long preparation.

    Arguments:
        ref, batched: as for `ddpm_core.load`.
        where: the device, precision and engine.
        check: check(spec) raises an exception for a model that the command can't use. `check` is called with the
            specification before the networks are prepared.
        schedule: another schedule for the model, see `ddpm_core.schedule.find`; None for its own.

    Raises:
        Exception: the exceptions of `check`, `load` and `with_schedule`.
    """
    from ddpm_core import load
    from ddpm_core.checkpoint import refs, spec
    from ddpm_core.checkpoint.hub import snapshots

    logging.basicConfig(format="%(message)s")
    logging.getLogger("ddpm_core").setLevel(logging.INFO)
    with tqdm(unit="B", unit_scale=True, desc="download", delay=1, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            """Show the progress of the download in the bar."""
            bar.total = total
            bar.update(done - bar.n)

        place = refs.parse(ref)
        if (check or schedule) and spec.read_own(place) is None:
            about = spec.read(snapshots.here(place) or snapshots.fetch(place, spec.check, progress)).spec
            about = about if schedule is None else about.with_schedule(schedule)
            if check is not None:
                check(about)
        model = load(
            ref,
            device=where.device,
            precision=where.precision,
            engine=where.engine,
            progress=progress,
            batched=batched,
        )
        return model if schedule is None else model.with_schedule(schedule)
