"""DPS by hand (Chung et al. 2023): the right half of a digit from its left half."""

import torch

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png

model = ddpm_core.load("mnist-tiny")
digit = ddpm_core.sample(model, [13])
y = ddpm_core.from_uint8(digit)[..., :14]


def dps(predict, schedule, pairs, x, *, noise, zeta=1.0):
    for index, (t, s) in enumerate(pairs):
        x = x.requires_grad_()
        now = predict(x, t, grad=True, clip=False)
        gap = (now.x0[..., :14] - y).flatten(1).norm(dim=1)
        (gradient,) = torch.autograd.grad(gap.sum(), x)
        x_0 = now.x0.detach().clamp(-1, 1)
        mean, variance = ddpm_core.posterior(schedule, x_0, x.detach(), t, s)
        x = mean - zeta * gradient + (variance.sqrt() * noise(index, mean) if s > 0 else 0)
        yield ddpm_core.Step(index, t, s, x, x_0, sigma=float(variance.sqrt()))


if __name__ == "__main__":
    images = ddpm_core.sample(model, seeds=range(8), steps=50, sampler=dps)
    write_bytes("guidance_by_gradient.png", png(grid(images)))
