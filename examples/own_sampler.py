"""A sampler of your own: Heun's method, in σ = √((1 − ᾱ)/ᾱ). python examples/own_sampler.py

On the command line: PYTHONPATH=examples python -m ddpm_core sample --sampler own_sampler:heun --steps 10
"""

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png


def heun(predict, schedule, pairs, x, *, noise):
    scale = schedule.alpha_bar.rsqrt().tolist()
    sigma = ((1 - schedule.alpha_bar) / schedule.alpha_bar).sqrt().tolist()
    for index, (t, s) in enumerate(pairs):
        now = predict(x, t)
        u, slope = scale[t] * x, now.eps  # du/dσ = ε
        x = (u + (sigma[s] - sigma[t]) * slope) / scale[s]
        if s > 0:
            slope = (slope + predict(x, s).eps) / 2
            x = (u + (sigma[s] - sigma[t]) * slope) / scale[s]
        yield ddpm_core.Step(index, t, s, x, now.x0_hat, sigma=0.0)


if __name__ == "__main__":
    model = ddpm_core.load("mnist-tiny")
    images = ddpm_core.sample(model, seeds=range(8), steps=10, sampler=heun, spacing="quadratic")
    write_bytes("own_sampler.png", png(grid(images)))
