"""Progressive distillation (Salimans & Ho 2022): a student learns to do two steps of DDIM in one."""

import copy
from dataclasses import replace

import numpy as np
import torch

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png

if __name__ == "__main__":
    torch.manual_seed(0)
    teacher = ddpm_core.load("mnist-tiny", engine="torch", precision="fp32")
    unet = copy.deepcopy(ddpm_core.module(teacher)).requires_grad_()
    student, schedule = replace(teacher, network=unet), teacher.schedule
    x_0 = ddpm_core.from_uint8(ddpm_core.sample(teacher, range(128), steps=20))
    chain = ddpm_core.timestep_pairs(schedule.T, 8, "trailing")
    steps = list(zip(chain[::2], chain[1::2], strict=True))  # two of the teacher are one of the student

    def drawn(model, n):
        return ddpm_core.sample(model, range(1000, 1008), n, sampler="ddim", spacing="trailing")

    def error():
        apart = drawn(student, 4).astype(float) - drawn(teacher, 8)
        return np.sqrt(np.mean(apart**2))

    before = error()
    optimizer = torch.optim.Adam(unet.parameters(), 1e-4)
    for _ in range(200):
        (t, middle), (_, s) = steps[torch.randint(len(steps), ())]
        some = x_0[torch.randint(len(x_0), (8,))]
        x_t = x = ddpm_core.q_sample(schedule, some, t, torch.randn_like(some))
        for time, following in ((t, middle), (middle, s)):
            found = ddpm_core.predict(teacher, x, time)
            x = ddpm_core.q_sample(schedule, found.x0, following, found.eps)  # DDIM
        signal, signal_s = schedule.alpha_bar[[t, s]].sqrt().tolist()
        sigma, sigma_s = (1 - schedule.alpha_bar[[t, s]]).sqrt().tolist()
        ratio = sigma_s / sigma
        target = (x - ratio * x_t) / (signal_s - ratio * signal)  # one step of DDIM with this x_0 ends at x, too
        optimizer.zero_grad()
        ddpm_core.loss(student, target, t=t, eps=(x_t - signal * target) / sigma).mean().backward()
        optimizer.step()
    print(f"4 steps, apart from the teacher's 8: {before:.1f} grey levels before, {error():.1f} after")
    write_bytes("distillation.png", png(grid(np.concatenate([drawn(teacher, 8), drawn(student, 4)]), 8)))
