"""The losses: against the paper's formulas written out by hand, and the property each one must have."""

import contextlib
import importlib
import inspect
import math
import pkgutil
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ddpm_core
from ddpm_core import Model, NoiseSchedule, predict, q_sample
from ddpm_core.coordinates import EDM, RectifiedFlow, VarianceExploding
from ddpm_core.likelihood import FLOOR, discretized_log_likelihood
from ddpm_core.names import LOSSES
from ddpm_core.objective import lognormal_times, loss, min_snr_weight
from ddpm_core.process import from_x0_eps

SCHEDULE = NoiseSchedule.linear(50)


def batch(n=6, seed=0, dtype=torch.float64, T=50):
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 256, (n, 3, 4, 4), generator=generator)
    x_0 = levels.to(dtype) / 127.5 - 1
    eps = torch.randn(n, 3, 4, 4, generator=generator, dtype=dtype)
    t = torch.randint(1, T + 1, (n,), generator=generator)
    return x_0, t, eps


def model(network, prediction="epsilon", schedule=SCHEDULE, **fields):
    return Model(network=network, schedule=schedule, image_size=4, prediction=prediction, **fields)


def perfect(prediction, x_0, t, eps, off=0.0):
    """A network that knows the answer, and is off by a number."""

    def network(x_t, *_):
        return from_x0_eps(SCHEDULE, prediction, x_0, eps, q_sample(SCHEDULE, x_0, t, eps), t) + off

    return model(network, prediction)


@pytest.mark.parametrize("prediction", ["epsilon", "x0", "v", "mu", "flow"])
def test_l_simple_is_zero_for_a_perfect_network_and_the_mean_square_otherwise(prediction):
    x_0, t, eps = batch()
    assert loss(perfect(prediction, x_0, t, eps), x_0, t=t, eps=eps).abs().max() < 1e-24
    off = loss(perfect(prediction, x_0, t, eps, 0.3), x_0, t=t, eps=eps)
    torch.testing.assert_close(off, torch.full((6,), 0.09, dtype=torch.float64))


def test_the_network_sees_x_t_the_index_t_minus_1_and_the_labels():
    x_0, t, eps = batch()
    labels, seen = torch.arange(6), {}

    def network(x_t, t_index, labels):
        seen.update(x_t=x_t, t_index=t_index, labels=labels)
        return torch.zeros_like(x_t)

    found = loss(model(network), x_0, labels, t, eps)
    assert torch.equal(seen["t_index"], t - 1) and torch.equal(seen["labels"], labels)
    torch.testing.assert_close(seen["x_t"], q_sample(SCHEDULE, x_0, t, eps))
    torch.testing.assert_close(found, eps.square().mean((1, 2, 3)))


@pytest.mark.parametrize(
    "coordinates", [None, RectifiedFlow(1000.0), VarianceExploding(0.0), EDM(0.5, 0.0, 1.0)], ids=str
)
def test_a_network_in_other_coordinates_is_trained_on_what_a_model_shows_it(coordinates):
    x_0, _, eps = batch()
    prediction = coordinates.gives if coordinates else "flow"
    seen = []

    def network(x, time, labels=None):
        seen.append((x, time))
        return 0.3 * x

    t = torch.tensor([1, 2, 3, 20, 49, 50])
    own = model(network, prediction, coordinates=coordinates, clip=False)
    lost = loss(own, x_0, t=t, eps=eps)
    found = predict(own, q_sample(SCHEDULE, x_0, t, eps), t)
    assert all(map(torch.equal, *seen)) and seen[0][1].dtype == torch.float64
    error = {"flow": found.eps - found.x0 - (eps - x_0), "epsilon": found.eps - eps, "x0": found.x0 - x_0}[prediction]
    torch.testing.assert_close(lost, error.square().mean((1, 2, 3)))


@given(t=st.integers(2, 50), kind=st.sampled_from(["beta", "beta_tilde"]), error=st.floats(-2, 2))
@settings(max_examples=30, deadline=None)
def test_l_vlb_of_a_fixed_variance_is_equation_12_plus_its_constant(t, kind, error):
    """Eq. 12: the squared error of ε weighs β²/(2σ²α(1 − ᾱ)); the constant is the KL of two variances alone."""
    x_0, _, eps = batch(n=2)
    steps = torch.full((2,), t)
    lost = loss(model(lambda x_t, *_: eps + error, variance=kind), x_0, t=steps, eps=eps, kind="vlb")
    beta, alpha, alpha_bar = (float(table[t]) for table in (SCHEDULE.beta, SCHEDULE.alpha, SCHEDULE.alpha_bar))
    beta_tilde = (1 - float(SCHEDULE.alpha_bar[t - 1])) / (1 - alpha_bar) * beta
    variance = beta if kind == "beta" else beta_tilde
    nats = beta**2 / (2 * variance * alpha * (1 - alpha_bar)) * error**2
    nats += 0.5 * (math.log(variance / beta_tilde) + beta_tilde / variance - 1)
    torch.testing.assert_close(lost, torch.full((2,), 50 * nats / math.log(2), dtype=torch.float64))


@pytest.mark.parametrize("kind", ["learned", "learned_range"])
@pytest.mark.parametrize("prediction", ["epsilon", "mu"])
def test_l_hybrid_teaches_the_mean_by_l_simple_and_the_variance_by_the_bound(kind, prediction):
    x_0, t, eps = batch()
    t[0] = 1
    mean = (0.1 * torch.randn_like(eps)).requires_grad_()
    v = torch.full_like(eps, -2.0 if kind == "learned" else 0.0).requires_grad_()

    def gradients(name):
        own = model(lambda *_: torch.cat([mean, v], 1), prediction, variance=kind)
        total = loss(own, x_0, t=t, eps=eps, kind=name).mean()
        return torch.autograd.grad(total, (mean, v), allow_unused=True)

    simple, bound, both = map(gradients, LOSSES)
    assert simple[1] is None or not simple[1].any()
    torch.testing.assert_close(both[0], simple[0])
    torch.testing.assert_close(both[1], 0.001 * bound[1])
    assert bound[1].abs().sum() > 0


@pytest.mark.parametrize("kind", LOSSES)
def test_losses_and_gradients_stay_finite_in_float32_at_both_ends_of_the_chain(kind):
    schedule = NoiseSchedule.linear()
    x_0, _, eps = batch(dtype=torch.float32)
    t = torch.tensor([1, 1, 2, 2, 1000, 1000])
    for variance in ("beta", "beta_tilde", "learned", "learned_range"):
        if kind == "hybrid" and not variance.startswith("learned"):
            continue
        channels = 6 if variance.startswith("learned") else 3
        output = torch.randn(6, channels, 4, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
        own = model(lambda *_, o=output: o, schedule=schedule, variance=variance)
        values = loss(own, x_0, t=t, eps=eps, kind=kind)
        values.sum().backward()
        assert values.dtype == torch.float32 and values.isfinite().all() and output.grad.isfinite().all()


def test_half_precision_output_is_compared_in_float32():
    x_0, t, eps = batch(dtype=torch.float32)
    found = loss(model(lambda x_t, *_: torch.zeros_like(x_t, dtype=torch.bfloat16)), x_0, t=t, eps=eps)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, eps.square().mean((1, 2, 3)))


def test_a_loss_draws_its_times_and_noise_from_a_generator():
    """Without t and ε, the same numbers as drawn by hand: every t of 1..T alike, then standard normal ε."""
    x_0, _, _ = batch(n=400)
    own = model(lambda x_t, t_index, labels: x_t * 0.1 + t_index.reshape(-1, 1, 1, 1) / 50)
    found = loss(own, x_0, generator=torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    t = torch.randint(1, 51, (400,), generator=generator)
    eps = torch.randn(x_0.shape, generator=generator, dtype=torch.float64)
    assert found.equal(loss(own, x_0, t=t, eps=eps)) and set(t.tolist()) == set(range(1, 51))
    torch.manual_seed(4)
    first = loss(own, x_0)
    torch.manual_seed(4)
    assert first.equal(loss(own, x_0)) and not first.equal(loss(own, x_0))
    assert loss(own, x_0, t=7, eps=eps).equal(loss(own, x_0, t=torch.full((400,), 7), eps=eps))


def test_labels_are_those_of_trajectory():
    """Names, numbers and None become the network's numbers; a tensor is passed on."""
    x_0, t, eps = batch(n=3)
    seen = []

    def network(x_t, t_index, labels):
        seen.append(labels.tolist())
        return 0 * x_t

    own = model(network, num_classes=2, null_label=2, class_names=("cat", "dog"))
    for labels in (None, "dog", ["dog", None, 0], torch.tensor([1, 2, 0])):
        loss(own, x_0, labels, t, eps)
    assert seen == [[2, 2, 2], [1, 1, 1], [1, 2, 0], [1, 2, 0]]
    for labels, sentence in (
        ("bird", "bird"),
        ([1, 2, 0], "labels go from 0 to 1"),
        (torch.tensor([0]), "give one label, or one per image: 3 images, 1 labels"),
    ):
        with pytest.raises(ValueError, match=sentence):
            loss(own, x_0, labels, t, eps)
    with pytest.raises(ValueError, match="this model has no classes"):
        loss(model(network), x_0, 1, t, eps)


def test_the_weights_behind_a_loaded_model_are_trained_where_they_want_gradients():
    """The same gradients as with the module in the place of the network; without them, the engine computes the loss."""
    whole = ddpm_core.load("mnist-tiny", engine="torch", precision="fp32")
    x_0, t = torch.linspace(-1, 1, 2 * 784).reshape(2, 1, 28, 28), torch.tensor([100, 700])
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
    fixed = loss(whole, x_0, 3, t, eps)
    assert not fixed.requires_grad
    unet = ddpm_core.module(whole).requires_grad_()
    bias = unet.get_parameter("conv_out.bias")
    own = torch.autograd.grad(loss(replace(whole, network=unet), x_0, 3, t, eps).mean(), bias)
    assert torch.autograd.grad(loss(whole, x_0, 3, t, eps).mean(), bias)[0].equal(own[0])
    with torch.no_grad():
        # PyTorch may sum in another order once the weights want gradients.
        torch.testing.assert_close(loss(whole, x_0, 3, t, eps), fixed)


def test_weights_multiply_the_loss_of_each_image():
    x_0, t, eps = batch()
    own = model(lambda x_t, *_: 0.3 * x_t, "v")
    plain = loss(own, x_0, t=t, eps=eps)
    soft = loss(own, x_0, t=t, eps=eps, weight=lambda schedule, t: schedule.alpha_bar[t])
    torch.testing.assert_close(soft, plain * SCHEDULE.alpha_bar[t])
    found = loss(own, x_0, t=t, eps=eps, min_snr=5.0)
    torch.testing.assert_close(found, plain * min_snr_weight(SCHEDULE, "v", t, 5.0))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "l2"}, "unknown loss 'l2': choose from simple, vlb, hybrid"),
        ({"kind": "hybrid"}, "L_hybrid trains a learned variance .learned or learned_range., not 'beta'"),
        ({"kind": "vlb", "min_snr": 5.0}, "min_snr and weight are two ways to weigh the loss 'simple'"),
        ({"min_snr": 5.0, "weight": lambda schedule, t: t}, "two ways"),
        ({"min_snr": 0.0}, "must be above 0, got 0"),
        ({"t": 0}, r"t must be above 0 and at most 50, got 0"),
        ({"t": 2.5, "kind": "vlb"}, "'vlb' needs a term of the bound, which has whole times only"),
        ({"t": torch.tensor([1, 2, 3])}, r"one per image .6."),
        ({"eps": torch.zeros(6, 3, 4, 5)}, "noise must have the shape of x_0"),
        ({"x_0": torch.zeros(6, 3, 4, 4, dtype=torch.uint8)}, "x_0 must be a float tensor .*, got .* uint8"),
        ({"x_0": torch.zeros(6, 1, 4, 4)}, r"x_0 must be a float tensor of shape .N, 3, 4, 4., got .6, 1, 4, 4."),
    ],
)
def test_a_loss_says_what_it_can_not_take(changes, sentence):
    x_0, t, eps = batch()
    with pytest.raises(ValueError, match=sentence):
        loss(model(lambda x, *_: x), **{"x_0": x_0, "t": t, "eps": eps, **changes})


def test_a_loss_knows_what_its_network_predicts():
    """A network alone does not say it, and a wrong guess would train on another target."""
    x_0, t, eps = batch()
    with pytest.raises(TypeError, match="takes a Model, which says what its network predicts, got a function"):
        loss(lambda x, *_: x, x_0, t=t, eps=eps)
    losses = [loss(model(lambda x, *_: 0 * x, prediction), x_0, t=t, eps=eps) for prediction in ("epsilon", "v")]
    assert not torch.allclose(*losses)


def test_nothing_public_guesses_a_prediction():
    """Whoever calls a function or makes a model says what the network predicts."""
    seen = 0
    for module in pkgutil.walk_packages(ddpm_core.__path__, "ddpm_core."):
        if module.name.endswith("__main__"):
            continue
        for name, member in vars(importlib.import_module(module.name)).items():
            if getattr(member, "__module__", None) != module.name or name.startswith("_") or not callable(member):
                continue
            within = vars(member).values() if isinstance(member, type) else ()
            for function in (member, *filter(inspect.isfunction, within)):
                with contextlib.suppress(ValueError):  # of a class without one
                    found = inspect.signature(function).parameters.get("prediction")
                    seen += found is not None
                    assert found is None or found.default is inspect.Parameter.empty, f"{module.name}.{name}"
    assert seen >= 6


@given(t=st.integers(1, 50), gamma=st.floats(0.1, 20))
@settings(max_examples=30, deadline=None)
def test_min_snr_weighting_is_one_loss_whatever_the_network_predicts(t, gamma):
    x_0, _, eps = batch(n=2)
    steps = torch.full((2,), t)
    wrong = x_0 + 0.1
    losses = []
    for prediction in ("epsilon", "x0", "v", "flow"):

        def network(x_t, *_, prediction=prediction):
            alpha_bar = SCHEDULE.alpha_bar[t]
            if prediction == "flow":  # which sees (1 − τ) x_0 + τ ε
                x_t = x_t * (alpha_bar.sqrt() + (1 - alpha_bar).sqrt())
            guess = (x_t - alpha_bar.sqrt() * wrong) / (1 - alpha_bar).sqrt()
            return from_x0_eps(SCHEDULE, prediction, wrong, guess, x_t, t)

        weight = min_snr_weight(SCHEDULE, prediction, steps, gamma)
        losses.append(weight * loss(model(network, prediction), x_0, t=steps, eps=eps))
    snr = float(SCHEDULE.alpha_bar[t] / (1 - SCHEDULE.alpha_bar[t]))
    for found in losses:
        torch.testing.assert_close(found, torch.full((2,), min(snr, gamma) * 0.01, dtype=torch.float64))
    with pytest.raises(ValueError, match="min-SNR"):
        min_snr_weight(SCHEDULE, "mu", steps)


@given(mean=st.floats(-3, 2), std=st.floats(0.2, 3))
@settings(max_examples=30, deadline=None)
def test_lognormal_times_are_the_times_nearest_to_a_normal_log_sigma(mean, std):
    """Against the definition: draw log σ, take the t whose own log σ is nearest."""
    probability = lognormal_times(SCHEDULE, mean, std)
    log_sigma = 0.5 * torch.log(1 / SCHEDULE.alpha_bar[1:] - 1)
    quantiles = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    drawn = mean + std * torch.special.ndtri(quantiles)
    nearest = (drawn[:, None] - log_sigma).abs().argmin(1)
    found = torch.bincount(nearest, minlength=len(log_sigma)) / len(drawn)
    torch.testing.assert_close(probability, found.double(), atol=2e-4, rtol=0)
    assert float(probability.sum()) == pytest.approx(1, abs=1e-12)


def test_lognormal_times_are_by_default_those_of_karras_et_al():
    """Table 1 of Karras et al. 2022: ln σ is normal with mean −1.2 and standard deviation 1.2."""
    assert torch.equal(lognormal_times(SCHEDULE), lognormal_times(SCHEDULE, -1.2, 1.2))


def test_lognormal_times_need_a_width():
    with pytest.raises(ValueError, match="std must be above 0"):
        lognormal_times(SCHEDULE, std=0.0)


def test_the_decoder_keeps_its_digits_in_float32_on_both_sides_of_the_mean():
    """Far above the mean 1 − Φ cancels in float32; by symmetry both sides must agree with float64."""
    x_0 = torch.tensor([-0.5, 0.5])
    for cdf in ("tanh", "exact"):
        single = discretized_log_likelihood(x_0, torch.zeros(2), 0.01, cdf)
        double = discretized_log_likelihood(x_0.double(), torch.zeros(2).double(), 0.01, cdf)
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=0)
        assert single[0] == single[1]
    floor = discretized_log_likelihood(torch.tensor([0.9]), torch.zeros(1), 1e-4)
    assert float(floor) == pytest.approx(math.log(FLOOR), rel=1e-5)
    with pytest.raises(ValueError, match="tanh, exact"):
        discretized_log_likelihood(x_0, torch.zeros(2), 1.0, "erf")
