"""Bits/dim against an oracle in plain float64 NumPy, which shares only the meaning of t with ddpm_core."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_core import Model, NoiseSchedule, bits_per_dim, timestep_pairs
from ddpm_core.likelihood import discretized_log_likelihood, progressive_decoding, rechain
from ddpm_core.noise import gaussian
from ddpm_core.objective import loss

T = 40
SHAPE = (3, 4, 4)
BETAS = np.linspace(1e-4, 0.2, T)
ALPHA_BAR = np.concatenate([[1.0], np.cumprod(1 - BETAS)])
GAMMA = 0.7 + 0.2 * np.linspace(0, 1, T + 1)  # not of any data: only the formula is tested
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
IMAGES[0, 0, 0], IMAGES[1, 0, 0] = 0, 255  # both open bins
NOISE = np.random.default_rng(1).standard_normal((T, 5, *SHAPE))


def toy_eps(x, t, label=0):
    """A smooth, wrong ε with reaches beyond [−1, 1] in x̂_0."""
    return 0.7 * x + 0.3 * np.sin(2 * x + 0.1 * t) + 0.1 * label


def toy_v(x, t, kind):
    s = np.sin(x + 0.05 * t)
    return 0.9 * s if kind == "learned_range" else math.log(max(BETAS[t - 1], 1e-3)) + 0.3 * s


def model(variance="beta", prediction="epsilon", num_classes=0, null_label=None):
    def network(x, t_index, labels):
        out = []
        for i in range(len(x)):
            t, x_t = int(t_index[i]) + 1, x[i].numpy()
            eps = toy_eps(x_t, t, 0 if labels is None else int(labels[i]))
            x_0 = (x_t - np.sqrt(1 - ALPHA_BAR[t]) * eps) / np.sqrt(ALPHA_BAR[t])
            y = {
                "epsilon": eps,
                "x0": x_0,
                "v": np.sqrt(ALPHA_BAR[t]) * eps - np.sqrt(1 - ALPHA_BAR[t]) * x_0,
                "mu": oracle_mean(x_0, x_t, t, t - 1),
            }[prediction]
            out.append(np.concatenate([y, toy_v(x_t, t, variance)]) if variance.startswith("learned") else y)
        return torch.from_numpy(np.stack(out))

    schedule = NoiseSchedule.from_betas(BETAS)
    return Model(
        network=network,
        schedule=schedule,
        image_size=4,
        prediction=prediction,
        variance=variance,
        num_classes=num_classes,
        null_label=null_label,
        gamma=torch.from_numpy(GAMMA),
    )


def noise(index, x):
    assert x.shape == (5, *SHAPE)
    return torch.from_numpy(NOISE[index])


def oracle_mean(x_0, x_t, t, s):
    alpha = ALPHA_BAR[t] / ALPHA_BAR[s]
    of_x_0 = np.sqrt(ALPHA_BAR[s]) * (1 - alpha) / (1 - ALPHA_BAR[t])
    return of_x_0 * x_0 + np.sqrt(alpha) * (1 - ALPHA_BAR[s]) / (1 - ALPHA_BAR[t]) * x_t


def oracle_beta_tilde(t, s):
    return (1 - ALPHA_BAR[s]) / (1 - ALPHA_BAR[t]) * (1 - ALPHA_BAR[t] / ALPHA_BAR[s])


def oracle_variance(kind, t, s, v):
    beta, first = 1 - ALPHA_BAR[t] / ALPHA_BAR[s], oracle_beta_tilde(2, 1)
    if kind == "learned":
        return np.exp(v)
    if kind == "learned_range":
        low = first if s == 0 else oracle_beta_tilde(t, s)
        return np.exp((v + 1) / 2 * np.log(beta) + (1 - (v + 1) / 2) * np.log(low))
    if s == 0:
        return first
    if kind == "analytic":
        beta_bar_t, beta_bar_s, lam = 1 - ALPHA_BAR[t], 1 - ALPHA_BAR[s], oracle_beta_tilde(t, s)
        cov = min(max(beta_bar_t / ALPHA_BAR[t] * (1 - beta_bar_t * GAMMA[t]), 0), 1)
        root = math.sqrt(beta_bar_t * ALPHA_BAR[s] / ALPHA_BAR[t]) - math.sqrt(beta_bar_s - lam)
        return lam + root**2 * cov * ALPHA_BAR[t] / beta_bar_t
    return beta if kind == "beta" else oracle_beta_tilde(t, s)


normal_cdf = np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2)))


def oracle_decoder(x_0, mean, sigma, cdf):
    def phi(z):
        return normal_cdf(z) if cdf == "exact" else 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))

    plus, minus = phi((x_0 - mean + 1 / 255) / sigma), phi((x_0 - mean - 1 / 255) / sigma)
    p = np.where(x_0 < -0.999, plus, np.where(x_0 > 0.999, 1 - minus, plus - minus))
    return -np.log(np.maximum(p, 1e-12))


def oracle(kind, pairs, clip=True, cdf="tanh", labels=(0,) * 5, prediction="epsilon"):
    """(prior, terms, mse), terms and mse ascending in t, in bits/dim."""
    data = IMAGES.transpose(0, 3, 1, 2) / 127.5 - 1
    prior = np.zeros(5)
    terms, mse = np.zeros((5, len(pairs))), np.zeros((5, len(pairs)))
    for i, x_0 in enumerate(data):
        last = pairs[0][0]
        m2, var = ALPHA_BAR[last] * x_0**2, 1 - ALPHA_BAR[last]
        prior[i] = (0.5 * (m2 + var - 1 - np.log(var))).mean() / np.log(2)
        for index, (t, s) in enumerate(pairs):
            x_t = np.sqrt(ALPHA_BAR[t]) * x_0 + np.sqrt(1 - ALPHA_BAR[t]) * NOISE[index, i]
            x_0_raw = (x_t - np.sqrt(1 - ALPHA_BAR[t]) * toy_eps(x_t, t, labels[i])) / np.sqrt(ALPHA_BAR[t])
            x_0_hat = np.clip(x_0_raw, -1, 1) if clip else x_0_raw
            mean = oracle_mean(x_0_raw if prediction == "mu" else x_0_hat, x_t, t, s)
            var = oracle_variance(kind, t, s, toy_v(x_t, t, kind))
            if s == 0:
                nats = oracle_decoder(x_0, mean, np.sqrt(var), cdf)
            else:
                true = oracle_beta_tilde(t, s)
                gap = oracle_mean(x_0, x_t, t, s) - mean
                nats = 0.5 * (np.log(var / true) + (true + gap**2) / var - 1)
            terms[i, -1 - index], mse[i, -1 - index] = nats.mean() / np.log(2), ((x_0_hat - x_0) ** 2).mean()
    return prior, terms, mse


def agree(result, expected, tolerance=1e-9):
    for ours, theirs in zip((result.prior, result.terms, result.mse), expected, strict=True):
        assert ours.dtype == torch.float64 and ours.shape == theirs.shape
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=tolerance, atol=tolerance)


CHAINS = [(None, "linspace"), (2, "linspace"), (7, "linspace"), (7, "quadratic"), (7, "leading")]


@pytest.mark.parametrize("kind", ["beta", "beta_tilde", "analytic", "learned", "learned_range"])
@pytest.mark.parametrize(("steps", "spacing"), CHAINS)
@pytest.mark.parametrize("clip", [True, False])
def test_every_term_agrees_with_the_oracle(kind, steps, spacing, clip):
    own = kind if kind.startswith("learned") else "beta"
    arguments = {"variance": kind, "steps": steps, "spacing": spacing, "clip": clip, "noise": noise}
    if kind == "learned" and steps:
        with pytest.raises(ValueError, match="whole chain"):
            bits_per_dim(model(own), IMAGES, **arguments)
        return
    result = bits_per_dim(model(own), IMAGES, **arguments)
    pairs = timestep_pairs(T, steps or T, spacing)
    agree(result, oracle(kind, pairs, clip))
    assert result.times == tuple(t for t, _ in pairs)[::-1]
    torch.testing.assert_close(result.total, result.prior + result.terms.sum(1))


def test_without_clip_the_checkpoint_decides():
    for own in (True, False):
        ours = bits_per_dim(replace(model(), clip=own), IMAGES, steps=7, noise=noise)
        assert torch.equal(ours.mse, bits_per_dim(model(), IMAGES, steps=7, noise=noise, clip=own).mse)


@pytest.mark.parametrize("prediction", ["x0", "v", "mu"])
@pytest.mark.parametrize("steps", [None, 6])
def test_predictions_mean_the_same_and_mu_leaves_the_mean_unclipped(prediction, steps):
    result = bits_per_dim(model(prediction=prediction), IMAGES, steps=steps, noise=noise)
    agree(result, oracle("beta", timestep_pairs(T, steps or T), prediction=prediction))


def test_the_exact_cdf_differs_from_the_papers_only_in_the_decoder():
    exact = bits_per_dim(model(), IMAGES, cdf="exact", noise=noise)
    tanh = bits_per_dim(model(), IMAGES, noise=noise)
    agree(exact, oracle("beta", timestep_pairs(T, T), cdf="exact"))
    assert torch.equal(exact.terms[:, 1:], tanh.terms[:, 1:]) and not torch.equal(exact.terms[:, 0], tanh.terms[:, 0])


def test_labels_reach_the_network_image_by_image():
    labels = [3, 0, 1, 2, 4]  # 4 is the null label, which is None for a user
    conditional = model(num_classes=4, null_label=4)
    agree(
        bits_per_dim(conditional, IMAGES, labels=[3, 0, 1, 2, None], noise=noise),
        oracle("beta", timestep_pairs(T, T), labels=labels),
    )
    agree(bits_per_dim(conditional, IMAGES, noise=noise), oracle("beta", timestep_pairs(T, T), labels=[4] * 5))
    with pytest.raises(ValueError, match="5 images, 2 labels"):
        bits_per_dim(conditional, IMAGES, labels=[0, 1])


def test_bounds_of_single_images_put_together_are_that_of_all():
    def part(rows, steps=7):
        mine = lambda index, x: torch.from_numpy(NOISE[index, rows])  # noqa: E731
        return bits_per_dim(model(), IMAGES[rows], steps=steps, noise=mine)

    first, rest = part([0, 1]), part([2, 3, 4])
    agree(first.with_images(rest), oracle("beta", timestep_pairs(T, 7)))
    with pytest.raises(ValueError, match="different times"):
        first.with_images(part([2], steps=6))


@pytest.mark.parametrize("batch", [1, 3, 32, 1000])
def test_batches_change_nothing_but_memory(batch, monkeypatch):
    expected = bits_per_dim(model("learned_range"), IMAGES, steps=9)
    monkeypatch.setattr("ddpm_core.likelihood.BATCH", batch)
    largest = 0
    small = model("learned_range")

    def network(x, t_index, labels, inner=small.network):
        nonlocal largest
        largest = max(largest, len(x))
        return inner(x, t_index, labels)

    result = bits_per_dim(replace(small, network=network), IMAGES, steps=9)
    # A sine or a tanh may be rounded differently at the end of a vector. The decoder makes most of it: it divides by
    # σ = 0.01 and by probabilities from 0.001 on, which gives eps/(0.01 · 0.001) = 2e-11.
    torch.testing.assert_close(result.terms, expected.terms, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(result.mse, expected.mse, rtol=1e-10, atol=1e-10)
    assert largest <= batch


def test_progress_counts_every_evaluation():
    seen = []
    bits_per_dim(model(), IMAGES, steps=9, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (45, 45) and [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_seeded_noise_is_the_default_and_float32_is_close():
    first, second = (bits_per_dim(model(), IMAGES) for _ in range(2))
    assert torch.equal(first.terms, second.terms)
    single = bits_per_dim(model(), IMAGES, dtype=torch.float32)
    torch.testing.assert_close(single.terms, first.terms, rtol=1e-3, atol=1e-4)
    alone = bits_per_dim(model(), IMAGES[:1])
    torch.testing.assert_close(alone.terms, first.terms[:1])


def test_the_default_noise_of_a_step_is_that_of_a_sampler():
    """Image i has the seed i; step `index`, counted from T, has stream index + 1, as stream 0 is x_T."""
    streams = {i: np.stack([gaussian(seed, i + 1, SHAPE).numpy() for seed in range(5)]) for i in range(T)}
    seeded = bits_per_dim(model(), IMAGES, noise=lambda index, x: torch.from_numpy(streams[index]))
    torch.testing.assert_close(bits_per_dim(model(), IMAGES).terms, seeded.terms, rtol=0, atol=0)


def test_rate_and_distortion():
    result = bits_per_dim(model(), IMAGES, noise=noise)
    torch.testing.assert_close(result.rate(T), result.prior)
    torch.testing.assert_close(result.rate(1), result.total - result.terms[:, 0])
    torch.testing.assert_close(result.rate(17), result.prior + sum(result.terms[:, i] for i in range(17, T)))
    torch.testing.assert_close(result.distortion(17), 127.5 * result.mse[:, 16].sqrt())
    strided = bits_per_dim(model(), IMAGES, steps=4, noise=noise)  # t = 1, 14, 27, 40
    torch.testing.assert_close(strided.rate(14), strided.prior + strided.terms[:, 2] + strided.terms[:, 3])
    with pytest.raises(ValueError, match="does not visit t = 15"):
        strided.rate(15)


@pytest.mark.parametrize("kind", ["beta", "beta_tilde", "analytic"])
@pytest.mark.parametrize(("steps", "spacing"), [(T, "linspace"), *CHAINS[1:]])
def test_other_chains_follow_from_a_full_one(kind, steps, spacing):
    full = bits_per_dim(model(), IMAGES, noise=noise)
    pairs = timestep_pairs(T, steps, spacing)
    same_noise = {"noise": lambda index, x: noise(T - pairs[index][0], x)}  # as the full chain had it at this t
    direct = bits_per_dim(model(), IMAGES, kind, steps, spacing, **same_noise)
    followed = rechain(full, model(), IMAGES, kind, steps, spacing)
    assert followed.times == direct.times
    for name in ("prior", "terms", "mse"):
        torch.testing.assert_close(getattr(followed, name), getattr(direct, name), rtol=1e-9, atol=1e-12)


def test_other_chains_are_refused_where_the_errors_say_too_little():
    full = bits_per_dim(model("learned"), IMAGES)
    for wrong in (model("learned"), model(prediction="mu")):
        with pytest.raises(ValueError, match="needs a full chain"):
            rechain(full, wrong, IMAGES, None, T, "linspace")


def test_progressive_decoding_shows_what_distortion_measures():
    result = bits_per_dim(model(), IMAGES, noise=noise, dtype=torch.float32)
    times = [40, 20, 1]
    x0_hat = progressive_decoding(model(), IMAGES, times, noise=lambda index, x: noise(T - times[index], x))
    assert x0_hat.shape == (3, 5, *SHAPE) and x0_hat.abs().max() <= 1
    x_0 = torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 127.5 - 1
    for row, t in zip(x0_hat, times, strict=True):
        rmse = 127.5 * (row - x_0).square().mean((1, 2, 3)).sqrt()
        torch.testing.assert_close(rmse.double(), result.distortion(t), rtol=1e-4, atol=1e-4)


@given(st.integers(0, 255), st.floats(-1.5, 1.5), st.floats(1e-3, 2.0))
@settings(max_examples=60)
def test_the_decoder_is_a_distribution_over_grey_levels(level, mean, sigma):
    grey = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    for cdf in ("tanh", "exact"):
        logs = discretized_log_likelihood(grey, torch.tensor(mean).double(), sigma**2, cdf)
        assert abs(logs.exp().sum().item() - 1) < 1e-6  # 256 floors of 1e-12 included
        x_0 = grey[level].item()
        assert math.isclose(-logs[level].item(), float(oracle_decoder(x_0, mean, sigma, cdf)), abs_tol=1e-3)


@pytest.mark.parametrize("variance", ["beta", "beta_tilde", "analytic", "learned", "learned_range"])
def test_a_chain_of_one_step_has_a_decoder_and_a_prior(variance):
    """T = 1: there is no pair (2, 1), and beta_1 stands in for its beta_tilde; the loss says the same."""
    beta = 0.3
    learned = variance.startswith("learned")
    schedule = NoiseSchedule.from_betas([beta])

    def network(x, t_index, labels):
        return torch.cat([0.5 * x, torch.full_like(x, -0.5)], 1) if learned else 0.5 * x

    one = Model(
        network=network,
        schedule=schedule,
        image_size=4,
        prediction="epsilon",
        variance=variance if learned else "beta",
        gamma=torch.ones(2).double(),
    )
    eps = gaussian(0, 0, (5, *SHAPE)).double()
    result = bits_per_dim(one, IMAGES, variance, clip=False, noise=lambda index, x: eps)
    x_0 = torch.from_numpy(IMAGES).permute(0, 3, 1, 2).double() / 127.5 - 1
    x_t = (1 - beta) ** 0.5 * x_0 + beta**0.5 * eps
    x0_hat = (x_t - beta**0.5 * 0.5 * x_t) / (1 - beta) ** 0.5
    sigma2 = math.exp(-0.5) if variance == "learned" else beta
    nats = oracle_decoder(x_0.numpy(), x0_hat.numpy(), sigma2**0.5, "tanh").mean((1, 2, 3))
    np.testing.assert_allclose(result.terms[:, 0], nats / math.log(2), rtol=1e-9)
    assert result.times == (1,) and result.total.isfinite().all()
    if variance != "analytic":
        t = torch.ones(5, dtype=torch.int64)
        found = loss(replace(one, variance=variance), x_0, t=t, eps=eps, kind="vlb")
        torch.testing.assert_close(found, result.terms[:, 0], rtol=1e-12, atol=0)
    if not learned:
        again = rechain(result, one, IMAGES, "beta_tilde", 1, "linspace")
        torch.testing.assert_close(again.total, result.total)


@pytest.mark.parametrize("variance", ["beta", "beta_tilde", "learned", "learned_range"])
@pytest.mark.parametrize("prediction", ["epsilon", "x0", "v", "mu"])
def test_the_loss_and_bits_per_dim_are_one_bound(variance, prediction):
    """T L_{t−1} of every image and time, both in a batch of mixed times, against the terms of the whole chain."""
    whole = model(variance, prediction)
    result = bits_per_dim(whole, IMAGES, clip=False, noise=noise)
    x_0 = torch.from_numpy(IMAGES).permute(0, 3, 1, 2).double() / 127.5 - 1
    for t in ([1, 2, 40, 1, 17], [40, 39, 38, 2, 3]):
        eps = torch.stack([torch.from_numpy(NOISE[T - time, i]) for i, time in enumerate(t)])
        found = loss(whole, x_0, t=torch.tensor(t), eps=eps, kind="vlb")
        expected = T * torch.stack([result.terms[i, time - 1] for i, time in enumerate(t)])
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


BAD = [
    ({"steps": 5, "spacing": "trailing"}, "visits t = 1"),
    ({"steps": 1}, "visits t = 1"),
    ({"steps": 0}, "1 to 40"),
    ({"variance": "huge"}, "unknown variance"),
    ({"variance": "learned"}, "trained with it"),
    ({"cdf": "logistic"}, "unknown cdf"),
    ({"labels": 1}, "no classes"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD)
def test_bad_arguments_get_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        bits_per_dim(model(), IMAGES, **arguments)


def test_wrong_images_get_one_sentence():
    for images in (IMAGES[:, :2], IMAGES[:0], IMAGES.astype(np.float32), IMAGES[..., :1]):
        with pytest.raises(ValueError, match="uint8"):
            bits_per_dim(model(), images)


def test_prior_of_the_papers_schedule_is_about_1e_minus_5_bits():
    schedule = NoiseSchedule.linear()
    zero = Model(
        network=lambda x, t, labels: torch.zeros_like(x), schedule=schedule, image_size=4, prediction="epsilon"
    )
    prior = bits_per_dim(zero, IMAGES, steps=2).prior
    alpha_bar = np.prod(1 - np.linspace(1e-4, 0.02, 1000))
    x_0 = IMAGES / 127.5 - 1
    nats = 0.5 * (alpha_bar * x_0**2 - alpha_bar - np.log1p(-alpha_bar))
    np.testing.assert_allclose(prior.numpy(), nats.mean((1, 2, 3)) / np.log(2), rtol=1e-9)
    # natural images have mean x_0² of about 0.25, uniform noise 0.33
    assert 0.5e-5 < prior.mean() < 2e-5
