"""Digits in the steps of EDM (Karras et al. 2022, Eq. 5): σ^(1/ρ) falls evenly. python examples/edm_steps.py"""

import numpy as np

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png


def karras(n, sigma_min=0.02, sigma_max=80.0, rho=7.0):
    return np.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), n) ** rho


if __name__ == "__main__":
    model = ddpm_core.load("mnist-tiny")
    run = {"seeds": range(8), "sampler": "ddim"}
    nearest = ddpm_core.sample(model, steps=model.schedule.times_at(karras(18)), **run)
    own = model.with_schedule(ddpm_core.NoiseSchedule.from_sigmas(karras(18)[::-1].copy()))  # exactly these σ
    exact = ddpm_core.sample(own, steps=18, **run)
    write_bytes("edm_steps.png", png(grid(np.concatenate([nearest, exact]), 8)))
