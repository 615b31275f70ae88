"""Solutions of notebook 1, the forward process."""

import math

import torch


def alpha_bar(beta):
    """ᾱ_t = ∏ (1 − β_i) over i = 1, …, t, beside Eq. 4.

    beta: float64 (T + 1,) with beta[0] = 0, so that beta[t] is β_t. Returns float64 (T
    + 1,): index t is ᾱ_t, ᾱ_0 = 1.
    """
    return torch.cumprod(1 - beta, 0)


def forward_step(schedule, x, t, eps):
    """x_t = √(1 − β_t) x_{t−1} + √β_t ε, one step of the chain, Eq. 2.

    schedule.beta: β_t at index t. x: x_{t−1}, any shape; eps: noise of this shape; t: a
    whole number. Returns x_t.
    """
    return (1 - schedule.beta[t]).sqrt() * x + schedule.beta[t].sqrt() * eps


def q_sample(schedule, x_0, t, eps):
    """x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε, the jump from x_0 to x_t, Eq. 4.

    schedule.alpha_bar: ᾱ_t at index t, float64. x_0, eps: float32 (N, C, H, W). t:
    int64 (N,), another one for each image. Returns x_t, float32 (N, C, H, W).
    """
    alpha_bar_t = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    x_t = alpha_bar_t.sqrt() * x_0 + (1 - alpha_bar_t).sqrt() * eps
    return x_t.to(x_0.dtype)


def snr(schedule):
    """SNR(t) = ᾱ_t / (1 − ᾱ_t), variance of the picture over variance of the noise, for
    data of variance 1.

    Returns float64 (T,), for t = 1, …, T: at t = 0 it would be infinite.
    """
    alpha_bar = schedule.alpha_bar[1:]
    return alpha_bar / (1 - alpha_bar)


def cosine_alpha_bar(T):
    """ᾱ_t = f(t) / f(0) with f(t) = cos²((t/T + s) / (1 + s) · π/2) and s = 0.008.

    (Nichol & Dhariwal 2021, Eq. 17.) Returns float64 (T + 1,), for t = 0, …, T.
    """
    s = 0.008
    t = torch.arange(T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2
    return f / f[0]


def best_guess(schedule, data, x_t, t):
    """E[x_0 | x_t] if the data are exactly these K pictures, each with the same
    probability before x_t is seen.

    The weight of picture k is softmax_k(−‖x_t − √ᾱ_t data_k‖² / (2 (1 − ᾱ_t))), and the
    guess is the weighted average. data: (K, C, H, W); x_t: (N, C, H, W); t: a whole
    number. Returns (N, C, H, W).
    """
    alpha_bar_t = schedule.alpha_bar[t].item()
    squares = torch.cdist(x_t.flatten(1), math.sqrt(alpha_bar_t) * data.flatten(1)) ** 2
    weights = torch.softmax(-squares / (2 * (1 - alpha_bar_t)), 1)
    return (weights @ data.flatten(1)).reshape(x_t.shape)
