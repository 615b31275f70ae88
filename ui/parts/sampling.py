"""Watch, Compare and Grid: one run of the reverse chain, two lanes, or a grid of them, all from one x_T. Also the
sketch that Watch shows while a visitor types a prompt.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from ddpm_core import imaging, runs
from ddpm_core.imaging import to_uint8
from ddpm_core.model import Model, ModelSpec, check_same_images, word_reader
from ddpm_core.runs import Chain
from ui import protocol
from ui.machine import zero_gpu
from ui.machine.limits import Refused
from ui.machine.step_times import StepKind
from ui.models.borrowed import files
from ui.models.services import Services
from ui.parts.part import Part
from ui.pictures.encoded import encoded, kept_steps, sent
from ui.runs import touch
from ui.runs.asked import Asked, LaneAsked, Name, Seeds, unclear
from ui.runs.jobs import Job
from ui.runs.log import Gone, Values
from ui.runs.plans import Computation, Plan, Recording, by_kind
from ui.runs.touch import StrokeAsked, Touches
from ui.runs.visitors import visitor

if TYPE_CHECKING:
    from ddpm_core import Step
    from ddpm_core.model import Tensor

# Decoding a picture of 64 pixels takes about as long as evaluating emoji-trial's network for it (20 and 30 ms of one
# core); one of 512 as long as several steps of Stable Diffusion.
DECODED = 128  # pixels a side: larger pictures are decoded at the end only, and previewed until then
MOMENTS = 25  # so many steps of a latent model's run are shown at most
MODELS = 2  # models that a run may use: it holds them all in memory at once
STATES = 8e6  # bytes: a run whose states take more keeps none of them
ALL_STATES = 100e6  # bytes: the kept states of all visitors, with the pictures of these states
VISITORS = 64  # so many visitors at most have kept states: requests take memory, too
SEEN = 16  # two pictures differ visibly in a pixel if it differs by more grey levels


class StateAsked(Asked):
    """The state x_s of the visitor's earlier run."""

    run: Name
    s: Annotated[int, Field(ge=1)]


class SamplingAsked(Asked):
    """Lanes that begin with the same x_T, one for each seed."""

    lanes: Annotated[list[LaneAsked], Field(min_length=1, max_length=32)]
    seeds: Seeds
    """the seed of each image"""
    clip: bool | None
    attention: bool
    """whether to show the attention to the words of the prompt; only for one lane"""
    touch: Annotated[list[StrokeAsked], Field(max_length=200)]
    """strokes that change the second lane; before them it is the same as the first"""
    start: Annotated[StateAsked | None, Field(alias="from")] = None
    """where the lanes begin, if an earlier run is the same down to this state; None for x_T"""


@dataclass(frozen=True)
class Frame:
    """The pictures of a lane after its step k: x is x_s, x0_hat is x̂_0 predicted from x_t, both uint8 (N, H, W, C).

    latents: for a latent model, previews of both latents, a pixel for each place. decoded: whether the decoder made the
    pictures; else they are previews. attention: a map for each word of the prompt, if asked for, uint8 (N, words · h,
    w, 1), each scaled to its largest number. apart: for each picture of a touched lane, how far it is from lane A's,
    see `_apart`.
    """

    lane: int
    k: int
    sigma: float
    x: np.ndarray
    x0_hat: np.ndarray
    latents: tuple[np.ndarray, np.ndarray] | None = None
    decoded: bool = True
    attention: np.ndarray | None = None
    apart: list[tuple[float, float]] | None = None


class PlannedLane(NamedTuple):
    """A lane with the chain that its model takes, and the kind of its steps."""

    asked: LaneAsked
    chain: Chain
    kind: StepKind


@dataclass(frozen=True)
class SamplingPlan(Plan):
    request: SamplingAsked
    lanes: tuple[PlannedLane, ...]
    touches: Touches
    """what the visitor changed by hand, in lane B"""
    shared: int
    """how many first steps lane B has in common with lane A: those before the first touch"""
    begin: int
    """the number of the first step: 0 unless the lanes begin at a state of an earlier run"""

    def kind_of(self, lane: int, k: int) -> StepKind | None:
        """Return the kind of a lane's step k; None if lane A computes this step for lane B."""
        kind = self.lanes[lane].kind
        return kind if k >= self.shared else StepKind(kind.ref, kind.batch) if lane == 0 else None


class SamplingRecording(Recording[SamplingPlan]):
    """frames: for each lane, the kept x by step, uint8 (N, H, W, C). x_0: that of each finished lane, float32
    (N, C, H, W).
    """

    def __init__(self, plan: SamplingPlan):
        super().__init__(plan)
        self.frames: list[dict[int, np.ndarray]] = [{} for _ in plan.lanes]
        self.x_0: dict[int, np.ndarray] = {}

    @property
    def bytes(self) -> int:
        kept = [x for lane in list(self.frames) for x in list(lane.values())]
        return sum(x.nbytes for x in (*kept, *list(self.x_0.values())))

    def forget(self) -> None:
        self.frames, self.x_0 = [{} for _ in self.plan.lanes], {}

    def kept(self) -> Values:
        """Return {frames, x0}: for each lane, [k, x] of its kept steps; [lane, x_0] for each finished lane."""
        frames = [
            sorted(dict(lane).items()) for lane in self.frames
        ]  # copies, as the run may add steps meanwhile, or forget them
        return {"frames": frames, "x0": sorted(dict(self.x_0).items())}

    def last(self) -> np.ndarray:
        """Return the last pictures as one, uint8 (H, W, C). Each lane is a row; a grid has its own rows."""
        lanes = self.plan.lanes
        last = [lane[max(lane)] for lane in self.frames if lane]
        columns = None if len(last) == 1 else len(last[0])
        if len(lanes) > 2:
            columns = len({lane.asked.steps for lane in lanes}) * len(last[0])
        return imaging.grid(np.concatenate(last), columns)


@dataclass(frozen=True)
class States:
    """The states that a run keeps during and after its computation, so that another run can begin at one of them."""

    run: str
    request: SamplingAsked
    files: object
    """of its model: see `files` of ui/models/borrowed.py"""
    bytes: float
    """about how much memory it takes at the end of the run"""
    lanes: list[dict[int, tuple[Frame, Tensor]]]
    """for each lane, the frame and x of each kept step"""


class KeptStates:
    """The states of each visitor's newest run. The oldest go if there are too many, or if they take too much memory."""

    def __init__(self):
        self._of: dict[Hashable, States] = {}  # the oldest ones first
        self._lock = threading.Lock()

    def begin(self, plan: SamplingPlan, model: Model, work: Job, steps: int) -> States | None:
        """Return where the states of a run are kept; None if they can't be changed, or take too much memory. steps: how
        many are kept, in all lanes.
        """
        request, images = plan.request, steps * len(plan.request.seeds)
        numbers = 4 * images * model.channels * model.image_size**2
        is_one = request.lanes.count(request.lanes[0]) == len(request.lanes)  # lane B may be a copy
        if not is_one or plan.lanes[0].chain.memory or numbers > STATES:
            return None
        pictures = 2 * images * model.picture_channels * model.picture_size**2
        states = States(work.id, request, files(model), numbers + pictures, [{} for _ in plan.lanes])
        with self._lock:
            self._of.pop(work.visitor, None)
            self._of[work.visitor] = states
            while len(self._of) > VISITORS or sum(each.bytes for each in self._of.values()) > ALL_STATES:
                del self._of[next(iter(self._of))]
        return states

    def find(self, start: StateAsked, step: int, request: SamplingAsked) -> States:
        """Return the states of the visitor's run in which this step is kept. Raises Gone if there are none, and
        ValueError if a run of the request has other states down to this one.
        """
        found = self._of.get(visitor().name)
        if found is None or found.run != start.run or any(step not in lane for lane in found.lanes):
            raise Gone
        if _until(start.s, found.request) != _until(start.s, request):
            raise unclear("a state of another run")
        return found


def _until(s: int, request: SamplingAsked) -> object:
    """Return all that the states of a run depend on, down to x_s."""
    strokes = [stroke for stroke in request.touch if stroke.t >= s]
    return request.lanes[0], request.lanes[-1], request.seeds, request.clip, strokes


class Sampling(Computation[SamplingAsked, SamplingPlan]):
    """Computes the lanes. Its results: first "plan", with the words of the prompt as the model reads it, if there is
    one lane, and the words that are new to a model; then each kept `Frame`. If the lanes begin at a state of an earlier
    run, its frames down to there come with the first one.
    """

    recording = SamplingRecording
    kept_states: KeptStates | None = None
    """of the visitors; None for a run that neither begins at a kept state nor keeps its own"""

    def __init__(self, services: Services, request: SamplingAsked, kept_states: KeptStates | None = None):
        super().__init__(services, request, request.lanes, len(request.seeds) * len(request.lanes))
        if len(self.refs) > MODELS:
            raise unclear("lanes of many models")
        self.kept_states = kept_states

    def plan(self, models: Sequence[ModelSpec]) -> SamplingPlan:
        request, n, by_ref = self.request, len(self.request.seeds), dict(zip(self.refs, models, strict=True))
        of_lanes = [by_ref[lane.checkpoint] for lane in request.lanes]
        first, *_ = of_lanes
        check_same_images(of_lanes)
        imaging.check_channels(first.picture_channels)
        if len({model.picture_size for model in of_lanes}) > 1:
            raise unclear("pictures of two sizes beside each other")
        chains = [
            lane.chain(model, n, self.services.samplers) for lane, model in zip(request.lanes, of_lanes, strict=True)
        ]
        touches: Touches = {}
        if request.touch:
            if len(request.lanes) != 2 or request.lanes[0] != request.lanes[1]:
                raise unclear("a touch of other lanes than one and its copy")
            chains[0].check_no_memory()
            touches = touch.touches(request.touch, first, [int(s) for _, s in chains[0].pairs])
        if request.attention and (len(request.lanes) > 1 or not first.takes_words):
            raise unclear("attention without the words of one lane")
        refs, more = [lane.checkpoint for lane in request.lanes], n if request.attention else 0
        kinds = [
            StepKind(ref, n * (chain.evaluations or 1) + more, refs.count(ref))
            for ref, chain in zip(refs, chains, strict=True)
        ]
        shared = next((k + 1 for k, (_, s) in enumerate(chains[0].pairs) if s in touches), 0)
        begin, start = 0, request.start
        if start:
            if not touches or not self.kept_states:
                raise unclear("a state that nothing changes")
            begin = next((k + 1 for k, (_, s) in enumerate(chains[0].pairs) if s == start.s), 0)
            self.kept_states.find(start, begin - 1, request)  # a run whose state is gone waits for no turn
        own_steps = ((kind, len(chain.pairs) - max(begin, shared)) for kind, chain in zip(kinds, chains, strict=True))
        steps = by_kind((StepKind(kinds[0].ref, kinds[0].batch), max(0, shared - begin)), *own_steps)
        lanes = tuple(map(PlannedLane, request.lanes, chains, kinds))
        return SamplingPlan(request, steps, lanes, touches, shared, begin)

    def compute(self, plan: SamplingPlan, models: Sequence[Model], work: Job) -> None:
        request, by_ref = plan.request, dict(zip(self.refs, models, strict=True))
        loaded = [by_ref[lane.asked.checkpoint] for lane in plan.lanes]
        lanes = [runs.Lane(model, lane.chain) for model, lane in zip(loaded, plan.lanes, strict=True)]
        if plan.touches:
            lanes[1] = replace(lanes[1], on_step=touch.on_step(plan.touches, request.seeds, loaded[0]))
        size, channels = loaded[0].picture_size, loaded[0].picture_channels
        most = {"most": MOMENTS} if loaded[0].latent else {}
        kept = [kept_steps(len(lane.chain.pairs), size, self.images, channels, **most) for lane in lanes]
        kept = [steps | {plan.shared - 1} for steps in kept] if plan.touches else kept  # also the touched step
        opening, words = _opening(plan, loaded)
        start, kept_states = request.start, self.kept_states
        earlier = kept_states.find(start, plan.begin - 1, request) if start and kept_states else None
        if earlier and earlier.files != files(loaded[0]):
            raise ValueError(f"The files of {self.refs[0]} have changed: press Run again")
        states = kept_states.begin(plan, loaded[0], work, sum(map(len, kept))) if kept_states else None

        def keep(frame: Frame, x: Tensor) -> Frame:
            lane, k = frame.lane, frame.k
            if plan.touches and lane:
                frame = replace(frame, apart=_apart(work.recording.frames[0][k], frame.x))
            work.recording.frames[lane][k] = frame.x
            if states:
                states.lanes[lane][k] = frame, x
            return frame

        given: list[object] = [opening]
        for i, of_lane in enumerate((earlier.lanes[0], earlier.lanes[-1]) if earlier else ()):
            lanes[i] = replace(lanes[i], after=(lanes[i].chain.pairs[plan.begin][0], of_lane[plan.begin - 1][1]))
            for k, (frame, x) in dict(of_lane).items():  # a copy, as that run may not have stopped yet
                if k in kept[i] and k < plan.begin:
                    given.append(self.shown(keep(replace(frame, lane=i, attention=None), x)))
        newest = None
        for i, step in self._steps(plan, lanes, work):
            if step.index in kept[i]:
                sigma = float(step.sigma) if isinstance(step.sigma, int | float) else float(step.sigma.mean())
                if newest is not None and i and step.index < plan.shared - 1:
                    newest = replace(newest[0], lane=i), newest[1]
                else:
                    maps = _maps(step, words) if request.attention and words else None
                    frame = Frame(i, step.index, sigma, *_pictures(loaded[i], step), attention=maps)
                    newest = frame, step.x.cpu()
                given.append(self.shown(keep(*newest)))
            if given and (i or not plan.touches):  # a touched run gives both lanes together
                work.give(*given)
                given = []
            if step.s == 0:
                work.recording.x_0[i] = step.x.float().cpu().numpy()
            if kind := plan.kind_of(i, step.index):
                work.count(kind)

    def _steps(self, plan: SamplingPlan, lanes: Sequence[runs.Lane], work: Job) -> Iterator[tuple[int, Step]]:
        """Return the steps of the lanes: those of `ddpm_core.side_by_side`, on ZeroGPU's GPU if there is one."""
        request = plan.request
        shared = {"seeds": request.seeds, "clip": request.clip, "attention": request.attention}
        if zero_gpu.on_gpu is None:
            return runs.follow(lanes, **shared)
        arguments = [lane.asked.arguments(self.services.samplers) for lane in plan.lanes]
        flop = self.services.models.flop
        return zero_gpu.side_by_side(lanes, arguments, shared, max(flop(ref) or 0.0 for ref in self.refs), work.notify)

    def shown(self, frame: Frame) -> object:
        """Return a frame as whoever listens gets it: here the page."""
        about: protocol.LaneFrame = {
            "kind": "frame",
            "lane": frame.lane,
            "k": frame.k,
            "sigma": frame.sigma,
            "x": sent(frame.x),
            "x0": sent(frame.x0_hat),
        }
        if frame.attention is not None:
            about["attention"] = encoded(frame.attention, "png")
        if frame.apart is not None:
            about["apart"] = frame.apart
        if frame.latents is not None:
            about["z"], about["z0"] = map(sent, frame.latents)
            about["decoded"] = frame.decoded
        return about

    def log(self, plan: SamplingPlan | None) -> Values:
        request = plan.request if plan else self.request
        return super().log(plan) | {
            "sampler": request.lanes[0].sampler,
            "images": len(request.seeds),
            "lanes": len(request.lanes),
        }


def _opening(plan: SamplingPlan, models: Sequence[Model]) -> tuple[protocol.Opening, list[tuple[str, tuple[int, ...]]]]:
    """Return the first result, and the words of the prompt of one lane with the numbers of their tokens."""
    prompts = [
        (word_reader(model) if model.text else None, lane.asked.prompts or "")
        for model, lane in zip(models, plan.lanes, strict=True)
    ]
    new = dict.fromkeys(word for text, prompt in prompts if text for word in text.unknown(prompt))
    (text, prompt), *others = prompts
    words = list(text.words(prompt)) if text and not others else []
    return {"kind": "plan", "words": [word for word, _ in words], "unknown": list(new)}, words


def _apart(a: np.ndarray, b: np.ndarray) -> list[tuple[float, float]]:
    """For each pair of pictures, uint8 (N, H, W, C), return the mean of |A − B| in grey levels, and the share of pixels
    that differ by more than SEEN.
    """
    gaps = [np.abs(of_a.astype(int) - of_b) for of_a, of_b in zip(a, b, strict=True)]
    return [(round(float(gap.mean()), 3), round(float((gap.max(-1) > SEEN).mean()), 4)) for gap in gaps]


def _maps(step: Step, words: Sequence[tuple[str, tuple[int, ...]]]) -> np.ndarray:
    """Return `Frame.attention`. words: the words, each with the numbers of its tokens."""
    assert step.attention is not None  # the run was asked for it
    maps = np.stack([step.attention[:, list(tokens)].sum(1).cpu().numpy() for _, tokens in words], 1)
    maps /= maps.max((2, 3), keepdims=True)  # (N, words, h, w)
    return (maps.reshape(len(maps), -1, maps.shape[-1], 1) * 255).round().astype(np.uint8)


def _pictures(model: Model, step: Step) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | None, bool]:
    """Return the fields of a Frame from x to decoded."""
    if model.decoder is None:
        return to_uint8(step.x), to_uint8(step.x0_hat), None, True
    z, z0 = (to_uint8(model.decoder.preview(x)) for x in (step.x, step.x0_hat))
    if model.picture_size <= DECODED or step.s == 0:
        x = model.pictures(step.x)
        return x, x if step.x.equal(step.x0_hat) else model.pictures(step.x0_hat), (z, z0), True
    x, x0 = (one.repeat(model.factor, 1).repeat(model.factor, 2) for one in (z, z0))
    return x, x0, (z, z0), False


class SamplingPart(Part):
    """The parts Watch, Compare and Grid."""

    names = ("watch", "compare", "grid")
    asked = SamplingAsked

    def __init__(self, services: Services):
        super().__init__(services)
        self.kept_states = KeptStates()
        self.computation = partial(Sampling, kept_states=self.kept_states)


class Sketching(Sampling):
    """Computes a sketch. Its results: "plan", with the words of the prompt and those that are new to the model; then
    the last `Frame`.

    It keeps nothing. Raises Refused while others compute or wait: their runs come first.
    """

    recording = Recording

    def __init__(self, services: Services, request: SamplingAsked):
        if len(request.lanes) > 1:
            raise unclear("a sketch of several lanes")
        if services.turns.others(visitor().name):
            raise Refused("Others are using this computer. Press Run to draw your words.", "sketch")
        super().__init__(services, request)

    def compute(self, plan: SamplingPlan, models: Sequence[Model], work: Job) -> None:
        (model,), (lane,), request = models, plan.lanes, plan.request
        opening, _ = _opening(plan, [model])
        work.give(opening)
        for _, step in runs.follow([runs.Lane(model, lane.chain)], request.seeds, request.clip):
            work.count(lane.kind)
            if step.s == 0:
                work.give(self.shown(Frame(0, step.index, 0.0, *_pictures(model, step))))


class SketchPart(Part):
    """The sketches that Watch shows while a visitor types a prompt."""

    names = ("sketch",)
    asked = SamplingAsked
    computation = Sketching
