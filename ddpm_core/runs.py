"""The functions that a user calls: a run from seeds to images, step by step; several runs in one; or only the final
images.

`make_chain` says which steps a run takes and what it draws. `follow` takes those steps.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from typing import Any, ClassVar, TypedDict, TypeVar, Unpack, cast

import numpy as np
import torch
from torch import Tensor

from ddpm_core.model import Model, ModelSpec, check_same_images, check_state, tensor_text
from ddpm_core.names import Spacing, Variance
from ddpm_core.noise import Noise, Seeds, check_seeds, gaussian_batch, own_noise, seeded_noise
from ddpm_core.prediction import (
    Denoised,
    Labels,
    Prompts,
    attention_maps,
    check_attention,
    check_guidance,
    check_labels,
    evaluation,
    label_tensor,
    network_device,
    no_prompts,
    predict,
)
from ddpm_core.process import check_signal
from ddpm_core.samplers import (
    DEFAULTS,
    NAMED,
    OPTIONS,
    AnySampler,
    Predict,
    SamplerFunction,
    Step,
    StepSampler,
    WholeStep,
)
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.timesteps import Pairs, Steps, model_pairs, own_run

OnStep = Callable[[Step], "Tensor | None"]


# The arguments of `trajectory`, of which `sample` and others pass some on. It says what each of them is.


class OtherOptions(TypedDict, total=False):
    """The options of samplers that are not named arguments of `trajectory`."""

    snr: float | None
    corrections: int | None


class ConditionOptions(TypedDict, total=False):
    """The condition of a run, see `Condition`."""

    labels: Labels
    guidance: float | None
    prompts: Prompts | None
    negative: Prompts | None


class ChainOptions(TypedDict, total=False):
    """The steps that a run takes."""

    sampler: AnySampler | None
    variance: Variance | None
    spacing: Spacing | None
    eta: float


class DecodingOptions(ChainOptions, ConditionOptions, OtherOptions, total=False):
    """The options that `reconstruct` and `interpolate` pass on; they decide themselves where the chain starts."""

    clip: bool | None
    noise: Noise | None
    stop: int | None
    on_step: OnStep | None
    attention: bool


class RunOptions(DecodingOptions, total=False):
    """The options that `sample` passes on."""

    x_T: Tensor | None
    start: int | None
    after: Step | tuple[int, Tensor] | None


class RestoreOptions(OtherOptions, total=False):
    """The options that `restore` passes on."""

    labels: Labels
    guidance: float | None
    x_T: Tensor | None
    noise: Noise | None
    stop: int | None


Function = TypeVar("Function", bound=Callable[..., Any])


def completes(options: type) -> Callable[[Function], Function]:
    """Put a function's **options into its signature by name, so that editors complete them.

    options: the TypedDict of its annotation.
    """

    def named(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind != one.VAR_KEYWORD]
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for name, kind in options.__annotations__.items()
        ]
        function.__signature__ = signature.replace(parameters=[*own, *more])  # pyright: ignore[reportFunctionMemberAccess]
        return function

    return named


@dataclass(frozen=True)
class Condition:
    """The condition of a run. The fields are arguments of `trajectory`."""

    labels: Labels = None
    prompts: Prompts | None = None
    negative: Prompts | None = None
    guidance: float | None = None

    @classmethod
    def among(cls, options: Mapping[str, Any]) -> Condition:
        """Return the condition that is among the arguments of a run."""
        return cls(**{row.name: options[row.name] for row in fields(cls) if row.name in options})

    @property
    def is_guided(self) -> bool:
        """Return whether the network is evaluated a second time, for what guidance leads away from."""
        return self.guidance not in (None, 1)

    def check(self, model: ModelSpec, n: int | None = None) -> None:
        """Raise ValueError for a condition that the model does not have. n: the number of images, if it is known."""
        check_labels(model, self._asked(model), n, self.guidance, self.negative)

    def label_ids(self, model: ModelSpec, n: int) -> Tensor | None:
        """Return the network's labels for n images. Shapes and errors: see `label_tensor`."""
        return label_tensor(model, self._asked(model), n, self.guidance, self.negative)

    def _asked(self, model: ModelSpec) -> Labels:
        """The labels or the prompts."""
        if self.labels is not None and self.prompts is not None:
            raise ValueError("give labels or prompts, not both")
        if self.prompts is not None and not model.takes_words:
            raise no_prompts(model)
        return self.labels if self.prompts is None else self.prompts


@dataclass(frozen=True, eq=False)
class Chain:
    """A chain that a model can take. `make_chain` has checked it, and `follow` takes its steps."""

    sampler: StepSampler
    """with the model's value for each option that was left open"""
    pairs: Pairs
    """(t, s) of each step"""
    schedule: NoiseSchedule
    condition: Condition = Condition()
    start: int | None = None
    """the t that was asked for, None for the model's T; a chain from below T needs its state x_start"""

    @property
    def name(self) -> str:
        """Return the sampler's name."""
        return self.sampler.name

    @property
    def memory(self) -> bool:
        """Return whether a step depends on earlier ones."""
        return self.sampler.memory

    @cached_property
    def sigmas(self) -> Sequence[float | None]:
        """σ of every step, None if only the network knows it."""
        return self.sampler.sigmas(self.schedule, self.pairs)

    @property
    def evaluations(self) -> int | None:
        """Return how often a step evaluates the network for each image, with corrections and guidance. None if only
        the run knows, as with a sampler of your own.
        """
        each = self.sampler.evaluations
        return None if each is None else each * (2 if self.condition.is_guided else 1)

    def is_same(self, other: Chain) -> bool:
        """Return whether another chain of the same model certainly takes the same steps.

        Only the library's samplers are compared: a user's sampler may have fields that == does not compare.
        """
        if self.sampler is not other.sampler and type(self.sampler) not in map(type, NAMED.values()):
            return False
        return self.pairs == other.pairs and self.sampler == other.sampler

    def position(self, after: Step | tuple[int, Tensor]) -> int:
        """Return the number of the step that follows a step or a state (t, x_t) of this chain. Raise ValueError for
        another chain's.
        """
        t = after.s if isinstance(after, Step) else after[0]
        starts = [start for start, _ in self.pairs]
        if t not in starts:
            raise ValueError(f"no step of this chain starts at t = {t}: its times are {', '.join(map(str, starts))}")
        self.check_no_memory()
        return starts.index(t)

    def check_no_memory(self) -> None:
        """Raise ValueError for a sampler whose chain can't continue from any of its states."""
        if self.memory:
            others = ", ".join(repr(name) for name, its in NAMED.items() if not its.memory)
            raise ValueError(
                f"the sampler {self.name!r} remembers earlier steps, so its chain can't be continued or changed on the "
                f"way: use {others}"
            )


def make_chain(
    model: ModelSpec,
    steps: Steps | None = None,
    sampler: AnySampler | None = None,
    spacing: Spacing | None = None,
    start: int | None = None,
    condition: Condition | None = None,
    n: int | None = None,
    x_T: Tensor | None = None,
    **options: Any,
) -> Chain:
    """Return the chain that a model takes, with everything checked that can be checked without the network.

    Arguments:
        model: its specification is enough.
        steps, sampler, spacing, start: as for `trajectory`.
        condition: what the run draws. None makes a chain to look at, whose condition is not checked.
        n: the number of images, if it is known; labels and prompts are one for all, or one for each.
        x_T: the state where the run begins; None for noise, or if it is not known yet.
        options: the sampler's options. None, or an option's default, leaves the sampler's own value.

    Raises:
        ValueError: for steps, options or a condition that the model or the sampler does not have.
    """
    if x_T is not None:
        check_state(model, x_T, "x_T", n)
    guidance = None if condition is None else condition.guidance
    check_guidance(guidance, torch.float32 if x_T is None else x_T.dtype)
    own_steps, own_sampler = own_run(model)
    chosen = own_sampler if sampler is None else sampler
    named = NAMED.get(chosen) if isinstance(chosen, str) else _own_sampler(chosen)
    if named is None:
        raise ValueError(f"unknown sampler {chosen!r}: choose from {', '.join(NAMED)}, or give a function")
    pairs = model_pairs(model, own_steps if steps is None else steps, spacing, named.name, start)
    check_signal(model.prediction, model.schedule.alpha_bar[pairs[0][0]])
    given = {name: value for name, value in options.items() if value is not None and value != DEFAULTS.get(name)}
    for option in given:
        if option not in named.options:
            of = " and ".join(repr(owner) for owner, its in OPTIONS.items() if option in its)
            raise ValueError(f"{option} belongs to the sampler {of}, and this run has {named.name!r}: leave it out")
    named = replace(named, **given) if given else named
    if model.student is not None:
        model.student.check(named.name, pairs, getattr(named, "eta", 0.0))
    named = named.bind(model, pairs, guidance)
    if condition is not None:
        condition.check(model, n)
    return Chain(named, pairs, model.schedule, condition or Condition(), start)


@completes(OtherOptions)
def trajectory(
    model: Model,
    seeds: Seeds | None = None,
    steps: Steps | None = None,
    sampler: AnySampler | None = None,
    variance: Variance | None = None,
    spacing: Spacing | None = None,
    eta: float = 0.0,
    clip: bool | None = None,
    labels: Labels = None,
    guidance: float | None = None,
    x_T: Tensor | None = None,
    noise: Noise | None = None,
    start: int | None = None,
    stop: int | None = None,
    after: Step | tuple[int, Tensor] | None = None,
    on_step: OnStep | None = None,
    prompts: Prompts | None = None,
    negative: Prompts | None = None,
    attention: bool = False,
    **options: Unpack[OtherOptions],
) -> Iterator[Step]:
    """Yield the steps of a run, each computed on request. The caller may change the yielded steps.

    Arguments:
        model: a model from `load`, or your own Model.
        seeds: one for each image, whole numbers 0..2^63 − 1; may be left out if x_T and noise are given.
        steps: the number of steps, 1..T; None for 50, or a student's own. Or the times themselves, such as [999, 500,
            1]: see `timestep_pairs`.
        sampler: one of names.SAMPLERS, an instance such as samplers.DDIM(eta=0.5), or a function: see
            samplers.SamplerFunction. None for "ddpm", or a student's.
        variance: for the samplers "ddpm" and "langevin", one of names.VARIANCES; None for the checkpoint's own.
        spacing: one of names.SPACINGS, None for "linspace", or a student's own times. "optimised" needs a model that
            has such steps: see timesteps.model_pairs.
        eta: for the sampler "ddim", 0..1: σ = η √β̃.
        clip: clip x̂_0 to [−1, 1]; None as the checkpoint says.
        labels: a class for all images or one for each, its number 0..num_classes − 1 or its name; None for no class.
        guidance: scale of classifier-free guidance, see `predict`; None or 1 means no guidance.
        x_T: (N, C, H, W) instead of the seeded start; the state has its dtype.
        noise: noise(index, x) -> float tensor of the shape of x, instead of the seeded noise of step `index`. For the
            corrections of "langevin", the index is k · samplers.CORRECTIONS + index, k = 1, 2, …
        start: the t at which the chain starts, 1..T; then `steps` is 1..start. Below T, give its state x_start as x_T
            (`latents.encode` makes one).
        stop: the chain ends when it has reached this s, one of its times. The steps are those of the whole chain.
        after: a step of this chain, or a state (t, x_t) at one of its times. The chain resumes after it, with the same
            noise as the whole run. So a chain that is cut and continued gives the whole chain, bit for bit.
        on_step: on_step(step) -> x or None, called for every step. If it returns an x, the chain continues from that.
        prompts: for a model that takes words, what to draw: one text for all images or one for each; None is the empty
            prompt. They replace labels. {text: weight, …}, with weights that sum to 1, is a mixture of several texts.
        negative: the text that guidance leads away from, one for all images or one for each; None is the empty one.
        attention: give each step the attention to the words. This costs one more evaluation a step, in PyTorch and
            float32.
        options: the sampler's other options, by the names of its fields: snr and corrections of "langevin".

    Raises:
        ValueError: before anything is computed, for seeds outside 0..2^63 − 1, steps outside 1..T, an eta outside 0..1,
            an unknown sampler, variance or spacing, NaN in an x_T of the CPU, and labels, prompts or options that the
            model or sampler does not have. During the run, if your own sampler, noise or on_step breaks its promise.
    """
    check_options("trajectory", options, ["seeds", "steps", *ARGUMENTS])
    own, condition = {"variance": variance, "eta": eta, **options}, Condition(labels, prompts, negative, guidance)
    chain = make_chain(model, steps, sampler, spacing, start, condition, x_T=_state_at(after, x_T), **own)
    return (step for _, step in follow([Lane(model, chain, on_step, after, stop)], seeds, clip, x_T, noise, attention))


@dataclass(frozen=True)
class Lane:
    """One of several runs. on_step, after, stop: as for `trajectory`."""

    model: Model
    """the network for a chain that was made for its specification"""
    chain: Chain
    on_step: OnStep | None = None
    after: Step | tuple[int, Tensor] | None = None
    stop: int | None = None


def follow(
    lanes: Sequence[Lane],
    seeds: Seeds | None = None,
    clip: bool | None = None,
    x_T: Tensor | None = None,
    noise: Noise | None = None,
    attention: bool = False,
) -> Iterator[tuple[int, Step]]:
    """Yield the steps of the lanes as (lane, step), in order of falling t; the arguments are those of `trajectory`.

    The chains are taken as they are: nothing of them is made or checked again.

    Lanes of one model and guidance at the same t are evaluated in one batch, and only once if they have the same state.
    Raises ValueError before anything is computed, as `trajectory`.
    """
    for lane in lanes:
        if _state_at(lane.after, x_T) is None and lane.chain.start not in (None, lane.chain.schedule.T):
            raise ValueError(f"a chain that starts at t = {lane.chain.start} needs its state there: give it as x_T")
        if lane.chain.start != lanes[0].chain.start:
            raise ValueError("lanes that share one state must start at the same t")
    runs = [_Run(lane, seeds, clip, x_T, noise, attention) for lane in lanes]
    for run in runs:
        run.alike = next(one.alike for one in runs if one is run or one.lane.chain.is_same(run.lane.chain))

    def steps() -> Iterator[tuple[int, Step]]:
        while under_way := [run for run in runs if run.t]:
            run = max(under_way, key=lambda run: run.t)
            yield runs.index(run), run.next_step(under_way)

    return steps()


class _Run:
    """A lane on its way: its state x at the time t, 0 when it has ended, and what makes its next step, number k.

    alike: something that lanes with the same chain share.
    """

    def __init__(
        self,
        lane: Lane,
        seeds: Seeds | None,
        clip: bool | None,
        x_T: Tensor | None,
        noise: Noise | None,
        attention: bool,
    ):
        if clip not in (None, True, False):
            raise ValueError(f"clip must be True, False or None, got {clip!r}")
        self.lane, self._clip, chain = lane, clip, lane.chain
        self._k = 0 if lane.after is None else chain.position(lane.after)
        if lane.stop is not None and lane.stop not in (times := [s for _, s in chain.pairs[self._k :]]):
            raise ValueError(f"the chain stops at one of its times {', '.join(map(str, times))}, got {lane.stop!r}")
        if lane.on_step is not None:
            if not callable(lane.on_step):
                raise ValueError(f"on_step is a function on_step(step) that returns None or an x, got {lane.on_step!r}")
            chain.check_no_memory()
        self._look = _look(lane.model, attention)
        state = _state_at(lane.after, x_T)
        seeds, self.x, self.labels = _checked_start(lane.model, chain.condition, seeds, state, noise)
        self._noise = seeded_noise(seeds) if noise is None else own_noise(noise)
        self._whole_step = chain.sampler.whole_steps(lane.model.schedule, chain.pairs)
        self.t = chain.pairs[self._k][0]
        self.alike = object()
        self._began: object = None if lane.after is None else object()  # what it was since: x_T, or a state of its own
        self._found: Denoised | None = None  # at x, if another lane has asked already

    def next_step(self, under_way: Sequence[_Run]) -> Step:
        """Take the next step, and return it as the caller gets it. under_way: the lanes that have not ended."""
        lane = self.lane
        step = self._whole_step(partial(self._evaluate, under_way), self._k, self.x, self._noise)
        _check_step(step, (self._k, *lane.chain.pairs[self._k]), self.x, lane.chain.name)
        given = self._look(step, self.x, self.labels)
        changed = lane.on_step(given) if lane.on_step is not None else None
        self.x, self._found = step.x, None
        if changed is not None:
            self.x, self._began = _state(changed, step.x), object()
            given = replace(given, x=self.x.clone())
        self._k += 1
        self.t = 0 if step.s == lane.stop else step.s
        return given

    def _evaluate(self, under_way: Sequence[_Run], x: Tensor, t: int, **options: Any) -> Denoised:
        """Evaluate, and in the same batch all lanes that will ask for the same network at this time."""
        guidance = self.lane.chain.condition.guidance
        here = x is self.x and isinstance(t, int) and t == self.t and not x.requires_grad
        if options or not here or self.lane.chain.sampler.evaluations != 1:
            run = {"labels": self.labels, "guidance": guidance, "clip": self._clip}
            return predict(self.lane.model, x, t, **run | options)
        if self._found is None and len(under_way) == 1:
            return evaluation(self.lane.model, x, t, self.labels, guidance, self._clip)
        if self._found is None:
            runs = [run for run in under_way if run.t == t and self._shares(run)]
            first = {run: next(one for one in runs if run is one or run._is_same(one)) for run in runs}
            own = list(dict.fromkeys(first.values()))
            labels = [run.labels for run in own if run.labels is not None]
            batch, ids = torch.cat([run.x for run in own]), torch.cat(labels) if labels else None
            parts = evaluation(self.lane.model, batch, t, ids, guidance, self._clip)
            split = ((None,) * len(own) if part is None else part.split(len(x)) for part in parts)
            found = dict(zip(own, map(Denoised._make, zip(*split, strict=True)), strict=True))
            for run, one in first.items():  # a sampler of one's own may compute in place
                run._found = found[one] if run is one else found[one].clone()
        assert self._found is not None
        return self._found

    def _shares(self, other: _Run) -> bool:
        """Whether another lane's evaluations can be in a batch with those of this one."""
        mine, its = self.lane.chain, other.lane.chain
        guidance = mine.condition.guidance == its.condition.guidance
        return self.lane.model is other.lane.model and guidance and its.sampler.evaluations == 1

    def _is_same(self, other: _Run) -> bool:
        """Whether another lane at this time surely has the same state and condition: no device is asked for it."""
        conditions = (vars(run.lane.chain.condition).values() for run in (self, other))
        pairs = zip(*conditions, strict=True)
        same = all(a is b or (isinstance(a, (int, float, str)) and a == b) for a, b in pairs)
        here, there = ((run._began, run._k, run._k and run.alike) for run in (self, other))
        return same and here == there


def _own_sampler(given: Any) -> StepSampler | None:
    """Return an object or a function as a sampler; None for what is neither. Raises ValueError for a class."""
    if isinstance(given, type):
        raise ValueError(f"the sampler {given.__name__} is a class: give an instance, as {given.__name__}() makes it")
    if isinstance(given, StepSampler):
        return given
    return OwnSampler(cast(SamplerFunction, given)) if callable(given) else None


def _look(model: Model, attention: bool) -> Callable[[Step, Tensor, Tensor | None], Step]:
    """(step, its x_t, labels) -> the step as it is given, with attention if that is asked for."""
    if not attention:
        return lambda step, x, labels: step.clone()
    check_attention(model)
    return lambda step, x, labels: replace(step.clone(), attention=attention_maps(model, x, step.t, labels))


def _state(changed: Any, x: Tensor) -> Tensor:
    """What on_step returned, as a state of its own like x."""
    if not isinstance(changed, Tensor) or changed.shape != x.shape or not changed.is_floating_point():
        found = tensor_text(changed) if isinstance(changed, Tensor) else type(changed).__name__
        raise ValueError(f"on_step returns None, or an x like step.x, {tensor_text(x)}, got {found}")
    return changed.detach().to(x, copy=True)


@dataclass(frozen=True)
class OwnSampler(StepSampler):
    """A `SamplerFunction` for a chain: it starts again from each state that it has not made itself."""

    evaluations: ClassVar[int | None] = None
    function: SamplerFunction

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return getattr(self.function, "__name__", StepSampler.name)

    @property
    def memory(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return getattr(self.function, "memory", False)

    def whole_steps(self, schedule: NoiseSchedule, pairs: Pairs) -> WholeStep:
        running, first, made = iter(()), 0, None

        def whole_step(predict: Predict, k: int, x: Tensor, noise: Noise) -> Step:
            nonlocal running, first, made
            if x is not made:
                first = k
                running = self._checked(predict, schedule, pairs[k:], x, lambda index, x: noise(k + index, x))
            step = next(running)
            if isinstance(step, Step):  # else the run refuses it
                made, own = step.x, step.index == k - first
                step = replace(step, index=k) if own else step
            return step

        return whole_step

    def _checked(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, noise: Noise
    ) -> Iterator[Any]:
        """What the function yields, once for each pair; else a ValueError that says what it did."""
        done, name = 0, self.name
        try:
            steps = iter(self.function(predict, schedule, list(pairs), x.clone(), noise=noise))
            for step in steps:
                done += 1
                if done == len(pairs) and next(steps, None) is not None:
                    raise ValueError(f"the sampler {name!r} gives more steps than the {len(pairs)} that it was given")
                yield step
        except (ValueError, GeneratorExit):
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ValueError(f"the sampler {name!r} failed in step {done} ({reason})") from error
        if done < len(pairs):
            raise ValueError(f"the sampler {name!r} gives {done} of {len(pairs)} steps")


def _check_step(step: Any, expected: tuple[int, int, int], x: Tensor, name: str) -> None:
    """ValueError for what is no step from x with this index, t and s."""
    if not isinstance(step, Step):
        raise ValueError(f"the sampler {name!r} must yield ddpm_core.Step, got {type(step).__name__}")
    if (step.index, step.t, step.s) != expected:
        found, wanted = (f"step {i} from t = {t} to s = {s}" for i, t, s in ((step.index, step.t, step.s), expected))
        raise ValueError(f"the sampler {name!r} must give {wanted}, and gave {found}")
    for field, value in (("x", step.x), ("x0_hat", step.x0_hat)):
        if not isinstance(value, Tensor) or (value.shape, value.dtype, value.device) != (x.shape, x.dtype, x.device):
            found = tensor_text(value) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"{field} of the sampler {name!r} must be like x, {tensor_text(x)}, got {found}")


def side_by_side(
    model: Model,
    seeds: Seeds,
    lanes: Sequence[Mapping[str, Any]],
    clip: bool | None = None,
    labels: Labels = None,
    guidance: float | None = None,
    x_T: Tensor | None = None,
    prompts: Prompts | None = None,
    negative: Prompts | None = None,
    attention: bool = False,
) -> Iterator[tuple[int, Step]]:
    """Yield several runs from one x_T as (lane, step), in order of falling t, so that all lanes progress together.

    A lane has the same steps as `trajectory`: the noise depends on the seeds and on the lane's own step numbers.

    Arguments:
        model: the model of lanes that name no other; models must agree in image size and channels.
        seeds: one for each image.
        lanes: for each run, the arguments of its chain (steps, sampler, its options, spacing, and start, the same in
            all); "model" and the fields of `Condition`, if they differ from the other lanes; and "on_step" and "after"
            as for `trajectory`.
        clip, labels, guidance, x_T, prompts, negative, attention: as for `trajectory`.

    Raises:
        ValueError: before anything is computed, as `trajectory`, and for models whose images differ.
    """
    lanes = list(lanes)
    shared = vars(Condition(labels, prompts, negative, guidance))
    seeds = check_seeds(seeds)
    for lane in lanes:
        if not isinstance(lane, Mapping):
            raise ValueError(f"a lane is a dict such as {{'steps': 10}}, got {lane!r}")
        check_options("a lane", lane, [*OF_CHAIN, "model", "on_step", "after", *shared])
    models = [lane.get("model", model) for lane in lanes]
    other = next((one for one in models if not isinstance(one, Model)), None)
    if other is not None:
        raise ValueError(f"a lane's model is what `load` gives, got {other!r}")
    check_same_images([model, *models])
    made = []
    for lane, own in zip(lanes, models, strict=True):
        condition, state = Condition.among({**shared, **lane}), _state_at(lane.get("after"), x_T)
        chain = make_chain(own, condition=condition, n=len(seeds), x_T=state, **of_chain(lane))
        made.append(Lane(own, chain, lane.get("on_step"), lane.get("after")))
    return follow(made, seeds, clip, x_T, attention=attention)


def _state_at(after: Any, x_T: Tensor | None) -> Tensor | None:
    """Where a chain begins: at x_T, or behind `after`. ValueError for what is neither a step nor a state."""
    is_state = isinstance(after, Step) or (
        isinstance(after, tuple) and len(after) == 2 and isinstance(after[1], Tensor)
    )
    if after is not None and (x_T is not None or not is_state):
        raise ValueError("after must be a step or a state (t, x_t); it replaces x_T, so leave x_T out")
    return x_T if after is None else after.x if isinstance(after, Step) else after[1]


def _checked_start(
    model: Model, condition: Condition, seeds: Seeds | None, x_T: Tensor | None, noise: Noise | None
) -> tuple[list[int], Tensor, Tensor | None]:
    """The seeds (none where x_T and noise replace them), x_T and labels, checked and on the network's device."""
    checked = [] if seeds is None else check_seeds(seeds)
    if seeds is None and (x_T is None or noise is None):
        raise ValueError("give a seed for each image, or both x_T and noise")
    shape = (model.channels, model.image_size, model.image_size)
    x = gaussian_batch(checked, 0, shape) if x_T is None else x_T
    check_state(model, x, "x_T", None if seeds is None else len(checked))
    if x.device.type == "cpu" and not x.isfinite().all():  # a GPU would be waited for
        raise ValueError("x_T has NaN or infinite numbers")
    label_ids = condition.label_ids(model, len(x))
    check_guidance(condition.guidance, x.dtype)
    x = x.detach().to(network_device(model.network) or x.device, copy=True)  # the caller may change x_T
    return checked, x, label_ids


@completes(RunOptions)
def sample(
    model: Model, seeds: Seeds | None = None, steps: Steps | None = None, **options: Unpack[RunOptions]
) -> np.ndarray:
    """Draw the final images.

    Arguments:
        model: a model from `load`, or your own Model.
        seeds: one for each image.
        steps: as for `trajectory`.
        options: the other arguments of `trajectory`.

    Returns:
        uint8 (N, H, W, C).

    Raises:
        ValueError: as `trajectory`.
    """
    check_options("sample", options, arguments(sample))
    (last,) = deque(trajectory(model, seeds, steps, **options), maxlen=1)  # the last step
    return model.pictures(last.x)


def arguments(function: Callable[..., Any]) -> list[str]:
    """Return the names of a function's arguments after its first, the model."""
    each = inspect.signature(function).parameters.values()
    return [argument.name for argument in each if argument.kind != argument.VAR_KEYWORD][1:]


ARGUMENTS = [*dict.fromkeys([*arguments(trajectory), *DEFAULTS])][2:]  # of a run, behind its model, seeds and steps
OF_CHAIN = [name for name in ("steps", *ARGUMENTS) if name in ("steps", "sampler", "spacing", "start", *DEFAULTS)]


def of_chain(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `make_chain` that are among those of a run, without its condition."""
    return {name: given[name] for name in OF_CHAIN if name in given}


def check_options(function: str, given: Iterable[str], allowed: Sequence[str]) -> None:
    """Raise ValueError for an option that a function does not have."""
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise ValueError(f"{function} has no argument {unknown[0]!r}: choose from {', '.join(allowed)}")
