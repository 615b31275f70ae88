"""Data in the plane: the closed forms, what samplers make of them, and the small network."""

import math
import re

import numpy as np
import oracle
import pytest
import torch

from ddpm_core import NoiseSchedule, plane, posterior
from ddpm_core.names import SHAPES
from ddpm_core.noise import gaussian
from ddpm_core.plane import plane_network
from ui.parts import course

AB = oracle.alpha_bar(oracle.linear_betas())


def density(mixture, x, ab):
    """q(x_t) at points (N, 2), the sum of its Gaussians written out."""
    variance = ab * mixture.width**2 + 1 - ab
    squares = ((x[:, None] - math.sqrt(ab) * mixture.centres.numpy()) ** 2).sum(2)
    return np.exp(-squares / (2 * variance)).mean(1) / (2 * math.pi * variance)


def points(step):
    return step.x.flatten(1).double()


def last(model, n, seed=1, **options):
    *_, step = plane.cloud(model, seed, n, **options)
    return points(step)


def assert_moments(x, mean, covariance, errors=4.5):
    """Mean and covariance of points within statistical error of these; errors are estimated from the points."""
    centred = x - x.mean(0)
    products = (centred[:, :, None] * centred[:, None, :]).flatten(1)
    mean_error, product_error = (part.std(0) / math.sqrt(len(x)) for part in (x, products))
    assert ((x.mean(0) - mean).abs() < errors * mean_error).all()
    assert ((products.mean(0) - covariance.flatten()).abs() < errors * product_error).all()


# --- The mixture


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_lies_in_the_square_of_pictures(name):
    mixture = plane.shape(name)
    assert mixture.centres.abs().max() < 1 - 2 * mixture.width
    steps = mixture.centres.diff(dim=0).norm(dim=1)
    if name != "gaussian":  # a line without gaps; the two moons have one between them
        assert steps.sort().values[-2] < mixture.width


@pytest.mark.parametrize("t", [0, 1, 300, 1000])
def test_density_and_score_are_those_of_the_sum_of_gaussians(t):
    mixture = plane.drawing([(0.1, 0.2), (-0.5, 0.9), (0.3, -0.7)], width=0.4)
    x = np.random.default_rng(0).standard_normal((20, 2))
    at = torch.from_numpy(x).requires_grad_()
    np.testing.assert_allclose(mixture.log_density(at, AB[t]).detach(), np.log(density(mixture, x, AB[t])), rtol=1e-9)
    (gradient,) = torch.autograd.grad(mixture.log_density(at, AB[t]).sum(), at)
    np.testing.assert_allclose(mixture.score(at, AB[t]).detach(), gradient, rtol=1e-9, atol=1e-9)
    step = 1e-6
    for axis in (0, 1):
        shift = step * np.eye(2)[axis]
        slope = (np.log(density(mixture, x + shift, AB[t])) - np.log(density(mixture, x - shift, AB[t]))) / (2 * step)
        np.testing.assert_allclose(gradient[:, axis], slope, rtol=1e-5, atol=1e-5)


def test_moments_are_those_of_drawn_points():
    mixture = plane.shape("moons", width=0.2)
    x = mixture.draw(20_000, np.random.default_rng(0)).flatten(1).double()
    assert_moments(x, mixture.mean(), mixture.covariance())
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal(x.shape))
    assert_moments(math.sqrt(0.3) * x + math.sqrt(0.7) * noise, mixture.mean(0.3), mixture.covariance(0.3))


def test_the_exact_network_minimises_the_loss():
    """Its ε is the mean of the true ε given x_t, so what is left of the loss is orthogonal to any function of x_t."""
    mixture, schedule = plane.shape("ring"), NoiseSchedule.linear()
    generator = np.random.default_rng(0)
    x_0 = mixture.draw(20_000, generator)
    t = torch.from_numpy(generator.integers(1, 1001, len(x_0)))
    eps = torch.from_numpy(generator.standard_normal(x_0.shape, dtype=np.float32))
    ab = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    x_t = (ab.sqrt() * x_0 + (1 - ab).sqrt() * eps).float()
    left = (eps - plane.exact_model(mixture, schedule).network(x_t, t - 1, None)).flatten(1).double()
    x = x_t.flatten(1).double()
    for function in (torch.ones_like(x), x, x.sin(), x**3, x.flip(1)):
        product = left * function
        assert (product.mean(0).abs() < 4.5 * product.std(0) / math.sqrt(len(x))).all()


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        (lambda: plane.shape("square"), "choose from ring, moons"),
        (lambda: plane.drawing([]), "centres must be"),
        (lambda: plane.drawing([(0, math.nan)]), "centres must be"),
        (lambda: plane.drawing([(0, 0)], width=0), "width must be"),
        (lambda: plane.cloud(plane.exact_model(plane.shape("ring")), 0, 0), "at least one point"),
        (lambda: plane_network.train(plane.shape("ring"), steps=0), "at least one step"),
    ],
)
def test_what_is_wrong_is_said(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        wrong()


# --- Clouds


@pytest.mark.parametrize("variance, name, seed", [("beta", "moons", 3), ("beta_tilde", "spiral", 4)])
def test_with_exact_eps_and_many_steps_the_cloud_has_the_moments_of_the_data(variance, name, seed):
    """What 250 steps leave is below the statistical error of 500 points."""
    mixture = plane.shape(name)
    x = last(plane.exact_model(mixture), 500, seed, steps=250, variance=variance)
    assert_moments(x, mixture.mean(), mixture.covariance())


@pytest.mark.parametrize("width", [0.06, 0.5])
@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_at_10_steps_the_spread_is_that_of_the_closed_form_recursion(variance, width):
    n = 20_000
    mixture = plane.drawing([(0.3, -0.2)], width)
    x = last(plane.exact_model(mixture), n, steps=10, variance=variance)

    def step(x0, x, t, s):
        return oracle.mean(AB, x0, x, t, s), oracle.variance(AB, variance, t, s) if s else 0.0

    for axis, centre in enumerate((0.3, -0.2)):
        mean, var = oracle.gaussian_chain(AB, centre, width**2, oracle.pairs(1000, 10), step)
        assert abs(x[:, axis].mean() - mean) < 4.5 * math.sqrt(var / n)
        assert abs(x[:, axis].var() / var - 1) < 4.5 * math.sqrt(2 / n)
        assert abs(var / width**2 - 1) > 20 * math.sqrt(2 / n)  # far from the data's, so that the test can tell


@pytest.mark.parametrize("sampler", ["ddim", "dpm++", "unipc"])
def test_without_noise_more_steps_come_closer_to_the_exact_flow(sampler):
    """For a Gaussian the differential equation's path keeps each point's place in units of the marginal's spread."""
    mixture = plane.shape("gaussian", width=0.3)
    root, spread = math.sqrt(AB[1000]), math.sqrt(AB[1000] * 0.09 + 1 - AB[1000])
    x_T = plane.start(1, 200).flatten(1).double()
    exact = mixture.centres + 0.3 * (x_T - root * mixture.centres) / spread
    model = plane.exact_model(mixture)
    off = [(last(model, 200, steps=steps, sampler=sampler) - exact).norm(dim=1).mean() for steps in (10, 200)]
    assert off[1] < off[0] / 5 and off[1] < 0.01


def test_clouds_share_their_start_and_noise_whatever_the_model():
    """The noise is that of the seed: stream 0, then one stream for each step; fewer points are the first of more."""
    ring, moons = (plane.exact_model(plane.shape(name)) for name in ("ring", "moons"))
    a, b = (list(plane.cloud(model, 5, 6, steps=4)) for model in (ring, moons))
    x_T = plane.start(5, 6)
    for model, steps in ((ring, a), (moons, b)):
        x = x_T
        for step in steps:
            mean, _ = posterior(model.schedule, step.x0_hat, x, step.t, step.s)
            z = (step.x - mean) / step.sigma if step.s else step.x - mean
            expected = gaussian(5, step.index + 1, x.shape) if step.s else torch.zeros_like(x)
            np.testing.assert_allclose(z, expected, atol=2e-3)
            x = step.x
    assert torch.equal(plane.start(5, 3), x_T[:3])


def test_the_lesson_has_the_numbers_of_the_recursion():
    card = course.CARDS.read_text(encoding="utf-8").partition('data-name="plane"')[2].partition("</table>")[0]
    steps, *rows = [re.findall(r"<t[dh]>([\d.]+)</t[dh]>", row) for row in card.split("<tr>")[1:]]
    for variance, row in zip(("beta_tilde", "beta"), rows, strict=True):
        for n, value in zip(map(int, steps), map(float, row), strict=True):

            def step(x0, x, t, s):
                return oracle.mean(AB, x0, x, t, s), oracle.variance(AB, variance, t, s) if s else 0.0  # noqa: B023

            _, var = oracle.gaussian_chain(AB, 0.25, 0.06**2, oracle.pairs(1000, n), step)
            assert abs(math.sqrt(var) - value) <= 0.0006


# --- The network


def test_training_comes_close_to_the_exact_network_and_repeats_itself():
    mixture = plane.shape("gaussian", width=0.3)
    reports = list(plane_network.training(mixture, seed=1, steps=80, every=40))
    assert [report.step for report in reports] == [0, 40, 80] and math.isnan(reports[0].loss)
    x_t, t = torch.randn(500, 2, 1, 1, generator=torch.Generator().manual_seed(0)), torch.full((500,), 400)
    exact = plane.exact_model(mixture).network(x_t, t - 1, None)
    off = [(report.model.network(x_t, t - 1, None) - exact).square().mean().item() for report in reports]
    assert off[2] < off[0] / 20
    again = plane_network.train(mixture, seed=1, steps=80)
    assert torch.equal(again.network(x_t, t - 1, None), reports[2].model.network(x_t, t - 1, None))
    other = plane_network.train(mixture, seed=2, steps=1)
    assert not torch.equal(other.network(x_t, t - 1, None), reports[2].model.network(x_t, t - 1, None))


def test_training_leaves_torchs_own_draws_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    plane_network.train(plane.shape("ring"), steps=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_score_of_the_exact_model_is_the_mixtures():
    ring, points = plane.shape("ring"), np.random.default_rng(1).uniform(-1, 1, (50, 2))
    model = plane.exact_model(ring)
    for t in (1, 200, 1000):
        ours = plane.network_score(model, points, t)
        theirs = ring.score(torch.from_numpy(points), model.schedule.alpha_bar[t].item())
        assert torch.allclose(ours.double(), theirs, rtol=1e-3, atol=1e-3)


def test_the_least_loss_of_one_gaussian_is_the_closed_form():
    schedule = NoiseSchedule.linear()
    gaussian, a = plane.shape("gaussian", width=0.5), schedule.alpha_bar[1:]
    variance = a * 0.25 / (a * 0.25 + 1 - a)  # of ε given x_t
    assert plane.least_loss(gaussian, schedule) == pytest.approx(variance.mean().item(), rel=0.03)
