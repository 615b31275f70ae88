"""Gaussian data, for which the best network and the distribution of its samples are known in closed form.

The samples must have the moments of the chain, which at 10 steps are far from the data's.
"""

import math

import numpy as np
import oracle
import pytest
import torch

from ddpm_core import Model, NoiseSchedule, reverse_variance, trajectory

M, S2 = 0.3, 0.16  # the data: every pixel N(M, S2)
PIXELS = 20_000
LINEAR = NoiseSchedule.linear()
AB = oracle.alpha_bar(oracle.linear_betas())
MODEL = Model(
    network=lambda x, t_index, labels: oracle.gaussian_eps(AB, M, S2, x, int(t_index[0]) + 1).to(x.dtype),
    schedule=LINEAR,
    image_size=100,
    channels=2,
)


def moments(**options):
    """Mean and variance over the pixels of one sampled image."""
    *_, last = trajectory(MODEL, [2020], clip=False, **options)
    assert last.x.numel() == PIXELS
    return last.x.double().mean().item(), last.x.double().var().item()


def assert_moments(measured, mean, var, errors=4.5):
    assert abs(measured[0] - mean) < errors * math.sqrt(var / PIXELS)
    assert abs(measured[1] / var - 1) < errors * math.sqrt(2 / PIXELS)


def ddpm_step(kind):
    return lambda x0, x, t, s: (oracle.mean(AB, x0, x, t, s), oracle.variance(AB, kind, t, s) if s else 0.0)


def ddim_step(eta):
    def step(x0, x, t, s):
        eps = (x - math.sqrt(AB[t]) * x0) / math.sqrt(1 - AB[t])
        noise = eta**2 * oracle.variance(AB, "beta_tilde", t, s)
        return math.sqrt(AB[s]) * x0 + math.sqrt(1 - AB[s] - noise) * eps, noise

    return step


@pytest.mark.parametrize("steps, spacing", [(200, "linspace"), (10, "linspace"), (10, "trailing")])
@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_ddpm_has_the_moments_of_its_recursion(variance, steps, spacing):
    mean, var = oracle.gaussian_chain(AB, M, S2, oracle.pairs(1000, steps, spacing), ddpm_step(variance))
    assert_moments(moments(steps=steps, variance=variance, spacing=spacing), mean, var)


@pytest.mark.parametrize("steps, eta", [(200, 0.5), (10, 0.0), (10, 0.5), (10, 1.0)])
def test_ddim_has_the_moments_of_its_recursion(eta, steps):
    mean, var = oracle.gaussian_chain(AB, M, S2, oracle.pairs(1000, steps), ddim_step(eta))
    assert_moments(moments(steps=steps, sampler="ddim", eta=eta), mean, var)


def test_the_recursion_is_the_datas_only_for_many_steps():
    """So that the tests above tell chains apart: at 10 steps each is off by more than its tolerance, and by another."""
    few = [
        oracle.gaussian_chain(AB, M, S2, oracle.pairs(1000, 10), ddpm_step(kind))[1] for kind in ("beta", "beta_tilde")
    ]
    few += [oracle.gaussian_chain(AB, M, S2, oracle.pairs(1000, 10), ddim_step(0.0))[1]]
    gap = 10 * math.sqrt(2 / PIXELS)
    apart = [*few, S2]
    assert all(abs(a / b - 1) > gap for i, a in enumerate(apart) for b in apart[:i])
    for kind in ("beta", "beta_tilde"):
        mean, var = oracle.gaussian_chain(AB, M, S2, oracle.pairs(1000, 1000), ddpm_step(kind))
        np.testing.assert_allclose([mean, var], [M, S2], rtol=0.02)


@pytest.mark.parametrize("steps", [1000, 10, 3])
def test_the_analytic_variance_gives_the_datas_exact_variance(steps):
    """From x_T ~ q(x_T) every x_s has the variance of q(x_s), however few the steps, until the noiseless end."""

    def marginal(t):
        return AB[t] * S2 + 1 - AB[t]

    var = marginal(1000)
    for t, s in oracle.pairs(1000, steps)[:-1]:
        x0_slope, eps_slope = math.sqrt(AB[t]) * S2 / marginal(t), 1.0
        slope = oracle.mean(AB, x0_slope, eps_slope, t, s)  # of E[x_s | x_t] in x_t
        sigma2 = float(reverse_variance(LINEAR, t, s, "analytic", gamma=1 / marginal(t)))
        var = slope**2 * var + sigma2
        np.testing.assert_allclose(var, marginal(s), rtol=1e-9)


def test_gamma_of_gaussian_data_is_what_monte_carlo_measures():
    """Gamma_t = E|eps|^2 / (d (1 - ab)) is 1 / V_t with the exact network."""
    t = 400
    V = AB[t] * S2 + 1 - AB[t]
    x_t = math.sqrt(AB[t]) * M + math.sqrt(V) * torch.randn(PIXELS, generator=torch.Generator().manual_seed(0)).double()
    squares = oracle.gaussian_eps(AB, M, S2, x_t, t) ** 2 / (1 - AB[t])
    assert abs(squares.mean() * V - 1) < 4.5 * math.sqrt(2 / PIXELS)
