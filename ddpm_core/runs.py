"""What a user calls: a run from seeds to images, step by step; several runs in one; or the final images only.

A chain is described once: `SamplerSettings` say which steps it takes, `Condition` what it is told to draw.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddpm_core.model import Model, ModelSpec, check_same_images, check_state, is_number, tensor_text
from ddpm_core.names import Sampler, Spacing, Variance
from ddpm_core.noise import Noise, check_seeds, gaussian_batch, own_noise, seeded_noise
from ddpm_core.prediction import (
    Denoised,
    Labels,
    Prompts,
    attention_maps,
    check_attention,
    check_guidance,
    label_tensor,
    network_device,
    no_prompts,
    predict,
)
from ddpm_core.process import check_signal
from ddpm_core.samplers import NAMED, Predict, SamplerFunction, Step
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.timesteps import Pairs, Steps, model_pairs

OnStep = Callable[[Step], "Tensor | None"]


@dataclass(frozen=True)
class SamplerSettings:
    """Which steps a run takes, and what noise they add. The fields are those arguments of `trajectory`."""

    steps: Steps | None = None
    sampler: Sampler | SamplerFunction | None = None
    variance: Variance | None = None
    spacing: Spacing | None = None
    eta: float = 0.0
    start: int | None = None

    def resolved(self, model: ModelSpec) -> SamplerSettings:
        """These settings with the model's own steps and sampler where none are given: 50 of "ddpm", or a student's."""
        student = model.student
        steps, sampler = (50, "ddpm") if student is None else (student.steps, student.sampler)
        return replace(self, steps=self.steps if self.steps is not None else steps, sampler=self.sampler or sampler)

    def chain(self, model: ModelSpec, guidance: float | None = None) -> Chain:
        """The chain that these settings are for a model. Raises ValueError for what model or guidance don't allow."""
        own, student = self.resolved(model), model.student
        assert own.steps is not None and own.sampler is not None
        named = NAMED.get(own.sampler) if isinstance(own.sampler, str) else None
        if named is None and not callable(own.sampler):
            raise ValueError(f"unknown sampler {own.sampler!r}: choose from {', '.join(NAMED)}, or give a function")
        name = own.sampler if isinstance(own.sampler, str) else getattr(own.sampler, "__name__", "of your own")
        pairs = model_pairs(model, own.steps, own.spacing, name, self.start)
        check_signal(model.prediction, model.schedule.alpha_bar[pairs[0][0]])
        if not is_number(self.eta, 0, 1):
            raise ValueError(f"eta must lie between 0 and 1, got {self.eta!r}")
        options: dict[str, Any] = {"variance": self.variance, "eta": self.eta or None}
        given = {option: value for option, value in options.items() if value is not None}
        for option in given:
            owners = [owner for owner, its in NAMED.items() if hasattr(its, option)]
            if name not in owners:
                of = " and ".join(repr(owner) for owner in owners)
                raise ValueError(f"{option} belongs to the sampler {of}, and this run has {name!r}: leave it out")
        if student is not None:
            student.check(name, pairs, self.eta)
        if named is None:
            memory = getattr(own.sampler, "memory", False)
            return Chain(name, pairs, _checked(own.sampler, name), [None] * len(pairs), memory, wanders=True)
        named = replace(named, **given).check(model, pairs, guidance)
        sigmas = named.sigmas(model.schedule, pairs)
        return Chain(name, pairs, named.steps, sigmas, named.memory, named.wanders)


@dataclass(frozen=True)
class Condition:
    """What a run is told to draw. The fields are those arguments of `trajectory`."""

    labels: Labels = None
    prompts: Prompts | None = None
    negative: Prompts | None = None
    guidance: float | None = None

    def label_ids(self, model: Model, n: int) -> Tensor | None:
        """What the network is told of each of n images, see `label_tensor`. Raises ValueError as that."""
        if self.labels is not None and self.prompts is not None:
            raise ValueError("give labels or prompts, not both")
        if self.prompts is not None and not model.takes_words:
            raise no_prompts(model)
        asked = self.labels if self.prompts is None else self.prompts
        return label_tensor(model, asked, n, self.guidance, self.negative)


@dataclass(frozen=True)
class Chain:
    """What a run does: its sampler on its pairs (t, s). sigmas: σ of every step, None where only the network knows it.

    memory: whether a step depends on earlier ones. wanders: whether the sampler evaluates elsewhere than at its state,
    too, as the caller's own may.
    """

    name: str
    pairs: Pairs
    sampler: SamplerFunction
    sigmas: Sequence[float | None]
    memory: bool = False
    wanders: bool = False

    def steps(
        self, evaluate: Predict, schedule: NoiseSchedule, x: Tensor, noise: Noise, first: int = 0
    ) -> Iterator[Step]:
        """The steps from number `first` on, where x is its x_t; noise(index, x) is that of the whole chain."""
        run = self.sampler(evaluate, schedule, self.pairs[first:], x, noise=lambda index, x: noise(first + index, x))
        return (replace(step, index=first + step.index) for step in run) if first else run

    def position(self, after: Step | tuple[int, Tensor]) -> int:
        """The number of the step that follows a step or a state (t, x_t) of this chain. ValueError for another's."""
        t = after.s if isinstance(after, Step) else after[0]
        starts = [start for start, _ in self.pairs]
        if t not in starts:
            raise ValueError(f"no step of this chain starts at t = {t}: its times are {', '.join(map(str, starts))}")
        self.check_no_memory()
        return starts.index(t)

    def check_no_memory(self) -> None:
        """ValueError for a sampler whose chain can't be taken up at any of its states."""
        if self.memory:
            others = ", ".join(repr(name) for name, its in NAMED.items() if not its.memory)
            raise ValueError(
                f"the sampler {self.name!r} remembers earlier steps, so its chain can't be continued or changed on the "
                f"way: use {others}"
            )


def trajectory(
    model: Model,
    seeds: Sequence[int] | None = None,
    steps: Steps | None = None,
    sampler: Sampler | SamplerFunction | None = None,
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
) -> Iterator[Step]:
    """The steps of a run, computed one by one as they are asked for. What is yielded is the caller's.

    Arguments:
        model: what `load` gives, or a Model of one's own.
        seeds: one for each image, whole numbers 0..2^63 − 1; may be left out where x_T and noise are given.
        steps: 1..T, None for 50, or those that a student is for. Or the times themselves, such as [999, 500, 1]: see
            `timestep_pairs`.
        sampler: one of names.SAMPLERS, or a function: see samplers.SamplerFunction. None for "ddpm", or a student's.
        variance: of the samplers "ddpm" and "langevin", one of names.VARIANCES; None for the checkpoint's own.
        spacing: one of names.SPACINGS, None for "linspace", or a student's own times. "optimised" needs a model that
            has such steps: see timesteps.model_pairs.
        eta: of the sampler "ddim", 0..1: σ = η √β̃.
        clip: clip x̂_0 to [−1, 1]; None as the checkpoint asks for.
        labels: a class for all images or one for each, its number 0..num_classes − 1 or its name; None for no class.
        guidance: scale of classifier-free guidance, see `predict`; None or 1 is none.
        x_T: (N, C, H, W) instead of the seeded start; the state has its dtype.
        noise: noise(index, x) -> float tensor of the shape of x, instead of the seeded noise of step `index`; that of
            the corrections of "langevin" is asked for as k · samplers.CORRECTIONS + index, k = 1, 2, …
        start: 1..T, the t at which the chain starts, with `steps` of 1..start; below T its state x_start must be given
            as x_T (`latents.encode` makes one).
        stop: ends the chain when it has reached this s, one of its times; the steps are those of the whole chain.
        after: a step of this chain, or a state (t, x_t) at one of its times: the chain goes on behind it, with the
            noise that it has there. So a chain that is cut and continued is the whole chain, bit for bit.
        on_step: on_step(step) -> x or None, called for every step: the chain goes on from an x that it returns.
        prompts: of a model that takes words: what to draw, for all images or for each; None is the empty prompt. They
            stand in the place of labels. {text: weight, …}, whose weights sum to 1, lies between several texts.
        negative: what guidance leads away from, a text for all images or one for each; None is the empty one.
        attention: give steps the attention to the words, at one more evaluation each, in PyTorch and float32.

    Raises:
        ValueError: before anything is computed, for values outside these; on the way, where a sampler, a noise or an
            on_step of one's own breaks its promise.
    """
    state = _state_at(after, x_T)
    _check_start(model, start, state)
    chain = SamplerSettings(steps, sampler, variance, spacing, eta, start).chain(model, guidance)
    told = Condition(labels, prompts, negative, guidance)
    return follow(model, chain, told, seeds, clip, state, noise, stop, after, on_step, attention)


def follow(
    model: Model,
    chain: Chain,
    told: Condition,
    seeds: Sequence[int] | None = None,
    clip: bool | None = None,
    x_T: Tensor | None = None,
    noise: Noise | None = None,
    stop: int | None = None,
    after: Step | tuple[int, Tensor] | None = None,
    on_step: OnStep | None = None,
    attention: bool = False,
) -> Iterator[Step]:
    """The steps of a chain, as for `trajectory`. x_T: the state behind `after`, if that is given."""
    first = 0 if after is None else chain.position(after)
    if stop is not None and stop not in (times := [s for _, s in chain.pairs[first:]]):
        raise ValueError(f"the chain stops at one of its times {', '.join(map(str, times))}, got {stop!r}")
    if on_step is not None:
        chain.check_no_memory()
    look = _look(model, attention)
    seeds, x, label_ids = _checked_start(model, told, seeds, x_T, noise)
    evaluate = partial(predict, model, labels=label_ids, guidance=told.guidance, clip=clip)
    draw = seeded_noise(seeds) if noise is None else own_noise(noise)

    def steps(x: Tensor, index: int) -> Iterator[Step]:
        while index < len(chain.pairs):
            for step in chain.steps(evaluate, model.schedule, x, draw, index):
                given, index = look(step, x, label_ids), index + 1
                changed = on_step(given) if on_step is not None else None
                x = step.x if changed is None else _state(changed, step.x)
                if changed is not None:
                    given = replace(given, x=x.clone())
                yield given
                if step.s == stop:
                    return
                if changed is not None:
                    break  # and on from there

    return steps(x, first)


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


def _checked(sampler: Any, name: str) -> SamplerFunction:
    """A sampler of one's own that keeps what SamplerFunction promises, or else says in a sentence what it did."""

    def run(predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise) -> Iterator[Step]:
        known, done = x, 0
        try:
            for step in sampler(predict, schedule, list(pairs), x.clone(), noise=noise):
                if done == len(pairs):
                    raise ValueError(f"the sampler {name!r} gives more steps than the {len(pairs)} that it was given")
                _check_step(step, (done, *pairs[done]), known, name)
                done += 1
                yield step
        except (ValueError, GeneratorExit):
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ValueError(f"the sampler {name!r} failed in step {done} ({reason})") from error
        if done < len(pairs):
            raise ValueError(f"the sampler {name!r} gives {done} of {len(pairs)} steps")

    return run


def _check_step(step: Any, expected: tuple[int, int, int], x: Tensor, name: str) -> None:
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
    seeds: Sequence[int],
    lanes: Sequence[Mapping[str, Any]],
    clip: bool | None = None,
    labels: Labels = None,
    guidance: float | None = None,
    x_T: Tensor | None = None,
    prompts: Prompts | None = None,
    negative: Prompts | None = None,
    attention: bool = False,
) -> Iterator[tuple[int, Step]]:
    """Several runs from one x_T, as (lane, step) in order of falling t, so that all lanes progress together.

    Lanes of one model and guidance that are at the same t are evaluated in one batch, and once where they have the same
    state, too. A lane's steps are those that `trajectory` gives: the noise depends on the seeds and on the lane's own
    step numbers.

    Arguments:
        model: of lanes that name no other; models must agree in image size and channels.
        seeds: one for each image.
        lanes: for each run the fields of `SamplerSettings`, `start` the same in all, "model" and the fields of
            `Condition` where they are not the other lanes', and "on_step" and "after" as for `trajectory`.
        clip, labels, guidance, x_T, prompts, negative, attention: as for `trajectory`.

    Raises:
        ValueError: before anything is computed, as `trajectory`, and for models whose images differ.
    """
    settings, shared = vars(SamplerSettings()), vars(Condition(labels, prompts, negative, guidance))
    for lane in lanes:
        if not isinstance(lane, Mapping):
            raise ValueError(f"a lane is a dict such as {{'steps': 10}}, got {lane!r}")
        check_options("a lane", lane, [*settings, "model", "on_step", "after", *shared])
    models = [lane.get("model", model) for lane in lanes]
    other = next((one for one in models if not isinstance(one, Model)), None)
    if other is not None:
        raise ValueError(f"a lane's model is what `load` gives, got {other!r}")
    check_same_images([model, *models])
    looks = [_look(own, attention) for own in models]
    for lane, own in zip(lanes, models, strict=True):
        _check_start(own, lane.get("start"), _state_at(lane.get("after"), x_T))
        if lane.get("start") != lanes[0].get("start"):
            raise ValueError("lanes that share one state must start at the same t")
    states: dict[int, tuple[int, Tensor]] = {}  # of each lane that is not finished: t, x_t
    ready: dict[int, Denoised] = {}
    chains: list[Chain] = []
    told = [Condition(**{name: lane.get(name, shared[name]) for name in shared}) for lane in lanes]
    label_ids: list[Tensor | None] = []  # of each lane

    changes: list[object] = [None] * len(lanes)  # by an on_step, or after: something of its own for each change
    came: list[object] = [None] * len(lanes)  # how each has come to its state; None at x_T

    def is_same(one: int, other: int) -> bool:
        """Whether two lanes at the same t surely have one state and are told the same: a device is not asked for it."""
        pairs = zip(vars(told[one]).values(), vars(told[other]).values(), strict=True)
        alike = all(a is b or (isinstance(a, (int, float, str)) and a == b) for a, b in pairs)
        return one == other or (alike and came[one] == came[other])

    def evaluate(lane: int, x: Tensor, t: int, **options: Any) -> Denoised:
        scale = told[lane].guidance
        if chains[lane].wanders:  # it may evaluate elsewhere than at its state
            return predict(models[lane], x, t, **{"labels": label_ids[lane], "guidance": scale, "clip": clip} | options)
        if lane not in ready:
            here = [
                other
                for other, (time, _) in states.items()
                if time == t
                and models[other] is models[lane]
                and told[other].guidance == scale
                and not chains[other].wanders
            ]
            first = {other: next(one for one in here if is_same(one, other)) for other in here}
            own = list(dict.fromkeys(first.values()))
            chosen = [ids for ids in (label_ids[other] for other in own) if ids is not None]
            batch = torch.cat([states[other][1] for other in own])
            parts = predict(models[lane], batch, t, torch.cat(chosen) if chosen else None, scale, clip)
            split = ((None,) * len(own) if part is None else part.split(len(x)) for part in parts)
            found = dict(zip(own, map(Denoised._make, zip(*split, strict=True)), strict=True))
            ready.update((other, found[one]) for other, one in first.items())
        return ready.pop(lane)

    def run_from(lane: int, x: Tensor, index: int = 0) -> Iterator[Step]:
        draw = seeded_noise(checked)
        return chains[lane].steps(partial(evaluate, lane), models[lane].schedule, x, draw, index)

    runs, checked, ways = [], [], []
    for i, lane in enumerate(lanes):
        after = lane.get("after")
        checked, x, ids = _checked_start(models[i], told[i], seeds, _state_at(after, x_T))
        ways.append(SamplerSettings(**{name: lane[name] for name in settings if name in lane}))
        chains.append(ways[i].chain(models[i], told[i].guidance))
        if lane.get("on_step"):
            chains[i].check_no_memory()
        first = 0 if after is None else chains[i].position(after)
        changes[i] = came[i] = None if after is None else object()
        runs.append(run_from(i, x, first))
        label_ids.append(ids)
        states[i] = chains[i].pairs[first][0], x

    def steps() -> Iterator[tuple[int, Step]]:
        while states:
            lane = max(states, key=lambda i: states[i][0])
            _, x = states[lane]
            step = next(runs[lane])
            states[lane], came[lane] = (step.s, step.x), (changes[lane], ways[lane], step.index)
            given, on_step = looks[lane](step, x, label_ids[lane]), lanes[lane].get("on_step")
            changed = on_step(given) if on_step else None
            if changed is not None:
                changes[lane] = came[lane] = object()
                states[lane] = step.s, _state(changed, step.x)
                given = replace(given, x=states[lane][1].clone())
                runs[lane] = run_from(lane, states[lane][1], step.index + 1)
            if step.s == 0:
                del states[lane]
            yield lane, given

    return steps()


def _state_at(after: Any, x_T: Tensor | None) -> Tensor | None:
    """Where a chain begins: at x_T, or behind `after`. ValueError for what is neither a step nor a state."""
    is_state = isinstance(after, Step) or (isinstance(after, tuple) and len(after) == 2)
    if after is not None and (x_T is not None or not is_state):
        raise ValueError("after is a step, or a state (t, x_t), and takes the place of x_T")
    return x_T if after is None else after.x if isinstance(after, Step) else after[1]


def _check_start(model: Model, start: int | None, x_T: Tensor | None) -> None:
    """ValueError where a chain would start below T from the noise of T."""
    if start not in (None, model.schedule.T) and x_T is None:
        raise ValueError(f"a chain that starts at t = {start} needs its state there: give it as x_T")


def _checked_start(
    model: Model, told: Condition, seeds: Sequence[int] | None, x_T: Tensor | None, noise: Noise | None = None
) -> tuple[list[int], Tensor, Tensor | None]:
    """The seeds (none where x_T and noise replace them), x_T and labels, checked and on the network's device."""
    checked = [] if seeds is None else check_seeds(seeds)
    if seeds is None and (x_T is None or noise is None or not len(x_T)):
        raise ValueError("give a seed for each image, or both x_T and noise")
    n = len(checked) if x_T is None or seeds is not None else len(x_T)
    label_ids = told.label_ids(model, n)
    shape = (model.channels, model.image_size, model.image_size)
    x = gaussian_batch(checked, 0, shape) if x_T is None else x_T
    check_state(model, x, "x_T", n)
    check_guidance(told.guidance, x.dtype)
    x = x.detach().to(network_device(model.network) or x.device, copy=True)  # the caller may change x_T
    return checked, x, label_ids


def sample(model: Model, seeds: Sequence[int] | None = None, steps: Steps | None = None, **options: Any) -> np.ndarray:
    """The final images.

    Arguments:
        model: what `load` gives, or a Model of one's own.
        seeds: one for each image.
        steps: as for `trajectory`.
        options: the other arguments of `trajectory`.

    Returns:
        uint8 (N, H, W, C).

    Raises:
        ValueError: as `trajectory`.
    """
    check_options("sample", options, OPTIONS)
    (last,) = deque(trajectory(model, seeds, steps, **options), maxlen=1)  # the last step
    return model.pictures(last.x)


OPTIONS = tuple(inspect.signature(trajectory).parameters)[3:]  # what a run has besides its model, seeds and steps


def check_options(function: str, given: Iterable[str], allowed: Sequence[str]) -> None:
    """ValueError for an option that a function does not have."""
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise ValueError(f"{function} has no argument {unknown[0]!r}: choose from {', '.join(allowed)}")
