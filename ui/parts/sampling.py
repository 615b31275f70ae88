"""Watch, Compare and Grid: one run of the reverse chain, two lanes, or a grid of them, all from one x_T.

Each is a request; `Sampling` resolves it once into a plan, and the plan is what runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ddpm_core.imaging import to_uint8
from ddpm_core.imaging.image_files import MODES
from ddpm_core.model import Model, ModelSpec, check_same_images
from ddpm_core.names import Sampler, Variance
from ui.export import files, scripts
from ui.forms import units
from ui.forms.fields import NEVER, Choice, Switch, Whole, Wholes, declare
from ui.machine import zero_gpu
from ui.machine.step_times import StepKind
from ui.models.form_options import samplers, step_limits, variances
from ui.models.lab import Lab
from ui.parts.part import Part
from ui.pictures.uploads import LOSSLESS, frame_format, kept_steps, uri
from ui.runs import captions
from ui.runs.captions import Row
from ui.runs.jobs import Computation, Work
from ui.runs.log import Values
from ui.runs.settings import (
    CHECKPOINT,
    ETA,
    GUIDANCE,
    IF_DDPM,
    IF_GUIDED,
    IF_WORDS,
    LANE,
    PROMPT,
    SAMPLER,
    SPACING,
    STEPS,
    VARIANCE,
    Settings,
)

if TYPE_CHECKING:
    from ddpm_core import Step

SAME = "same"  # in lane B: what lane A has
# Decoding a picture of 64 pixels takes about as long as evaluating emoji-trial's network for it (20 and 30 ms of one
# core); one of 512 as long as several steps of Stable Diffusion.
DECODED = 128  # pixels a side: larger pictures are decoded at the end only, and previewed until then
MOMENTS = 25  # of a run of latents, which are shown
SPACING_B = replace(SPACING, names=(SAME, *SPACING.names), titles={SAME: "as A"})


@dataclass(frozen=True)
class Watch(Settings):
    """One run. The page may still have values of fields that it hides.

    attention: to the words of the prompt, for models that take any.
    """

    attention: bool | None = declare(
        Switch("attention", "Attention", "Where each word is looked at; takes one more evaluation a step", True),
        False,
        IF_WORDS,
    )

    def lanes(self) -> tuple[Settings, ...]:
        return (self.plain(),)


@dataclass(frozen=True)
class Pair(Settings):
    """Two lanes, A and B, from one x_T. They share what has no second field here."""

    variance: Variance = declare(VARIANCE, "beta", IF_DDPM)
    steps: int = declare(STEPS, 10)
    checkpoint_b: str = declare(
        replace(CHECKPOINT, help="Its pictures must have A's size and channels"), SAME, lane="b"
    )
    prompt_b: str = declare(replace(PROMPT, help="", placeholder="as A"), "", IF_WORDS, lane="b")
    steps_b: int = declare(STEPS, 10, lane="b")
    variance_b: Variance = declare(VARIANCE, "beta_tilde", shown_if=[{"sampler_b": "ddpm"}], lane="b")
    sampler_b: Sampler = declare(SAMPLER, "ddpm", lane="b")
    spacing_b: str = declare(SPACING_B, SAME, lane="b")
    eta_b: float = declare(ETA, 0.0, shown_if=[{"sampler_b": "ddim"}], lane="b")
    guidance_b: float | None = declare(replace(GUIDANCE, open="as A"), None, IF_GUIDED, lane="b")

    def lanes(self) -> tuple[Settings, ...]:
        own = {name: getattr(self, f"{name}_b") for name in LANE}
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
    uint8 (N, words · h, w, 1), each word's map scaled to its largest number.
    """

    lane: int
    k: int
    sigma: float
    x: np.ndarray
    x0_hat: np.ndarray
    latents: tuple[np.ndarray, np.ndarray] | None = None
    decoded: bool = True
    attention: np.ndarray | None = None


class Sampling(Computation):
    """The computation of a request. Once prepared, `lanes` are resolved and `steps` are theirs.

    frames: of each lane the kept x by step, uint8 (N, H, W, C). x_0: of each finished lane, float32 (N, C, H, W).
    words: of the prompt of one lane, with the numbers of their tokens, once it computes.
    """

    kinds = tuple(files.KINDS)

    def __init__(self, lab: Lab, request: Settings):
        self.lanes = request.lanes()
        refs = dict.fromkeys(lane.checkpoint for lane in self.lanes)
        super().__init__(lab, request, refs, request.count * len(self.lanes))
        self.models: list[ModelSpec] = []  # of each lane
        self.rows: list[list[Row]] = []  # the steps of each lane
        self.caption = ""
        self.words: list[tuple[str, tuple[int, ...]]] = []
        self.frames: list[dict[int, np.ndarray]] = []
        self.x_0: dict[int, np.ndarray] = {}
        self._attention = False
        self._arguments: list[dict[str, Any]] = []

    @property
    def summary(self) -> str:
        return captions.summary(self.lanes)

    def resolve(self, models: Sequence[ModelSpec]) -> list[tuple[StepKind, float]]:
        found = dict(zip(self.refs, models, strict=True))
        if isinstance(self.request, Grid):
            asked = self.lanes
            self.lanes = tuple(lane for lane in asked if _has(found[lane.checkpoint], lane))
            student = next((model.student for model in found.values() if model.student), None)
            if not self.lanes and student and student.sampler not in {lane.sampler for lane in asked}:
                title = units.SAMPLER[student.sampler]
                raise ValueError(f"This model is a student made for {title}, of which this grid has no row")
            if not self.lanes:
                raise ValueError("No cell of this grid is possible with this model: choose other steps")
        self.models = [found[lane.checkpoint] for lane in self.lanes]
        model = self.models[0]
        check_same_images(self.models)
        if model.picture_channels not in MODES:
            raise ValueError(
                f"this model makes images of {model.channels} channels: only 1 to 4 can be shown as a picture"
            )
        if len({one.picture_size for one in self.models}) > 1:
            sizes = " and ".join(f"{one.picture_size}×{one.picture_size}" for one in self.models)
            raise ValueError(f"Two models beside each other must make pictures of one size, and these make {sizes}")
        clip = model.clip if self.request.clip is None else self.request.clip  # what lanes share is the first one's
        resolved, arguments, steps = [], [], []
        for number, (lane, own) in enumerate(zip(self.lanes, self.models, strict=True)):
            try:
                resolved.append(replace(lane, clip=clip).resolved(own))
                arguments.append(resolved[-1].arguments(own))
                steps.append(captions.step_table(resolved[-1], own))
            except ValueError as error:
                raise ValueError(f"Lane B: {error}" if number and len(self.lanes) == 2 else error) from None
        self.lanes, self._arguments, self.rows = tuple(resolved), arguments, steps
        self.caption = captions.caption(self.lanes, self.models, steps)
        self.frames = [{} for _ in self.lanes]
        self._attention = bool(getattr(self.request, "attention", False) and model.takes_words)
        refs = [lane.checkpoint for lane in self.lanes]
        more = self.request.count if self._attention else 0
        self._kinds = [StepKind(lane.checkpoint, lane.batch + more, refs.count(lane.checkpoint)) for lane in self.lanes]
        return [(kind, lane.steps) for kind, lane in zip(self._kinds, self.lanes, strict=True)]

    def about(self) -> Values:
        """{caption, spacing, python, diffusers, why}"""
        found = {"caption": self.caption, "spacing": self.lanes[0].spacing or "its own"}
        return found | scripts.for_run(self.lanes, self.models, self.rows)

    def compute(self, models: Sequence[Model], work: Work) -> None:
        by_ref = dict(zip(self.refs, models, strict=True))
        loaded = [by_ref[lane.checkpoint] for lane in self.lanes]
        shared = {name: self._arguments[0][name] for name in ("seeds", "clip")}
        own = [{name: value for name, value in lane.items() if name not in shared} for lane in self._arguments]
        flop = max(map(self.flop, self.refs)) if zero_gpu.is_here() else 0.0
        size, channels = loaded[0].picture_size, loaded[0].picture_channels
        most = {"most": MOMENTS} if loaded[0].latent else {}
        kept = [kept_steps(lane.steps, size, self.images, channels, **most) for lane in self.lanes]
        told = [(model.text, lane.prompt) for model, lane in zip(loaded, self.lanes, strict=True) if model.text]
        new = dict.fromkeys(word for text, prompt in told for word in text.unknown(prompt))
        self.caption = " ".join(filter(None, [captions.unknown(list(new)), self.caption]))
        if len(self.lanes) == 1 and loaded[0].text is not None:
            self.words = loaded[0].text.words(self.lanes[0].prompt)
        if self._attention:
            shared["attention"] = True
        work.give(self)  # the plan
        for i, step in zero_gpu.side_by_side(loaded, own, shared, flop, work.notify):
            if step.index in kept[i]:
                sigma = float(step.sigma) if isinstance(step.sigma, int | float) else float(step.sigma.mean())
                frame = Frame(i, step.index, sigma, *_pictures(loaded[i], step), attention=self._maps(step))
                self.frames[i][step.index] = frame.x
                work.give(frame)
            if step.s == 0:
                self.x_0[i] = step.x.float().cpu().numpy()
            work.count(self._kinds[i])

    def _maps(self, step: Step) -> np.ndarray | None:
        """`Frame.attention`."""
        if step.attention is None or not self.words:
            return None
        maps = np.stack([step.attention[:, list(tokens)].sum(1).cpu().numpy() for _, tokens in self.words], 1)
        maps /= maps.max((2, 3), keepdims=True)  # (N, words, h, w)
        return (maps.reshape(len(maps), -1, maps.shape[-1], 1) * 255).round().astype(np.uint8)

    def log(self) -> dict[str, Any]:
        return super().log() | {"images": self.request.count, "lanes": len(self.lanes)}

    # --- For files, and for the page

    @property
    def bytes(self) -> int:
        kept = [x for lane in list(self.frames) for x in list(lane.values())]
        return sum(x.nbytes for x in (*kept, *list(self.x_0.values())))

    def forget(self) -> None:
        self.frames, self.x_0 = [{} for _ in self.lanes], {}

    def save(self, kind: str, about: files.About) -> tuple[str, bytes]:
        return files.save(self, kind, about)

    def shown(self, result: Sampling | Frame) -> dict[str, Any]:
        """A result as the page gets it: kind "plan" once, then "frame"."""
        if isinstance(result, Sampling):
            return self._plan()
        format = frame_format(self.models[0].picture_size, self.models[0].picture_channels)
        about = {"kind": "frame", "lane": result.lane, "k": result.k, "sigma": result.sigma}
        pictures = {"x": uri(result.x, format), "x0": uri(result.x0_hat, format)}
        if result.attention is not None:
            pictures["attention"] = uri(result.attention, "png")
        if result.latents is None:
            return about | pictures
        z, z0 = (uri(latent, frame_format(self.models[0].image_size, 3)) for latent in result.latents)
        return about | pictures | {"z": z, "z0": z0, "decoded": result.decoded}

    def _plan(self) -> dict[str, Any]:
        model, lanes = self.models[0], self.lanes
        return {
            "kind": "plan",
            "title": self.summary,
            "size": model.picture_size,
            "latent": model.image_size if model.latent else 0,
            "words": [word for word, _ in self.words],
            "count": self.request.count,
            "pixelated": model.picture_size <= LOSSLESS,
            "seeds": [str(seed) for seed in self.request.seeds],
            "T": max(one.schedule.T for one in self.models),
            "lanes": [
                {"name": name, "steps": steps, "settings": {key: getattr(lane, key) for key in LANE}}
                for name, steps, lane in zip(captions.names(lanes), self.rows, lanes, strict=True)
            ],
            "caption": self.caption,
        }


def _pictures(model: Model, step: Step) -> tuple[Any, ...]:
    """The fields of a Frame from x to decoded."""
    if model.decoder is None:
        return to_uint8(step.x), to_uint8(step.x0_hat), None, True
    latents = tuple(to_uint8(model.decoder.preview(x)) for x in (step.x, step.x0_hat))
    decoded = model.picture_size <= DECODED or step.s == 0
    if decoded:
        x = model.pictures(step.x)
        pictures = x, x if step.x.equal(step.x0_hat) else model.pictures(step.x0_hat)
    else:
        pictures = (one.repeat(model.factor, 1).repeat(model.factor, 2) for one in latents)
    return *pictures, latents, decoded


def _has(model: ModelSpec, lane: Settings) -> bool:
    """Whether a model can run a cell of a grid."""
    low, high, _ = step_limits(model)
    return (
        lane.sampler in samplers(model)
        and (lane.sampler != "ddpm" or lane.variance in variances(model))
        and low <= lane.steps <= high
    )


class SamplingPart(Part):
    """Watch, Compare and Grid."""

    forms = REQUESTS
    computation = Sampling
