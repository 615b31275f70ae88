"""Compute Watch, Compare and Grid: one run of the reverse chain, or several runs side by side (lanes), all from the
same x_T. Also compute the sketch that Watch shows while a visitor types a prompt.
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
from ui.models.borrowed import weights_id
from ui.models.services import Services
from ui.parts.part import Part
from ui.pictures.encoded import encode_frames, encode_sprite, kept_steps
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

# Decoding a picture of 64 pixels takes about as long as one evaluation of emoji-tiny's network (30 ms each, in PyTorch
# on one core). Decoding one of 512 pixels takes as long as several steps of Stable Diffusion.
DECODED = 128  # pixels per side; larger pictures are decoded only at the end, with previews until then
MOMENTS = 25  # maximum number of steps whose pictures are shown in a run of a latent model
MODELS = 2  # maximum number of models in a run, because all of them are in memory at the same time
STATES = 8e6  # bytes; if the states x_s of a run would take more, none of them are stored
ALL_STATES = 100e6  # maximum bytes of the stored states of all visitors, with their pictures
VISITORS = 64  # maximum number of visitors whose states are stored, because even a run without pictures takes memory
VISIBLE = 16  # grey levels; a pixel whose difference is larger counts as visibly changed


class StateAsked(Asked):
    """The state x_s of an earlier run of the same visitor."""

    run: Name
    s: Annotated[int, Field(ge=1)]


class SamplingAsked(Asked):
    """A request for lanes that start at the same x_T, which has one image per seed."""

    lanes: Annotated[list[LaneAsked], Field(min_length=1, max_length=32)]
    seeds: Seeds
    """the seed of each image"""
    clip: bool | None
    attention: bool
    """whether to show the attention to the words of the prompt; only for one lane"""
    touch: Annotated[list[StrokeAsked], Field(max_length=200)]
    """strokes that edit the second lane; before them it equals the first lane"""
    start: Annotated[StateAsked | None, Field(alias="from")] = None
    """the state of an earlier run at which the lanes begin; None to begin at x_T"""


@dataclass(frozen=True)
class Frame:
    """The pictures of a lane after step k. x is x_s; x0_hat is x̂_0, predicted from x_t; both are uint8 (N, H, W, C).

    latents: previews of the latents x_s and x̂_0, one pixel per position; None for models without an autoencoder.
    decoded: whether the decoder made the pictures; if false, they are previews. attention: a map for each word of the
    prompt, uint8 (N, words · h, w, 1), each scaled to its maximum; None if not requested. apart: for each picture of an
    edited lane, its difference from lane A (see `_differences`).
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
    """A lane with its model's chain, and the kind of its steps."""

    asked: LaneAsked
    chain: Chain
    kind: StepKind


@dataclass(frozen=True)
class SamplingPlan(Plan):
    """The plan of the lanes."""

    request: SamplingAsked
    lanes: tuple[PlannedLane, ...]
    touches: Touches
    """the visitor's strokes in lane B, for each state"""
    shared: int
    """number of first steps that lanes A and B share: those before the first stroke"""
    begin: int
    """index of the first step: 0 unless the lanes begin at a state of an earlier run"""

    def kind_of(self, lane: int, k: int) -> StepKind | None:
        """Return the kind of a lane's step k; None for a step of lane B that lane A computes."""
        kind = self.lanes[lane].kind
        return kind if k >= self.shared else StepKind(kind.ref, kind.batch) if lane == 0 else None


class SamplingRecording(Recording[SamplingPlan]):
    """Keeps the pictures of a run.

    frames: for each lane, the kept x by step, uint8 (N, H, W, C). x_0: the final state of each finished lane, float32
    (N, C, H, W).
    """

    def __init__(self, plan: SamplingPlan):
        super().__init__(plan)
        self.frames: list[dict[int, np.ndarray]] = [{} for _ in plan.lanes]
        self.x_0: dict[int, np.ndarray] = {}

    @property
    def bytes(self) -> int:
        """The memory that the pictures take, in bytes."""
        kept = [x for lane in list(self.frames) for x in list(lane.values())]
        return sum(x.nbytes for x in (*kept, *list(self.x_0.values())))

    def forget(self) -> None:
        """Drop all pictures."""
        self.frames, self.x_0 = [{} for _ in self.plan.lanes], {}

    def kept(self) -> Values:
        """Return the data for files. frames: for each lane, [k, x] of each kept step k. x0: [lane, x_0] of each
        finished lane.
        """
        frames = [
            sorted(dict(lane).items()) for lane in self.frames
        ]  # copies, as the run may add or drop steps at the same time
        return {"frames": frames, "x0": sorted(dict(self.x_0).items())}

    def last(self) -> np.ndarray:
        """Return the last pictures of all lanes as one picture, uint8 (H, W, C). Each lane is a row; a grid keeps its
        rows.
        """
        lanes = self.plan.lanes
        last = [lane[max(lane)] for lane in self.frames if lane]
        columns = None if len(last) == 1 else len(last[0])
        if len(lanes) > 2:
            columns = len({lane.asked.steps for lane in lanes}) * len(last[0])
        return imaging.grid(np.concatenate(last), columns)


@dataclass(frozen=True)
class States:
    """The states that a run keeps, during and after its computation, so that another run can begin at one of them."""

    run: str
    request: SamplingAsked
    files: object
    """identifies the files of the model: see `weights_id` of ui/models/borrowed.py"""
    bytes: float
    """approximate memory at the end of the run"""
    lanes: list[dict[int, tuple[Frame, Tensor]]]
    """for each lane, the frame and x of each kept step"""


class KeptStates:
    """The states of each visitor's newest run. The oldest are dropped if there are too many or they take too much
    memory.
    """

    def __init__(self):
        self._of: dict[Hashable, States] = {}  # for each visitor, the states of the newest run; the oldest first
        self._lock = threading.Lock()

    def add_run(self, plan: SamplingPlan, model: Model, work: Job, steps: int) -> States | None:
        """Store and return an empty `States` for a new run, in place of those of the visitor's previous run; None if
        the lanes can't be edited or would take too much memory. steps: the number of kept steps in all lanes.
        """
        request, images = plan.request, steps * len(plan.request.seeds)
        numbers = 4 * images * model.channels * model.image_size**2
        is_one = request.lanes.count(request.lanes[0]) == len(request.lanes)  # lane B may be a copy of lane A
        if not is_one or plan.lanes[0].chain.memory or numbers > STATES:
            return None
        pictures = 2 * images * model.picture_channels * model.picture_size**2
        states = States(work.id, request, weights_id(model), numbers + pictures, [{} for _ in plan.lanes])
        with self._lock:
            self._of.pop(work.visitor, None)
            self._of[work.visitor] = states
            while len(self._of) > VISITORS or sum(each.bytes for each in self._of.values()) > ALL_STATES:
                del self._of[next(iter(self._of))]
        return states

    def find(self, start: StateAsked, step: int, request: SamplingAsked) -> States:
        """Return the states of the visitor's earlier run, which include this step. Raises Gone if they were dropped,
        and ValueError if the new request differs from the earlier one before this state.
        """
        found = self._of.get(visitor().name)
        if found is None or found.run != start.run or any(step not in lane for lane in found.lanes):
            raise Gone
        if _settings_until(start.s, found.request) != _settings_until(start.s, request):
            raise unclear("a state of another run")
        return found


def _settings_until(s: int, request: SamplingAsked) -> object:
    """Return all settings that determine the states of a run from x_T to x_s."""
    strokes = [stroke for stroke in request.touch if stroke.t >= s]
    return request.lanes[0], request.lanes[-1], request.seeds, request.clip, strokes


class Sampling(Computation[SamplingAsked, SamplingPlan]):
    """Computes the lanes.

    Results: first "plan", with the tokenized words of the prompt if there is one lane, and the words that did not occur
    in the training; then each kept `Frame`. If the lanes begin at a state of an earlier run, its earlier frames are
    sent with the first new frame.
    """

    recording = SamplingRecording
    kept_states: KeptStates | None = None
    """the visitors' stored states; None for a run that neither begins at a stored state nor stores its own"""

    def __init__(self, services: Services, request: SamplingAsked, kept_states: KeptStates | None = None):
        super().__init__(services, request, request.lanes, len(request.seeds) * len(request.lanes))
        if len(self.refs) > MODELS:
            raise unclear("lanes of many models")
        self.kept_states = kept_states

    def plan(self, models: Sequence[ModelSpec]) -> SamplingPlan:
        """Return the plan of the lanes. Raises ValueError if the models can't run them, and Gone if an earlier state
        was dropped.
        """
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
            # fails early if the state was dropped, before the run waits for a turn
            self.kept_states.find(start, begin - 1, request)
        own_steps = ((kind, len(chain.pairs) - max(begin, shared)) for kind, chain in zip(kinds, chains, strict=True))
        steps = by_kind((StepKind(kinds[0].ref, kinds[0].batch), max(0, shared - begin)), *own_steps)
        lanes = tuple(map(PlannedLane, request.lanes, chains, kinds))
        return SamplingPlan(request, steps, lanes, touches, shared, begin)

    def compute(self, plan: SamplingPlan, models: Sequence[Model], work: Job) -> None:
        """Take the steps of all lanes, and send the kept frames to the page."""
        request, by_ref = plan.request, dict(zip(self.refs, models, strict=True))
        loaded = [by_ref[lane.asked.checkpoint] for lane in plan.lanes]
        lanes = [runs.Lane(model, lane.chain) for model, lane in zip(loaded, plan.lanes, strict=True)]
        if plan.touches:
            lanes[1] = replace(lanes[1], on_step=touch.on_step(plan.touches, request.seeds, loaded[0]))
        size, channels = loaded[0].picture_size, loaded[0].picture_channels
        most = {"most": MOMENTS} if loaded[0].latent else {}
        kept = [kept_steps(len(lane.chain.pairs), size, self.images, channels, **most) for lane in lanes]
        # the first edited step is always shown
        kept = [steps | {plan.shared - 1} for steps in kept] if plan.touches else kept
        opening, words = _opening(plan, loaded)
        start, kept_states = request.start, self.kept_states
        earlier = kept_states.find(start, plan.begin - 1, request) if start and kept_states else None
        if earlier and earlier.files != weights_id(loaded[0]):
            raise ValueError(f"The files of {self.refs[0]} have changed: press Run again")
        states = kept_states.add_run(plan, loaded[0], work, sum(map(len, kept))) if kept_states else None

        def keep(frame: Frame, x: Tensor) -> Frame:
            """Store a frame and its state, and return the frame with its difference from lane A."""
            lane, k = frame.lane, frame.k
            if plan.touches and lane:
                frame = replace(frame, apart=_differences(work.recording.frames[0][k], frame.x))
            work.recording.frames[lane][k] = frame.x
            if states:
                states.lanes[lane][k] = frame, x
            return frame

        given: list[object] = [opening]
        for i, of_lane in enumerate((earlier.lanes[0], earlier.lanes[-1]) if earlier else ()):
            lanes[i] = replace(lanes[i], after=(lanes[i].chain.pairs[plan.begin][0], of_lane[plan.begin - 1][1]))
            for k, (frame, x) in dict(of_lane).items():  # a copy, as the earlier run may still be adding steps
                if k in kept[i] and k < plan.begin:
                    given.append(self.result_of(keep(replace(frame, lane=i, attention=None), x)))
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
                given.append(self.result_of(keep(*newest)))
            if given and (i or not plan.touches):  # both lanes of an edited run are sent together
                work.add_results(*given)
                given = []
            if step.s == 0:
                work.recording.x_0[i] = step.x.float().cpu().numpy()
            if kind := plan.kind_of(i, step.index):
                work.count(kind)

    def _steps(self, plan: SamplingPlan, lanes: Sequence[runs.Lane], work: Job) -> Iterator[tuple[int, Step]]:
        """Return the steps of all lanes, like `ddpm_core.side_by_side`, from ZeroGPU's GPU if there is one."""
        request = plan.request
        shared = {"seeds": request.seeds, "clip": request.clip, "attention": request.attention}
        if zero_gpu.on_gpu is None:
            return runs.follow(lanes, **shared)
        arguments = [lane.asked.arguments(self.services.samplers) for lane in plan.lanes]
        flop = self.services.models.flop
        return zero_gpu.side_by_side(lanes, arguments, shared, max(flop(ref) or 0.0 for ref in self.refs), work.notify)

    def result_of(self, frame: Frame) -> object:
        """Return a frame in the form that the client gets: here a message for the page."""
        about: protocol.LaneFrame = {
            "kind": "frame",
            "lane": frame.lane,
            "k": frame.k,
            "sigma": frame.sigma,
            "x": encode_frames(frame.x),
            "x0": encode_frames(frame.x0_hat),
        }
        if frame.attention is not None:
            about["attention"] = encode_sprite(frame.attention, "png")
        if frame.apart is not None:
            about["apart"] = frame.apart
        if frame.latents is not None:
            about["z"], about["z0"] = map(encode_frames, frame.latents)
            about["decoded"] = frame.decoded
        return about

    def log(self, plan: SamplingPlan | None) -> Values:
        """Return the log entry of `Computation.log` with sampler, images and lanes."""
        request = plan.request if plan else self.request
        return super().log(plan) | {
            "sampler": request.lanes[0].sampler,
            "images": len(request.seeds),
            "lanes": len(request.lanes),
        }


def _opening(plan: SamplingPlan, models: Sequence[Model]) -> tuple[protocol.Opening, list[tuple[str, tuple[int, ...]]]]:
    """Return the first result, and the words of the prompt with the indices of their tokens (empty for
    several lanes).
    """
    prompts = [
        (word_reader(model) if model.text else None, lane.asked.prompts or "")
        for model, lane in zip(models, plan.lanes, strict=True)
    ]
    new = dict.fromkeys(word for text, prompt in prompts if text for word in text.unknown(prompt))
    (text, prompt), *others = prompts
    words = list(text.words(prompt)) if text and not others else []
    return {"kind": "plan", "words": [word for word, _ in words], "unknown": list(new)}, words


def _differences(a: np.ndarray, b: np.ndarray) -> list[tuple[float, float]]:
    """Return the differences of pairs of pictures, uint8 (N, H, W, C). For each pair: the mean of |A − B| in
    grey levels, and the share of pixels that differ by more than VISIBLE.
    """
    gaps = [np.abs(of_a.astype(int) - of_b) for of_a, of_b in zip(a, b, strict=True)]
    return [(round(float(gap.mean()), 3), round(float((gap.max(-1) > VISIBLE).mean()), 4)) for gap in gaps]


def _maps(step: Step, words: Sequence[tuple[str, tuple[int, ...]]]) -> np.ndarray:
    """Return `Frame.attention` of a step. words: the words of the prompt, each with the indices of its tokens."""
    assert step.attention is not None  # set because the run requested attention
    maps = np.stack([step.attention[:, list(tokens)].sum(1).cpu().numpy() for _, tokens in words], 1)
    maps /= maps.max((2, 3), keepdims=True)  # shape: (N, words, h, w)
    return (maps.reshape(len(maps), -1, maps.shape[-1], 1) * 255).round().astype(np.uint8)


def _pictures(model: Model, step: Step) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | None, bool]:
    """Return the fields x, x0_hat, latents and decoded of the `Frame` of a step."""
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
    """Computes a sketch. Results: "plan", with the tokenized words of the prompt, and its words that did not occur in
    the training; then the last `Frame`.

    It stores nothing. Raises Refused while other visitors' runs compute or wait, because they have priority.
    """

    recording = Recording

    def __init__(self, services: Services, request: SamplingAsked):
        if len(request.lanes) > 1:
            raise unclear("a sketch of several lanes")
        if services.turns.count_others(visitor().name):
            raise Refused("Others are using this computer. Press Run to draw your words.", "sketch")
        super().__init__(services, request)

    def compute(self, plan: SamplingPlan, models: Sequence[Model], work: Job) -> None:
        """Draw the sketch, and send its last frame to the page."""
        (model,), (lane,), request = models, plan.lanes, plan.request
        opening, _ = _opening(plan, [model])
        work.add_results(opening)
        for _, step in runs.follow([runs.Lane(model, lane.chain)], request.seeds, request.clip):
            work.count(lane.kind)
            if step.s == 0:
                work.add_results(self.result_of(Frame(0, step.index, 0.0, *_pictures(model, step))))


class SketchPart(Part):
    """The sketches that Watch shows while a visitor types a prompt."""

    names = ("sketch",)
    asked = SamplingAsked
    computation = Sketching
