"""The functions with which a user draws images.

`trajectory` yields the steps of a run from seeds to images. `side_by_side` yields the steps of several runs. `sample`
returns only the final images. `make_chain` decides and checks which steps a run takes. `follow` takes these steps. One
of several runs that `follow` takes together is called a lane.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor

from ddpm_core.arguments import OnStep, RunOptions, arguments, check_options, completes
from ddpm_core.model import Model, ModelSpec, check_fractional_times, check_same_images, check_state, tensor_text
from ddpm_core.names import OtherOptions, Spacing, Variance
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
    Step,
    StepSampler,
    as_sampler,
    as_step,
    check_step,
)
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.timesteps import Pairs, Steps, model_pairs, own_run


@dataclass(frozen=True)
class Condition:
    """The condition of a run. The fields are arguments of `trajectory`, which explains them."""

    labels: Labels = None
    prompts: Prompts | None = None
    negative: Prompts | None = None
    guidance: float | None = None

    @classmethod
    def among(cls, options: Mapping[str, Any]) -> Condition:
        """Return the condition that a run's arguments contain; other arguments are ignored."""
        return cls(**{row.name: options[row.name] for row in fields(cls) if row.name in options})

    @property
    def is_guided(self) -> bool:
        """Return whether guidance is on: then each step also evaluates the null label or the negative prompt."""
        return self.guidance not in (None, 1)

    def check(self, model: ModelSpec, n: int | None = None) -> None:
        """Raise ValueError for a condition that the model can't take. n: the number of images, None if not known."""
        check_labels(model, self._labels_or_prompts(model), n, self.guidance, self.negative)

    def label_ids(self, model: ModelSpec, n: int) -> Tensor | None:
        """Return the condition of n images as the network takes it. `label_tensor` has the shapes and errors."""
        return label_tensor(model, self._labels_or_prompts(model), n, self.guidance, self.negative)

    def _labels_or_prompts(self, model: ModelSpec) -> Labels:
        """Return the labels or the prompts, whichever are given.

        Raise ValueError for both together, and for prompts if the model takes none.
        """
        if self.labels is not None and self.prompts is not None:
            raise ValueError("give labels or prompts, not both")
        if self.prompts is not None and not model.takes_words:
            raise no_prompts(model)
        return self.labels if self.prompts is None else self.prompts


@dataclass(frozen=True, eq=False)
class Chain:
    """The steps of a run, and its condition. `make_chain` makes and checks a chain, and `follow` takes its steps."""

    sampler: StepSampler
    """the sampler, with a value for each option"""
    pairs: Pairs
    """(t, s) of each step"""
    schedule: NoiseSchedule
    condition: Condition = Condition()
    start: float | None = None
    """the argument of the same name; None means T, and below T, a run needs its first state, x_start"""

    @property
    def name(self) -> str:
        """Return the sampler's name."""
        return self.sampler.name

    @property
    def memory(self) -> bool:
        """Return whether a step depends on earlier steps."""
        return self.sampler.memory

    @cached_property
    def sigmas(self) -> Sequence[float | None]:
        """σ of the noise that each step adds; None if it is not known before the run."""
        return self.sampler.sigmas(self.schedule, self.pairs)

    @property
    def evaluations(self) -> int | None:
        """Return how often a step evaluates the network for each image, including corrections and guidance.

        Return None if the number is not known before the run, as for a user's own sampler.
        """
        each = self.sampler.evaluations
        return None if each is None else each * (2 if self.condition.is_guided else 1)

    def is_same(self, other: Chain) -> bool:
        """Return whether another chain of the same model certainly takes the same steps.

        For a user's samplers, the result is False unless both are one object, because == may ignore some fields.
        """
        if self.sampler is not other.sampler and type(self.sampler) not in map(type, NAMED.values()):
            return False
        return self.pairs == other.pairs and self.sampler == other.sampler

    def position(self, after: Step | tuple[float, Tensor]) -> int:
        """Return the index of the step that comes after a step of this chain, or that starts at a state (t, x_t).

        Raise ValueError if no step of this chain starts at this t, or if the sampler has memory.
        """
        t = after.s if isinstance(after, Step) else after[0]
        starts = [start for start, _ in self.pairs]
        if t not in starts:
            raise ValueError(f"no step of this chain starts at t = {t}: its times are {', '.join(map(str, starts))}")
        self.check_no_memory()
        return starts.index(t)

    def check_no_memory(self) -> None:
        """Raise ValueError for a sampler with memory, whose chain can't be continued from a state in the middle."""
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
    start: float | None = None,
    condition: Condition | None = None,
    n: int | None = None,
    x_T: Tensor | None = None,
    **options: Any,
) -> Chain:
    """Return the chain of a run, after all checks that are possible without the network.

    Arguments:
        model: its specification is enough.
        steps, sampler, spacing, start: as for `trajectory`.
        condition: the condition of the run. None if only the steps are of interest; then no condition is checked.
        n: the number of images, None if not known. n must agree with the number of labels or prompts.
        x_T: the first state, (N, C, H, W); None if noise is drawn, or if the state is not known yet.
        options: the sampler's options. None or an option's default keeps the value that the sampler has.

    Raises:
        ValueError: for steps, options or a condition that the model or the sampler does not have.
    """
    if x_T is not None:
        check_state(model, x_T, "x_T", n)
    guidance = None if condition is None else condition.guidance
    check_guidance(guidance, torch.float32 if x_T is None else x_T.dtype)
    own_steps, own_sampler = own_run(model)
    named = as_sampler(own_sampler if sampler is None else sampler)
    pairs = model_pairs(model, own_steps if steps is None else steps, spacing, named.name, start)
    check_signal(model.prediction, model.schedule.at(pairs[0][0]).alpha_bar)
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
    start: float | None = None,
    stop: float | None = None,
    after: Step | tuple[float, Tensor] | None = None,
    on_step: OnStep | None = None,
    prompts: Prompts | None = None,
    negative: Prompts | None = None,
    attention: bool = False,
    **options: Unpack[OtherOptions],
) -> Iterator[Step]:
    """Yield the steps of a run, each computed when it is requested. The caller may change the yielded steps.

    Arguments:
        model: a model from `load`, or your own Model.
        seeds: one for each image, whole numbers 0..2^63 − 1; may be left out if x_T and noise are given.
        steps: the number of steps, 1..T; None for 50, or a student's own number. Or the times themselves, such as
            [999, 500, 1]: see `timestep_pairs`.
        sampler: one of names.SAMPLERS, an instance such as samplers.DDIM(eta=0.5), or a function: see
            samplers.SamplerFunction. None for "ddpm", or a student's own sampler.
        variance: for the samplers "ddpm" and "langevin", one of names.VARIANCES; None for the checkpoint's own.
        spacing: one of names.SPACINGS, None for "linspace", or a student's own times. "optimised" needs a model that
            has such steps: see timesteps.model_pairs.
        eta: η of the sampler "ddim", 0..1: σ = η √β̃.
        clip: whether to clip x̂_0 to [−1, 1]. If None, the checkpoint decides.
        labels: a class for all images or one for each, its number 0..num_classes − 1 or its name; None for no class.
        guidance: scale of classifier-free guidance, see `predict`; None or 1 means no guidance.
        x_T: the first state, (N, C, H, W), instead of noise from the seeds. All states have its dtype.
        noise: noise(index, x) -> float tensor of the shape of x, instead of the seeded noise of step `index`. For the
            corrections of "langevin", the index is k · samplers.CORRECTIONS + index, k = 1, 2, …
        start: the t at which the chain starts, above 0 and at most T; then `steps` is 1..start. Below T, give the state
            x_start as x_T; `encode` makes it from a picture.
        stop: the chain ends when it has reached this s, one of its times. It has the first steps of the whole chain.
        after: a step of this chain, or a state (t, x_t) at one of its times. The chain continues from there, with the
            same noise as the whole run. So a chain that is cut and continued gives the whole chain, bit for bit.
        on_step: on_step(step) -> x or None, called for every step. If it returns an x, the chain continues from this x.
        prompts: what to draw, for a model that takes words, instead of labels: one text for all images or one for each;
            None is the empty prompt. {text: weight, …}, with weights that sum to 1, is a mixture of several texts.
        negative: the prompt from which guidance leads away, one for all images or one for each; None is the empty
            prompt.
        attention: give each step the attention to the words. The attention costs one more evaluation a step, in PyTorch
            and float32.
        options: the sampler's other options, by the names of its fields, such as snr of "langevin" and S_churn of
            "heun": see names.OtherOptions.

    Raises:
        ValueError: before anything is computed, for seeds outside 0..2^63 − 1, steps outside 1..T, an eta outside 0..1,
            an unknown sampler, variance or spacing, NaN in an x_T on the CPU, and labels, prompts or options that the
            model or sampler does not have. During the run, if your own sampler, noise or on_step returns a wrong type
            or shape.
    """
    check_options("trajectory", options, ["seeds", "steps", *ARGUMENTS])
    own, condition = {"variance": variance, "eta": eta, **options}, Condition(labels, prompts, negative, guidance)
    chain = make_chain(model, steps, sampler, spacing, start, condition, x_T=_state_at(after, x_T), **own)
    return (step for _, step in follow([Lane(model, chain, on_step, after, stop)], seeds, clip, x_T, noise, attention))


@dataclass(frozen=True)
class Lane:
    """One of several runs that `follow` takes together. on_step, after, stop: as for `trajectory`."""

    model: Model
    """the model for which the chain was made"""
    chain: Chain
    on_step: OnStep | None = None
    after: Step | tuple[float, Tensor] | None = None
    stop: float | None = None


def follow(
    lanes: Sequence[Lane],
    seeds: Seeds | None = None,
    clip: bool | None = None,
    x_T: Tensor | None = None,
    noise: Noise | None = None,
    attention: bool = False,
) -> Iterator[tuple[int, Step]]:
    """Yield the steps of the lanes as (number of the lane, step), in order of falling t.

    The arguments, their shapes and the errors are those of `trajectory`. The chains are not checked again.

    Lanes with the same model, guidance and t are evaluated in one batch; lanes with the same state share one
    evaluation.
    """
    if clip not in (None, True, False):
        raise ValueError(f"clip must be True, False or None, got {clip!r}")
    each = None if seeds is None else check_seeds(seeds)
    runs = [_Run(lane, each, clip, x_T, noise) for lane in lanes]
    for run in runs:
        if attention:
            check_attention(run.lane.model)
        if run.chain.start != runs[0].chain.start:
            raise ValueError("lanes that share one state must start at the same t")
        run.alike = next(one for one in runs if one is run or one.chain.is_same(run.chain))
    return _steps(runs, attention)


def _steps(runs: Sequence[_Run], attention: bool) -> Iterator[tuple[int, Step]]:
    """Yield the steps of all runs as (number of the lane, step). The run at the highest t takes the next step."""
    while under_way := [run for run in runs if run.t]:
        run = max(under_way, key=lambda run: run.t)
        lane, k, (t, s), x = run.lane, run.k, run.chain.pairs[run.k], run.x
        found = None  # None for a sampler that evaluates the network itself
        if run.shares:
            if run.found is None and len(under_way) > 1:
                _evaluate_together(run, under_way)
            found = run.found or evaluation(lane.model, x, t, run.labels, run.guidance, run.clip)
        made = run.step(found, k, t, s, x, run.noise)
        step = check_step(made, found, (k, t, s), x, run.chain.sampler)
        run.x, run.k, run.t, run.found = step.x, k + 1, 0 if s == lane.stop else s, None
        given = step.clone()  # a copy, because the caller may change it
        if attention:
            given = replace(given, attention=attention_maps(lane.model, x, t, run.labels))
        changed = None if lane.on_step is None else lane.on_step(given)
        if changed is not None:
            run.x, run.origin = _changed_state(changed, step.x), object()
            given = replace(given, x=run.x.clone())
        yield runs.index(run), given


def _evaluate_together(run: _Run, under_way: Sequence[_Run]) -> None:
    """Evaluate the network in one batch for this run and all other runs with the same model, t and guidance.

    Runs with the same state share one evaluation. The results are stored as `found` of each run.
    """
    model, now = run.lane.model, (run.t, run.guidance)
    together = [one for one in under_way if one.shares and one.lane.model is model and (one.t, one.guidance) == now]
    lanes = {one.state(): one for one in reversed(together)}  # {state: first run with this state}
    distinct = [one for one in together if lanes[one.state()] is one]
    labels = [one.labels for one in distinct if one.labels is not None]
    x, ids = torch.cat([one.x for one in distinct]), torch.cat(labels) if labels else None
    parts = evaluation(model, x, run.t, ids, run.guidance, run.clip)
    split = ((None,) * len(distinct) if part is None else part.split(len(run.x)) for part in parts)
    found = dict(zip(distinct, map(Denoised._make, zip(*split, strict=True)), strict=True))
    for one in together:
        first = lanes[one.state()]
        one.found = found[first] if one is first else found[first].clone()  # a sampler may change it


class _Run:
    """The current state of a lane while `follow` takes its steps."""

    def __init__(self, lane: Lane, seeds: list[int] | None, clip: bool | None, x_T: Tensor | None, noise: Noise | None):
        chain, sampler, model = lane.chain, lane.chain.sampler, lane.model
        self.lane, self.chain, self.guidance, self.clip = lane, chain, chain.condition.guidance, clip
        self.k = 0 if lane.after is None else chain.position(lane.after)
        """index of the next step"""
        self.t = chain.pairs[self.k][0]
        """time of the state x; 0 when the lane has ended"""
        if lane.stop is not None and lane.stop not in (times := [s for _, s in chain.pairs[self.k :]]):
            raise ValueError(f"the chain stops at one of its times {', '.join(map(str, times))}, got {lane.stop!r}")
        if lane.on_step is not None:
            if not callable(lane.on_step):
                raise ValueError(f"on_step is a function on_step(step) that returns None or an x, got {lane.on_step!r}")
            chain.check_no_memory()
        real = next((t for t in sampler.visited(chain.schedule, chain.pairs) if not isinstance(t, int)), None)
        if real is not None:
            check_fractional_times(model, f"this chain visits t = {real:.6g}")
        state = _state_at(lane.after, x_T)
        if seeds is None and (state is None or noise is None):
            raise ValueError("give a seed for each image, or both x_T and noise")
        self.x = _first_state(lane, seeds, state)
        """the current state x_t, (N, C, H, W)"""
        self.labels = chain.condition.label_ids(model, len(self.x))
        self.noise = seeded_noise(seeds or ()) if noise is None else own_noise(noise)
        self.shares = sampler.evaluations == 1
        """whether a step needs only the prediction at x_t; other samplers evaluate the network themselves"""
        self.found: Denoised | None = None
        """the prediction at x, if it was already computed together with those of other lanes"""
        way, see = (chain.schedule, chain.pairs), partial(predict, model, labels=self.labels, guidance=self.guidance)
        self.step: Callable[..., Any] = (
            sampler.start(*way) if self.shares else as_step(sampler, partial(see, clip=clip), *way)
        )
        self.origin: object = id(state)
        """identifies the first state: it is equal for lanes that begin at the same tensor, or at x_T of the seeds"""
        self.alike = self
        """the first run with the same chain; `follow` sets it"""

    def state(self) -> object:
        """Return a key of the state and the condition.

        If two runs have equal keys, they have the same state and condition. The key needs no values of tensors, so that
        the CPU does not wait for a GPU.
        """
        condition = vars(self.chain.condition).values()
        told = (one if isinstance(one, (int, float, str)) else id(one) for one in condition)
        return (self.origin, self.k, id(self.alike) if self.k else None, *told)


def _first_state(lane: Lane, seeds: list[int] | None, state: Tensor | None) -> Tensor:
    """Return the first state of a lane on the network's device: a copy of the given state, or x_T of the seeds.

    Raise ValueError for a state that does not fit the model, the chain or the number of seeds.
    """
    model, chain = lane.model, lane.chain
    if state is None and chain.start not in (None, chain.schedule.T):
        raise ValueError(f"a chain that starts at t = {chain.start} needs its state there: give it as x_T")
    shape = (model.channels, model.image_size, model.image_size)
    x = gaussian_batch(seeds or (), 0, shape) if state is None else state
    check_state(model, x, "x_T", None if seeds is None else len(seeds))
    if x.device.type == "cpu" and not x.isfinite().all():  # not checked on a GPU, because the CPU would wait for it
        raise ValueError("x_T has NaN or infinite numbers")
    check_guidance(chain.condition.guidance, x.dtype)
    return x.detach().to(network_device(model.network) or x.device, copy=True)


def _changed_state(changed: Any, x: Tensor) -> Tensor:
    """Return the result of on_step as a state like x. Raise ValueError if it is no tensor of the shape of x."""
    if not isinstance(changed, Tensor) or changed.shape != x.shape or not changed.is_floating_point():
        found = tensor_text(changed) if isinstance(changed, Tensor) else type(changed).__name__
        raise ValueError(f"on_step returns None, or an x like step.x, {tensor_text(x)}, got {found}")
    return changed.detach().to(x, copy=True)


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
    """Yield the steps of several runs from one x_T as (number of the run, step), in order of falling t.

    So all runs progress together. Each run has the same steps as with `trajectory`: its noise depends on the seeds and
    on the index of the step.

    Arguments:
        model: the model of all runs that name no other model; all models must agree in image size and channels.
        seeds: one for each image.
        lanes: for each run, a dict of arguments of `trajectory`: steps, sampler, its options, spacing, "on_step" and
            "after"; "start", which must be the same for all; the fields of `Condition` and "model" where this run
            differs from the others.
        clip, labels, guidance, x_T, prompts, negative, attention: as for `trajectory`.

    Raises:
        ValueError: before anything is computed, the errors of `trajectory`; and for models whose images differ.
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
    """Return the first state of a run: x_T, or the state of `after`. None if neither is given.

    Raise ValueError for both together, and if `after` is neither a step nor a state (t, x_t).
    """
    is_state = isinstance(after, Step) or (
        isinstance(after, tuple) and len(after) == 2 and isinstance(after[1], Tensor)
    )
    if after is not None and (x_T is not None or not is_state):
        raise ValueError("after must be a step or a state (t, x_t); it replaces x_T, so leave x_T out")
    return x_T if after is None else after.x if isinstance(after, Step) else after[1]


@completes(RunOptions)
def sample(
    model: Model, seeds: Seeds | None = None, steps: Steps | None = None, **options: Unpack[RunOptions]
) -> np.ndarray:
    """Return the final images of a run.

    Arguments:
        model: a model from `load`, or your own Model.
        seeds: one for each image.
        steps: as for `trajectory`.
        options: the other arguments of `trajectory`.

    Returns:
        uint8 (N, H, W, C).

    Raises:
        ValueError: the errors of `trajectory`.
    """
    check_options("sample", options, arguments(sample))
    (last,) = deque(trajectory(model, seeds, steps, **options), maxlen=1)  # keeps only the last step
    return model.pictures(last.x)


# The names of `trajectory`'s arguments without model, seeds and steps.
ARGUMENTS = [*dict.fromkeys([*arguments(trajectory), *DEFAULTS])][2:]
OF_CHAIN = [name for name in ("steps", *ARGUMENTS) if name in ("steps", "sampler", "spacing", "start", *DEFAULTS)]


def of_chain(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `make_chain` that are among a run's arguments, without the condition."""
    return {name: given[name] for name in OF_CHAIN if name in given}
