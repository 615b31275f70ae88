"""Control by a picture: a network that draws digits learns to draw those of which it sees 7×7 pixels."""

import copy
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png

if __name__ == "__main__":
    torch.manual_seed(0)
    model = ddpm_core.load("mnist-tiny", engine="torch", precision="fp32")
    x_0 = ddpm_core.from_uint8(ddpm_core.sample(model, range(128), steps=20))  # digits to learn from
    unet = copy.deepcopy(ddpm_core.module(model)).requires_grad_()
    first = unet.conv_in
    unet.conv_in = nn.Conv2d(2, first.out_channels, 3, padding=1)  # the new channel counts nothing at first
    unet.conv_in.load_state_dict({"weight": torch.cat([first.weight, 0 * first.weight], 1), "bias": first.bias})

    def small(pictures):
        return F.avg_pool2d(pictures, 4)

    def seeing(low):  # the model for these low-resolution pictures, (N, 1, 7, 7)
        hint = F.interpolate(low, scale_factor=4)
        return replace(model, network=lambda x, t_index, labels: unet(torch.cat([x, hint], 1), t_index, labels))

    wanted = small(ddpm_core.from_uint8(ddpm_core.sample(model, range(1000, 1008), steps=20)))

    def drawn():
        pictures = ddpm_core.sample(seeing(wanted), range(8), steps=20)
        error = small(ddpm_core.from_uint8(pictures)) - wanted
        return pictures, 127.5 * error.square().mean().sqrt()

    before = drawn()[1]
    optimizer = torch.optim.Adam(unet.parameters(), 4e-3)
    for _ in range(200):
        some = x_0[torch.randint(len(x_0), (16,))]
        optimizer.zero_grad()
        ddpm_core.loss(seeing(small(some)), some).mean().backward()
        optimizer.step()
    pictures, after = drawn()
    print(f"error of the 7×7 pixels: {before:.1f} grey levels before, {after:.1f} after")
    seen = ddpm_core.to_uint8(F.interpolate(wanted, scale_factor=4))
    write_bytes("super_resolution.png", png(grid(np.concatenate([seen, pictures]), 8)))
