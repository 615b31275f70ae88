"""RePaint by hand (Lugmayr et al. 2022): down a part of the chain, up, and down once more."""

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png

JUMP, ROUNDS = 5, 4
model = ddpm_core.load("mnist-tiny")
schedule, seeds = model.schedule, range(8)
y = ddpm_core.from_uint8(ddpm_core.sample(model, [13])).expand(len(seeds), -1, -1, -1)
fresh = ddpm_core.seeded_noise(seeds, first=2**32)  # noise that no step of a run has


def known_half(step):  # the left half as it is at this time, the right half as the model has it
    x_s = ddpm_core.q_sample(schedule, y, step.s, fresh(step.index, y))
    step.x[..., :14] = x_s[..., :14]
    return step.x


if __name__ == "__main__":
    stops = [s for _, s in ddpm_core.timestep_pairs(schedule.T, 50)][JUMP - 1 :: JUMP]
    up, after = schedule.T, None
    for stop in stops:
        for number in range(ROUNDS):
            noise = ddpm_core.seeded_noise(seeds, first=1 + number * 2**20)
            *_, step = ddpm_core.trajectory(model, seeds, 50, noise=noise, after=after, stop=stop, on_step=known_half)
            if number < ROUNDS - 1:
                after = up, ddpm_core.q_sample(schedule, step.x, up, fresh(10**6 + up + number, y), stop)
        up, after = stop, step
    write_bytes("cut_and_continued.png", png(grid(ddpm_core.to_uint8(step.x))))
