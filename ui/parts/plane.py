"""In the plane: instead of one picture, a whole distribution. Two clouds of points move from noise to data."""

from __future__ import annotations

import heapq
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ddpm_core import imaging, plane
from ddpm_core.model import Model, ModelSpec
from ddpm_core.names import Shape, Spacing
from ddpm_core.plane import Mixture, plane_network
from ddpm_core.runs import make_chain
from ddpm_core.timesteps import model_pairs
from ui.machine.step_times import StepKind, StepTimes
from ui.models.services import Services
from ui.parts.part import Part
from ui.protocol import PaceOf
from ui.runs.asked import Asked, Sampled, Seed, unclear
from ui.runs.jobs import Job
from ui.runs.log import Values
from ui.runs.plans import Computation, Plan, Recording, by_kind

if TYPE_CHECKING:
    from ddpm_core.samplers import Step

T = 1000  # every run here has the paper's schedule
DRAWN = 200  # a drawing has at most so many points

FRAMES = 60  # at most so many clouds of a lane are shown
UNIT = 6 / 32767  # the page gets coordinates as int16, in this unit
ARROWS = 15  # arrows on a side of the field
ARROW_UNIT = 4 / 127  # the page gets the lengths of arrows as int8, in this unit
NEAR, FAR = 1.2, 2.4  # the page shows the plane up to this distance from 0: NEAR at t = 0, FAR at t = T

FLOP = 8e4  # what the trained network takes for one point; the exact ε costs about as much
EVERY = 25  # a training can be stopped every so many steps
PREVIEW = (300, 20)  # the preview of a training: a cloud of so many points, by so many steps of DDIM
PREVIEW_SECONDS = 0.4  # between two previews
GUESSED = 20  # so many steps are timed before the first run
# plane_network.BATCH images; a training step goes forward and back, so it counts as three evaluations.
TRAINING = StepKind("plane-training", 3 * 512)

Place = Annotated[list[Annotated[float, Field(ge=-1, le=1)]], Field(min_length=2, max_length=2)]


class CloudAsked(Sampled):
    """One of the two lanes."""

    denoiser: Literal["exact", "trained"]
    steps: Annotated[int, Field(ge=1, le=T)]
    sampler: Literal["ddpm", "ddim", "dpm++", "unipc"]
    spacing: Spacing

    def options(self) -> dict[str, Any]:
        """Return the arguments of `ddpm_core.plane.cloud` after the number of points."""
        return self.model_dump(exclude={"denoiser"})

    def times(self, model: ModelSpec) -> list[int]:
        """Return the times at which the cloud is shown, from T down to 0: at most FRAMES, evenly spaced."""
        ends = [s for _, s in model_pairs(model, self.steps, self.spacing, self.sampler)]
        return [T, *imaging.thin(ends, FRAMES)]


class Plane(Asked):
    """Two lanes that move the same cloud of points."""

    shape: Shape | None
    """the shape of the data, None for a drawing"""
    drawing: Annotated[list[Place], Field(max_length=DRAWN)]
    width: Annotated[float, Field(ge=0.02, le=0.6)]
    cloud: Annotated[int, Field(ge=10, le=2000)]
    """the number of points"""
    seed: Seed
    training: Annotated[int, Field(ge=1, le=10_000)]
    """the steps of the training, if a lane needs a network"""
    lanes: Annotated[list[CloudAsked], Field(min_length=2, max_length=2)]

    @property
    def trains(self) -> bool:
        return any(lane.denoiser == "trained" for lane in self.lanes)

    @property
    def network(self) -> Hashable:
        """The key of a trained network: everything that its training depends on."""
        return self.shape, tuple(map(tuple, self.drawing)), self.width, self.training

    def mixture(self) -> Mixture:
        """Return the data."""
        if self.shape is not None:
            return plane.shape(self.shape, self.width)
        if not self.drawing:
            raise unclear("an empty drawing")
        return plane.drawing([(x, y) for x, y in self.drawing], self.width)


@dataclass(frozen=True)
class Trained:
    """A trained network. curve: (step, L_simple) during its training."""

    model: Model
    curve: list[tuple[int, float]] = field(default_factory=list)


class Networks:
    """The networks that were trained last, by `Plane.network`. Thread-safe."""

    LIMIT = 16  # a network takes 0.2 MB

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


@dataclass(frozen=True)
class CloudsPlan(Plan):
    """exact: the model of the exact ε. kinds: for each lane, the kind of its steps."""

    mixture: Mixture
    exact: Model
    kinds: tuple[StepKind, ...]


class CloudsRecording(Recording[CloudsPlan]):
    """clouds: for each lane that is done, its x_0, float32 (cloud, 2)."""

    def __init__(self, plan: CloudsPlan):
        super().__init__(plan)
        self.clouds: dict[int, np.ndarray] = {}

    def kept(self) -> Values:
        """Return {clouds: [lane, points] for each lane that is done}."""
        return {"clouds": sorted(dict(self.clouds).items())}


class Clouds(Computation[Plane, CloudsPlan]):
    """Trains a network if a lane needs one, then runs both lanes together.

    Its results, by "kind": first "plan"; "training" while a network is trained; "frame" of a lane, from x_T on.
    """

    recording = CloudsRecording

    def __init__(self, services: Services, request: Plane, networks: Networks):
        super().__init__(services, request, [], request.cloud)  # its models are made, not loaded
        self._networks = networks

    def plan(self, models: Sequence[ModelSpec]) -> CloudsPlan:
        request, mixture = self.request, self.request.mixture()
        exact = plane.exact_model(mixture)
        for lane in request.lanes:
            make_chain(exact, **lane.options())
        kinds = tuple(StepKind(f"plane-{lane.denoiser}", request.cloud) for lane in request.lanes)
        to_train = request.trains and self._networks.get(request.network) is None
        steps = [(kind, lane.steps) for kind, lane in zip(kinds, request.lanes, strict=True)]
        return CloudsPlan(request, by_kind((TRAINING, request.training * to_train), *steps), mixture, exact, kinds)

    def flop(self, ref: str) -> float:
        return FLOP

    def compute(self, plan: CloudsPlan, models: Sequence[Model], work: Job) -> None:
        request, exact = self.request, plan.exact
        work.give({"kind": "plan"})
        trained = None
        if request.trains:
            lowest = plane.least_loss(plan.mixture, exact.schedule)
            trained = self._networks.get(request.network) or self._train(plan.mixture, lowest, work)
            self._report(trained.curve, lowest, work)
        chosen = [exact if lane.denoiser == "exact" or not trained else trained.model for lane in request.lanes]
        self._run(plan, chosen, work)

    def _train(self, mixture: Mixture, lowest: float, work: Job) -> Trained:
        steps, curve, done = self.request.training, [], 0
        reported = float("-inf")
        now = None
        for now in plane_network.training(mixture, steps=steps, every=EVERY):
            if now.step:
                work.count(TRAINING, now.step - done)
                done = now.step
                curve.append((done, now.loss))
            if time.perf_counter() - reported > PREVIEW_SECONDS:
                self._report(curve, lowest, work, now.model)
                reported = time.perf_counter()
        assert now is not None
        trained = Trained(now.model, curve)
        self._networks.keep(self.request.network, trained)
        return trained

    def _report(self, curve: list[tuple[int, float]], lowest: float, work: Job, now: Model | None = None) -> None:
        """Give the page the progress of the training. now: the model so far, while the training lasts."""
        x = None
        if now is not None:
            points, steps = PREVIEW
            *_, last = plane.cloud(now, self.request.seed, points, steps=steps, sampler="ddim")
            x = packed(last.x.flatten(1).numpy())
        work.give({"kind": "training", "steps": self.request.training, "curve": list(curve), "least": lowest, "x": x})

    def _run(self, plan: CloudsPlan, models: Sequence[Model], work: Job) -> None:
        request, lanes = self.request, self.request.lanes
        x_T = plane.start(request.seed, request.cloud)
        for lane in range(len(lanes)):
            self._frame(plan, lane, models[lane], T, x_T.flatten(1).numpy(), work)
        times = [set(lane.times(plan.exact)) for lane in lanes]
        runs = [
            plane.cloud(model, request.seed, request.cloud, **lane.options())
            for lane, model in zip(lanes, models, strict=True)
        ]
        for lane, step in together(runs):
            work.count(plan.kinds[lane])
            points = step.x.flatten(1).numpy()
            if step.s in times[lane]:
                self._frame(plan, lane, models[lane], step.s, points, work)
            if step.s == 0:
                work.recording.clouds[lane] = points

    def _frame(self, plan: CloudsPlan, lane: int, model: Model, s: int, points: np.ndarray, work: Job) -> None:
        alpha_bar = model.schedule.alpha_bar[s].item()
        reach = float(np.sqrt(alpha_bar * NEAR**2 + (1 - alpha_bar) * FAR**2))
        of_network = self.request.lanes[lane].denoiser == "trained"
        work.give(
            {
                "kind": "frame",
                "lane": lane,
                "s": s,
                "alpha_bar": alpha_bar,
                "reach": reach,
                "x": packed(points),
                "field": field_of(model, plan.mixture, max(s, 1), reach) if of_network else None,
            }
        )


class PlanePart(Part):
    names = ("plane",)
    asked = Plane

    def __init__(self, services: Services):
        super().__init__(services)
        self._networks = Networks()

    def computed(self, asked: Plane) -> Clouds:
        return Clouds(self.services, asked, self._networks)

    def initial(self) -> Values:
        return {"DRAWN": DRAWN, "UNIT": UNIT, "ARROWS": ARROWS, "ARROW_UNIT": ARROW_UNIT}


def pace_of(services: Services, name: str) -> PaceOf:
    """Return how long a step of this name takes."""
    guess_paces(services.step_times)
    return {"seconds": services.step_times.measured(name), "flop": FLOP, "download": 0}


def guess_paces(pace: StepTimes) -> None:
    """Time a few steps of each kind, once, so that the page can tell even the first visitor how long a run takes."""
    if pace.seconds(TRAINING) is not None:
        return
    mixture = plane.shape("ring")
    reports = plane_network.training(mixture, steps=GUESSED, every=GUESSED // 2)
    for _ in range(2):
        next(reports)  # the first half is slower, as torch prepares itself
    began = time.perf_counter()
    trained = next(reports).model
    pace.note(TRAINING, (time.perf_counter() - began) / (GUESSED // 2), guess=True)
    for denoiser, model in (("exact", plane.exact_model(mixture)), ("trained", trained)):
        for _ in range(2):
            began = time.perf_counter()
            list(plane.cloud(model, 0, 1000, steps=GUESSED // 2))
        pace.note(StepKind(f"plane-{denoiser}", 1000), (time.perf_counter() - began) / (GUESSED // 2), guess=True)


def together(runs: Sequence[Iterator[Step]]) -> Iterator[tuple[int, Step]]:
    """Yield (lane, step) of several runs, in order of falling t."""
    numbered = (zip(repeat(lane), run, strict=False) for lane, run in enumerate(runs))
    return heapq.merge(*numbered, key=lambda pair: -pair[1].t)


def field_of(model: Model, mixture: Mixture, t: int, reach: float) -> np.ndarray:
    """Return the network's score on a square of ARROWS × ARROWS points up to `reach` from 0, rows from the top. Its
    unit is 1/√V, where V is the variance of a part of q(x_t): so the arrows are about equally long at every t.
    """
    ticks = np.linspace(-1, 1, ARROWS) * reach * (1 - 1 / ARROWS)
    points = np.stack(np.meshgrid(ticks, -ticks), -1).reshape(-1, 2)
    alpha_bar = model.schedule.alpha_bar[t].item()
    variance = alpha_bar * mixture.width**2 + 1 - alpha_bar
    return _whole(plane.network_score(model, points, t).numpy() * variance**0.5, ARROW_UNIT, np.int8)


def packed(points: np.ndarray) -> np.ndarray:
    """Return points (N, 2) as int16, in units of UNIT."""
    return _whole(points, UNIT, np.int16)


def _whole(values: np.ndarray, unit: float, kind: type) -> np.ndarray:
    most = np.iinfo(kind).max
    return np.nan_to_num(values / unit).round().clip(-most, most).astype(kind)
