"""Small networks for several test files, the noise of their chains, and the comparison of two chains."""

import numpy as np
import oracle
import torch

from ddpm_core import Model, NoiseSchedule, trajectory
from ddpm_core.engines.network import unet
from ddpm_core.noise import gaussian

LINEAR = NoiseSchedule.linear()
AB = oracle.alpha_bar(oracle.linear_betas())
SHAPE = (2, 3, 4, 4)
X_T = 1.3 * gaussian(0, 0, SHAPE).double()


def z(index, x=X_T):
    """Return the added noise of a step. diffusers draws the same noise if its generator has the seed `index`."""
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(index), dtype=x.dtype)


def numpy_z(index, x):
    """Return the noise of `z` as NumPy, for the oracle."""
    return z(index).numpy()


def learned_range_v(x, t):
    """Return the second half of a toy network with learned_range: from log beta_tilde at -1 to log beta at 1."""
    return np.cos(x + t)


def learned_v(x, t):
    """Return the second half of a toy network with learned: a log-variance near log beta_t."""
    return np.log(1 - AB[t] / AB[t - 1]) + np.cos(x + t)


SECOND_HALF = {"learned": learned_v, "learned_range": learned_range_v}


def toy_model(prediction="epsilon", variance="beta", schedule=LINEAR, **fields):
    """Return oracle.toy_eps as a ddpm_core Model of 3 x 4 x 4 images. Labels, if given, shift eps by 0.3 each."""
    ab = schedule.alpha_bar.numpy()

    def network(x, t_index, labels):
        assert t_index.dtype == torch.int64 and t_index.shape == (len(x),)
        (t,) = set((t_index + 1).tolist())
        eps = oracle.toy_eps(x.numpy(), t)
        if labels is not None:
            assert labels.dtype == torch.int64
            eps = eps + 0.3 * labels.numpy().reshape(-1, 1, 1, 1)
        output = oracle.output_of(ab, prediction, eps, x.numpy(), t)
        if variance in SECOND_HALF:
            output = np.concatenate([output, SECOND_HALF[variance](x.numpy(), t)], axis=1)
        return torch.from_numpy(output).to(x.dtype)

    return Model(network=network, schedule=schedule, image_size=4, prediction=prediction, variance=variance, **fields)


TWO_LEVELS = {
    "block_out_channels": (8, 16),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
}


def small_unet(**fields):
    """Return a small U-Net that is fast to build: one level, attention in its middle, and an output other than 0."""
    torch.manual_seed(3)
    blocks = {"block_out_channels": (8,), "down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    shape = {"sample_size": 8, "layers_per_block": 1, "norm_num_groups": 4, **blocks}
    network = unet("cifar10", **{**shape, **fields})
    torch.nn.init.normal_(network.conv_out.weight, std=0.2)
    return network


def blur_model():
    """Return a model of additions and multiplications: its float32 result for an image is the same in any batch."""

    def network(x, t_index, labels):
        return 0.7 * x + 0.2 * x.roll(1, -1) * x + 0.001 * t_index.reshape(-1, 1, 1, 1)

    return Model(network=network, schedule=LINEAR, image_size=4, prediction="epsilon")


def run(model, steps, seeds=(0, 1), x_T=X_T, noise=z, **options):
    return list(trajectory(model, seeds, steps, x_T=x_T, noise=noise, **options))


def assert_chain(ours, theirs, pairs, tolerance=1e-10):
    """Check that two chains have the same x, x0_hat and sigma at each step."""
    theirs = list(theirs)
    assert [(step.index, step.t, step.s) for step in ours] == [(i, t, s) for i, (t, s) in enumerate(pairs)]
    assert len(theirs) == len(ours)
    for step, expected in zip(ours, theirs, strict=True):
        for name, a, b in zip(("x", "x0_hat", "sigma"), (step.x, step.x0_hat, step.sigma), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=f"{name} at t = {step.t}")
