"""Optimised time steps: against brute force, on a model whose exact denoiser is known, and how they are kept."""

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_core import CheckpointError, Model, NoiseSchedule, load, network, optimise_timesteps, sample, save, trajectory
from ddpm_core.checkpoint import optimised_file
from ddpm_core.engines.choose import wrap
from ddpm_core.model import ModelSpec
from ddpm_core.names import OPTIMISED_FOR, SAMPLERS
from ddpm_core.optimised import (
    GROWTH,
    OptimisedSteps,
    best_chains,
    first_order_errors,
    second_order_errors,
    start_errors,
    teacher_times,
)
from ddpm_core.solvers import solver
from ddpm_core.timesteps import FORMULAS, model_pairs, ranges, timestep_pairs

LINEAR = NoiseSchedule.linear()
SIZE = 4
MODES = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (5, 3, SIZE, SIZE)))


def mixture(spread=0.2, prediction="epsilon", **fields):
    """The exact network for a mixture of Gaussians N(mode, spread² I): ε = (x − √ᾱ E[x_0 | x]) / √(1 − ᾱ)."""

    def exact(x, t_index, labels):
        alpha_bar = LINEAR.alpha_bar[t_index + 1].reshape(-1, 1, 1, 1)
        x = x.double()
        variance = alpha_bar * spread**2 + 1 - alpha_bar  # of x_t in each mode
        apart = x[:, None] - alpha_bar.sqrt()[:, None] * MODES
        share = (-apart.square().sum((2, 3, 4)) / (2 * variance.flatten()[:, None])).softmax(1)
        towards = alpha_bar.sqrt() * spread**2 / variance
        means = MODES + towards[:, None] * apart  # of x_0, were it in that mode
        x_0 = (share[:, :, None, None, None] * means).sum(1)
        return ((x - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()).float()

    return Model(network=exact, schedule=LINEAR, image_size=SIZE, clip=False, prediction=prediction, **fields)


@pytest.fixture(scope="module")
def found():
    return optimise_timesteps(mixture(), seeds=range(32))


def test_dynamic_programming_finds_what_trying_everything_finds():
    rng = np.random.default_rng(1)
    for n in (1, 2, 5, 7):
        start, first, jump = rng.uniform(size=n), rng.uniform(size=(n, n + 1)), rng.uniform(size=(n, n, n + 1))
        later = np.arange(n + 1) > np.arange(n)[:, None]  # j > i
        first[~later] = np.inf
        jump[~(later[:, :n, None] & later[None])] = np.inf
        chains = best_chains(start, first, jump, n)

        def cost(chain, n=n, start=start, first=first, jump=jump):
            errors = [start[chain[0]], first[tuple([*chain, n][:2])]]
            errors += [jump[three] for three in zip(chain, chain[1:], [*chain[2:], n], strict=False)]
            return sum(GROWTH ** (len(errors) - 1 - i) * error for i, error in enumerate(errors))

        for steps in range(1, n + 1):
            best = min(itertools.combinations(range(n), steps), key=cost)
            assert chains[steps] == list(best), (n, steps)


def states_of(times, seed=0):
    """Random states in the order of the products, and the products."""
    states = torch.from_numpy(np.random.default_rng(seed).normal(size=(2 * len(times) + 1, 50)))
    return states, (states @ states.T / 50).numpy()


@pytest.mark.parametrize("sampler", ["ddim", "dpm++", "unipc"])
def test_the_error_of_a_jump_is_that_of_the_samplers_own_step(sampler):
    """UniPC's first try of x_s is DPM-Solver++'s; only the step after it corrects it."""
    times = [1000, 700, 330, 12]
    states, products = states_of(times)
    x, x_0 = states[:5], states[5:]
    first, second = first_order_errors(LINEAR, times, products), second_order_errors(LINEAR, times, products)
    for h, i, j in itertools.combinations(range(5), 3):
        pairs = [(times[h], times[i]), (times[i], [*times, 0][j])]
        alpha_bar_t, alpha_bar_s = LINEAR.alpha_bar[list(pairs[1])].tolist()
        if sampler == "ddim":
            eps = (x[i] - math.sqrt(alpha_bar_t) * x_0[i]) / math.sqrt(1 - alpha_bar_t)
            jump, error = math.sqrt(alpha_bar_s) * x_0[i] + math.sqrt(1 - alpha_bar_s) * eps, first[i, j]
        else:
            advance, error = solver("dpm++", LINEAR, [*pairs, (pairs[1][1], 0)] if j < 4 else pairs), second[h, i, j]
            advance(x_0[h].reshape(1, 50, 1, 1), pairs[0][0], x[h].reshape(1, 50, 1, 1))
            jump = advance(x_0[i].reshape(1, 50, 1, 1), pairs[1][0], x[i].reshape(1, 50, 1, 1)).flatten()
        assert error == pytest.approx((jump - x[j]).square().mean().item(), rel=1e-6), (h, i, j)
    expected = (x[0] - x[:4]).square().mean(1)
    np.testing.assert_allclose(start_errors(products), expected, atol=1e-12)
    assert np.isinf(first[2, :3]).all() and np.isinf(second[2, 1]).all() and np.isinf(second[:, 2, :3]).all()


@pytest.fixture(scope="module")
def errors(found):
    """Root mean square error of x_0 against 500 steps, by sampler, spacing and steps, on other seeds."""
    seeds, model = range(1000, 1064), mixture(optimised=found.times)
    run = {"seeds": seeds, "clip": False}
    *_, exact = trajectory(model, steps=500, sampler="dpm++", **run)
    table = {}
    for sampler in ("ddim", "dpm++", "unipc"):
        for spacing in (*FORMULAS, "optimised"):
            for steps in (5, 6, 8, 10):
                *_, last = trajectory(model, steps=steps, sampler=sampler, spacing=spacing, **run)
                table[sampler, spacing, steps] = (last.x - exact.x).square().mean().sqrt().item()
    return table


@pytest.mark.parametrize("steps", [5, 6, 8, 10])
@pytest.mark.parametrize("sampler", ["ddim", "dpm++", "unipc"])
def test_they_come_nearer_to_the_exact_pictures_than_every_named_spacing(sampler, steps, errors):
    named = {spacing: errors[sampler, spacing, steps] for spacing in FORMULAS}
    assert errors[sampler, "optimised", steps] < 0.9 * min(named.values()), named
