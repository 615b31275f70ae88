"""The likelihood by the probability-flow ODE: where the flow is known, beside the bound, and what it refuses."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy import small_unet

from ddpm_core import Model, NoiseSchedule, bits_per_dim, ode_log_prob
from ddpm_core.coordinates import EDM, VarianceExploding
from ddpm_core.engines.choose import wrap
from ddpm_core.noise import gaussian
from ddpm_core.ode import OdeLogProb
from ddpm_core.plane import exact_model, shape
from ddpm_core.process import decoder_variance
from ddpm_core.student import Student

LINEAR = NoiseSchedule.linear()
MEAN, WIDTH = torch.tensor([0.25, 0.1]).double().reshape(1, 2, 1, 1), 0.06  # of the plane's "gaussian"
POINTS = MEAN + torch.tensor([[0.0, 0.0], [0.05, -0.05], [-0.1, 0.0]]).double().reshape(3, 2, 1, 1)


@pytest.fixture(autouse=True)
def _scipy(request):
    if request.node.name != "test_without_scipy":
        pytest.importorskip("scipy")


def x_0_of(y, sigma):
    """E[x_0 | y] of N(MEAN, WIDTH²), y = x_0 + σ z."""
    return MEAN + WIDTH**2 / (WIDTH**2 + sigma**2) * (y - MEAN)


def column(values):
    return values.reshape(-1, 1, 1, 1)


def exploding(y, sigma, labels=None):
    return (x_0_of(y, column(sigma)) - y) / column(sigma) ** 2


def velocity(x, tau, labels=None):
    a, b = 1 - column(tau), column(tau)
    x_0 = x_0_of(x / a, b / a)
    return (x - a * x_0) / b - x_0


def preconditioned(x, noise, labels=None):
    sigma = column((4 * noise).exp())
    y, c_skip = x * (sigma**2 + 0.25).sqrt(), 0.25 / (sigma**2 + 0.25)
    return (x_0_of(y, sigma) - c_skip * y) / (0.5 * sigma / (sigma**2 + 0.25).sqrt())


POINT = {"schedule": LINEAR, "image_size": 1, "channels": 2, "clip": False}
GAUSSIANS = {
    "ours": lambda: exact_model(shape("gaussian"), LINEAR),
    "exploding": lambda: Model(network=exploding, prediction="epsilon", coordinates=VarianceExploding(), **POINT),
    "flow": lambda: Model(network=velocity, prediction="flow", **POINT),
    "EDM": lambda: Model(network=preconditioned, prediction="x0", coordinates=EDM(times=1), **POINT),
}


def exact(points, schedule=LINEAR, last=-1):
    """log p(x_1): the flow of a Gaussian is affine, x_T = √ᾱ_T m + √(V_T/V_1) (x_1 − √ᾱ_1 m), V = ᾱ WIDTH² + 1 − ᾱ."""
    first, end = schedule.alpha_bar[1], schedule.alpha_bar[last]
    scale = ((end * WIDTH**2 + 1 - end) / (first * WIDTH**2 + 1 - first)).sqrt()
    x_T = (end.sqrt() * MEAN + scale * (points - first.sqrt() * MEAN)).flatten(1)
    return -0.5 * x_T.square().sum(1) - math.log(2 * math.pi) + 2 * scale.log()


@pytest.mark.parametrize("trace", ["exact", "hutchinson"])  # whose estimate is exact: the Jacobian is a multiple of I
@pytest.mark.parametrize("name", GAUSSIANS)
def test_of_a_gaussian_it_is_known(name, trace):
    found = ode_log_prob(GAUSSIANS[name](), POINTS, trace=trace, tolerance=1e-8)
    torch.testing.assert_close(found.log_prob, exact(POINTS), rtol=0, atol=1e-5)
    assert found.log_prob[0].item() == pytest.approx(3.7616, abs=5e-5)  # nats, at the mean
    assert found.dimensions == 2 and found.evaluations % 3 == 0


def test_the_tolerance_decides_error_and_work():
    coarse, usual = (ode_log_prob(GAUSSIANS["ours"](), POINTS, tolerance=each) for each in (1e-3, 1e-5))
    errors = [(found.log_prob - exact(POINTS)).abs().max() for found in (coarse, usual)]
    assert errors[1] < 1e-3 < errors[0] < 0.1 and coarse.evaluations < usual.evaluations


def test_where_the_last_time_is_noise_alone_the_flow_starts_one_before():
    schedule = NoiseSchedule.from_config({**LINEAR.config, "rescale_betas_zero_snr": True})
    model = Model(network=velocity, prediction="flow", **{**POINT, "schedule": schedule})
    found = ode_log_prob(model, POINTS, tolerance=1e-8)
    torch.testing.assert_close(found.log_prob, exact(POINTS, schedule, -2), rtol=0, atol=1e-5)


def test_two_times_are_enough_for_a_flow_but_one_is_not():
    two, one = NoiseSchedule.linear(2), NoiseSchedule.linear(1)
    found = ode_log_prob(exact_model(shape("gaussian"), two), POINTS)
    torch.testing.assert_close(found.log_prob, exact(POINTS, two), rtol=0, atol=1e-3)
    with pytest.raises(ValueError, match="a schedule with at least two times at which ᾱ is above 0"):
        ode_log_prob(exact_model(shape("gaussian"), one), POINTS)


def test_a_density_of_many_parts():
    """Beside log q(x_1) of the mixture, where its x_T is nearly N(0, I)."""
    moons = shape("moons", 0.2)
    x = moons.draw(20, np.random.default_rng(0)).double()
    found = ode_log_prob(exact_model(moons), x, trace="exact")
    known = moons.log_density(x.flatten(1), LINEAR.alpha_bar[1].item())
    torch.testing.assert_close(found.log_prob, known, rtol=0, atol=0.02)


def toy(prediction="epsilon", **fields):
    """A smooth, wrong ε, whose Jacobian is not diagonal, as a model of any prediction. Each label shifts it by 0.3."""

    def network(x, t_index, labels):
        sigma = column(torch.from_numpy(np.exp(np.interp(t_index, np.arange(1000), LINEAR.sigma[1:].log()))))
        a, b = 1 / (1 + sigma**2).sqrt(), sigma / (1 + sigma**2).sqrt()
        eps = 0.9 * b * x + 0.2 * (x.roll(1, 1) + 0.5 * x.roll(1, -1)).sin() * b
        eps = eps if labels is None else eps + 0.3 * b * column(labels)
        x_0 = (x - b * eps) / a
        return {"epsilon": eps, "x0": x_0, "v": a * eps - b * x_0}[prediction]

    return Model(network=network, schedule=LINEAR, image_size=4, channels=2, prediction=prediction, **fields)


X = 0.3 * gaussian(3, 0, (3, 2, 4, 4)).double()


def test_hutchinson_has_no_bias_and_more_vectors_less_noise():
    true = ode_log_prob(toy(), X[:1], trace="exact").log_prob
    many = X[:1].expand(64, -1, -1, -1)
    one, four = (ode_log_prob(toy(), many, vectors=vectors).log_prob - true for vectors in (1, 4))
    for errors in (one, four):
        assert abs(errors.mean()) < 3 * errors.std() / 8
    assert one.std() > 1.6 * four.std() > 0.01  # twice, but for what 64 draws don't know


def test_noise_and_vectors_belong_to_the_seed_of_a_picture():
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 2), dtype=np.uint8)
    first, again, other = (ode_log_prob(toy(), images[:1], seeds=[seed]).log_prob for seed in (5, 5, 6))
    assert first.equal(again) and (first - other).abs() > 0.01
    both = ode_log_prob(toy(), images[[1, 0]], seeds=[7, 5]).log_prob
    torch.testing.assert_close(both[1:], first, rtol=0, atol=1e-3)
    assert ode_log_prob(toy(), images).log_prob.equal(ode_log_prob(toy(), images, vectors=1, seeds=[0, 1]).log_prob)


def test_levels_get_uniform_noise_as_wide_as_a_level():
    seen = []

    def network(x, t_index, labels):
        seen.append(x)  # first zeros: whether it takes fractions of t
        return 0.1 * x

    model = Model(network=network, schedule=LINEAR, image_size=16, prediction="epsilon", channels=1)
    images = np.full((1, 16, 16, 1), 100, np.uint8)
    ode_log_prob(model, images, tolerance=1e-2)
    levels = (seen[1].detach() + 1) * 127.5 - 100
    assert levels.min() > -0.5 and levels.max() < 0.5 and levels.std() == pytest.approx(12**-0.5, rel=0.1)


def test_bits_of_a_density():
    """A density that is the same everywhere in [−1, 1 + 2/255) is 8 bits a dimension: 256 levels alike."""
    flat = OdeLogProb(torch.tensor([3 * math.log(255 / 512)]).double(), 3, 1)
    assert flat.bits_per_dim.item() == pytest.approx(8)


def test_beside_the_bound():
    """Of N(0, c) for each pixel with its exact network, whose code length is known: the flow finds it. With the best
    variance the bound takes more by what its decoder costs, whose variance is another than that of x_0 given x_1."""
    c = 0.04
    x_0 = (gaussian(1, 0, (6, 8, 8, 3)) * c**0.5 * 127.5 + 127.5).clamp(0, 255).round().to(torch.uint8).numpy()

    def exact_eps(x, t_index, labels):
        sigma = torch.from_numpy(np.exp(np.interp(t_index, np.arange(1000), LINEAR.sigma[1:].log())))
        alpha_bar = column(1 / (1 + sigma**2))
        return (1 - alpha_bar).sqrt() / (alpha_bar * c + 1 - alpha_bar) * x

    gamma = 1 / (LINEAR.alpha_bar * c + 1 - LINEAR.alpha_bar)
    model = Model(network=exact_eps, schedule=LINEAR, image_size=8, prediction="epsilon", gamma=gamma, clip=False)
    squares = torch.from_numpy(((x_0 / 127.5 - 1) ** 2).reshape(6, -1).mean(1))
    known = (0.5 * math.log(2 * math.pi * c) + squares / (2 * c) + math.log(127.5)) / math.log(2)
    torch.testing.assert_close(ode_log_prob(model, x_0).bits_per_dim, known, rtol=0, atol=0.01)
    bound = bits_per_dim(model, x_0, variance="analytic").total
    ratio = 1 / (1 / c + LINEAR.sigma[1] ** -2) / decoder_variance(LINEAR)
    decoder = 0.5 * (ratio - 1 - ratio.log()) / math.log(2)  # 0.17
    assert abs((bound - known).mean() - decoder) < 0.05  # one draw of each x_t


@pytest.mark.parametrize("prediction", ["x0", "v"])
def test_every_prediction_has_the_flow_of_its_eps(prediction):
    found, expected = (ode_log_prob(toy(each), X, tolerance=1e-7).log_prob for each in (prediction, "epsilon"))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_each_picture_has_the_label_that_was_asked_for():
    model = toy(num_classes=2, null_label=2)
    one, each, none = (ode_log_prob(model, X[:2], labels=labels).log_prob for labels in (0, [0, 1], None))
    assert (one[0] - each[0]).abs() < 1e-3 and (one[1] - each[1]).abs() > 0.1 and (none - one).abs().min() > 0.1


def test_a_loaded_network_is_followed_between_its_times():
    model = a_unet()
    found = ode_log_prob(model, X[:1, :1].expand(-1, 3, -1, -1).repeat(1, 1, 2, 2), tolerance=0.05)
    assert found.log_prob.isfinite().all() and found.evaluations >= 14


def a_unet():
    return Model(
        network=wrap(small_unet(), "cpu", "fp32", "torch"), schedule=LINEAR, image_size=8, prediction="epsilon"
    )


def test_progress_rises_to_the_end():
    told = []
    ode_log_prob(GAUSSIANS["ours"](), POINTS.repeat(20, 1, 1, 1), progress=lambda *now: told.append(now))
    done = [one for one, _ in told]
    assert done == sorted(set(done)) and told[-1] == (6000, 6000) and len(done) > 10


WHOLE = Model(
    network=lambda x, t_index, _: LINEAR.alpha_bar[t_index].reshape(-1, 1, 1, 1) * x, prediction="epsilon", **POINT
)
NOT_FINITE = Model(network=lambda x, *_: x / 0, prediction="epsilon", **POINT)
STUDENT = replace(exact_model(shape("ring")), student=Student("progressive", (1000, 500)))


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (GAUSSIANS["ours"](), {"trace": "trace"}, "unknown trace 'trace': choose from hutchinson, exact"),
        (GAUSSIANS["ours"](), {"vectors": 0}, "vectors must be a whole number of at least 1, got 0"),
        (GAUSSIANS["ours"](), {"tolerance": 0}, "tolerance must lie between 1e-13 and 0.1, got 0"),
        (GAUSSIANS["ours"](), {"seeds": [1]}, "a seed for each picture: 3 pictures, 1 seeds"),
        (GAUSSIANS["ours"](), {"images": POINTS[:, :1]}, r"images must be a float tensor of shape \(N, 2, 1, 1\)"),
        (GAUSSIANS["ours"](), {"images": np.zeros((1, 2, 2, 2), np.uint8)}, r"images must be uint8 \(N, 1, 1, 2\)"),
        (GAUSSIANS["ours"](), {"labels": 1}, "this model has no classes"),
        (STUDENT, {}, "a student has learned only a few values of t, but the flow needs all: measure its teacher"),
        (replace(GAUSSIANS["ours"](), prediction="mu"), {}, "fractions of t, where μ̃, the mean of x_{t−1}, is not"),
        (replace(GAUSSIANS["ours"](), latent=True), {}, "the likelihood works only for models of pixels"),
        (WHOLE, {}, "the flow also visits fractions of t, but this network knows only whole ones"),
        (GAUSSIANS["ours"](), {"images": POINTS * torch.nan}, "the images have NaN or infinite numbers"),
        (GAUSSIANS["ours"](), {"images": POINTS.clone().requires_grad_()}, "the images require gradients, .* detach"),
        (NOT_FINITE, {}, "the flow can't be followed: the network's output, or its gradient, is not finite"),
    ],
)
def test_what_it_refuses(model, options, words):
    with pytest.raises(ValueError, match=words):
        ode_log_prob(**{"model": model, "images": POINTS, **options})


def test_a_network_of_a_table_is_refused_before_any_work():
    model = a_unet()
    model.network.unet.known_times = 1000
    with pytest.raises(ValueError, match="this network knows only whole ones"):
        ode_log_prob(model, gaussian(0, 0, (1, 3, 8, 8)))


def test_without_scipy(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr("ddpm_core.ode.import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="one more package: pip install scipy"):
        ode_log_prob(GAUSSIANS["ours"](), POINTS)
