"""Restoration: measurements, and each method where the posterior is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy import LINEAR, X_T, blur_model, toy_model, z

from ddpm_core import Model, load, posterior, predict
from ddpm_core.noise import gaussian, gaussian_batch
from ddpm_core.restore import (
    DPS,
    METHODS,
    Measurement,
    RePaint,
    blur,
    downsample,
    gaussian_kernel,
    grey,
    mask,
    restore,
    then,
)

KERNEL = (0.1, 0.2, 0.4, 0.2, 0.1)
HALF = torch.arange(8).expand(8, 8) < 4
MEASUREMENTS = {
    "mask": mask(HALF),
    "mask of channels": mask(torch.stack([HALF, ~HALF, HALF])),
    "downsample": downsample(4),
    "grey": grey(),
    "blur": blur(KERNEL, 8),
    "grey, small": then(grey(), downsample(2)),
    "small, masked": then(downsample(2), mask(torch.eye(4))),
    "small, blurred": then(downsample(2), blur((0.25, 0.5, 0.25), 4)),
}


def pictures(n=2, stream=0):
    return gaussian(7, stream, (n, 3, 8, 8)).double()


@pytest.mark.parametrize("A", MEASUREMENTS.values(), ids=MEASUREMENTS)
def test_a_measurement_is_what_it_says(A):
    """A is linear, A A⁺ A = A, A⁺A is symmetric, and functions of A Aᵀ are those of the matrix."""
    x, other = pictures(), pictures(stream=1)
    torch.testing.assert_close(A(2 * x - other), 2 * A(x) - A(other))
    torch.testing.assert_close(A(A.project(x)), A(x))
    torch.testing.assert_close((A.project(x) * other).sum(), (x * A.project(other)).sum())
    y = A(other)
    torch.testing.assert_close((A.adjoint(y, x) * x).sum(), (y * A(x)).sum())
    for solved in (A.solve(y, 2.0, 0.3, x), Measurement(A.forward, A.pseudoinverse).solve(y, 2.0, 0.3, x)):
        torch.testing.assert_close(2.0 * A(A.adjoint(solved, x)) + 0.3 * solved, y, rtol=1e-4, atol=1e-5)


def test_what_the_measurements_measure():
    x = pictures()
    assert torch.equal(mask(HALF)(x)[..., 4:], 0 * x[..., 4:]) and torch.equal(mask(HALF)(x)[..., :4], x[..., :4])
    torch.testing.assert_close(downsample(4)(x)[0, 1, 1, 0], x[0, 1, 4:, :4].mean())
    torch.testing.assert_close(grey()(x)[:, 0], x.mean(1))
    flat = blur(KERNEL, 8)(torch.ones_like(x))
    torch.testing.assert_close(flat, torch.ones_like(x), rtol=0, atol=0.05)  # but for what is left out below 1 %
    inner = torch.einsum("i,j,ncij->nc", *[torch.tensor(KERNEL, dtype=torch.float64)] * 2, x[..., 1:6, 2:7])
    torch.testing.assert_close(blur(KERNEL, 8)(x)[..., 3, 4], inner, rtol=0, atol=0.05)


def test_observing_adds_the_noise_of_the_seeds_where_there_is_something():
    x, A = pictures(), mask(HALF, sigma=0.5)
    y = A.observe(x, [1, 2])
    assert torch.equal(y, A.observe(x, [1, 2])) and torch.equal(y[1:], A.observe(x[1:], [2]))
    assert torch.equal(y[..., 4:], 0 * x[..., 4:]) and 0.3 < (y - A(x))[..., :4].std() < 0.7
    with pytest.raises(ValueError, match="seed for each"):
        A.observe(x)


# Against the posterior of Gaussian data: x_0 ~ N(m, C) in two channels of one pixel, and y is a number

MEAN = torch.tensor([0.3, -0.2], dtype=torch.float64)
COVARIANCE = torch.tensor([[0.5, 0.3], [0.3, 0.4]], dtype=torch.float64)
N = 4000


def gaussian_model(mean=MEAN, covariance=COVARIANCE):
    """The exact ε of such data."""

    def network(x, t_index, labels):
        ab = LINEAR.alpha_bar[t_index[0] + 1].to(x)
        inverse = torch.linalg.inv(ab * covariance.to(x) + (1 - ab) * torch.eye(2).to(x))
        return ((1 - ab).sqrt() * (x.flatten(1) - ab.sqrt() * mean.to(x)) @ inverse).reshape(x.shape)

    return Model(network=network, schedule=LINEAR, image_size=1, prediction="epsilon", channels=2, clip=False)


def truth(a, y, sigma, mean=MEAN, covariance=COVARIANCE):
    """Mean and covariance of x_0 given a · x_0 + σ n = y, by Bayes' rule."""
    a = torch.tensor(a, dtype=torch.float64)
    gain = covariance @ a / (a @ covariance @ a + sigma**2)
    return mean + gain * (y - a @ mean), covariance - torch.outer(gain, a @ covariance)


def moments(method, A, y, model=None, steps=100, **options):
    x_T = gaussian_batch([3], 0, (N, 2, 1, 1))[0].double()

    def noise(index, x):
        return gaussian(3, 1 + index, x.shape).to(x)

    model = model or gaussian_model()
    *_, last = restore(model, y, A, method, steps=steps, x_T=x_T, noise=noise, **options)
    points = last.x.flatten(1)
    return points.mean(0), points.T.cov()


FIRST = mask(torch.tensor([[[1.0]], [[0.0]]]))


@pytest.mark.parametrize("method", ["repaint", "ddnm", "replacement", "pigdm", "dps"])
def test_the_known_pixel_is_kept_and_the_other_one_fits_it(method):
    """RePaint comes close to the posterior; ddnm and replacement know the mean less well, as the table says."""
    y = torch.tensor([1.0, 0.0], dtype=torch.float64).reshape(1, 2, 1, 1)
    mean, covariance = truth([1.0, 0.0], 1.0, 0.0)
    chosen = RePaint(jump=1, rounds=10) if method == "repaint" else method
    found, spread = moments(chosen, FIRST, y, steps=50)
    exact = method in ("repaint", "ddnm", "replacement")
    torch.testing.assert_close(found[0], mean[0], rtol=0, atol=1e-9 if exact else 0.1)
    prior = MEAN[1]
    assert (found[1] - mean[1]).abs() < 0.5 * (prior - mean[1]).abs()  # nearer to the posterior's mean than to m
    if method == "repaint":
        torch.testing.assert_close(found[1], mean[1], rtol=0, atol=0.05)
        torch.testing.assert_close(spread[1, 1], covariance[1, 1], rtol=0.15, atol=0)


@pytest.mark.parametrize("sampler", [{"variance": "beta_tilde"}, {"sampler": "ddim"}, {"sampler": "dpm++"}])
@pytest.mark.parametrize("sigma", [0.0, 0.3])
def test_pigdm_samples_the_posterior_where_its_assumption_holds(sampler, sigma):
    """Of N(m, I) data: r_t² = 1 − ᾱ_t is then the variance of x_0 given x_t. Both are seen through their mean, too."""
    identity, A = torch.eye(2, dtype=torch.float64), grey(sigma, channels=2)
    y = torch.tensor(1.2, dtype=torch.float64).reshape(1, 1, 1, 1)
    mean, covariance = truth([0.5, 0.5], 1.2, sigma, MEAN, identity)
    steps = 60 if sampler == {"sampler": "dpm++"} else 120
    found, spread = moments("pigdm", A, y, gaussian_model(MEAN, identity), steps, **sampler)
    torch.testing.assert_close(found, mean, rtol=0, atol=0.05)
    torch.testing.assert_close(spread, covariance, rtol=0, atol=0.06)


def test_ddnm_with_noise_takes_the_papers_steps():
    """Wang et al. 2023, Eqs. 17 to 19, with a dense singular value decomposition of A."""
    sigma_y, model = 0.05, toy_model()
    A = blur((0.25, 0.5, 0.25), 4, sigma_y)
    y = A.observe(0.5 * X_T.clamp(-1, 1), [1, 2])
    dense = A(torch.eye(16).double().reshape(16, 1, 4, 4).expand(-1, 3, -1, -1))[:, 0].reshape(16, 16).T
    u, values, vt = torch.linalg.svd(dense)
    kept, x, shares = values > 1e-9, X_T, []
    for step in restore(model, y, A, x_T=x, noise=z, steps=12, variance="beta_tilde"):
        found = predict(model, x, step.t).x0_hat.reshape(2, 3, 16)
        a = (LINEAR.alpha_bar[step.s].sqrt() * (1 - LINEAR.alpha_bar[step.t] / LINEAR.alpha_bar[step.s])).item()
        a /= 1 - LINEAR.alpha_bar[step.t].item()
        share = (step.sigma * values / (a * sigma_y)).clamp(max=1)
        left = torch.where(kept, step.sigma**2 - (a * share * sigma_y / values) ** 2, step.sigma**2)
        left = torch.where(kept & (share < 1), 0, left)  # exactly, where √ would make 1e-8 of a rounding of 1e-16
        gap = (y.reshape(2, 3, 16) - found @ dense.T) @ u  # in the coordinates of the singular vectors
        found = found + torch.where(kept, share / values * gap, 0) @ vt
        mean, _ = posterior(LINEAR, found.reshape(x.shape), x, step.t, step.s)
        noise = (z(step.index).reshape(2, 3, 16) @ vt.T * left.sqrt()) @ vt
        x = mean + noise.reshape(x.shape)
        # Numbers below 10, sums of 16, singular values from 1 to 1/100: 16 · 10 · 100 · eps = 4e-12.
        torch.testing.assert_close(step.x, x, rtol=0, atol=1e-11)
        torch.testing.assert_close(step.x0_hat, found.reshape(x.shape), rtol=0, atol=1e-11)
        x = step.x
        shares.append(share[kept].min().item())
    assert shares[0] == 1 and shares[-1] == 0 and any(0 < share < 1 for share in shares)


# On a network


@pytest.mark.parametrize("method", METHODS)
def test_a_restoration_is_consistent_and_a_matter_of_its_seed_alone(method):
    model, x_0 = blur_model(), 0.5 * gaussian(9, 0, (2, 3, 4, 4)).clamp(-1, 1)
    A = mask(torch.arange(4).expand(4, 4) < 2)
    y = A.observe(x_0)
    options = dict(steps=6, method=RePaint(3, 2) if method == "repaint" else method)
    steps = list(restore(model, y, A, seeds=[5, 6], **options))
    assert [step.index for step in steps] == list(range(6)) and steps[-1].s == 0
    (*_, alone) = restore(model, y[1:], A, seeds=[6], **options)
    assert torch.equal(alone.x[0], steps[-1].x[1])
    if method in ("replacement", "repaint", "ddnm"):
        torch.testing.assert_close(A(steps[-1].x), y, rtol=0, atol=1e-6)
    other = [*restore(model, y, A, seeds=[5, 7], **options)][-1].x
    assert torch.equal(other[0], steps[-1].x[0]) and not torch.equal(other[1], steps[-1].x[1])


def test_one_y_for_all_seeds_and_samplers_where_they_make_sense():
    model, A = blur_model(), downsample(2)
    y = A(gaussian(9, 0, (1, 3, 4, 4)))
    for sampler in ("ddim", "dpm++", "unipc", "consistency"):
        *_, last = restore(model, y, A, seeds=[1, 2], steps=4, sampler=sampler)
        assert last.x.shape == (2, 3, 4, 4)
        torch.testing.assert_close(A(last.x), y.expand(2, -1, -1, -1), rtol=0, atol=1e-5)


def test_a_restoration_can_end_early():
    model, A = blur_model(), downsample(2)
    options = {"y": A(gaussian(9, 0, (1, 3, 4, 4))), "measurement": A, "seeds": [1], "steps": 4, "sampler": "ddim"}
    whole = list(restore(model, **options))
    early = list(restore(model, **options, stop=whole[1].s))
    assert len(early) == 2 and torch.equal(early[-1].x, whole[1].x)


def test_arrays_and_generators_serve_as_seeds():
    A = downsample(2, sigma=0.1)
    x = pictures(2)
    expected = A.observe(x, [3, 4])
    options = {"steps": 2, "measurement": A, "y": expected.float()}
    model = replace(blur_model(), image_size=8)
    *_, last = restore(model, seeds=[3, 4], **options)
    for make in (np.array, iter, torch.tensor):
        assert torch.equal(A.observe(x, make([3, 4])), expected)
        *_, found = restore(model, seeds=make([3, 4]), **options)
        assert torch.equal(found.x, last.x)


def test_an_array_that_is_read_backwards_is_a_mask_and_a_kernel():
    known, weights = HALF.numpy()[:, ::-1], np.array(KERNEL) * [1, 2, 3, 4, 5]
    x = pictures(1)
    assert torch.equal(mask(known)(x), mask(known.copy())(x))
    assert torch.equal(blur(weights[::-1], 8)(x), blur(weights[::-1].tolist(), 8)(x))


def test_a_measurement_without_a_pseudo_inverse_is_restored_by_dps_and_pigdm():
    known = then(grey(), downsample(2))
    own = Measurement(known.forward, sigma=0.1)
    y = own.observe(pictures(1)[..., :4, :4], seeds=[1])
    options = dict(seeds=[0, 1], steps=3, x_T=X_T)
    for method in ("dps", "pigdm"):
        runs = [[*restore(blur_model(), y, A, method, **options)][-1].x for A in (own, replace(known, sigma=0.1))]
        # conjugate gradients stop at 1e-6 of the residual, where the known gram is exact
        torch.testing.assert_close(*runs, rtol=0, atol=0 if method == "dps" else 1e-4)


SMALL = torch.zeros(1, 3, 2, 2)
NO_INVERSE = Measurement(downsample(2).forward)


@pytest.mark.parametrize(
    "change, match",
    [
        ({"method": "ddrm"}, "choose from replacement, repaint, ddnm, pigdm, dps"),
        ({"method": "dps", "sampler": "unipc"}, "remembers earlier steps"),
        ({"method": "repaint", "sampler": "dpm++"}, "remembers earlier steps"),
        ({"method": "replacement", "measurement": downsample(2, 0.1)}, "takes y as exact"),
        ({"measurement": downsample(2, 0.1), "sampler": "ddim"}, "needs the sampler 'ddpm'"),
        ({"measurement": downsample(3)}, "can't be divided"),
        ({"y": torch.zeros(1, 3, 4, 4)}, r"shape \(N, 3, 2, 2\)"),
        ({"y": torch.zeros(3, 3, 2, 2)}, "one for each of the 2 seeds"),
        ({"y": SMALL / 0}, "NaN"),
        ({"y": SMALL.long()}, "float tensor"),
        ({"measurement": Measurement(lambda x: x + 1, lambda y: y)}, "not linear"),
        ({"measurement": Measurement(lambda x: 2 * x, lambda y: y)}, "pseudo-inverse"),
        ({"measurement": NO_INVERSE}, r"needs the measurement's pseudoinverse: give it, .* method='dps' or 'pigdm'$"),
        ({"measurement": NO_INVERSE, "method": "replacement"}, "needs the measurement's pseudoinverse"),
        ({"measurement": Measurement(lambda x: x + 1), "method": "dps"}, "not linear"),
        ({"on_step": print}, "no argument 'on_step'"),
        ({"variance": "beta", "sampler": "ddim"}, "variance belongs"),
        ({"seeds": []}, "at least one seed"),
        ({"method": ["ddnm"]}, "unknown method"),
        ({"method": RePaint}, "or give an instance of one"),
        ({"seeds": None, "x_T": "noise"}, "x_T must be a float tensor"),
        ({"measurement": "mask"}, "got a str"),
        ({"jump": 2}, r"jump belongs to a method: give method=RePaint\(jump=2\)"),
        ({"zeta": 0.5}, r"zeta belongs to a method: give method=DPS\(zeta=0.5\)"),
        ({"n": 5}, "restore has no argument 'n': choose from y, measurement, method, seeds, steps, .*, stop$"),
    ],
)
def test_what_cannot_be_restored_is_said_before_anything_is_computed(change, match):
    options = {"y": SMALL, "measurement": downsample(2), "seeds": [0, 1], "steps": 4} | change
    with pytest.raises(ValueError, match=match):
        restore(Model(network=pytest.fail, schedule=LINEAR, image_size=4, prediction="epsilon"), **options)


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: mask(torch.tensor([[0.5]])), "mask is"),
        (lambda: mask(torch.zeros(4, 4)), "mask is"),
        (lambda: downsample(0), "factor"),
        (lambda: blur((0.5, 0.5), 8), "odd number"),
        (lambda: blur([1.0] * 99, 8), "odd number"),
        (lambda: grey(-1), "sigma"),
        (lambda: then(mask(HALF), grey()), "begin with downsample or grey"),
        (lambda: blur("abc", 8), "odd number"),
        (lambda: blur(5, 8), "odd number"),
        (lambda: blur([1.0], 2.5), "size is"),
        (lambda: grey(channels=0), "channels is"),
        (lambda: mask(HALF, sigma="1"), "sigma is"),
        (lambda: gaussian_kernel(0, 28), "deviation is a number above 0"),
        (lambda: gaussian_kernel(-1, 28), "deviation is"),
        (lambda: gaussian_kernel(math.inf, 28), "deviation is"),
        (lambda: gaussian_kernel(1e-200, 28), "deviation is"),
        (lambda: gaussian_kernel(1, 0), "size is"),
        (lambda: RePaint(0), "jump"),
        (lambda: RePaint(jump=2.5), "whole numbers of at least 1, got 2.5"),
        (lambda: RePaint(rounds="2"), "whole numbers"),
        (lambda: DPS(-1.0), "zeta"),
        (lambda: DPS(None), "zeta"),
    ],
)
def test_wrong_measurements_and_methods_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


WRONG = {
    "a mask of three channels": (1, mask(torch.stack([HALF, ~HALF, HALF]))),
    "a mask of one row": (3, mask(torch.ones(1, 8))),
    "grey of three channels": (4, grey()),
    "an own one": (1, Measurement(lambda x: x.expand(-1, 3, -1, -1), lambda y: y)),
}


@pytest.mark.parametrize("channels, A", WRONG.values(), ids=WRONG)
def test_a_measurement_of_another_shape_is_found_before_anything_is_computed(channels, A):
    def network(x, t_index, labels):
        raise AssertionError("evaluated")

    model = Model(network=network, schedule=LINEAR, image_size=8, prediction="epsilon", channels=channels)
    with pytest.raises(ValueError, match=rf"doesn't fit pictures of \({channels}, 8, 8\)"):
        restore(model, torch.zeros(1, channels, 8, 8), A, seeds=[1], steps=2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("A", [downsample(4), blur(KERNEL, 8), mask(HALF)], ids=["downsample", "blur", "mask"])
def test_half_precision_is_the_same_picture_about(A, method, dtype):
    """To the rounding of the state: some 10 units of half precision, up to 30 times as much behind A⁺ of the blur."""
    model = replace(blur_model(), image_size=8)
    y = A.observe(pictures(1).clamp(-1, 1).float())
    x_T = gaussian_batch([1], 0, (3, 8, 8)).to(dtype)
    *_, found = restore(model, y, A, method, [1], 4, "ddim", spacing="trailing", x_T=x_T, clip=True)
    *_, exact = restore(model, y, A, method, [1], 4, "ddim", spacing="trailing", x_T=x_T.float(), clip=True)
    assert found.x.dtype == dtype and bool(found.x.isfinite().all())
    assert (found.x.float() - exact.x).abs().max() < 300 * torch.finfo(dtype).eps


@pytest.mark.parametrize("method", METHODS)
def test_a_y_or_x_T_with_gradients_is_the_same_as_without(method):
    A, x_T = grey(), X_T.clone().requires_grad_()
    y = A(gaussian(0, 1, (1, 3, 4, 4)).double())
    options = dict(method=method, steps=3, seeds=[0, 1])
    plain = [step.x for step in restore(blur_model(), y, A, x_T=X_T, **options)]
    ours = [step.x for step in restore(blur_model(), y.clone().requires_grad_(), A, x_T=x_T, **options)]
    assert all(a.equal(b) and not a.requires_grad for a, b in zip(ours, plain, strict=True))


def test_what_needs_gradients_says_so_in_inference_mode():
    noisy = blur((0.25, 0.5, 0.25), 4, sigma=0.1)
    cases = [(grey(), "pigdm", {}), (grey(), "dps", {}), (noisy, "ddnm", {"sampler": "ddpm", "variance": "beta"})]
    for A, method, options in cases:
        y = A(X_T[:1].float())
        with torch.inference_mode(), pytest.raises(ValueError, match=r"inference_mode\(\) allows no gradients"):
            list(restore(blur_model(), y, A, method, [0], 3, **options))
    A, y = grey(), grey()(X_T[:1].float())
    with torch.inference_mode():
        inside = [step.x for step in restore(blur_model(), y, A, "ddnm", [0], 3)]
    outside = [step.x for step in restore(blur_model(), y, A, "ddnm", [0], 3)]
    assert all(a.equal(b) for a, b in zip(inside, outside, strict=True))


def test_a_model_that_was_loaded_in_inference_mode_has_gradients():
    with torch.inference_mode():
        model = load("mnist-tiny", device="cpu", engine="torch", precision="fp32")
        with pytest.raises(ValueError, match="allows no gradients"):
            predict(model, torch.zeros(1, 1, 28, 28), 5, 1, grad=True)
    x = torch.zeros(1, 1, 28, 28).requires_grad_()
    predict(model, x, 5, 1, grad=True).x0.sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


def test_where_the_gram_is_unknown_a_picture_depends_on_its_own_y_alone():
    known = blur(KERNEL, 8, sigma=0.1)
    A = Measurement(known.forward, known.pseudoinverse, known.sigma)
    x = pictures(3).float()
    x[0] = 0.5 + 1e-4 * x[0]  # nearly an eigenvector, which takes fewer rounds
    y = A(x)
    together = A.solve(y, 2.0, 0.01, x)
    for i in range(3):
        assert torch.equal(together[i], A.solve(y[i : i + 1], 2.0, 0.01, x[i : i + 1])[0])
