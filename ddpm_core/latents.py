"""What a latent x_t holds (section 4.3 of the paper, Figs. 7 to 9): encode pictures, reconstruct them, interpolate.

q(x_t | x_0) is the encoder, the reverse chain from x_t the decoder, and both are stochastic. The noise of an encoding
is stream 0 of its seed, as x_T is in a run, and step i of a decoding has stream i + 1. So a picture that is encoded and
decoded with one seed passes over into the run of that seed as t goes from 0 to T.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddpm_core.likelihood import image_state
from ddpm_core.model import Model, ModelSpec, check_state, is_number
from ddpm_core.noise import check_seeds, gaussian_batch
from ddpm_core.process import q_sample
from ddpm_core.runs import OPTIONS, SamplerSettings, check_options, trajectory
from ddpm_core.timesteps import chain_length

Latent = Tensor  # of one picture, (1, C, H, W): its x_t


def encode(model: Model, images: np.ndarray | Tensor, t: int, seeds: Sequence[int]) -> Tensor:
    """The latents x_t ~ q(x_t | x_0) of pictures, Eq. 4, float32 (N, C, H, W).

    At t = 0 this is x_0. At t = T it is ε itself, the x_T of the seed's run: the model's x_T ~ N(0, I) knows nothing of
    the picture (in the paper's schedule √ᾱ_T is .006, so what is left out of x_T is less than one grey level).

    Arguments:
        model: whose schedule, size and channels they have.
        images: uint8 (N, H, W, C).
        t: 0..T.
        seeds: of ε, one for each image.

    Raises:
        ValueError: for values outside these.
    """
    x_0, seeds = image_state(model, images, torch.float32), check_seeds(seeds)
    if len(seeds) != len(x_0):
        raise ValueError(f"give one seed for each image: {len(x_0)} images, {len(seeds)} seeds")
    eps = gaussian_batch(seeds, 0, x_0.shape[1:]).to(x_0)
    x_t = q_sample(model.schedule, x_0, t, eps)  # checks t
    return eps if t == model.schedule.T else x_t


def reconstruct(
    model: Model, x_t: Tensor, t: int, seeds: Sequence[int], steps: int | None = None, **options: Any
) -> np.ndarray:
    """Pictures from latents by the reverse chain from t down to 0, uint8 (N, H, W, C); Fig. 7.

    Arguments:
        model: what `load` gives, or a Model of one's own.
        x_t: (N, C, H, W), or (1, C, H, W) to be shared by all seeds: their pictures then have in common what x_t holds.
        t: 0..T, the latents' own. At t = 0 there is no step, and x_0 is the picture.
        seeds: of the chain's noise, one for each picture.
        steps: of the chain, t where t is less; None as for `trajectory`.
        options: sampler, variance, spacing, eta, clip, labels, guidance, prompts, negative, as for `trajectory`.

    Raises:
        ValueError: for values outside these.
    """
    check_options("reconstruct", options, [name for name in OPTIONS if name not in ("x_T", "start", "after")])
    seeds = check_seeds(seeds)
    check_state(model, x_t, "x_t")
    if len(x_t) == 1:
        x_t = x_t.expand(len(seeds), *x_t.shape[1:])
    if t == 0:
        return model.pictures(x_t)
    steps = _chain(model, t, steps, {}).steps
    (last,) = deque(trajectory(model, seeds, steps, x_T=x_t, start=t, **options), maxlen=1)
    return model.pictures(last.x)


def check_chains(model: ModelSpec, times: Sequence[int], steps: int | None = None, **options: Any) -> None:
    """Raise ValueError, before anything is computed, for a time from which `reconstruct` has no such chain."""
    for t in times:
        if t:
            _chain(model, t, steps, options).chain(model, options.get("guidance"))


def _chain(model: ModelSpec, t: int, steps: int | None, options: Mapping[str, Any]) -> SamplerSettings:
    """The chain from t, with no more steps than there are times."""
    fields = {name: options[name] for name in ("sampler", "variance", "spacing", "eta") if name in options}
    whole = SamplerSettings(steps, **fields, start=t).resolved(model)
    return replace(whole, steps=chain_length(model, t, whole.steps or t))


def mix(x_t: Latent, other: Latent, weights: Sequence[float]) -> Tensor:
    """x̄_t = (1 − λ) x_t + λ x'_t for each weight λ, 0..1: (len(weights), C, H, W) from two latents (1, C, H, W).

    Raises ValueError for other shapes and weights.
    """
    if x_t.shape != other.shape or len(x_t) != 1:
        raise ValueError(
            f"interpolation is between two latents (1, C, H, W), got {(*x_t.shape,)} and {(*other.shape,)}"
        )
    if not isinstance(weights, Collection) or not weights or not all(is_number(weight, 0, 1) for weight in weights):
        raise ValueError(f"weights are numbers from 0 to 1, got {weights!r}")
    return torch.cat([(1 - weight) * x_t + weight * other for weight in weights])


def interpolate(
    model: Model,
    x_t: Tensor,
    other: Tensor,
    t: int,
    weights: Sequence[float],
    seed: int,
    steps: int | None = None,
    **options: Any,
) -> np.ndarray:
    """Pictures between two latents, uint8 (len(weights), H, W, C); Figs. 8 and 9.

    The latents are mixed linearly, and every mixture has the same noise in its chain: so at λ = 0 and 1 these are the
    reconstructions of the two with that seed.

    Arguments:
        model: what `load` gives, or a Model of one's own.
        x_t, other: (1, C, H, W), both at time t.
        t: 0..T.
        weights: λ of each picture, from 0 (x_t) to 1 (other).
        seed: of the chains' noise.
        steps, options: as for `reconstruct`.

    Raises:
        ValueError: for values outside these.
    """
    check_state(model, x_t, "x_t")
    check_state(model, other, "other")
    return reconstruct(model, mix(x_t, other, weights), t, [seed] * len(weights), steps, **options)
