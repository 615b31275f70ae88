"""Inversion and editing: the noise that DDIM leads to a 3 is found, and then drawn as other digits."""

import numpy as np

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png

if __name__ == "__main__":
    model = ddpm_core.load("mnist-tiny")
    seeds = range(8)
    threes = ddpm_core.sample(model, seeds, steps=50, labels=3)
    x_T = ddpm_core.invert(model, threes, steps=50, labels=3)
    again, eights = (ddpm_core.sample(model, seeds, 50, x_T=x_T, sampler="ddim", labels=label) for label in (3, 8))
    write_bytes("inversion.png", png(grid(np.concatenate([threes, again, eights]), 8)))
