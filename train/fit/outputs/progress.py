"""The progress of a run: its bar, curves, sample grids, and OUT/progress.jsonl for other programs.

progress.jsonl holds one JSON object a line. Every object has "seconds", the time since this start of the run.
- {"start", "config", "images", "classes"}: the run was started or resumed after "start" steps. Earlier lines about
  later steps are void. images: the number of images, null for a stream without a length.
- {"step", "loss", "lr", "images_per_s"}: a point of the curves.
- {"step", "samples", "error"}: samples/step-STEP-ema.png or -raw.png is there. samples: "ema" or "raw"; error: the
  error of preview.DenoisingProbe, null for a student and in latents.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ddpm_core import Model, imaging
from ddpm_core.prediction import MAX_PROMPT
from ddpm_core.process import to_device
from ddpm_core.runs import Condition, Lane, follow, make_chain
from train.common.config import Config, to_dict
from train.common.files import write_bytes
from train.data.images import Images
from train.fit.outputs.preview import DenoisingProbe, Preview
from train.fit.outputs.tracker import Tracker
from train.fit.recipe import grid_count

QUARTERS = 4
TOGETHER = 8  # number of samples that are drawn at once; a request to stop waits for the end of their current step
GUIDANCE = 3.0  # guidance scale of samples with prompts
PROGRESS = "progress.jsonl"


@dataclass(frozen=True)
class Point:
    """A point of a run's curves: values over the steps since the last point. A callback receives it.

    Attributes:
        step: the number of steps done.
        loss: the mean loss of the images.
        losses: the mean loss by quarter of t, 1 (little noise) to 4; quarters without images are left out.
        norm: the mean norm of the gradient before clipping.
        lr: the learning rate of the last step.
        speed: images per second.
    """

    step: int
    loss: float
    losses: Mapping[int, float]
    norm: float
    lr: float
    speed: float


class Window:
    """Sums over the steps since the last point of the curves. They stay on the device, so that no step waits for a
    copy.

    bad_step: the first step whose loss or gradient was not finite, or −1.
    """

    def __init__(self, device: torch.device):
        self._device = device
        self.bad_step = torch.tensor(-1, device=device)
        self.reset()

    def reset(self) -> None:
        """Set all sums to 0."""
        self.loss = torch.zeros(QUARTERS, device=self._device, dtype=torch.float64 if self._is_cpu() else torch.float32)
        self.count = torch.zeros_like(self.loss)
        # The sum of the finite gradient norms, and their number.
        self.norm = torch.zeros(2, device=self._device, dtype=self.loss.dtype)
        self.steps = 0
        self._started = time.perf_counter()

    def _is_cpu(self) -> bool:
        """Return whether the sums are in the CPU's memory."""
        return self._device.type == "cpu"

    def add(self, loss: Tensor, t: Tensor, T: int) -> None:
        """Add the losses of images, (N,), by the quarter of their times t, int64 (N,), 1..T."""
        quarter = to_device((t - 1) * QUARTERS // T, self._device)
        self.loss.index_add_(0, quarter, loss.detach().to(self.loss.dtype))
        self.count.index_add_(0, quarter, torch.ones_like(loss, dtype=self.count.dtype))

    def finish_step(self, step: int, loss: Tensor, norm: Tensor, overflow_expected: bool) -> None:
        """Record the gradient's norm, and whether the loss or the gradient was not finite.

        overflow_expected: do not count an infinite gradient as bad, because fp16 skips such steps.
        """
        finite = torch.isfinite(norm)
        self.norm += torch.stack([norm.where(finite, 0), finite.to(norm)]).to(self.norm)
        self.steps += 1
        fine = torch.isfinite(loss) if overflow_expected else torch.isfinite(loss) & finite
        self.bad_step = torch.where((self.bad_step < 0) & ~fine, step, self.bad_step)

    def seconds(self) -> float:
        """Return how long the steps since the last point took, in seconds."""
        return time.perf_counter() - self._started

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the time of the code inside, such as writing a checkpoint, out of the steps' time."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._started += time.perf_counter() - began

    def mean_norm(self) -> float:
        """Return the mean of the gradient's norm over the steps where it was finite; NaN if there are none."""
        total, count = self.norm.tolist()
        return total / count if count else math.nan


class Progress:
    """Shows the progress of a run, in the main process. Nothing here changes the run."""

    def __init__(
        self, config: Config, out: Path, start: int, images: Images | None = None, tracker: Tracker | None = None
    ):
        """images: the run's images; without them, no error is measured. tracker: also receives curves and grids."""
        self._config, self._out, self._images, self._tracker = config, out, images, tracker
        self._began = time.perf_counter()
        self._probe: DenoisingProbe | None = None
        about = {} if images is None else {"images": images.known, "classes": images.classes}
        self._note(start=start, config=to_dict(config), **about)
        interval = 0.1 if sys.stderr.isatty() else 30
        self.bar = tqdm(total=config.steps, initial=start, unit="step", mininterval=interval, dynamic_ncols=True)

    def point(self, point: Point) -> None:
        """Write a point of the curves to progress.jsonl and the tracker, and show it in the bar."""
        self._note(step=point.step, loss=point.loss, lr=point.lr, images_per_s=point.speed)
        scalars = {"loss": point.loss, "gradient norm": point.norm}
        scalars |= {"learning rate": point.lr, "images per s": point.speed}
        scalars |= {f"loss by t/quarter {quarter}": loss for quarter, loss in point.losses.items()}
        if self._tracker:
            self._tracker.log(scalars, point.step)
        self.bar.set_postfix_str(f"loss {point.loss:.4f}, {point.speed:.1f} images/s")

    def grid(self, model: Model, weights: str, step: int, stopped: Callable[[], bool]) -> None:
        """Draw samples of fixed seeds, and write them to samples/ and the tracker, with the error on the probe. Samples
        of a model with classes take the classes in turn. weights: "ema" or "raw".

        Returns early, without a grid, when stopped() becomes true. stopped() is called after each step of a few
        samples.
        """
        config, count, captions = self._config, grid_count(self._config), None
        if model.takes_words and self._images is not None and self._images.captions:
            captions = spread_captions(self._images.captions, count)
        own = {} if model.student else {"steps": config.sample_steps, "sampler": "ddim"}
        before, pictures = self.bar.postfix, []
        # The pictures of a Preview's network depend slightly on the batch, so its whole grid is one batch. The pictures
        # of an engine do not depend on the batch.
        together = count if isinstance(model.network, Preview) else TOGETHER
        for first in range(0, count, together):
            seeds, x_0 = range(first, min(first + together, count)), None
            condition = Condition([seed % model.num_classes for seed in seeds] if model.num_classes else None)
            if captions:
                guidance = None if model.student else GUIDANCE
                condition = Condition(prompts=captions[first : seeds.stop], guidance=guidance)
            chain = make_chain(model, **own, condition=condition, n=len(seeds))
            for number, (_, step_of_chain) in enumerate(follow([Lane(model, chain)], seeds), 1):
                x_0 = step_of_chain.x
                done = f"{number} of {len(chain.pairs)} steps for {seeds.stop} of {count}"
                self.bar.set_postfix_str(f"samples ({weights}): {done}")
                if stopped():
                    return
            assert x_0 is not None  # a chain has at least one step
            pictures.append(model.pictures(x_0))
        self.bar.set_postfix_str(before or "")
        columns = model.num_classes if 1 < model.num_classes <= 16 else None
        picture = imaging.grid(np.concatenate(pictures), columns=columns)
        write_bytes(self._out / "samples" / f"step-{step:09d}-{weights}.png", imaging.png(picture))
        self._note(step=step, samples=weights, error=None if stopped() else self._error(model))
        if self._tracker:
            self._tracker.picture(f"samples/{weights}", picture, step)

    def _error(self, model: Model) -> float | None:
        """Return the model's error on the probe; None for a model that the probe does not suit."""
        # A student predicts x̂_0 only at its own times, which the probe does not use. For latents, there would be no
        # error in grey levels.
        if self._images is None or model.student is not None or model.latent:
            return None
        if self._probe is None:
            self._probe = DenoisingProbe(self._images, model)
        return self._probe.error(model)

    def _note(self, **what: Any) -> None:
        """Add a line to progress.jsonl. If the disk is full, the line is lost, but the run goes on."""
        line = json.dumps(what | {"seconds": round(time.perf_counter() - self._began, 3)}, ensure_ascii=False)
        with suppress(OSError), open(self._out / PROGRESS, "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self.bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar on the screen, and close the tracker."""
        self.bar.close()
        if self._tracker:
            self._tracker.close()


def spread_captions(captions: Sequence[str], count: int) -> list[str]:
    """Return `count` captions, spread evenly over all captions, each cut to MAX_PROMPT characters."""
    return [captions[int(i)][:MAX_PROMPT] for i in np.linspace(0, len(captions) - 1, count).round()]
