"""Define the libraries that `benchmarks.frontier` compares: ours, and diffusers with its defaults. Each library runs
each checkpoint in its own process.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

import ddpm_core
from ddpm_core.runs import make_chain

DIFFUSERS = {"ddim": 50, "dpm++": 20, "ddpm": 1000}  # number of steps of each diffusers sampler
TIMED = 50  # at most this many steps of a run are timed; its other steps should take as long as these


@dataclass(frozen=True)
class Entry:
    """A combination of library, checkpoint, sampler, steps and spacing."""

    library: str  # "ours" or "diffusers"
    checkpoint: str
    sampler: str
    steps: int
    spacing: str = ""  # "" means a student's own times, or the default of diffusers

    @property
    def name(self) -> str:
        """Return the name of the entry in files."""
        parts = (self.library, self.checkpoint.strip("/").replace("/", "_"), self.sampler, self.spacing)
        return "-".join([*filter(None, parts), f"{self.steps}steps"])

    @property
    def timed(self) -> Entry:
        """Return this entry without its spacing, which does not affect the time."""
        return Entry(self.library, self.checkpoint, self.sampler, self.steps)


class Contender(Protocol):
    """A library with a checkpoint."""

    def about(self) -> dict[str, int]:
        """Return {picture_size, picture_channels}."""
        ...

    def refusal(self, cell: Entry) -> str:
        """Return the reason why this entry is impossible; "" if it is possible."""
        ...

    def sample(self, cell: Entry, first: int, count: int) -> np.ndarray:
        """Sample images with the seeds from `first` on, uint8 (count, H, W, C). The classes alternate."""
        ...

    def seconds(self, cell: Entry, images: int) -> float:
        """Return the seconds of one run with this many images."""
        ...


class Ours:
    """Samples by `ddpm_core.load` and `ddpm_core.sample` with their defaults."""

    def __init__(self, checkpoint: str):
        self.model = ddpm_core.load(checkpoint)

    def about(self) -> dict[str, int]:
        """Return the size and channels of the model's pictures."""
        return {"picture_size": self.model.picture_size, "picture_channels": self.model.picture_channels}

    def refusal(self, cell: Entry) -> str:
        """Return the reason why the model can't run this chain; "" if it can."""
        try:
            make_chain(self.model, **self._way(cell))
        except ValueError as error:
            return str(error)
        return ""

    def sample(self, cell: Entry, first: int, count: int) -> np.ndarray:
        """Sample images with `ddpm_core.sample`."""
        seeds = range(first, first + count)
        return ddpm_core.sample(self.model, seeds, labels=_labels(self.model, seeds), **self._way(cell))

    def seconds(self, cell: Entry, images: int) -> float:
        """Return the seconds of a run. At most TIMED steps are timed, and the time is scaled to all steps."""
        part = Entry(cell.library, cell.checkpoint, cell.sampler, min(cell.steps, TIMED), cell.spacing)
        return _timed(self.sample, part, images) * cell.steps / part.steps

    def _way(self, cell: Entry) -> dict[str, Any]:
        """Return the arguments of `ddpm_core.sample`."""
        return {"steps": cell.steps, "sampler": cell.sampler, "spacing": cell.spacing or None}


class Diffusers:
    """Samples by the checkpoint's network in float32, with diffusers' schedulers and their defaults."""

    def __init__(self, checkpoint: str):
        from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

        self.model = ddpm_core.load(checkpoint, device="cpu", precision="fp32", engine="torch")
        prediction = {"epsilon": "epsilon", "v": "v_prediction", "x0": "sample"}[self.model.prediction]
        more = {"prediction_type": prediction, "clip_sample": self.model.clip}
        own: Any = DDPMScheduler.from_config({**self.model.schedule.config, **more})
        kinds = {"ddim": DDIMScheduler, "dpm++": DPMSolverMultistepScheduler, "ddpm": DDPMScheduler}
        self._schedulers: dict[str, Any] = {name: kind.from_config(own.config) for name, kind in kinds.items()}

    about = Ours.about

    def refusal(self, cell: Entry) -> str:
        """Return "", because diffusers runs all its entries."""
        return ""

    def sample(self, cell: Entry, first: int, count: int) -> np.ndarray:
        """Sample images with diffusers."""
        return self._run(cell, first, count, cell.steps)

    def seconds(self, cell: Entry, images: int) -> float:
        """Return the seconds of a run. At most TIMED steps are timed, and the time is scaled to all steps."""
        part = min(cell.steps, TIMED)
        return _timed(self._run, cell, images, part) * cell.steps / part

    @torch.no_grad()
    def _run(self, cell: Entry, first: int, count: int, steps: int) -> np.ndarray:
        """Take the first steps of a run, and return its images."""
        scheduler, unet = self._schedulers[cell.sampler], self.model.network.unet
        scheduler.set_timesteps(cell.steps)
        labels = _labels(self.model, range(first, first + count))
        label_ids = None if labels is None else torch.tensor(labels)
        draw = torch.Generator().manual_seed(first)
        x = torch.randn(count, self.model.channels, *[self.model.image_size] * 2, generator=draw)
        noise = {} if cell.sampler == "dpm++" else {"generator": draw}
        for t in scheduler.timesteps[:steps]:
            x = scheduler.step(unet(x, t, label_ids).sample, t, x, **noise).prev_sample
        x = x if self.model.decoder is None else self.model.decoder.decode(x)
        return ((x / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def _labels(model: ddpm_core.Model, seeds: range) -> list[int] | None:
    """Return the class of each seed; None without classes."""
    return [seed % model.num_classes for seed in seeds] if model.num_classes else None


def _timed(run: Callable[..., object], cell: Entry, images: int, *more: int) -> float:
    """Return the seconds of a call of `run`."""
    started = time.perf_counter()
    run(cell, 0, images, *more)
    return time.perf_counter() - started


LIBRARIES: dict[str, Callable[[str], Contender]] = {"ours": Ours, "diffusers": Diffusers}


class Elsewhere:
    """A contender in its own process, because two libraries in one process would compete for its threads."""

    def __init__(self, library: str, checkpoint: str):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(library, checkpoint, theirs), daemon=True)
        self._process.start()
        theirs.close()  # otherwise recv() would wait for ever after a failure of the contender

    def about(self) -> dict[str, int]:
        """Return the result of `Contender.about` in the process."""
        return self._ask("about")

    def refusal(self, cell: Entry) -> str:
        """Return the result of `Contender.refusal` in the process."""
        return self._ask("refusal", cell)

    def sample(self, cell: Entry, first: int, count: int) -> np.ndarray:
        """Return the result of `Contender.sample` in the process."""
        return self._ask("sample", cell, first, count)

    def seconds(self, cell: Entry, images: int) -> float:
        """Return the result of `Contender.seconds` in the process."""
        return self._ask("seconds", cell, images)

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()

    def _ask(self, what: str, *arguments: Any) -> Any:
        """Call a method of the contender in its process, and return the result. Raises the method's error, or
        RuntimeError if the process has ended.
        """
        self._pipe.send((what, arguments))
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise RuntimeError("a process of the benchmark ended: its error is above") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(library: str, checkpoint: str, pipe: Any) -> None:
    """Answer the calls of `Elsewhere` in a contender's process, until the benchmark ends."""
    try:
        contender: Contender | Exception = LIBRARIES[library](checkpoint)
    except (ddpm_core.CheckpointError, ValueError) as error:
        contender = error
    with suppress(EOFError, KeyboardInterrupt):  # the end of the benchmark raises these errors
        while True:
            what, arguments = pipe.recv()
            pipe.send(contender if isinstance(contender, Exception) else getattr(contender, what)(*arguments))


@contextmanager
def processes(cells: Sequence[Entry]) -> Iterator[dict[tuple[str, str], Contender]]:
    """Start a process for each contender of the cells. The processes end with the block."""
    with ExitStack() as stack:
        found: dict[tuple[str, str], Contender] = {}
        for library, checkpoint in dict.fromkeys((cell.library, cell.checkpoint) for cell in cells):
            contender = Elsewhere(library, checkpoint)
            stack.callback(contender.close)
            found[library, checkpoint] = contender
        yield found
