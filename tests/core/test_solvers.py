"""DPM-Solver++ and UniPC: against diffusers' own loops, on our seeds, pairs and tables."""

from dataclasses import replace

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

from ddpm_core import Model, NoiseSchedule, timestep_pairs, trajectory
from ddpm_core.noise import gaussian

PEERS = {"dpm++": DPMSolverMultistepScheduler, "unipc": UniPCMultistepScheduler}
SOLVERS = list(PEERS)


def toy(x, t_index, labels=None):
    t = torch.as_tensor(t_index).reshape(-1, 1, 1, 1)
    return 0.6 * x + 0.3 * torch.sin(2 * x + 0.01 * t)


def model(schedule=None, network=toy):
    return Model(network=network, schedule=schedule or NoiseSchedule.linear(), image_size=8, prediction="epsilon")


@pytest.mark.parametrize("sampler", SOLVERS)
@pytest.mark.parametrize("schedule", [NoiseSchedule.linear(), NoiseSchedule.quadratic(), NoiseSchedule.cosine()])
@pytest.mark.parametrize("n", [1, 2, 10, 20, 50])
def test_agreement_with_diffusers_own_loop(sampler, schedule, n):
    config = {**schedule.config, "timestep_spacing": "trailing", "final_sigmas_type": "zero"}
    scheduler = PEERS[sampler].from_config(config)
    scheduler.set_timesteps(n)
    assert [t + 1 for t in scheduler.timesteps.tolist()] == [t for t, _ in timestep_pairs(1000, n, "trailing")]
    steps = trajectory(model(schedule), [0, 1], n, sampler=sampler, spacing="trailing", clip=False)
    x = torch.stack([gaussian(seed, 0, (3, 8, 8)) for seed in (0, 1)])
    for t, step in zip(scheduler.timesteps, steps, strict=True):
        # diffusers' tables are float32, and at the end of the cosine schedule their √ᾱ has few digits left
        start = x
        x = scheduler.step(toy(x, t.expand(2)), t, x, return_dict=False)[0]
        scale = max(start.abs().max().item(), x.abs().max().item(), 1)
        tolerance = 2e-2 if schedule.config["beta_schedule"] == "squaredcos_cap_v2" else 2e-4
        torch.testing.assert_close(step.x, x, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("sampler", SOLVERS)
@pytest.mark.parametrize("spacing", ["linspace", "quadratic", "leading", "trailing"])
def test_every_spacing_is_honoured_and_the_last_step_is_x0_hat(sampler, spacing):
    steps = list(trajectory(model(), [3], 12, sampler=sampler, spacing=spacing))
    assert [(step.t, step.s) for step in steps] == timestep_pairs(1000, 12, spacing)
    assert [step.index for step in steps] == list(range(12)) and {step.sigma for step in steps} == {0.0}
    assert all(step.x0_hat.abs().max() <= 1 for step in steps)
    # diffusers sums it up in float32, from a few terms below 1: some eps = 1e-7.
    torch.testing.assert_close(steps[-1].x, steps[-1].x0_hat, rtol=0, atol=3e-6)


@pytest.mark.parametrize("sampler", SOLVERS)
def test_exact_network_for_gaussian_data_is_solved_to_second_order(sampler):
    """The probability flow scales x by √(Var x_s / Var x_t). Twice the steps: a quarter of the error, DDIM has half."""
    schedule, c = NoiseSchedule.linear(), 0.25
    spread = schedule.alpha_bar * c + 1 - schedule.alpha_bar

    def exact(x, t_index, labels):
        t = t_index + 1
        return ((1 - schedule.alpha_bar[t]).sqrt() / spread[t]).to(x.dtype).reshape(-1, 1, 1, 1) * x

    truth = gaussian(0, 0, (3, 8, 8)) * (spread[500] / spread[1000]).sqrt().float()

    def error(name, n):
        run = trajectory(model(schedule, exact), [0], n, sampler=name, spacing="trailing", clip=False)
        x = next(step.x for step in run if step.s == 500)
        return (x - truth).square().mean().sqrt().item()

    for n in (10, 20):
        assert error(sampler, 2 * n) < error(sampler, n) / 3 and error("ddim", 2 * n) > error("ddim", n) / 2.2
        assert error(sampler, n) < error("ddim", n) / 2


@pytest.mark.parametrize("sampler", SOLVERS)
def test_pure_noise_at_the_start_is_refused(sampler):
    schedule = NoiseSchedule.from_config({**NoiseSchedule.linear().config, "rescale_betas_zero_snr": True})
    with pytest.raises(ValueError, match="use ddpm or ddim"):
        trajectory(replace(model(schedule), prediction="v"), [0], 10, sampler=sampler)
