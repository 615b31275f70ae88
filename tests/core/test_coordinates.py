"""Networks in other coordinates: what they see and give, and that they are one model with those of ours."""

from dataclasses import replace

import pytest
import torch
from toy import small_unet

from ddpm_core import Model, NoiseSchedule, predict, trajectory
from ddpm_core.coordinates import EDM, RectifiedFlow, VarianceExploding
from ddpm_core.engines.choose import wrap
from ddpm_core.noise import gaussian
from ddpm_core.plane import exact_model, shape
from ddpm_core.process import q_sample
from ddpm_core.student import Student

COSINE = NoiseSchedule.cosine(1000)
MOONS = shape("moons", 0.2)
POINTS = 20
NULL, CLASSES = 1, {"num_classes": 1, "null_label": 1}
SAME = {"rtol": 0, "atol": 1e-9}


def column(values):
    return values.reshape(-1, 1, 1, 1)


def x_0_of(y, sigma, labels=None):
    """E[x_0 | y] for the mixture and y = x_0 + σ z: Tweedie. Points of class 0 are a little to the right."""
    shift = 0 if labels is None else 0.3 * (labels == 0).to(y)[:, None]
    alpha_bar = 1 / (1 + sigma**2)
    there = MOONS.score((y.flatten(1) - shift) * alpha_bar.sqrt()[:, None], alpha_bar)  # of √ᾱ y
    return y + (sigma[:, None] ** 2 * alpha_bar.sqrt()[:, None] * there).reshape(y.shape)


def exploding(low):
    half = (1 - low) / 2

    def score(y, sigma, labels):
        ours = (y - (1 + low) / 2) / half
        return half * (x_0_of(ours, sigma / half, labels) - ours) / column(sigma) ** 2

    return model(score, NoiseSchedule.from_sigmas(COSINE.sigma[1:]), coordinates=VarianceExploding(low))


def flow():
    def velocity(x, tau, labels):
        sigma = tau / (1 - tau)
        x_0 = x_0_of(x / column(1 - tau), sigma, labels)
        return (x - column(1 - tau) * x_0) / column(tau) - x_0

    return model(velocity, prediction="flow")


def preconditioned():
    """As F of Karras et al. would have to be, σ_data 1/2, told ln σ/4."""

    def F(x, noise, labels):
        sigma = (4 * noise).exp()
        y = x * (column(sigma) ** 2 + 0.25).sqrt()
        c_skip, c_out = 0.25 / (column(sigma) ** 2 + 0.25), 0.5 * column(sigma) / (column(sigma) ** 2 + 0.25).sqrt()
        return (x_0_of(y, sigma, labels) - c_skip * y) / c_out

    return model(F, prediction="x0", coordinates=EDM(times=1))


def ours():
    def eps(x, t_index, labels):
        alpha_bar, sigma = COSINE.alpha_bar[t_index + 1], COSINE.sigma[t_index + 1]
        y = x / column(alpha_bar).sqrt()
        return (y - x_0_of(y, sigma, labels)) / column(sigma)

    return model(eps)


def model(network, schedule=COSINE, **options):
    return Model(
        **{"prediction": "epsilon", **CLASSES, **options},
        network=network,
        schedule=schedule,
        image_size=1,
        channels=2,
        clip=False,
    )


OTHERS = {
    "exploding": lambda: exploding(-1.0),
    "exploding, [0, 1]": lambda: exploding(0.0),
    "flow": flow,
    "preconditioned": preconditioned,
}


def states(stream, n=POINTS):
    return gaussian(7, stream, (n, 2, 1, 1)).double()


def test_ours_is_the_exact_model_of_the_plane():
    for t in (1, 400, 1000):
        expected = predict(exact_model(MOONS, COSINE), states(t), t, clip=False).eps
        torch.testing.assert_close(predict(ours(), states(t), t).eps, expected, **SAME)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "ddim"},
        {"sampler": "ddpm", "variance": "beta_tilde"},
        {"sampler": "dpm++", "labels": 0},
        {"sampler": "ddim", "eta": 0.5, "labels": 0, "guidance": 2.0},
    ],
    ids=str,
)
def test_the_same_data_give_the_same_samples_from_the_same_noise(name, options):
    ends = []
    for own in (ours(), OTHERS[name]()):
        *_, last = trajectory(own, steps=20, x_T=states(0), noise=lambda i, x: states(i + 1), **options)
        ends.append(last.x)
    torch.testing.assert_close(*ends, **SAME)
    assert ends[0].std() > 0.3


@pytest.mark.parametrize("name", OTHERS)
def test_one_time_for_each_image_and_gradients(name):
    own, t = OTHERS[name](), torch.tensor([1, 300, 1000])
    x = states(0, 3).requires_grad_()
    found, expected = (predict(each, x, t, 0, grad=True) for each in (own, ours()))
    # Errors of x̂_0 are those of ε times σ_T, 2e4.
    torch.testing.assert_close(found.x0, expected.x0, rtol=0, atol=1e-7)
    gradients = [torch.autograd.grad(one.eps.sum(), x)[0] for one in (found, expected)]
    torch.testing.assert_close(*gradients, **SAME)


def test_what_a_network_is_told():
    """The numbers of the papers, at one time of one schedule."""
    seen = {}

    def network(x, time, labels=None):
        seen.update(x=x, time=time)
        return torch.zeros_like(x)

    schedule = NoiseSchedule.from_sigmas([0.02, 0.5, 2 * 1348.0])
    base = Model(
        network=network,
        schedule=schedule,
        image_size=1,
        prediction="epsilon",
        channels=2,
        clip=False,
        coordinates=VarianceExploding(0.0),
    )
    x_0, z = torch.full((1, 2, 1, 1), -0.5).double(), states(1, 1)
    x_t = q_sample(schedule, x_0, 2, z)
    found = predict(base, x_t, 2)
    torch.testing.assert_close(seen["x"], 0.25 + 0.25 * z, rtol=1e-12, atol=0)  # [0, 1], where σ is half
    assert seen["time"].item() == pytest.approx(0.25, rel=1e-12) and found.eps.abs().max() == 0
    predict(replace(base, coordinates=VarianceExploding(0.0, early=1e-3)), x_t, 2)
    assert seen["time"].item() == pytest.approx(0.25 * (1348 / 0.01) ** (1e-3 / 2), rel=1e-9)

    karras = replace(base, coordinates=EDM(0.5, sigma_min=0.02), prediction="x0")
    found = predict(karras, x_t, 2)
    y = x_0 + 0.5 * z
    torch.testing.assert_close(seen["x"], y / 0.5**0.5, rtol=1e-12, atol=0)
    assert seen["time"].item() == pytest.approx(250 * torch.tensor(0.5).log().item(), rel=1e-6)
    torch.testing.assert_close(found.x0, 0.25 / (0.48**2 + 0.25) * y, rtol=1e-9, atol=0)
    torch.testing.assert_close(predict(karras, y, 1).x0, y / schedule.alpha_bar[1].sqrt())  # there it is y itself

    straight = replace(base, coordinates=None, prediction="flow")
    assert straight.coordinates == RectifiedFlow()
    predict(straight, x_t, 2)
    torch.testing.assert_close(seen["x"], (2 * x_0 + z) / 3, rtol=1e-12, atol=0)
    assert seen["time"].item() == pytest.approx(1 / 3, rel=1e-12)
    for dtype in (torch.float32, torch.bfloat16):  # the time has more digits than a state in half precision
        predict(straight, x_t.to(dtype), 2)
        assert (seen["x"].dtype, seen["time"].dtype) == (dtype, torch.float32)


ZERO = NoiseSchedule.from_betas([0.5, 1.0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"coordinates": VarianceExploding(), "prediction": "v"}, "VarianceExploding .* 'epsilon', got 'v'"),
        ({"coordinates": EDM()}, "EDM .* 'x0', got 'epsilon'"),
        ({"coordinates": RectifiedFlow()}, "RectifiedFlow .* 'flow', got 'epsilon'"),
        ({"coordinates": VarianceExploding(), "schedule": ZERO}, "VarianceExploding .* finite"),
        ({"coordinates": EDM(), "prediction": "x0", "schedule": ZERO}, "EDM .* finite"),
    ],
)
def test_coordinates_that_do_not_go_with_the_model(options, words):
    with pytest.raises(ValueError, match=words):
        Model(**{"network": lambda *_: None, "schedule": COSINE, "image_size": 1, "prediction": "epsilon", **options})


def test_the_tables_of_a_model_are_made_once():
    class Own(VarianceExploding):
        asked = 0

        def translation(self, schedule):
            Own.asked += 1
            return super().translation(schedule)

    whole = model(lambda x, *_: x, NoiseSchedule.from_sigmas(COSINE.sigma[1:]), coordinates=Own())
    list(trajectory(whole, [1], 5, "langevin"))
    assert Own.asked == 1


def test_a_flow_begins_where_there_is_no_signal():
    """x_T = ε there, and τ is 1: x̂_0 is what the network says."""
    own = Model(network=lambda x, tau, _: x - 0.3, schedule=ZERO, image_size=1, channels=2, prediction="flow")
    torch.testing.assert_close(predict(own, states(0), 2).x0, torch.full((POINTS, 2, 1, 1), 0.3).double())


def test_a_network_on_another_schedule_is_evaluated_at_its_own_times_of_the_same_noise():
    """Where ln σ rises evenly, so that a time between two is known exactly."""
    trained = NoiseSchedule.from_sigmas(torch.logspace(-2, 2, 401, dtype=torch.float64))

    def eps(x, time, labels):
        sigma = 10 ** (-2 + time.double() / 100)
        y = x * (1 + column(sigma) ** 2).sqrt()
        return (y - x_0_of(y, sigma, labels)) / column(sigma)

    own = model(eps, trained)
    other = own.with_schedule(NoiseSchedule.from_alpha_bar(lambda u: 0.999 - 0.99 * u, T=7))
    x = torch.stack([gaussian(seed, 0, (2, 1, 1)) for seed in range(3)]).double()
    for t in range(1, 8):
        sigma = other.schedule.sigma[t].expand(3)
        expected = x_0_of(x * (1 + column(sigma) ** 2).sqrt(), sigma)
        assert torch.allclose(predict(other, x, t, clip=False).x0, expected, **SAME)
    some = own.with_schedule(NoiseSchedule.from_alpha_bar(trained.alpha_bar[1::40]))  # of its own times: no difference
    runs = (
        trajectory(own, [3], [*range(401, 0, -40)], "ddim", clip=False),
        trajectory(some, [3], 11, "ddim", clip=False),
    )
    for a, b in zip(*runs, strict=True):
        assert torch.equal(a.x, b.x)
    assert other.with_schedule(trained).coordinates is other.coordinates
    beyond = own.with_schedule(NoiseSchedule.from_alpha_bar([1 - 1e-9, 0.0])).coordinates.translation
    assert beyond(NoiseSchedule.from_alpha_bar([1 - 1e-9, 0.0])).time.tolist() == [0, 0, 400]


@pytest.mark.parametrize("name", ["exploding", "exploding, [0, 1]", "preconditioned"])
def test_beyond_its_training_a_network_gets_the_first_or_last_noise_that_it_has_learned(name):
    """There x_t counts as noisy as at the nearer end, as it does for networks of ours."""
    sigmas = []

    def recorded(x, time, labels):
        sigmas.append(time)
        return own.network(x, time, labels)

    own = OTHERS[name]()
    own = replace(own, schedule=NoiseSchedule.from_sigmas([0.1, 1.0, 10.0]))
    counted = own.evaluated_by(recorded)
    wide = NoiseSchedule.from_sigmas([0.01, 0.1, 0.5, 10.0, 100.0])
    other, x = counted.with_schedule(wide), states(0)
    for t, at in ((1, 1), (2, 1), (4, 3), (5, 3)):
        found = predict(other, x, t, clip=False)
        known = predict(counted, x, at, clip=False)
        part = "eps" if own.prediction == "epsilon" else "x0"
        torch.testing.assert_close(getattr(found, part), getattr(known, part), **SAME)
        assert sigmas[-2].equal(sigmas[-1])
    between = predict(other, x, 3, clip=False)
    torch.testing.assert_close(between.x0, predict(replace(own, schedule=wide), x, 3, clip=False).x0, **SAME)
    narrow = NoiseSchedule.from_sigmas([0.5, 2.0])
    again = counted.with_schedule(narrow).with_schedule(wide)  # its training stays what it was
    assert predict(again, x, 4, clip=False).x0.equal(predict(other, x, 4, clip=False).x0)


def test_what_a_flow_has_learned_has_no_ends():
    own = flow().with_schedule(ZERO)
    assert own.coordinates == RectifiedFlow()


class OfATable(torch.nn.Module):
    """A network of one's own with an embedding for each t − 1."""

    def __init__(self):
        super().__init__()
        self.times = torch.nn.Embedding(1000, 2, dtype=torch.float64)

    def forward(self, x, t_index, labels):
        return x + self.times(t_index)[:, :, None, None]


def test_a_network_that_knows_whole_times_alone_is_refused_at_once():
    unet = wrap(small_unet(), "cpu", "fp32", "torch")
    unet.unet.known_times = 1000
    table = COSINE.alpha_bar
    for network in (OfATable(), OfATable().forward, lambda x, t, _: table[t].reshape(-1, 1, 1, 1) * x, unet):
        with pytest.raises(ValueError, match="gets fractions of t, but this network knows only whole ones"):
            model(network).with_schedule(NoiseSchedule.linear())


def test_what_belongs_to_a_schedule_is_refused_on_another():
    for own, match in (
        (model(lambda x, t, labels: x, prediction="mu"), "the mean of"),
        (model(lambda x, t, labels: x, variance="learned"), "the variance"),
        (model(lambda x, t, labels: x, student=Student("progressive", (1000, 500))), "teacher"),
    ):
        with pytest.raises(ValueError, match=match):
            own.with_schedule(NoiseSchedule.linear())
