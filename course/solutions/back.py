"""Solutions of notebook 3, going back."""

import torch


def posterior(schedule, x_0, x_t, t):
    """Mean μ̃_t and variance β̃_t of q(x_{t−1} | x_t, x_0), Eq. 7.

    μ̃_t = √ᾱ_{t−1} β_t / (1 − ᾱ_t) · x_0 + √α_t (1 − ᾱ_{t−1}) / (1 − ᾱ_t) · x_t
    β̃_t = (1 − ᾱ_{t−1}) / (1 − ᾱ_t) · β_t

    schedule.beta, .alpha, .alpha_bar: the tables; index t is time t. x_0, x_t: one
    shape; t: 1, …, T. Returns (mean, variance): a tensor like x_t, and a number.
    """
    alpha_bar, before, beta = schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.beta[t]
    mean = before.sqrt() * beta / (1 - alpha_bar) * x_0 + (1 - beta).sqrt() * (1 - before) / (1 - alpha_bar) * x_t
    variance = (1 - before) / (1 - alpha_bar) * beta
    return mean, variance


def mean_from_eps(schedule, x_t, t, eps):
    """The mean of the step back, (x_t − β_t / √(1 − ᾱ_t) · ε) / √α_t, Eq. 11.

    x_t, eps: one shape; t: 1, …, T. Returns a tensor like x_t.
    """
    part = schedule.beta[t] / (1 - schedule.alpha_bar[t]).sqrt()
    return (x_t - part * eps) / schedule.alpha[t].sqrt()


def reverse_variance(schedule, t, s, kind):
    """σ² of a step from t to any s < t: β_{t|s} for kind "beta", β̃ for "beta_tilde".

    β_{t|s} = 1 − ᾱ_t / ᾱ_s, which is β_t if s = t − 1
    β̃ = (1 − ᾱ_s) / (1 − ᾱ_t) · β_{t|s}

    t, s: whole numbers, T ≥ t > s ≥ 0. Returns a number.
    """
    beta = 1 - schedule.alpha_bar[t] / schedule.alpha_bar[s]
    if kind == "beta":
        return beta
    return (1 - schedule.alpha_bar[s]) / (1 - schedule.alpha_bar[t]) * beta


def step_back(schedule, x_t, t, eps, z):
    """x_{t−1} = (the mean of Eq. 11) + σ_t z with σ_t² = β_t, and no noise at t = 1:
    lines 3 and 4 of Algorithm 2.

    x_t, eps, z: one shape; z: noise N(0, I); t: 1, …, T. Returns a tensor like x_t.
    """
    mean = mean_from_eps(schedule, x_t, t, eps)
    if t == 1:
        return mean
    return mean + schedule.beta[t].sqrt() * z


def sample(network, schedule, x_T, noise):
    """Algorithm 2, from x_T to x_0, with σ_t² = β_t.

    network(x, index) → ε: index is t − 1 for each image, int64 (N,). noise(t, x) → z,
    like x. x_T: (N, C, H, W). Returns x_0, (N, C, H, W).
    """
    x = x_T
    for t in range(schedule.T, 0, -1):
        eps = network(x, torch.full((len(x),), t - 1))
        x = step_back(schedule, x, t, eps, noise(t, x))
    return x
