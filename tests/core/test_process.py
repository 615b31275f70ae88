"""The equations of the process against Bayes' rule, closed forms and the oracle; conversion between predictions."""

import math

import numpy as np
import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_core.model import Model
from ddpm_core.names import PREDICTIONS, VARIANCES
from ddpm_core.noise import gaussian
from ddpm_core.objective import loss, min_snr_weight
from ddpm_core.prediction import predict
from ddpm_core.process import from_x0_eps, gamma_time, posterior, q_sample, reverse_variance, to_x0_eps
from ddpm_core.schedule import NoiseSchedule

LINEAR = NoiseSchedule.linear()
COSINE = NoiseSchedule.cosine(100)
AB = oracle.alpha_bar(oracle.linear_betas())
SHAPE = (3, 2, 4, 4)
TIMES = torch.tensor([1, 500, 1000])  # one per image of SHAPE


def images(*streams, dtype=torch.float64):
    return [gaussian(0, stream, SHAPE).to(dtype) for stream in streams]


def table(t, values=AB):
    """alpha_bar[t], to broadcast against images."""
    return torch.from_numpy(values)[t] if isinstance(t, int) else torch.from_numpy(values)[t][:, None, None, None]


def test_the_names():
    assert set(PREDICTIONS) == {"epsilon", "x0", "v", "mu", "flow"}
    assert set(VARIANCES) == {"beta", "beta_tilde", "analytic", "learned", "learned_range"}


# q(x_t | x_0)


@pytest.mark.parametrize("t", [0, 1, 500, 1000, TIMES, torch.tensor([0, 7, 7])])
def test_q_sample_is_equation_4(t):
    x_0, noise = images(0, 1)
    expected = table(t).sqrt() * x_0 + (1 - table(t)).sqrt() * noise
    torch.testing.assert_close(q_sample(LINEAR, x_0, t, noise), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("t", [1, 300, 1000])
def test_q_sample_has_the_moments_of_the_chain_of_single_steps(t):
    """Composed, the steps of Eq. 2 are Eq. 4: x_t = sqrt(1 - beta) x_{t-1} + sqrt(beta) z, t times."""
    mean, var = 0.7, 0.0
    for beta in oracle.linear_betas()[:t]:
        mean, var = math.sqrt(1 - beta) * mean, (1 - beta) * var + beta
    n = 100_000
    x_t = q_sample(LINEAR, torch.full((1, 1, 1, n), 0.7).double(), t, gaussian(0, 0, (1, 1, 1, n)).double())
    assert abs(x_t.mean() - mean) < 5 * math.sqrt(var / n)
    assert abs(x_t.var() / var - 1) < 5 * math.sqrt(2 / n)


# q(x_s | x_t, x_0)


def bayes(t, s, x_0, x_t):
    """Condition the joint Gaussian of (x_s, x_t) given x_0, from Eq. 4 at s and the forward step from s to t."""
    a = AB[t] / AB[s]
    mean_s, var_s = math.sqrt(AB[s]) * x_0, 1 - AB[s]
    mean_t, var_t, cov = math.sqrt(a) * mean_s, a * var_s + 1 - a, math.sqrt(a) * var_s
    return mean_s + cov / var_t * (x_t - mean_t), var_s - cov**2 / var_t


@pytest.mark.parametrize("t, s", [(1000, 999), (500, 499), (2, 1), (1, 0), (1000, 500), (300, 1), (700, 0), (1000, 0)])
def test_the_posterior_is_bayes_rule(t, s):
    x_0, x_t = images(0, 1)
    mean, variance = posterior(LINEAR, x_0, x_t, t, s)
    by_bayes, by_bayes_variance = bayes(t, s, x_0, x_t)
    # Variances are 1 − ᾱ: the smallest, 1e-4, has an error of eps/1e-4 = 2e-12, and pixels are below 5.
    torch.testing.assert_close(mean, by_bayes, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(variance, by_bayes_variance, rtol=1e-8, atol=1e-14)


def test_the_posteriors_s_is_t_minus_1_unless_given():
    x_0, x_t = images(0, 1)
    for ours, expected in zip(posterior(LINEAR, x_0, x_t, 77), posterior(LINEAR, x_0, x_t, 77, 76), strict=True):
        assert torch.equal(torch.as_tensor(ours), torch.as_tensor(expected))


def test_one_time_per_image():
    x_0, x_t = images(0, 1)
    s = torch.tensor([0, 250, 999])
    mean, variance = posterior(LINEAR, x_0, x_t, TIMES, s)
    for i, (t_i, s_i) in enumerate(zip(TIMES.tolist(), s.tolist(), strict=True)):
        alone, alone_variance = posterior(LINEAR, x_0[i : i + 1], x_t[i : i + 1], t_i, s_i)
        torch.testing.assert_close(mean[i : i + 1], alone, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(variance[i].reshape(()), alone_variance, rtol=1e-12)


@settings(max_examples=50)
@given(st.data(), st.floats(-1, 1), st.floats(0, 4))
def test_the_posterior_keeps_the_marginals(data, m, s2):
    """x_t ~ q(x_t | x_0), then x_s ~ q(x_s | x_t, x_0), is q(x_s): in mean and variance, with x_0 ~ N(m, s2)."""
    t = data.draw(st.integers(1, 1000))
    s = data.draw(st.integers(0, t - 1))
    one, zero = torch.ones(1, 1, 1, 1).double(), torch.zeros(1, 1, 1, 1).double()
    of_x0, variance = posterior(LINEAR, one, zero, t, s)
    of_xt, _ = posterior(LINEAR, zero, one, t, s)
    total = of_x0.item() + of_xt.item() * math.sqrt(AB[t])  # of x_0, directly and through x_t
    np.testing.assert_allclose(total * m, math.sqrt(AB[s]) * m, atol=1e-12)
    spread = total**2 * s2 + of_xt.item() ** 2 * (1 - AB[t]) + float(variance)
    np.testing.assert_allclose(spread, AB[s] * s2 + 1 - AB[s], rtol=1e-10, atol=1e-12)


# Reverse variances

PAIRS = [(1000, 999), (2, 1), (1000, 500), (300, 1)]


@pytest.mark.parametrize("t, s", [*PAIRS, (1, 0), (40, 0)])
@pytest.mark.parametrize("kind", ["beta", "beta_tilde"])
def test_fixed_variances(kind, t, s):
    np.testing.assert_allclose(reverse_variance(LINEAR, t, s, kind), oracle.variance(AB, kind, t, s), rtol=1e-10)


@pytest.mark.parametrize("t, s", [(10, 9), (10, 3), (2, 1), (1, 0)])
def test_beta_of_an_exploding_process_is_what_it_adds(t, s):
    """σ_t² − σ_s² in x_0 + σ z (Song et al. 2021, reverse diffusion), β̃ their ancestral sampler's, both times ᾱ_s."""
    sigma = np.array([0.0, *np.geomspace(0.02, 100, 10)])
    schedule, added = NoiseSchedule.from_sigmas(sigma[1:]), sigma[t] ** 2 - sigma[s] ** 2
    ours = [reverse_variance(schedule, t, s, kind) for kind in ("beta", "beta_tilde")]
    expected = np.array([added, sigma[s] ** 2 * added / sigma[t] ** 2]) / (1 + sigma[s] ** 2)
    np.testing.assert_allclose(ours, expected, rtol=1e-10)
    assert ours[0] == pytest.approx(float(schedule.alpha_bar[s] / schedule.alpha_bar[t] - 1), rel=1e-9)


def test_only_beta_tilde_vanishes_at_the_end():
    v = torch.zeros(SHAPE).double()
    assert float(reverse_variance(LINEAR, 1, 0, "beta_tilde")) == 0
    for kind, extra in {"beta": {}, "analytic": {"gamma": 0.5}, "learned": {"v": v}, "learned_range": {"v": v}}.items():
        assert (reverse_variance(LINEAR, 1, 0, kind, **extra) > 0).all(), kind


def test_beta_is_63_times_beta_tilde_near_the_end_of_50_steps():
    """Measured with diffusers; the ratio that makes few-step beta samples noisy."""
    t, s = oracle.pairs(1000, 50)[-2]
    ratio = reverse_variance(LINEAR, t, s, "beta") / reverse_variance(LINEAR, t, s, "beta_tilde")
    assert 62.5 < ratio < 63.5


@pytest.mark.parametrize("t", [1, 2, 500, 1000])
def test_learned_is_a_log_variance(t):
    (v,) = images(0)
    torch.testing.assert_close(reverse_variance(LINEAR, t, t - 1, "learned", v=v), v.exp(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("t, s", PAIRS)
def test_learned_range_interpolates_the_logarithms(t, s):
    v = torch.linspace(-1, 1, 96).double().reshape(SHAPE)
    ours = reverse_variance(LINEAR, t, s, "learned_range", v=v)
    np.testing.assert_allclose(ours, oracle.variance(AB, "learned_range", t, s, v.numpy()), rtol=1e-10)
    beta, beta_tilde = (oracle.variance(AB, kind, t, s) for kind in ("beta", "beta_tilde"))
    np.testing.assert_allclose([ours.min(), ours.max()], [beta_tilde, beta], rtol=1e-10)


def test_learned_range_at_t_1_borrows_beta_tilde_2():
    """Where beta_tilde is 0 the logarithm needs a stand-in: that of t = 2, as in the IDDPM code."""
    v = torch.tensor([-1.0, 1.0]).double().reshape(1, 2, 1, 1)
    ours = reverse_variance(LINEAR, 1, 0, "learned_range", v=v).flatten()
    np.testing.assert_allclose(ours, [oracle.variance(AB, "beta_tilde", 2, 1), 1e-4], rtol=1e-10)


@pytest.mark.parametrize("t, s", [*PAIRS, (40, 0), (1, 0)])
@pytest.mark.parametrize("s2", [0.0, 0.04, 0.5, 1.0])
def test_analytic_is_the_true_reverse_variance_of_gaussian_data(t, s, s2):
    """x_t has variance V_t, so gamma = 1 / V_t and Var[x_s | x_t] = V_s beta_{t|s} / V_t, by conditioning the joint.

    Unit variance makes it beta, a point beta_tilde (Analytic-DPM's two extremes).
    """
    V_t, V_s = (AB[u] * s2 + 1 - AB[u] for u in (t, s))
    ours = reverse_variance(LINEAR, t, s, "analytic", gamma=1 / V_t)
    np.testing.assert_allclose(ours, V_s / V_t * (1 - AB[t] / AB[s]), rtol=1e-8, atol=1e-15)
    np.testing.assert_allclose(ours, oracle.variance(AB, "analytic", t, s, gamma=1 / V_t), rtol=1e-8, atol=1e-15)
    kind = {0.0: "beta_tilde", 1.0: "beta"}.get(s2)
    if kind:
        np.testing.assert_allclose(ours, reverse_variance(LINEAR, t, s, kind), rtol=1e-8, atol=1e-15)


@pytest.mark.parametrize("gamma, x_0_variance", [(0.0, 1), (10.0, 0)])
def test_analytic_takes_the_variance_of_x_0_to_be_in_0_to_1(gamma, x_0_variance):
    """Estimates of gamma may leave what data in [-1, 1] allows."""
    for t, s in [(1000, 999), (900, 400)]:
        of_x_0 = oracle.mean(AB, 1.0, 0.0, t, s)
        expected = oracle.variance(AB, "beta_tilde", t, s) + of_x_0**2 * x_0_variance
        np.testing.assert_allclose(reverse_variance(LINEAR, t, s, "analytic", gamma=gamma), expected, rtol=1e-8)


def test_one_variance_per_image():
    s = TIMES - 1
    ours = reverse_variance(LINEAR, TIMES, s, "beta")
    np.testing.assert_allclose(torch.as_tensor(ours).flatten(), oracle.linear_betas()[TIMES - 1], rtol=1e-10)


# Predictions


@pytest.mark.parametrize("t", [1, 2, 500, 1000, TIMES])
@pytest.mark.parametrize("prediction", ["epsilon", "x0", "v", "mu", "flow"])
def test_a_perfect_output_gives_x_0_and_eps(prediction, t):
    x_0, eps = images(0, 1)
    x_t = table(t).sqrt() * x_0 + (1 - table(t)).sqrt() * eps
    output = from_x0_eps(LINEAR, prediction, x_0, eps, x_t, t)
    back_x_0, back_eps = to_x0_eps(LINEAR, prediction, output, x_t, t)
    torch.testing.assert_close(back_x_0, x_0, rtol=0, atol=1e-9)
    torch.testing.assert_close(back_eps, eps, rtol=0, atol=1e-9)
    ts = [t] * 3 if isinstance(t, int) else t.tolist()
    for i, t_i in enumerate(ts):
        expected = oracle.output_of(AB, prediction, eps[i].numpy(), x_t[i].numpy(), t_i)
        np.testing.assert_allclose(output[i], expected, rtol=1e-10, atol=1e-10)


@settings(max_examples=100)
@given(st.data(), st.sampled_from(["epsilon", "x0", "v", "mu", "flow"]), st.sampled_from([LINEAR, COSINE]))
def test_any_output_survives_the_round_trip(data, prediction, schedule):
    """Any output whatever, not only a consistent one: x_0 and eps always satisfy Eq. 4 together."""
    t = data.draw(st.one_of(st.sampled_from([1, 2, schedule.T]), st.integers(1, schedule.T)))
    value = st.floats(-3, 3)
    output, x_t = (torch.full((1, 1, 1, 1), data.draw(value)).double() for _ in range(2))
    x_0, eps = to_x0_eps(schedule, prediction, output, x_t, t)
    ab = schedule.alpha_bar[t]
    size = 1 + x_0.abs().item()
    torch.testing.assert_close(ab.sqrt() * x_0 + (1 - ab).sqrt() * eps, x_t, rtol=0, atol=1e-12 * size)
    again = from_x0_eps(schedule, prediction, x_0, eps, x_t, t)
    torch.testing.assert_close(again, output, rtol=0, atol=1e-12 * size)


def test_v_is_the_velocity_of_diffusers():
    from diffusers import DDPMScheduler

    x_0, eps = images(0, 1)
    x_t = q_sample(LINEAR, x_0, TIMES, eps)
    velocity = DDPMScheduler().get_velocity(x_0, eps, TIMES - 1)
    torch.testing.assert_close(from_x0_eps(LINEAR, "v", x_0, eps, x_t, TIMES), velocity, rtol=1e-3, atol=1e-4)


def test_with_zero_terminal_snr_eps_tells_nothing_of_x_0_at_T():
    schedule = NoiseSchedule.from_config({"num_train_timesteps": 10, "rescale_betas_zero_snr": True})
    x_0, x_t = images(0, 1)
    for prediction in ("x0", "v", "mu", "flow"):
        output = from_x0_eps(schedule, prediction, x_0, x_t, x_t, 10)
        torch.testing.assert_close(to_x0_eps(schedule, prediction, output, x_t, 10), (x_0, x_t))
    with pytest.raises(ValueError, match="alpha_bar"):
        to_x0_eps(schedule, "epsilon", x_t, x_t, 10)


# Types and refusals


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_dtype_of_the_input_is_kept(dtype):
    x_0, other = images(0, 1, dtype=dtype)
    results = [
        q_sample(LINEAR, x_0, TIMES, other),
        q_sample(LINEAR, x_0, 5, other),
        posterior(LINEAR, x_0, other, 5)[0],
    ]
    for prediction in PREDICTIONS:
        results += [
            *to_x0_eps(LINEAR, prediction, other, x_0, 5),
            from_x0_eps(LINEAR, prediction, x_0, other, other, 5),
        ]
    assert all(result.dtype == dtype and result.shape == SHAPE for result in results)


WHOLE = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.uint16, torch.uint32, torch.uint64]
SHORT = NoiseSchedule.linear(SHAPE[0] - 1, 1e-4, 0.3)  # T + 1 images: a mask would have their number


@pytest.mark.parametrize("dtype", WHOLE)
@pytest.mark.parametrize("schedule", [SHORT, LINEAR], ids=["T 2", "T 1000"])
def test_times_may_have_any_whole_dtype(schedule, dtype):
    x, other = images(0, 1)
    gamma = torch.linspace(0, 1, schedule.T + 1, dtype=torch.float64)

    def results(t, s):
        rest = [q_sample(schedule, x, t, other), gamma_time(schedule, t), min_snr_weight(schedule, "v", t)]
        for kind in ("beta", "beta_tilde", "learned", "learned_range"):
            rest += [reverse_variance(schedule, t, s, kind, v=x)]
        for prediction in PREDICTIONS:
            rest += [*to_x0_eps(schedule, prediction, x, other, t), from_x0_eps(schedule, prediction, x, other, x, t)]
        model = Model(
            network=lambda x, t_index, labels: x + t_index.reshape(-1, 1, 1, 1) * (t_index.dtype == torch.int64),
            schedule=schedule,
            image_size=4,
            prediction="epsilon",
            channels=2,
            gamma=gamma,
        )
        rest += [*predict(model, x, t)[:3], loss(model, x, t=t, eps=other)]
        return [*rest, *posterior(schedule, x, other, t), *posterior(schedule, x, other, t, s)]

    times = torch.tensor([1, 2, 2])
    for found, expected in zip(results(times.to(dtype), (times - 1).to(dtype)), results(times, times - 1), strict=True):
        assert found.dtype == expected.dtype and found.equal(expected)
    for wrong in ([0, 1, 2], [1, 2, 100]):
        with pytest.raises(ValueError, match=r"t must be above 0 and at most 2"):
            posterior(SHORT, x, other, torch.tensor(wrong).to(dtype))
    one = times[1].to(dtype)
    assert q_sample(schedule, x, one, other).equal(q_sample(schedule, x, 2, other))


X, Y = images(0, 1)
REFUSED = {
    "t true": lambda: q_sample(LINEAR, X, True, Y),
    "t true in a tensor": lambda: q_sample(LINEAR, X, torch.tensor(True), Y),
    "t below 0": lambda: q_sample(LINEAR, X, -1, Y),
    "t above T": lambda: q_sample(LINEAR, X, 1001, Y),
    "t in words": lambda: q_sample(LINEAR, X, "5", Y),
    "t tensor above T": lambda: q_sample(LINEAR, X, torch.tensor([1, 2, 1001]), Y),
    "t NaN": lambda: q_sample(LINEAR, X, float("nan"), Y),
    "t tensor with NaN": lambda: q_sample(LINEAR, X, torch.tensor([1.0, math.nan, 3.0]), Y),
    "t complex": lambda: q_sample(LINEAR, X, torch.tensor([1j, 1j, 1j]), Y),
    "a fraction of a table": lambda: min_snr_weight(LINEAR, "v", torch.tensor([1.5, 2.0, 3.0])),
    "t for another batch": lambda: q_sample(LINEAR, X, torch.tensor([1, 2]), Y),
    "noise of another shape": lambda: q_sample(LINEAR, X, 1, Y[:1]),
    "posterior at t = 0": lambda: posterior(LINEAR, X, Y, 0),
    "posterior with s = t": lambda: posterior(LINEAR, X, Y, 5, 5),
    "posterior with s > t": lambda: posterior(LINEAR, X, Y, 5, 6),
    "posterior of two shapes": lambda: posterior(LINEAR, X, Y[:1], 5),
    "variance with s = t": lambda: reverse_variance(LINEAR, 5, 5, "beta"),
    "unknown variance": lambda: reverse_variance(LINEAR, 5, 4, "fixed_large"),
    "learned without v": lambda: reverse_variance(LINEAR, 5, 4, "learned"),
    "learned on a strided pair": lambda: reverse_variance(LINEAR, 5, 3, "learned", v=X),
    "analytic without gamma": lambda: reverse_variance(LINEAR, 5, 4, "analytic"),
    "analytic with negative gamma": lambda: reverse_variance(LINEAR, 5, 4, "analytic", gamma=-1.0),
    "unknown prediction": lambda: to_x0_eps(LINEAR, "sample", X, Y, 5),
    "unknown prediction back": lambda: from_x0_eps(LINEAR, "sample", X, Y, Y, 5),
    "prediction at t = 0": lambda: to_x0_eps(LINEAR, "epsilon", X, Y, 0),
    "output of another shape": lambda: to_x0_eps(LINEAR, "epsilon", X[:1], Y, 5),
    "x_0 and eps of two shapes": lambda: from_x0_eps(LINEAR, "v", X, Y[:1], Y, 5),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_in_one_sentence(call):
    with pytest.raises(ValueError, match=r"^[^\n]{15,}$"):
        call()
