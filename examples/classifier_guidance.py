"""Guidance by a classifier of x_t (Dhariwal & Nichol 2021, Algorithm 2), trained here on the model's own digits."""

import torch
from torch import nn

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png

model = ddpm_core.load("mnist-tiny")
schedule = model.schedule
layers = nn.Sequential(nn.Conv2d(2, 32, 3, 2, 1), nn.SiLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.SiLU(), nn.Flatten())
layers.extend([nn.Linear(64 * 7 * 7, 10), nn.LogSoftmax(1)])


def log_p(x, t):  # log p(y | x_t), (N, 10)
    return layers(torch.cat([x, (t / schedule.T).to(x).view(-1, 1, 1, 1).expand_as(x)], 1))


def to_threes(predict, schedule, pairs, x, *, noise, scale=2.0):
    for index, (t, s) in enumerate(pairs):
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(log_p(x, torch.full((len(x),), t))[:, 3].sum(), x)
        x = x.detach()
        alpha_bar = schedule.alpha_bar_at(t)
        signal, sigma = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
        eps = predict(x, t).eps - scale * sigma * slope
        x0_hat = (x - sigma * eps) / signal
        x = ddpm_core.q_sample(schedule, x0_hat, s, eps)  # DDIM with the new ε
        yield ddpm_core.Step(index, t, s, x, x0_hat, sigma=0.0)


if __name__ == "__main__":
    y = torch.tensor([*range(200)]) % 10
    x_0 = ddpm_core.from_uint8(ddpm_core.sample(model, range(200), steps=10, sampler="ddim", labels=y.tolist()))
    optimizer = torch.optim.Adam(layers.parameters(), 2e-3)
    for _ in range(200):
        chosen, t = torch.randint(len(x_0), (64,)), torch.randint(1, schedule.T + 1, (64,))
        x_t = ddpm_core.q_sample(schedule, x_0[chosen], t, torch.randn(64, 1, 28, 28))
        optimizer.zero_grad()
        nn.functional.nll_loss(log_p(x_t, t), y[chosen]).backward()
        optimizer.step()
    write_bytes("classifier_guidance.png", png(grid(ddpm_core.sample(model, range(8), steps=50, sampler=to_threes))))
