"""A schedule and a network of your own, trained on points in the plane. python examples/own_schedule_and_network.py"""

import torch
from torch import nn

import ddpm_core

T = 100
schedule = ddpm_core.NoiseSchedule.from_alpha_bar([(1 - t / (T + 1)) ** 2 for t in range(1, T + 1)])
layers = nn.Sequential(nn.Linear(3, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 2))


def network(x, t_index, labels=None):
    time = (t_index / T).to(x).unsqueeze(1)
    return layers(torch.cat([x.flatten(1), time], 1)).reshape(x.shape)


if __name__ == "__main__":
    model = ddpm_core.Model(network=network, schedule=schedule, image_size=1, channels=2, prediction="epsilon")
    optimizer = torch.optim.Adam(layers.parameters(), 3e-3)
    for _ in range(2000):
        x_0 = torch.randn(256, 2, 1, 1).sign() / 2  # four points
        optimizer.zero_grad()
        ddpm_core.loss(model, x_0).mean().backward()
        optimizer.step()
    *_, last = ddpm_core.trajectory(model, seeds=range(8), steps=50)
    print(last.x.flatten(1))
