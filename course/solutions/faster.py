"""Solutions of notebook 4, faster."""

import numpy as np
import torch


def timestep_pairs(T, n):
    """n steps through the chain: a list [(t, s), …] of whole numbers, from t = T down
    to s = 0.

    The n times t are evenly spaced from T to 1, both included, and rounded; s is the
    next t, at the end 0. n: 2, …, T.
    """
    times = np.linspace(T, 1, n).round().astype(int).tolist()
    return list(zip(times, [*times[1:], 0], strict=True))


def ddim_step(schedule, x_t, t, s, eps):
    """x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s) ε, where x̂_0 = (x_t − √(1 − ᾱ_t) ε) / √ᾱ_t (Song et
    al. 2021, Eq. 12, σ = 0).

    x_t, eps: one shape; t, s: whole numbers, T ≥ t > s ≥ 0. Returns x_s.
    """
    at_t, at_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    x_0 = (x_t - (1 - at_t).sqrt() * eps) / at_t.sqrt()
    return at_s.sqrt() * x_0 + (1 - at_s).sqrt() * eps


def ddim_step_eta(schedule, x_t, t, s, eps, z, eta):
    """x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε + σ z with σ = η √β̃ (Song et al. 2021, Eqs.
    12 and 16).

    β̃ = (1 − ᾱ_s) / (1 − ᾱ_t) · (1 − ᾱ_t / ᾱ_s); eta: 0 to 1; z: noise like x_t.
    Returns x_s.
    """
    at_t, at_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    sigma = eta * ((1 - at_s) / (1 - at_t) * (1 - at_t / at_s)).sqrt()
    x_0 = (x_t - (1 - at_t).sqrt() * eps) / at_t.sqrt()
    return at_s.sqrt() * x_0 + (1 - at_s - sigma**2).sqrt() * eps + sigma * z


def guide(eps_class, eps_none, w):
    """ε_none + w (ε_class − ε_none), classifier-free guidance (Ho & Salimans 2022).

    eps_class, eps_none: what the network says with the class and without; w = 1 is the
    class as it is. Returns ε.
    """
    return eps_none + w * (eps_class - eps_none)


def interpolate(a, b, weight):
    """A point on the arc from a (weight 0) to b (weight 1), so that it is noise as
    strong as a and b.

    sin((1 − λ) φ) / sin φ · a + sin(λ φ) / sin φ · b with λ = weight and cos φ = ⟨a, b⟩
    / (‖a‖ ‖b‖). a, b: tensors of one shape, taken as one long vector each. Returns a
    tensor like them.
    """
    angle = torch.acos((a * b).sum() / (a.norm() * b.norm()))
    return (torch.sin((1 - weight) * angle) * a + torch.sin(weight * angle) * b) / torch.sin(angle)
