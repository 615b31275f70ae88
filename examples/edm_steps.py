"""Digits by EDM's sampler (Karras et al. 2022, Algorithm 2 and Eq. 5): python examples/edm_steps.py"""

import numpy as np

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png

if __name__ == "__main__":
    model = ddpm_core.load("mnist-tiny")
    sigmas = np.linspace(80 ** (1 / 7), 0.02 ** (1 / 7), 18) ** 7  # σ^(1/ρ) falls evenly
    times = model.schedule.times_at(sigmas)
    images = [ddpm_core.sample(model, range(8), times, sampler="heun", S_churn=churn) for churn in (0, 10)]
    write_bytes("edm_steps.png", png(grid(np.concatenate(images), 8)))
