"""DDPM and DDIM step by step against the oracle and against diffusers, in float64."""

import itertools
import math

import numpy as np
import oracle
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from toy import AB, LINEAR, SECOND_HALF, X_T, assert_chain, numpy_z, run, toy_model, z

from ddpm_core import Model, NoiseSchedule
from ddpm_core.coordinates import EDM
from ddpm_core.timesteps import FORMULAS

# Against the oracle


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize("steps, clip", [(50, True), (7, False), (1, True)])
def test_ddpm_is_the_oracles_chain(steps, variance, clip):
    pairs = oracle.pairs(1000, steps)
    expected = oracle.ddpm(AB, oracle.toy_eps, X_T.numpy(), pairs, variance, numpy_z, clip)
    assert_chain(run(toy_model(), steps, variance=variance, clip=clip), expected, pairs)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps, clip", [(50, True), (7, False), (1, True)])
def test_ddim_is_the_oracles_chain(steps, eta, clip):
    pairs = oracle.pairs(1000, steps)
    expected = oracle.ddim(AB, oracle.toy_eps, X_T.numpy(), pairs, eta, numpy_z, clip)
    assert_chain(run(toy_model(), steps, sampler="ddim", eta=eta, clip=clip), expected, pairs)


@pytest.mark.parametrize("spacing", FORMULAS)
@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_every_spacing_is_the_oracles_chain(sampler, spacing):
    pairs = oracle.pairs(1000, 20, spacing)
    options, chain = {
        "ddpm": ({"variance": "beta"}, oracle.ddpm(AB, oracle.toy_eps, X_T.numpy(), pairs, "beta", numpy_z, True)),
        "ddim": ({"eta": 0.7}, oracle.ddim(AB, oracle.toy_eps, X_T.numpy(), pairs, 0.7, numpy_z, True)),
    }[sampler]
    assert_chain(run(toy_model(), 20, sampler=sampler, spacing=spacing, **options), chain, pairs)


@pytest.mark.parametrize(
    "kind, steps, clip",
    [("learned", 1000, True), ("learned_range", 200, False), ("learned_range", 50, True), ("learned_range", 7, False)],
)
def test_learned_variances_are_the_oracles_chain(kind, steps, clip):
    pairs = oracle.pairs(1000, steps)
    expected = oracle.ddpm(AB, oracle.toy_eps, X_T.numpy(), pairs, kind, numpy_z, clip, SECOND_HALF[kind])
    assert_chain(run(toy_model(variance=kind), steps, clip=clip), expected, pairs)


def test_a_network_with_learned_variance_also_takes_a_fixed_one_and_ddim():
    model = toy_model(variance="learned")
    for options in ({"variance": "beta_tilde"}, {"sampler": "ddim"}):
        ours, fixed = (run(m, 7, **options) for m in (model, toy_model(variance="beta_tilde")))
        assert all(torch.equal(a.x, b.x) for a, b in zip(ours, fixed, strict=True))


@pytest.mark.parametrize("sampler, steps", [("ddpm", 50), ("ddim", 7)])
@pytest.mark.parametrize("prediction", ["x0", "v", "mu"])
def test_the_same_eps_in_another_prediction_is_the_same_chain(prediction, steps, sampler):
    """mu carries x_0 with a factor of 1e-4 near T, which costs four digits."""
    clip = prediction != "mu"
    ours, by_eps = (
        run(toy_model(p, variance="beta_tilde"), steps, sampler=sampler, eta=0.5 * (sampler == "ddim"), clip=clip)
        for p in (prediction, "epsilon")
    )
    for a, b in zip(ours, by_eps, strict=True):
        torch.testing.assert_close(a.x0_hat, b.x0_hat, rtol=0, atol=1e-8 if prediction == "mu" else 1e-10)
        torch.testing.assert_close(a.x, b.x, rtol=0, atol=1e-8 if prediction == "mu" else 1e-10)


@pytest.mark.parametrize("steps, sampler", [(50, "ddpm"), (7, "ddim")])
def test_the_mean_of_a_mu_prediction_is_never_clipped(steps, sampler):
    """The paper's own: only the picture of x_0 shown along the way is."""
    clipped, free = (
        run(toy_model("mu"), steps, sampler=sampler, eta=0.5 * (sampler == "ddim"), clip=clip) for clip in (True, False)
    )
    for a, b in zip(clipped, free, strict=True):
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.x0_hat, b.x0_hat.clamp(-1, 1))
    assert max(step.x0_hat.abs().max() for step in free) > 1


def test_the_mean_of_a_full_chain_is_the_mu_the_network_gave():
    model, steps = toy_model("mu"), run(toy_model("mu"), 1000, noise=lambda i, x: 0 * x)
    x = X_T
    for step in steps:
        mu = model.network(x, torch.full((2,), step.t - 1), None)
        torch.testing.assert_close(step.x, mu, rtol=0, atol=1e-9)
        x = step.x


CHURN = {"S_churn": 40.0, "S_min": 0.05, "S_max": 50.0, "S_noise": 1.003}  # of EDM's Table 5, for ImageNet


def wave(x, c_noise):
    """F of EDM as a formula, for arrays and tensors."""
    return (0.7 * x + 0.3 * c_noise) * x / (1 + x * x) - 0.2 * x


@pytest.mark.parametrize("churn", [{}, CHURN, {"S_churn": 5.0, "S_noise": 0.9}], ids=["none", "EDM", "everywhere"])
@pytest.mark.parametrize("made_of", [np.geomspace(0.002, 160, 200), np.linspace(0.0015, 200, 1000)], ids=["ln", "even"])
def test_heun_is_algorithm_2_of_edm(made_of, churn):
    """At σ of EDM's own, between those of the schedule. σ² of a time loses what 1 − ᾱ does, eps/4e-6 = 5e-11."""
    schedule, sigmas = NoiseSchedule.from_sigmas(made_of), oracle.karras(18, 0.002, 80.0)
    model = Model(
        network=lambda x, c_noise, labels: wave(x, c_noise.reshape(-1, 1, 1, 1)),
        **{"schedule": schedule, "image_size": 4, "prediction": "x0", "coordinates": EDM(times=1), "clip": False},
    )
    ours = run(model, schedule.times_at([*sigmas, 0.0]), sampler="heun", **churn)
    scale = [math.sqrt(1 + sigma**2) for sigma in [*sigmas, 0.0]]
    theirs = oracle.heun(oracle.denoiser(wave), X_T.numpy() * scale[0], sigmas, numpy_z, **churn)
    for step, factor, (x, x0_hat) in zip(ours, scale[1:], theirs, strict=True):
        np.testing.assert_allclose(step.x, x / factor, rtol=0, atol=1e-10)
        np.testing.assert_allclose(step.x0_hat, x0_hat, rtol=0, atol=1e-10)
    assert (max(step.sigma for step in ours) > 0.05) == bool(churn)


def test_a_chain_at_real_times_is_the_oracles():
    """Between two times ln σ is linear, so a table with ten times as many of them has those of the other."""
    sigma = np.geomspace(0.01, 100, 101)
    schedule = NoiseSchedule.from_sigmas(sigma[::10])
    ab = np.concatenate([[1.0], 1 / (1 + sigma**2)])
    model = Model(
        network=lambda x, t_index, labels: torch.from_numpy(oracle.toy_eps(x.numpy(), 100 * t_index[0].item())),
        **{"schedule": schedule, "image_size": 4, "prediction": "epsilon"},
    )
    fine = [101, 78, 55, 31, 12, 1]  # of the table: t = 1 + (i − 1)/10
    pairs = [*itertools.pairwise([*fine, 0])]
    network = lambda x, i: oracle.toy_eps(x, 100 * (i - 1) / 10)  # noqa: E731
    times = [1 + (i - 1) / 10 for i in fine]
    for options, expected in (
        ({"variance": "beta_tilde"}, oracle.ddpm(ab, network, X_T.numpy(), pairs, "beta_tilde", numpy_z, True)),
        ({"sampler": "ddim", "eta": 0.5}, oracle.ddim(ab, network, X_T.numpy(), pairs, 0.5, numpy_z, True)),
    ):
        for step, (x, x0_hat, deviation) in zip(run(model, times, **options), expected, strict=True):
            # 1 − ᾱ_1 is 1e-4, so σ² has an error of eps/1e-4 = 2e-12, and pixels are below 5.
            np.testing.assert_allclose(step.x, x, rtol=0, atol=1e-10)
            np.testing.assert_allclose(step.x0_hat, x0_hat, rtol=0, atol=1e-10)
            np.testing.assert_allclose(step.sigma, deviation, rtol=0, atol=1e-10)


# Against diffusers, its float32 tables replaced by float64 ones


def float64_scheduler(kind, **config):
    scheduler = kind(timestep_spacing=config.pop("spacing", "linspace"), **config)
    betas = torch.from_numpy(oracle.linear_betas())
    one = torch.tensor(1.0, dtype=torch.float64)
    scheduler.betas, scheduler.alphas, scheduler.alphas_cumprod = betas, 1 - betas, torch.cumprod(1 - betas, 0)
    scheduler.one = scheduler.final_alpha_cumprod = one
    return scheduler


def diffusers_chain(scheduler, network, **options):
    """(x, x0_hat) per step."""
    x = X_T
    for i, t in enumerate(scheduler.timesteps.tolist()):
        generator = torch.Generator().manual_seed(i)
        output = network(x, torch.full((len(x),), t), None)
        x, x0_hat = scheduler.step(output, t, x, generator=generator, return_dict=False, **options)
        yield x, x0_hat


def assert_same_as_diffusers(ours, theirs, tolerance=1e-10):
    for step, (x, x0_hat) in zip(ours, theirs, strict=True):
        torch.testing.assert_close(step.x0_hat, x0_hat, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(step.x, x, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("steps, spacing", [(50, "linspace"), (7, "linspace"), (50, "leading")])
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("variance, theirs", [("beta", "fixed_large"), ("beta_tilde", "fixed_small")])
def test_ddpm_is_diffusers_chain(variance, theirs, steps, spacing, clip):
    scheduler = float64_scheduler(DDPMScheduler, spacing=spacing, variance_type=theirs, clip_sample=clip)
    scheduler.set_timesteps(steps)
    model = toy_model()
    ours = run(model, steps, variance=variance, spacing=spacing, clip=clip)
    assert_same_as_diffusers(ours, diffusers_chain(scheduler, model.network))


def test_trailing_beta_is_diffusers_chain_but_for_the_noise_it_leaves():
    scheduler = float64_scheduler(DDPMScheduler, spacing="trailing", variance_type="fixed_large")
    scheduler.set_timesteps(10)
    model = toy_model()
    ours = run(model, 10, variance="beta", spacing="trailing")
    theirs = list(diffusers_chain(scheduler, model.network))
    assert_same_as_diffusers(ours[:-1], theirs[:-1])
    (x, x0_hat), last = theirs[-1], ours[-1]
    torch.testing.assert_close(last.x0_hat, x0_hat, rtol=0, atol=1e-10)
    torch.testing.assert_close(last.x + (1 - LINEAR.alpha_bar[100]).sqrt() * z(9), x, rtol=0, atol=1e-10)


def test_learned_range_is_diffusers_chain():
    scheduler = float64_scheduler(DDPMScheduler, variance_type="learned_range")
    scheduler.set_timesteps(50)
    model = toy_model(variance="learned_range")
    assert_same_as_diffusers(run(model, 50), diffusers_chain(scheduler, model.network))


@pytest.mark.parametrize(
    "steps, spacing, eta, clip",
    [
        (1000, "linspace", 0.5, True),
        (50, "leading", 0.0, True),
        (50, "leading", 1.0, False),
        (50, "trailing", 0.5, True),
    ],
)
def test_ddim_is_diffusers_chain_where_its_stride_is_the_next_step(steps, spacing, eta, clip):
    scheduler = float64_scheduler(DDIMScheduler, spacing=spacing, clip_sample=clip)
    scheduler.set_timesteps(steps)
    model = toy_model()
    ours = run(model, steps, sampler="ddim", spacing=spacing, eta=eta, clip=clip)
    theirs = diffusers_chain(scheduler, model.network, eta=eta, use_clipped_model_output=True)
    assert_same_as_diffusers(ours, theirs)
