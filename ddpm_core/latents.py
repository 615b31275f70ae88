"""Encode pictures as latents x_t, reconstruct them, interpolate between them (section 4.3 of the paper, Figs. 7 to 9).

q(x_t | x_0) is the encoder, and the reverse chain from x_t is the decoder. Both are stochastic. Encoding uses noise
stream 0 of the seed (see `noise`), as x_T of a run does, and step i of decoding uses stream i + 1. So a picture that is
encoded at T and decoded with the same seed gives the same picture as a run of this seed. `invert` is DDIM's encoder,
without noise.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, SupportsIndex, Unpack

import numpy as np
import torch
from torch import Tensor

from ddpm_core.arguments import ConditionOptions, DecodingOptions, arguments, check_options, completes
from ddpm_core.likelihood import image_state
from ddpm_core.model import Model, ModelSpec, check_state, is_number
from ddpm_core.names import MIXINGS, Mixing, Spacing
from ddpm_core.noise import Seeds, check_seeds, gaussian_batch
from ddpm_core.prediction import predict
from ddpm_core.process import q_sample
from ddpm_core.runs import Condition, make_chain, of_chain, trajectory
from ddpm_core.timesteps import Steps, as_time, chain_length, own_run, own_times

Latent = Tensor  # the x_t of one picture, (1, C, H, W)


def encode(model: Model, images: np.ndarray | Tensor, t: float, seeds: Seeds) -> Tensor:
    """Return the latents x_t ~ q(x_t | x_0) of pictures, Eq. 4, float32 (N, C, H, W).

    At t = 0, x_t is x_0. At t = T, x_t is ε itself, the x_T of a run with this seed: in a run, x_T ~ N(0, I) does not
    depend on a picture. This leaves out √ᾱ_T x_0. In the paper's schedule, √ᾱ_T is 0.006, so √ᾱ_T x_0 is less than one
    grey level.

    Arguments:
        model: gives the schedule, size and channels.
        images: uint8 (N, H, W, C).
        t: 0..T, also between two whole times.
        seeds: the seeds of ε, one for each image.

    Raises:
        ValueError: for images that are not uint8 or not of the model's size, a t outside 0..T, or another number of
            seeds than images.
    """
    x_0, t, seeds = image_state(model, images, torch.float32), _time(model, t), check_seeds(seeds)
    if len(seeds) != len(x_0):
        raise ValueError(f"give one seed for each image: {len(x_0)} images, {len(seeds)} seeds")
    eps = gaussian_batch(seeds, 0, x_0.shape[1:]).to(x_0)
    return eps if t == model.schedule.T else q_sample(model.schedule, x_0, t, eps)


def _time(model: ModelSpec, t: Any) -> float:
    """Return a time as an int if it is whole, else as a float. Raise ValueError unless it is a number from 0 to T."""
    if isinstance(t, (bool, np.bool_)) or getattr(t, "ndim", 0) or not is_number(t, 0, model.schedule.T):
        raise ValueError(f"t must be a number in 0..{model.schedule.T}, got {t}")
    return as_time(float(t))


@completes(ConditionOptions)
def invert(
    model: Model,
    images: np.ndarray | Tensor,
    steps: Steps | None = None,
    t: float | None = None,
    spacing: Spacing | None = None,
    clip: bool | None = None,
    **conditions: Unpack[ConditionOptions],
) -> Tensor:
    """Return the x_t from which DDIM without noise draws nearly these pictures again: float32 (N, C, H, W).

    DDIM's steps are Euler's steps for an ODE (Song et al. 2021, Eqs. 13 and 14). Here, the same steps go upwards, from
    s to t, with ε at their start: x_t/√ᾱ_t = x_s/√ᾱ_s + (σ_t − σ_s) ε(x_s, s), where σ² = (1 − ᾱ)/ᾱ. At s = 0, ε is
    ε(x_0, 1). After inversion and sampling, the difference to the picture falls as 1/steps.

    Arguments:
        model: a model from `load`, or your own Model.
        images: uint8 (N, H, W, C).
        steps: the number of steps, 1..t, None for 50, or for t if that is less; or the times themselves, from the
            highest down. `sample(model, x_T=x, sampler="ddim", steps=steps)` with the same spacing goes back.
        t: the time to reach, above 0 and at most T; None for T. For a t below T, `reconstruct` with the sampler "ddim"
            goes back.
        spacing, clip: as for `trajectory`.
        conditions: labels, guidance, prompts, negative, as for `trajectory`.

    Raises:
        ValueError: for images of another shape or dtype, for a t, steps, spacing or condition that the model does not
            have, and for a student, which has learned only a few times.
    """
    check_options("invert", conditions, arguments(invert))
    if model.student is not None:
        raise ValueError("a student has not learned t = 1, where inversion begins: invert with its teacher")
    reached = model.schedule.T if t is None else t
    if steps is None and is_number(reached, 0):
        steps = min(own_run(model)[0], math.ceil(reached))
    x, condition = image_state(model, images, torch.float32), Condition(**conditions)
    pairs = make_chain(model, steps, "ddim", spacing, t, condition, len(x)).pairs
    labels = condition.label_ids(model, len(x))
    for time, s in reversed(pairs):
        _, eps, _, _ = predict(model, x, max(s, 1), labels, condition.guidance, clip)
        to, at = (model.schedule.alpha_bar_at(i) for i in (time, s))
        scale = math.sqrt(to / at)
        x = scale * x + (math.sqrt(1 - to) - scale * math.sqrt(1 - at)) * eps
    return x


@completes(DecodingOptions)
def reconstruct(
    model: Model,
    x_t: Tensor,
    t: float | np.integer,
    seeds: Seeds,
    steps: Steps | None = None,
    **options: Unpack[DecodingOptions],
) -> np.ndarray:
    """Decode latents into pictures by the reverse chain from t down to 0, uint8 (N, H, W, C); Fig. 7.

    Arguments:
        model: a model from `load`, or your own Model.
        x_t: (N, C, H, W), or (1, C, H, W) for one x_t that all seeds share.
        t: the time of the latents, 0..T. At t = 0 there is no step, and x_0 is the picture; the other arguments are
            still checked.
        seeds: the seeds of the chain's noise, one for each picture.
        steps: the number of steps of the chain, at most t; None as for `trajectory`. Or the times themselves, beginning
            with t.
        options: sampler and its options, spacing, clip, labels, guidance, prompts, negative, as for `trajectory`.

    Raises:
        ValueError: for an x_t of another shape, a t outside 0..T, steps above t; and the errors of `trajectory`.
    """
    check_options("reconstruct", options, arguments(reconstruct))
    t, seeds = _time(model, t), check_seeds(seeds)
    check_state(model, x_t, "x_t")
    if len(x_t) == 1:
        x_t = x_t.expand(len(seeds), *x_t.shape[1:])
    run = trajectory(model, seeds, x_T=x_t, **_chain(model, t, steps), **options)
    return model.pictures(deque(run, maxlen=1)[0].x if t else x_t)


def check_chains(model: ModelSpec, times: Sequence[float], steps: Steps | None = None, **options: Any) -> None:
    """Raise ValueError, before anything is computed, if `reconstruct` refuses these arguments at one of the times."""
    for t in times:
        make_chain(model, condition=Condition.among(options), **of_chain(options), **_chain(model, t, steps))


def _chain(model: ModelSpec, t: float, steps: Steps | None) -> dict[str, Any]:
    """Return the arguments `start` and `steps` of a chain from t, with no more steps than there are times up to t.

    t = 0 has no chain. For t = 0, the result is the shortest chain, so that the other arguments can be checked.
    """
    t = t or (1 if model.student is None else model.student.times[-1])
    whole: Any = own_run(model)[0] if steps is None else steps
    return {"start": t, "steps": whole if own_times(whole) is not None else chain_length(model, t, whole)}


def mix(x_t: Latent, other: Latent, weights: Sequence[float], how: Mixing = "linear") -> Tensor:
    """Return a mixture of two latents (1, C, H, W) for each weight λ, 0..1: (len(weights), C, H, W).

    how: "linear" is x̄_t = (1 − λ) x_t + λ x'_t. "slerp" is spherical interpolation (Shoemake 1985, as in Song et al.
    2021), which keeps the norm of noise: with the angle θ between the latents, the coefficients are
    sin((1 − λ) θ)/sin θ and sin(λ θ)/sin θ. Raise ValueError for latents of other shapes, weights outside 0..1 and an
    unknown `how`.
    """
    if how not in MIXINGS:
        raise ValueError(f"unknown way to mix {how!r}: choose from {', '.join(MIXINGS)}")
    if x_t.shape != other.shape or len(x_t) != 1:
        raise ValueError(
            f"interpolate takes two latents of shape (1, C, H, W), got {(*x_t.shape,)} and {(*other.shape,)}"
        )
    each = list(weights) if isinstance(weights, Iterable) else []
    if not each or not all(is_number(weight, 0, 1) for weight in each):
        raise ValueError(f"weights are a list of numbers from 0 to 1, got {weights!r}")
    parts = [(1 - weight, weight) for weight in map(float, each)]
    if how == "slerp":
        a, b = (x.cpu().double().flatten() for x in (x_t, other))  # Apple's GPUs have no float64
        angle = math.acos(max(-1.0, min(1.0, (a @ b / (a.norm() * b.norm())).item())))
        if math.sin(angle) > 1e-6:  # if the latents are nearly parallel, the linear mixture is used
            parts = [tuple(math.sin(part * angle) / math.sin(angle) for part in pair) for pair in parts]
    return torch.cat([mine * x_t + its * other for mine, its in parts])


@completes(DecodingOptions)
def interpolate(
    model: Model,
    x_t: Tensor,
    other: Tensor,
    t: float,
    weights: Sequence[float],
    seed: SupportsIndex,
    steps: Steps | None = None,
    how: Mixing = "linear",
    **options: Unpack[DecodingOptions],
) -> np.ndarray:
    """Draw pictures between two latents, uint8 (len(weights), H, W, C); Figs. 8 and 9.

    The chains of all mixtures have the same noise. So at λ = 0 and 1, `reconstruct` returns the same pictures for the
    two latents and this seed.

    Arguments:
        model: a model from `load`, or your own Model.
        x_t, other: (1, C, H, W), both at time t.
        t: 0..T.
        weights: λ of each picture, from 0 (x_t) to 1 (other).
        seed: the seed of the chains' noise.
        how: "linear" as in the paper, or "slerp" for spherical interpolation, which suits latents near T: see `mix`.
        steps, options: as for `reconstruct`.

    Raises:
        ValueError: for latents of another shape, a t outside 0..T, weights outside 0..1, an unknown `how`; and the
            errors of `trajectory`.
    """
    check_options("interpolate", options, arguments(interpolate))
    check_state(model, x_t, "x_t")
    check_state(model, other, "other")
    mixtures = mix(x_t, other, weights, how)
    return reconstruct(model, mixtures, t, [seed] * len(mixtures), steps, **options)
