"""Watch, Compare and Grid: one run of the reverse chain, two lanes, or a grid of them, all from one x_T; and a sketch,
which Watch shows while words are typed.

Each is a request; `Sampling` resolves it once into a `SamplingPlan`, which is what runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

import ddpm_core
from ddpm_core import imaging
from ddpm_core.imaging import to_uint8
from ddpm_core.imaging.image_files import MODES
from ddpm_core.model import Model, ModelSpec, check_same_images
from ddpm_core.names import Sampler, Spacing, Variance
from ddpm_core.runs import make_chain
from ui import protocol
from ui.forms import units
from ui.forms.fields import NEVER, Choice, Switch, Whole, Wholes, declare
from ui.machine import zero_gpu
from ui.machine.limits import Refused
from ui.machine.step_times import StepKind
from ui.models.form_options import samplers, step_limits, variances
from ui.models.services import Services
from ui.parts.part import Part
from ui.pictures.encoded import encoded, kept_steps, sent
from ui.runs import touch
from ui.runs.jobs import Job
from ui.runs.log import Values
from ui.runs.plans import Computation, Plan, Recording, by_kind
from ui.runs.settings import (
    CHECKPOINT,
    ETA,
    GUIDANCE,
    IF_GUIDED,
    IF_WORDS,
    LANE,
    PROMPT,
    SAMPLER,
    SPACING,
    STEPS,
    TOUCH,
    VARIANCE,
    Settings,
    Touched,
    if_has,
)
from ui.runs.touch import Stroke, Touches
from ui.runs.visitors import visitor

if TYPE_CHECKING:
    from ddpm_core import Step
    from ddpm_core.model import Tensor

SAME = "same"  # in lane B: what lane A has
# Decoding a picture of 64 pixels takes about as long as evaluating emoji-trial's network for it (20 and 30 ms of one
# core); one of 512 as long as several steps of Stable Diffusion.
DECODED = 128  # pixels a side: larger pictures are decoded at the end only, and previewed until then
MOMENTS = 25  # of a run of latents, which are shown
STATES = 8e6  # bytes: a run of more states keeps none of them
SEEN = 16  # grey levels of a pixel by which two pictures differ
SPACING_B = replace(SPACING, names=(SAME, *SPACING.names), titles={SAME: "as A"})


@dataclass(frozen=True)
class Watch(Settings):
    """One run. The page may still have values of fields that it hides.

    attention: to the words of the prompt, for models that take any. touch: what a second lane has of its own, which is
    the same run until then.
    """

    attention: bool | None = declare(
        Switch("attention", "Attention", "Shows where the network looks for each word; one more evaluation", True),
        False,
        IF_WORDS,
    )

    touch: tuple[Stroke, ...] = declare(TOUCH, ())

    def lanes(self) -> tuple[Settings, ...]:
        one = self.plain()
        if not self.touch:
            return (one,)
        return one, Touched(**{row.name: getattr(one, row.name) for row in fields(Settings)}, touch=self.touch)


@dataclass(frozen=True)
class Pair(Settings):
    """Two lanes, A and B, from one x_T. They share what has no second field here."""

    variance: Variance = declare(VARIANCE, "beta", if_has("variance"))
    steps: int = declare(STEPS, 10)
    checkpoint_b: str = declare(
        replace(CHECKPOINT, help="Its pictures must have A's size and channels"), SAME, lane="b"
    )
    prompt_b: str = declare(replace(PROMPT, help="", placeholder="as A"), "", IF_WORDS, lane="b")
    steps_b: int = declare(STEPS, 10, lane="b")
    variance_b: Variance = declare(VARIANCE, "beta_tilde", if_has("variance", field="sampler_b"), lane="b")
    sampler_b: Sampler = declare(SAMPLER, "ddpm", lane="b")
    spacing_b: str = declare(SPACING_B, SAME, lane="b")
    eta_b: float = declare(ETA, 0.0, if_has("eta", field="sampler_b"), lane="b")
    guidance_b: float | None = declare(replace(GUIDANCE, open="as A"), None, IF_GUIDED, lane="b")

    def lanes(self) -> tuple[Settings, ...]:
        own = {name: getattr(self, f"{name}_b") for name in LANE if hasattr(self, f"{name}_b")}
        other = replace(self, **{name: value for name, value in own.items() if value not in (SAME, "", None)})
        return self.plain(), other.plain()


@dataclass(frozen=True)
class Grid(Settings):
    """Steps × variance, or steps × sampler, from one seed."""

    rows: str = declare(Choice("kind of rows", "A row for each", names=("variance", "sampler")), "variance")
    columns: tuple[int, ...] = declare(
        Wholes("Columns", "A column for each number of steps", most=8, example="5, 10, 50"), (5, 10, 20, 50, 200)
    )
    sampler: Sampler = declare(SAMPLER, "ddpm", shown_if=NEVER)
    steps: int = declare(STEPS, 50, shown_if=NEVER)
    variance: Variance = declare(VARIANCE, "beta_tilde", shown_if=[{"rows": "sampler"}])
    eta: float = declare(ETA, 0.0, shown_if=[{"rows": "sampler"}])
    count: int = declare(Whole("The number of images", "Pictures in a cell", more=True, low=1, high=4), 1)

    def lanes(self) -> tuple[Settings, ...]:
        if self.rows == "variance":
            ways = [{"sampler": "ddpm", "variance": name} for name in ("beta", "beta_tilde", "analytic")]
        else:
            ways = [{"sampler": name} for name in ("ddpm", "ddim", "dpm++", "unipc")]
        return tuple(replace(self, **own, steps=n).plain() for own in ways for n in self.columns)


REQUESTS: dict[str, type[Settings]] = {"watch": Watch, "compare": Pair, "grid": Grid}


@dataclass(frozen=True)
class Frame:
    """The pictures of a lane after its step k: x is x_s, x0_hat is x̂_0 predicted from x_t, both uint8 (N, H, W, C).

    latents: of a latent model both as they are, a pixel for each latent. decoded: whether the pictures are what the
    decoder makes of them; else they are previews. attention: to each word of the prompt, where that was asked for,
    uint8 (N, words · h, w, 1), each word's map scaled to its largest number. apart: of each picture of a touched lane,
    how far it is from lane A's, see `_apart`.
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

    def shown(self) -> protocol.LaneFrame:
        """As the page gets it."""
        about: protocol.LaneFrame = {
            "kind": "frame",
            "lane": self.lane,
            "k": self.k,
            "sigma": self.sigma,
            "x": sent(self.x),
            "x0": sent(self.x0_hat),
        }
        if self.attention is not None:
            about["attention"] = encoded(self.attention, "png")
        if self.apart is not None:
            about["apart"] = self.apart
        if self.latents is not None:
            about["z"], about["z0"] = map(sent, self.latents)
            about["decoded"] = self.decoded
        return about


@dataclass(frozen=True)
class SamplingPlan(Plan):
    """refs: the checkpoints, each once. Of each lane: lanes, its resolved settings; its model; pairs, its steps;
    arguments, of ddpm_core.trajectory; its kind of step. attention: whether it is shown. touches: of lane B, which
    shares its first steps with lane A, so many.
    """

    request: Settings
    refs: tuple[str, ...]
    lanes: tuple[Settings, ...]
    models: tuple[ModelSpec, ...]
    pairs: tuple[Sequence[tuple[int, int]], ...]
    arguments: tuple[dict[str, Any], ...]
    kinds: tuple[StepKind, ...]
    attention: bool
    touches: Touches
    shared: int

    def kind_of(self, lane: int, k: int) -> StepKind | None:
        """What a lane's step k costs; None where it is lane A's."""
        kind = self.kinds[lane]
        return kind if k >= self.shared else StepKind(kind.ref, kind.batch) if lane == 0 else None


class SamplingRecording(Recording[SamplingPlan]):
    """frames: of each lane the kept x by step, uint8 (N, H, W, C). x_0: of each finished lane, float32 (N, C, H, W).
    states: of each lane the frame and x by step, where they take little memory: a touched run goes on from there.
    """

    def __init__(self, plan: SamplingPlan):
        super().__init__(plan)
        self.frames: list[dict[int, np.ndarray]] = [{} for _ in plan.lanes]
        self.states: list[dict[int, tuple[Frame, Tensor]]] = [{} for _ in plan.lanes]
        self.x_0: dict[int, np.ndarray] = {}

    @property
    def bytes(self) -> int:
        kept = [x for lane in list(self.frames) for x in list(lane.values())]
        states = [x for lane in list(self.states) for frame, x in list(lane.values())]
        return sum(x.nbytes for x in (*kept, *list(self.x_0.values()), *states))

    def forget(self) -> None:
        self.frames, self.states = ([{} for _ in self.plan.lanes] for _ in range(2))
        self.x_0 = {}

    def kept(self) -> Values:
        """{frames, x0}: of each lane [k, x] of its kept steps; [lane, x_0] of each finished lane."""
        frames = [sorted(dict(lane).items()) for lane in self.frames]  # the run may go on meanwhile, or forget them
        return {"frames": frames, "x0": sorted(dict(self.x_0).items())}

    def last(self) -> np.ndarray:
        """The last pictures as one, uint8 (H, W, C), with a row for each lane; a grid has the rows that it has."""
        lanes = self.plan.lanes
        last = [lane[max(lane)] for lane in self.frames if lane]
        columns = None if len(last) == 1 else len(last[0])
        if len(lanes) > 2:
            columns = len({lane.steps for lane in lanes}) * len(last[0])
        return imaging.grid(np.concatenate(last), columns)


class Sampling(Computation[Settings, SamplingPlan]):
    """The computation of a request. Its results: "plan" once, with the words of the prompt of one lane, as the model
    reads it, and those that are new to a model; then each kept `Frame`."""

    recording = SamplingRecording

    def __init__(self, services: Services, request: Settings):
        lanes = request.lanes()
        super().__init__(
            services, request, dict.fromkeys(lane.checkpoint for lane in lanes), request.count * len(lanes)
        )

    def plan(self, models: Sequence[ModelSpec]) -> SamplingPlan:
        found, lanes = dict(zip(self.refs, models, strict=True)), self.request.lanes()
        if isinstance(self.request, Grid):
            lanes = _possible(lanes, found)
        own = tuple(found[lane.checkpoint] for lane in lanes)
        check_same_images(own)
        if own[0].picture_channels not in MODES:
            raise ValueError(
                f"this model makes images of {own[0].channels} channels: only 1 to 4 can be shown as a picture"
            )
        if len({one.picture_size for one in own}) > 1:
            sizes = " and ".join(f"{one.picture_size}×{one.picture_size}" for one in own)
            raise ValueError(f"Two models beside each other must make pictures of one size, and these make {sizes}")
        clip = own[0].clip if self.request.clip is None else self.request.clip  # what lanes share is the first one's
        resolved, arguments, pairs = [], [], []
        for number, (lane, model) in enumerate(zip(lanes, own, strict=True)):
            try:
                resolved.append(replace(lane, clip=clip).resolved(model))
                arguments.append(resolved[-1].arguments(model))
                pairs.append(make_chain(model, **resolved[-1].sampling).pairs)
            except ValueError as error:
                raise ValueError(f"Lane B: {error}" if number and len(lanes) == 2 else error) from None
        refs = [lane.checkpoint for lane in resolved]
        touches: Touches = {}
        if isinstance(resolved[-1], Touched):
            make_chain(own[0], **resolved[0].sampling).check_no_memory()
            times = [s for _, s in pairs[0]]
            resolved[-1] = replace(resolved[-1], touch=touch.placed(resolved[-1].touch, times))
            touches = touch.touches(resolved[-1].touch, own[0])
        attention = bool(getattr(self.request, "attention", False) and own[0].takes_words and len(lanes) == 1)
        more = self.request.count if attention else 0
        kinds = tuple(
            StepKind(lane.checkpoint, lane.batch(model) + more, refs.count(lane.checkpoint))
            for lane, model in zip(resolved, own, strict=True)
        )
        shared = next((k + 1 for k, (_, s) in enumerate(pairs[0]) if s in touches), 0)
        own_steps = ((kind, lane.steps - shared) for kind, lane in zip(kinds, resolved, strict=True))
        return SamplingPlan(
            self.request,
            by_kind((StepKind(kinds[0].ref, kinds[0].batch), shared), *own_steps),
            self.refs,
            tuple(resolved),
            own,
            tuple(pairs),
            tuple(arguments),
            kinds,
            attention,
            touches,
            shared,
        )

    def compute(self, plan: SamplingPlan, models: Sequence[Model], work: Job) -> None:
        lanes, by_ref = plan.lanes, dict(zip(self.refs, models, strict=True))
        loaded = [by_ref[lane.checkpoint] for lane in lanes]
        shared = {name: plan.arguments[0][name] for name in ("seeds", "clip")}
        own = [{name: value for name, value in lane.items() if name not in shared} for lane in plan.arguments]
        if plan.touches:
            own[1]["on_step"] = touch.on_step(plan.touches, self.request.seeds, loaded[0])
        flop = max(map(self.flop, self.refs)) if zero_gpu.is_here() else 0.0
        size, channels = loaded[0].picture_size, loaded[0].picture_channels
        most = {"most": MOMENTS} if loaded[0].latent else {}
        kept = [kept_steps(lane.steps, size, self.images, channels, **most) for lane in lanes]
        kept = [one | {plan.shared - 1} for one in kept] if plan.touches else kept  # where it is touched, too
        prompts = [(model.text, lane.prompt) for model, lane in zip(loaded, lanes, strict=True) if model.text]
        new = dict.fromkeys(word for text, prompt in prompts for word in text.unknown(prompt))
        words = loaded[0].text.words(lanes[0].prompt) if len(lanes) == 1 and loaded[0].text is not None else []
        if plan.attention:
            shared["attention"] = True
        numbers = sum(len(one) * model.channels * model.image_size**2 for one, model in zip(kept, loaded, strict=True))
        keeps = isinstance(self.request, Watch) and 4 * self.request.count * numbers <= STATES

        def keep(frame: Frame, x: Tensor) -> Frame:
            lane, k = frame.lane, frame.k
            if plan.touches and lane:
                frame = replace(frame, apart=_apart(work.recording.frames[0][k], frame.x))
            work.recording.frames[lane][k] = frame.x
            if keeps:
                work.recording.states[lane][k] = frame, x.cpu()
            return frame

        soon: list[Frame | protocol.Opening] = [
            {"kind": "plan", "words": [word for word, _ in words], "unknown": list(new)}
        ]
        late: list[Frame] = []  # what the page has shown already comes after the first that is new
        known = _known(plan, work.before, kept[0])
        for k, found in known.items():
            for i, (frame, x) in enumerate(found):
                late.append(keep(replace(frame, lane=i, attention=None), x))
                own[i]["after"] = plan.pairs[i][k][1], x
        for k in range(max(known, default=-1) + 1):
            for kind in filter(None, (plan.kind_of(0, k), plan.kind_of(1, k))):
                work.count(kind, timed=False)
        if not late:
            work.give(soon.pop())
        frame = None
        for i, step in zero_gpu.side_by_side(loaded, own, shared, flop, work.notify):
            if step.index in kept[i]:
                sigma = float(step.sigma) if isinstance(step.sigma, int | float) else float(step.sigma.mean())
                if frame is not None and i and step.index < plan.shared - 1:
                    frame = replace(frame, lane=i)
                else:
                    frame = Frame(i, step.index, sigma, *_pictures(loaded[i], step), attention=_maps(step, words))
                soon.append(keep(frame, step.x))
                if i or not late:
                    work.give(*soon)
                    work.give(*late)
                    soon, late = [], []
            if step.s == 0:
                work.recording.x_0[i] = step.x.float().cpu().numpy()
            if kind := plan.kind_of(i, step.index):
                work.count(kind)

    def shown(self, result: object) -> object:
        return result.shown() if isinstance(result, Frame) else result

    def log(self, plan: SamplingPlan | None) -> Values:
        lanes = plan.lanes if plan else self.request.lanes()
        return super().log(plan) | {"images": self.request.count, "lanes": len(lanes)}


def _possible(lanes: tuple[Settings, ...], models: Mapping[str, ModelSpec]) -> tuple[Settings, ...]:
    """The cells of a grid that their models can run. Raises ValueError where there is none."""
    possible = tuple(lane for lane in lanes if _has(models[lane.checkpoint], lane))
    if possible:
        return possible
    student = next((model.student for model in models.values() if model.student), None)
    if student and student.sampler not in {lane.sampler for lane in lanes}:
        title = units.SAMPLER[student.sampler]
        raise ValueError(f"This model is a student made for {title}, and this grid has no row for it")
    raise ValueError("No cell of this grid is possible with this model: choose other steps")


def _known(
    plan: SamplingPlan, before: object, kept: set[int]
) -> dict[int, tuple[tuple[Frame, Tensor], tuple[Frame, Tensor]]]:
    """What a touched run has in common with the run that was shown, of both lanes: the kept steps before the newest
    touch, or before the one that was undone.
    """
    if not plan.touches or not isinstance(before, SamplingRecording):
        return {}
    request, other = plan.request, before.plan.request
    if not isinstance(request, Watch) or not isinstance(other, Watch) or replace(other, touch=request.touch) != request:
        return {}
    own, others = plan.touches, before.plan.touches
    end = max((s for s in {*own, *others} if own.get(s) != others.get(s)), default=0)
    a, b = before.states[0], before.states[-1]
    found = {}
    for k in sorted(kept):
        if plan.pairs[0][k][1] <= end or k not in a or k not in b:
            break
        found[k] = a[k], b[k]
    return found


def _apart(a: np.ndarray, b: np.ndarray) -> list[tuple[float, float]]:
    """Of each two pictures, uint8 (N, H, W, C): the mean of |A − B| in grey levels, and the share of pixels that differ
    by more than SEEN.
    """
    gaps = [np.abs(one.astype(int) - other) for one, other in zip(a, b, strict=True)]
    return [(round(float(gap.mean()), 3), round(float((gap.max(-1) > SEEN).mean()), 4)) for gap in gaps]


def _maps(step: Step, words: Sequence[tuple[str, tuple[int, ...]]]) -> np.ndarray | None:
    """`Frame.attention`. words: with the numbers of their tokens."""
    if step.attention is None or not words:
        return None
    maps = np.stack([step.attention[:, list(tokens)].sum(1).cpu().numpy() for _, tokens in words], 1)
    maps /= maps.max((2, 3), keepdims=True)  # (N, words, h, w)
    return (maps.reshape(len(maps), -1, maps.shape[-1], 1) * 255).round().astype(np.uint8)


def _pictures(model: Model, step: Step) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | None, bool]:
    """The fields of a Frame from x to decoded."""
    if model.decoder is None:
        return to_uint8(step.x), to_uint8(step.x0_hat), None, True
    z, z0 = (to_uint8(model.decoder.preview(x)) for x in (step.x, step.x0_hat))
    if model.picture_size <= DECODED or step.s == 0:
        x = model.pictures(step.x)
        return x, x if step.x.equal(step.x0_hat) else model.pictures(step.x0_hat), (z, z0), True
    x, x0 = (one.repeat(model.factor, 1).repeat(model.factor, 2) for one in (z, z0))
    return x, x0, (z, z0), False


def _has(model: ModelSpec, lane: Settings) -> bool:
    """Whether a model can run a cell of a grid."""
    low, high, _ = step_limits(model)
    return (
        lane.sampler in samplers(model)
        and ("variance" not in lane.sampling or lane.variance in variances(model))
        and low <= lane.steps <= high
    )


class SamplingPart(Part):
    """Watch, Compare and Grid."""

    forms = REQUESTS
    computation = Sampling


@dataclass(frozen=True)
class Sketch(Settings):
    """A run whose end is near that of a long one: docs/performance.md says how near."""

    steps: int = declare(STEPS, 4)
    sampler: Sampler = declare(SAMPLER, "unipc")
    spacing: Spacing | Literal["auto"] | None = declare(SPACING, "trailing")
    count: int = declare(Settings.kinds()["count"], 1)


class Sketching(Sampling):
    """Its results: "plan", with the words of the prompt and those that are new to the model; then the last `Frame`.

    Nothing is kept of it. Raises Refused while others compute or wait: their runs come first. This also refuses the
    question how long a sketch takes, so that the page begins none.
    """

    recording = Recording

    def __init__(self, services: Services, request: Sketch):
        if services.turns.others(visitor()):
            raise Refused("Others are using this computer. Press Run to draw your words.", "sketch")
        super().__init__(services, request)

    def compute(self, plan: SamplingPlan, models: Sequence[Model], work: Job) -> None:
        (model,), (arguments,), (kind,), (lane,) = models, plan.arguments, plan.kinds, plan.lanes
        words = model.text.words(lane.prompt) if model.text else []
        unknown = model.text.unknown(lane.prompt) if model.text else []
        work.give({"kind": "plan", "words": [word for word, _ in words], "unknown": list(dict.fromkeys(unknown))})
        for step in ddpm_core.trajectory(model, **arguments):
            work.count(kind)
            if step.s == 0:
                work.give(Frame(0, step.index, 0.0, *_pictures(model, step)))


class SketchPart(Part):
    """The sketches of Watch while its words are typed."""

    forms: ClassVar = {"sketch": Sketch}
    computation = Sketching
