"""The state changed on the way: for half of the chain the bottom half mirrors the top half."""

import numpy as np

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png


def mirrored(step):
    """Half of the chain long, the bottom half of x_s is the top half upside down."""
    if step.t > 500:
        step.x[..., 14:, :] = step.x[..., :14, :].flip(-2)
        return step.x
    return None  # the chain goes on as it is


if __name__ == "__main__":
    model = ddpm_core.load("mnist-tiny")
    options = dict(seeds=range(8), steps=50, labels=[0, 1, 3, 8] * 2)
    plain, changed = (ddpm_core.sample(model, **options, on_step=f) for f in (None, mirrored))
    for step in ddpm_core.trajectory(model, **options):
        step.x.zero_()  # what a loop is given is its own: this changes nothing of the run
    assert (ddpm_core.to_uint8(step.x0_hat) == plain).all()
    write_bytes("changed_on_the_way.png", png(grid(np.concatenate([plain, changed]), 8)))
