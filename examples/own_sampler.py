"""A sampler of your own: the midpoint rule (Lu et al. 2022, DPM-Solver-2). python examples/own_sampler.py

Each step takes the ε of the middle, where ln σ lies halfway: a real time, between the whole ones.
On the command line: PYTHONPATH=examples python -m ddpm_core sample --sampler own_sampler:midpoint --steps 10
In the page: PYTHONPATH=examples python app.py --sampler own_sampler:midpoint
"""

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png


def midpoint(predict, schedule, pairs, x, *, noise):
    for index, (t, s) in enumerate(pairs):
        found = predict(x, t)
        x_0, eps = found.x0, found.eps
        if s > 0:
            sigma_t, sigma_s = schedule.at(t).sigma, schedule.at(s).sigma
            middle = schedule.time_at((sigma_t * sigma_s).sqrt().item())
            eps = predict(ddpm_core.q_sample(schedule, x_0, middle, eps), middle).eps
            alpha_bar = schedule.alpha_bar_at(t)
            x_0 = (x - (1 - alpha_bar) ** 0.5 * eps) / alpha_bar**0.5
        x = ddpm_core.q_sample(schedule, x_0, s, eps)
        yield ddpm_core.Step(index, t, s, x, found.x0_hat, sigma=0.0)


if __name__ == "__main__":
    model = ddpm_core.load("mnist-tiny")
    images = ddpm_core.sample(model, seeds=range(8), steps=10, sampler=midpoint, spacing="quadratic")
    write_bytes("own_sampler.png", png(grid(images)))
