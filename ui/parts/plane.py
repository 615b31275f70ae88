"""In the plane: a whole distribution instead of one picture. Two clouds of points go from noise to data."""

from __future__ import annotations

import heapq
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from ddpm_core import imaging, plane
from ddpm_core.commands import defaults
from ddpm_core.model import Model, ModelSpec
from ddpm_core.names import SHAPES, Sampler
from ddpm_core.plane import Mixture, plane_network
from ddpm_core.timesteps import FORMULAS, model_pairs, suited_spacing
from ui.forms import units
from ui.forms.fields import Choice, Field, Number, Picture, Request, Seed, Whole, declare, shown
from ui.machine.step_times import StepKind, StepTimes
from ui.models.services import Services
from ui.parts.part import Part
from ui.runs.jobs import Job
from ui.runs.log import Values
from ui.runs.plans import Computation, Plan, Recording, by_kind
from ui.runs.settings import AUTO, SPACING, if_has, options_of

if TYPE_CHECKING:
    from ddpm_core.samplers import Step

T = 1000  # of the paper's schedule, which every run here has
DRAWING = "drawing"
DRAWN = 200  # points of a drawing, at most
HUNDREDTHS = re.compile(r"-?\d{1,3},-?\d{1,3}", re.ASCII)

FRAMES = 60  # steps of a lane whose clouds are shown, at most
UNIT = 6 / 32767  # of coordinates on their way to the page, int16
ARROWS = 15  # a side of the field of arrows
ARROW_UNIT = 4 / 127  # of their lengths, int8
NEAR, FAR = 1.2, 2.4  # what is seen of the plane at t = 0 and at T: up to so far from 0

FLOP = 8e4  # of the trained network for one point; the exact ε costs about as much
EVERY = 25  # steps of a training between two chances to stop
PREVIEW = (300, 20)  # points, and steps of DDIM, of a cloud that shows how far the training is
PREVIEW_SECONDS = 0.4  # between two of these
GUESSED = 20  # steps that are timed before the first run
TRAINING = StepKind("plane-training", 3 * 512)  # plane_network.BATCH; a step, forward and back, counts as three

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Drawing(Picture):
    """One's own data: points "12,-30 4,5" in hundredths, inside [−1, 1]²; "" for none."""

    def check(self, value: object) -> Points:
        text = str(value or "")
        parts = text.split()
        if not all(HUNDREDTHS.fullmatch(part) for part in parts):
            raise ValueError(f"A drawing is points such as 12,-30 in hundredths, got {shown(text)}")
        points = tuple((int(x) / 100, int(y) / 100) for x, y in (part.split(",") for part in parts))
        if len(points) > DRAWN or any(max(abs(x), abs(y)) > 1 for x, y in points):
            raise ValueError(f"A drawing has 1 to {DRAWN} points from -100,-100 to 100,100, got {shown(text)}")
        return points

    def write(self, value: Points) -> str:
        return " ".join(f"{round(100 * x)},{round(100 * y)}" for x, y in value)

    def form(self) -> dict[str, object]:
        return super().form() | {"kind": "picture", "holds": "points"}  # a link has it after the #, as it is long


K = TypeVar("K", bound=Field)


def _of_lane(kind: K, lane: str) -> K:
    """The same for a lane, which errors name."""
    return replace(kind, title=f"{kind.title} of lane {lane}", label=kind.label or kind.title)


DENOISER = Choice("denoiser", names=("exact", "trained"), titles={"exact": "exact ε", "trained": "trained ε"})
SAMPLERS: tuple[Sampler, ...] = ("ddpm", "ddim", "dpm++", "unipc")
SAMPLER = Choice("sampler", names=SAMPLERS, titles={name: units.SAMPLER[name] for name in SAMPLERS})
STEPS = Whole("Steps", low=1, high=T, presets=(10, 50, T), slider=True)
VARIANCE = Choice("variance", "Noise", names=("beta", "beta_tilde"), titles=units.VARIANCE_CHOICE)


@dataclass(frozen=True)
class Lane:
    """denoiser: "exact" or "trained". The other fields are those of `ddpm_core.trajectory`."""

    denoiser: str
    sampler: str
    steps: int
    variance: str


@dataclass(frozen=True)
class Plane(Request):
    """Two lanes of one cloud of points. cloud: how many. training: steps of it, where a lane needs a network."""

    shape: str = declare(
        Choice(
            "shape",
            "Data",
            names=(*SHAPES, DRAWING),
            titles={name: name.title() for name in SHAPES} | {DRAWING: "Draw"},
        ),
        "ring",
    )
    drawing: Points = declare(Drawing("drawing"), (), shown_if=[{"shape": DRAWING}])
    denoiser: str = declare(_of_lane(DENOISER, "A"), "exact")
    variance: str = declare(_of_lane(VARIANCE, "A"), "beta", if_has("variance", SAMPLERS))
    sampler: str = declare(_of_lane(SAMPLER, "A"), "ddpm")
    steps: int = declare(_of_lane(STEPS, "A"), 10)
    denoiser_b: str = declare(_of_lane(DENOISER, "B"), "exact", lane="b")
    variance_b: str = declare(
        _of_lane(VARIANCE, "B"), "beta_tilde", if_has("variance", SAMPLERS, "sampler_b"), lane="b"
    )
    sampler_b: str = declare(_of_lane(SAMPLER, "B"), "ddpm", lane="b")
    steps_b: int = declare(_of_lane(STEPS, "B"), 10, lane="b")
    cloud: int = declare(Whole("The number of points", "Points", low=10, high=2000, more=True), 1000)
    seed: int = declare(Seed("The seed", help="The same seed gives the same noise, in both", more=True), defaults.SEED)
    width: float = declare(
        Number("The width", "Width of the data", "Around each of its centres", True, low=0.02, high=0.6), 0.06
    )
    spacing: str = declare(replace(SPACING, names=(AUTO, *FORMULAS)), AUTO)
    training: int = declare(
        Whole("The steps of the training", "Training steps", "Of a trained ε", True, low=1, high=10_000), 3000
    )

    @property
    def lanes(self) -> tuple[Lane, Lane]:
        return (
            Lane(self.denoiser, self.sampler, self.steps, self.variance),
            Lane(self.denoiser_b, self.sampler_b, self.steps_b, self.variance_b),
        )

    @property
    def trains(self) -> bool:
        return any(lane.denoiser == "trained" for lane in self.lanes)

    @property
    def network(self) -> Hashable:
        """What a trained network depends on."""
        return self.shape, self.drawing if self.shape == DRAWING else (), self.width, self.training

    def mixture(self) -> Mixture:
        """The data. Raises ValueError for an empty drawing."""
        if self.shape != DRAWING:
            return plane.shape(self.shape, self.width)  # pyright: ignore[reportArgumentType]
        if not self.drawing:
            raise ValueError("The drawing is empty: draw at least one point")
        return plane.drawing(self.drawing, self.width)

    def options(self, lane: Lane, model: ModelSpec) -> dict[str, Any]:
        """The arguments of `ddpm_core.plane.cloud` after the number of points."""
        options: dict[str, Any] = {"steps": lane.steps, "sampler": lane.sampler, "spacing": self.spacing}
        if self.spacing == AUTO:
            options["spacing"] = suited_spacing(model, lane.sampler, lane.steps)  # pyright: ignore[reportArgumentType]
        return options | options_of(lane)

    def times(self, lane: Lane, model: ModelSpec) -> list[int]:
        """The times at which a lane's cloud is shown, from T down to 0: all, or FRAMES evenly spaced steps."""
        options = self.options(lane, model)
        ends = [s for _, s in model_pairs(model, lane.steps, options["spacing"], options["sampler"])]
        return [T, *imaging.thin(ends, FRAMES)]


@dataclass(frozen=True)
class Trained:
    """curve: (step, L_simple) of its training."""

    model: Model
    curve: list[tuple[int, float]] = field(default_factory=list)


class Networks:
    """The networks that were trained last, by `Plane.network`. Thread-safe."""

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


@dataclass(frozen=True)
class CloudsPlan(Plan):
    """exact: the model of the exact ε. kinds: of the steps of each lane."""

    mixture: Mixture
    exact: Model
    kinds: tuple[StepKind, ...]


class CloudsRecording(Recording[CloudsPlan]):
    """clouds: x_0 of each lane that is done, float32 (cloud, 2)."""

    def __init__(self, plan: CloudsPlan):
        super().__init__(plan)
        self.clouds: dict[int, np.ndarray] = {}

    def kept(self) -> Values:
        """{clouds: [lane, points] of each lane that is done}"""
        return {"clouds": sorted(dict(self.clouds).items())}


class Clouds(Computation[Plane, CloudsPlan]):
    """Train a network where a lane needs one, then run both lanes together.

    Its results, by "kind": "plan" once; "training" while a network is trained; "frame" of a lane, from x_T on.
    """

    recording = CloudsRecording

    def __init__(self, services: Services, request: Plane, networks: Networks):
        super().__init__(services, request, [], request.cloud)  # its models are made, not loaded
        self._networks = networks

    def plan(self, models: Sequence[ModelSpec]) -> CloudsPlan:
        request, mixture = self.request, self.request.mixture()
        exact = plane.exact_model(mixture)
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
        """How the training goes. now: the model as it is, while the training lasts."""
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
        times = [set(request.times(lane, plan.exact)) for lane in lanes]
        runs = [
            plane.cloud(model, request.seed, request.cloud, **request.options(lane, plan.exact))
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
    forms: ClassVar = {"plane": Plane}
    computation = Clouds

    def __init__(self, services: Services):
        super().__init__(services)
        self._networks = Networks()

    def request(self, part: str, values: Values) -> Clouds:
        return Clouds(self.services, Plane.check(values), self._networks)

    def cost(self, computation: Computation) -> Values:
        guess_paces(self.services.step_times)
        return super().cost(computation) | {"device": "CPU"}  # whatever pictures are computed on

    def initial(self) -> Values:
        return {"DRAWN": DRAWN, "UNIT": UNIT, "ARROWS": ARROWS, "ARROW_UNIT": ARROW_UNIT}


def guess_paces(pace: StepTimes) -> None:
    """Time a few steps of everything, once, so that the first visitor, too, is told how long a run takes."""
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
    """(lane, step) of several runs in order of falling t."""
    numbered = (zip(repeat(lane), run, strict=False) for lane, run in enumerate(runs))
    return heapq.merge(*numbered, key=lambda pair: -pair[1].t)


def field_of(model: Model, mixture: Mixture, t: int, reach: float) -> np.ndarray:
    """The network's score on a square of ARROWS × ARROWS points up to `reach` from 0, rows from the top, in units of
    1/√V: V is the variance of a part of q(x_t), so the arrows are about as long at every t.
    """
    ticks = np.linspace(-1, 1, ARROWS) * reach * (1 - 1 / ARROWS)
    points = np.stack(np.meshgrid(ticks, -ticks), -1).reshape(-1, 2)
    alpha_bar = model.schedule.alpha_bar[t].item()
    variance = alpha_bar * mixture.width**2 + 1 - alpha_bar
    return _whole(plane.network_score(model, points, t).numpy() * variance**0.5, ARROW_UNIT, np.int8)


def packed(points: np.ndarray) -> np.ndarray:
    """Points (N, 2) as int16 of UNIT."""
    return _whole(points, UNIT, np.int16)


def _whole(values: np.ndarray, unit: float, kind: type) -> np.ndarray:
    most = np.iinfo(kind).max
    return np.nan_to_num(values / unit).round().clip(-most, most).astype(kind)
