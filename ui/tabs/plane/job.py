"""The task of the Plane tab: train a network where a lane needs one, then both lanes of one cloud together."""

from __future__ import annotations

import base64
import heapq
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ddpm_core.model import Model
from ui.runs.limits import ServerLimits
from ui.runs.pace import PACE
from ui.runs.settings import Settings
from ui.runs.task import Task
from ui.tabs.plane.wanted import T, Wanted

if TYPE_CHECKING:
    from ddpm_core.plane import Mixture
    from ddpm_core.samplers import Step

REF = "plane"  # in the place of a checkpoint's name
FLOP = 8e4  # of the trained network for one point; the exact ε costs about as much
UNIT = 6 / 32767  # of coordinates on their way to the page, int16
ARROWS = 15  # a side of the field of arrows
ARROW_UNIT = 4 / 127  # of their lengths, int8
NEAR, FAR = 1.2, 2.4  # what is seen of the plane at t = 0 and at T: up to so far from 0
EVERY = 25  # steps of a training between two chances to stop
PREVIEW = (300, 20)  # points, and steps of DDIM, of a cloud that shows how far the training is
PREVIEW_SECONDS = 0.4  # between two of these

Item = TypeVar("Item")


@dataclass(frozen=True)
class Trained:
    """curve: (step, L_simple) of its training."""

    model: Model
    curve: list[tuple[int, float]] = field(default_factory=list)


class Networks:
    """The networks that were trained last, by `Wanted.network`. Thread-safe."""

    LIMIT = 16  # of 0.2 MB each

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Trained] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Trained | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: Hashable, trained: Trained) -> None:
        with self._lock:
            self._kept[key] = trained
            while len(self._kept) > self.LIMIT:
                self._kept.popitem(last=False)


class Exact:
    """A `ui.runs.job.ModelSource` of one model: the exact one of the data, which is made and not loaded."""

    def __init__(self, wanted: Wanted, limits: ServerLimits):
        self.limits = limits
        self._wanted = wanted
        self._model: Model | None = None

    def loaded(self, ref: str) -> Model | None:
        return self.get(ref)

    def known(self, ref: str) -> Model | None:
        return self.get(ref)

    def get(self, ref: str) -> Model:
        if self._model is None:
            from ddpm_core.plane import exact_model

            self._model = exact_model(self._wanted.mixture())
        return self._model

    def fetch(self, ref: str, progress: Any) -> None:
        """There is nothing to download."""

    def admit(self, lanes: Sequence[Settings]) -> None:
        """Whether the task is too large is checked by `Task.expect`, which knows it whole."""

    def flop(self, ref: str) -> float:
        return FLOP


class PlaneJob(Task):
    """clouds: x_0 of each lane that is done, float32 (count, 2).

    Its results, by "kind": "plan" once; "training" while a network is trained; "frame" of a lane, from x_T on.
    """

    def __init__(self, wanted: Wanted, limits: ServerLimits, networks: Networks, visitor: Hashable = None):
        settings = Settings(checkpoint=REF, steps=wanted.lanes[0].steps, count=1)
        super().__init__(settings, Exact(wanted, limits), visitor)
        self.wanted = wanted
        self.clouds: dict[int, np.ndarray] = {}
        self._networks = networks

    def compute(self, model: Model) -> None:
        from ddpm_core.plane import least_loss

        wanted, mixture = self.wanted, self.wanted.mixture()
        trained = self._networks.get(wanted.network) if wanted.trains else None
        self.expect(evaluations(wanted, trained is not None))
        self.give(
            kind="plan",
            T=T,
            count=wanted.count,
            data=data(mixture),
            lanes=[
                {"name": wanted.name(lane, model), "denoiser": lane.denoiser, "times": wanted.times(lane, model)}
                for lane in wanted.lanes
            ],
        )
        if wanted.trains:
            lowest = least_loss(mixture, model.schedule)
            trained = trained or self._train(mixture, lowest)
            self._report(trained.curve, lowest)
        models = [model if lane.denoiser == "exact" or trained is None else trained.model for lane in wanted.lanes]
        self._run(models, mixture)

    def _train(self, mixture: Mixture, lowest: float) -> Trained:
        from ddpm_core.plane_network import BATCH, training

        steps, curve, done = self.wanted.training, [], 0
        shown = float("-inf")
        for now in timed(training(mixture, steps=steps, every=EVERY), f"{REF}-training", 1, steps):
            self.count(3 * BATCH * (now.step - done))
            done = now.step
            if done:
                curve.append((done, now.loss))
            if time.perf_counter() - shown > PREVIEW_SECONDS:
                self._report(curve, lowest, now.model)
                shown = time.perf_counter()
        trained = Trained(now.model, curve)
        self._networks.keep(self.wanted.network, trained)
        return trained

    def _report(self, curve: list[tuple[int, float]], lowest: float, now: Model | None = None) -> None:
        """How the training goes. now: the model as it is, while the training lasts."""
        from ddpm_core.plane import cloud

        x = None
        if now is not None:
            points, steps = PREVIEW
            *_, last = cloud(now, self.wanted.seed, points, steps=steps, sampler="ddim")
            x = packed(last.x.flatten(1).numpy())
        self.give(kind="training", steps=self.wanted.training, curve=list(curve), least=lowest, x=x)

    def _run(self, models: list[Model], mixture: Mixture) -> None:
        from ddpm_core.plane import cloud, start

        wanted, lanes = self.wanted, self.wanted.lanes
        x_T = start(wanted.seed, wanted.count)
        for lane in range(len(lanes)):
            self._frame(lane, models[lane], mixture, T, x_T.flatten(1).numpy())
        times = [set(wanted.times(lane, model)) for lane, model in zip(lanes, models, strict=True)]
        runs = []
        for lane, model in zip(lanes, models, strict=True):
            steps = cloud(model, wanted.seed, wanted.count, **wanted.options(lane, model))
            runs.append(timed(steps, f"{REF}-{lane.denoiser}", wanted.count, lane.steps))
        for lane, step in together(runs):
            self.count(wanted.count)
            points = step.x.flatten(1).numpy()
            if step.s in times[lane]:
                self._frame(lane, models[lane], mixture, step.s, points)
            if step.s == 0:
                self.clouds[lane] = points

    def _frame(self, lane: int, model: Model, mixture: Mixture, s: int, points: np.ndarray) -> None:
        alpha_bar = model.schedule.alpha_bar[s].item()
        reach = float(np.sqrt(alpha_bar * NEAR**2 + (1 - alpha_bar) * FAR**2))
        of_network = self.wanted.lanes[lane].denoiser == "trained"
        self.give(
            kind="frame",
            lane=lane,
            s=s,
            alpha_bar=alpha_bar,
            reach=reach,
            x=packed(points),
            field=field_of(model, mixture, max(s, 1), reach) if of_network else None,
        )


def evaluations(wanted: Wanted, is_trained: bool) -> int:
    """Of a network for single points: one of a training's steps, forward and back, counts as three."""
    from ddpm_core.plane_network import BATCH

    to_train = wanted.trains and not is_trained
    return wanted.count * sum(lane.steps for lane in wanted.lanes) + 3 * BATCH * wanted.training * to_train


def timed(items: Iterator[Item], ref: str, batch: int, steps: int) -> Iterator[Item]:
    """The same items. Their pace is noted when they end: others may compute in between, which does not count."""
    seconds = 0.0
    while True:
        began = time.perf_counter()
        item = next(items, None)
        seconds += time.perf_counter() - began
        if item is None:
            return PACE.note(ref, batch, seconds / steps)
        yield item


def together(runs: Sequence[Iterator[Step]]) -> Iterator[tuple[int, Step]]:
    """(lane, step) of several runs in order of falling t."""
    numbered = (zip(repeat(lane), run, strict=False) for lane, run in enumerate(runs))
    return heapq.merge(*numbered, key=lambda pair: -pair[1].t)


def data(mixture: Mixture) -> dict[str, Any]:
    """A mixture as the page draws it."""
    return {"centres": [round(value, 4) for value in mixture.centres.flatten().tolist()], "width": mixture.width}


def field_of(model: Model, mixture: Mixture, t: int, reach: float) -> str:
    """The network's score on a square of ARROWS × ARROWS points up to `reach` from 0, rows from the top, in units of
    1/√V: V is the variance of a part of q(x_t), so the arrows are about as long at every t.
    """
    from ddpm_core.plane import network_score

    ticks = np.linspace(-1, 1, ARROWS) * reach * (1 - 1 / ARROWS)
    points = np.stack(np.meshgrid(ticks, -ticks), -1).reshape(-1, 2)
    alpha_bar = model.schedule.alpha_bar[t].item()
    variance = alpha_bar * mixture.width**2 + 1 - alpha_bar
    return _text(network_score(model, points, t).numpy() * variance**0.5, ARROW_UNIT, np.int8)


def packed(points: np.ndarray) -> str:
    """Points (N, 2) as text: x₁, x₂ of each as int16."""
    return _text(points, UNIT, np.int16)


def _text(values: np.ndarray, unit: float, kind: type) -> str:
    most = np.iinfo(kind).max
    whole = np.nan_to_num(values / unit).round().clip(-most, most).astype(f"<i{np.dtype(kind).itemsize}")
    return base64.b64encode(whole.tobytes()).decode()
