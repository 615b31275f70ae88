"""The oracle: schedules, spacings, chains and closed forms in plain float64 NumPy, written from the papers' equations.

It shares no code with ddpm_core. Time runs t = 1..T; `ab` is a table over t = 0..T with ab[0] = 1.

DDPM: Ho, Jain & Abbeel 2020. DDIM: Song, Meng & Ermon 2020. IDDPM: Nichol & Dhariwal 2021. Analytic-DPM: Bao et al.
    2022. EDM: Karras et al. 2022.
"""

import itertools
import math

import numpy as np

# Schedules


def linear_betas(T=1000, start=1e-4, end=0.02):
    """Return the betas of DDPM, section 4."""
    return np.array([start + (end - start) * i / (T - 1) for i in range(T)])


def betas_from(f, T, most=0.999):
    """Return betas whose alpha_bar follows f, a function of t / T (IDDPM Eq. 17, and the limit of 0.999 below it)."""
    return np.array([min(1 - f((i + 1) / T) / f(i / T), most) for i in range(T)])


def cosine(u):
    """Return alpha_bar of IDDPM Eq. 17, up to its constant factor."""
    return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2


def laplace(u):
    """Return the curve that diffusers calls "laplace": the root of SNR / (1 + SNR); log SNR is a Laplace quantile."""
    snr = math.exp(-0.5 * math.copysign(1, 0.5 - u) * math.log(1 - 2 * abs(0.5 - u) + 1e-6))
    return math.sqrt(snr / (1 + snr))


def betas_named(name, T=1000, start=1e-4, end=0.02):
    """Return the betas of a `beta_schedule` of diffusers' DDPMScheduler."""
    if name == "linear":
        return linear_betas(T, start, end)
    if name == "scaled_linear":
        return linear_betas(T, math.sqrt(start), math.sqrt(end)) ** 2
    if name == "squaredcos_cap_v2":
        return betas_from(cosine, T)
    if name == "laplace":
        return betas_from(laplace, T)
    if name == "sigmoid":
        return start + (end - start) / (1 + np.exp(-np.linspace(-6, 6, T)))
    raise KeyError(name)


def zero_snr(betas):
    """Return betas for which sqrt(alpha_bar) ends at 0: Lin et al. 2023 ("Common Diffusion Noise Schedules ... are
    Flawed"), Algorithm 1.
    """
    root = np.sqrt(np.cumprod(1 - betas))
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    ab = root**2
    return 1 - np.concatenate([ab[:1], ab[1:] / ab[:-1]])


def alpha_bar(betas):
    return np.concatenate([[1.0], np.cumprod(1.0 - np.asarray(betas, np.float64))])


# Spacings, in exact arithmetic where the formula allows it


def half_to_even(a, b):
    """Return a / b rounded to the nearest whole number as np.round does, without an earlier rounding error."""
    floor, rest = divmod(a, b)
    return floor + (2 * rest > b or (2 * rest == b and floor % 2))


def visited(T, n, spacing):
    """Return the n times t that a chain visits, ascending."""
    if n == 1:
        return [T]
    if spacing == "linspace":
        return [1 + int(t) for t in np.linspace(0, T - 1, n).round()]
    if spacing == "leading":
        return [1 + k * (T // n) for k in range(n)]
    if spacing == "trailing":
        return [half_to_even(T * k, n) for k in range(1, n + 1)]
    if spacing == "quadratic":
        ts = [1 + int((k * math.sqrt(0.8 * T) / (n - 1)) ** 2) for k in range(n)]
    else:
        assert spacing == "quadratic_T"
        ts = [1 + round((T - 1) * (k / (n - 1)) * (k / (n - 1))) for k in range(n)]
    for k in range(1, n):
        ts[k] = max(ts[k], ts[k - 1] + 1)
    return [min(t, T - (n - 1 - k)) for k, t in enumerate(ts)]


def pairs(T, n, spacing="linspace"):
    ts = [0, *visited(T, n, spacing)]
    return [(t, s) for s, t in itertools.pairwise(ts)][::-1]


# One step


def x0_of(ab, kind, out, x, t):
    """Return x_0 from the network's output: DDPM Eq. 4, Salimans & Ho 2022 for v, DDPM Eq. 7 at (t, t - 1) for mu.

    The output of a flow is eps - x_0, from which x_0 follows with x.
    """
    if kind == "epsilon":
        return (x - math.sqrt(1 - ab[t]) * out) / math.sqrt(ab[t])
    if kind == "x0":
        return out
    if kind == "v":
        return math.sqrt(ab[t]) * x - math.sqrt(1 - ab[t]) * out
    if kind == "flow":
        return (x - math.sqrt(1 - ab[t]) * out) / (math.sqrt(ab[t]) + math.sqrt(1 - ab[t]))
    assert kind == "mu"
    a, beta = ab[t] / ab[t - 1], 1 - ab[t] / ab[t - 1]
    return (out * (1 - ab[t]) - math.sqrt(a) * (1 - ab[t - 1]) * x) / (math.sqrt(ab[t - 1]) * beta)


def output_of(ab, kind, eps, x, t):
    """Return the output of a network of this kind that predicts this eps."""
    x0 = x0_of(ab, "epsilon", eps, x, t)
    return {
        "epsilon": lambda: eps,
        "x0": lambda: x0,
        "v": lambda: math.sqrt(ab[t]) * eps - math.sqrt(1 - ab[t]) * x0,
        "mu": lambda: mean(ab, x0, x, t, t - 1),
        "flow": lambda: eps - x0,
    }[kind]()


def mean(ab, x0, x, t, s):
    """Return the mean of x_s, DDPM Eq. 7 for a pair (t, s)."""
    a = ab[t] / ab[s]
    return (math.sqrt(ab[s]) * (1 - a) * x0 + math.sqrt(a) * (1 - ab[s]) * x) / (1 - ab[t])


def variance(ab, kind, t, s, v=None, gamma=None, grows=False):
    """Return the variance of x_s: DDPM section 3.2; IDDPM Eq. 15, with v in [-1, 1] as in its code; Analytic-DPM's
    optimal one.

    grows: "beta" is σ_t² − σ_s² of x_0 + σ z (Song et al. 2021, Eq. 46), times ab[s].
    """
    beta = 1 - ab[t] / ab[s]
    beta_tilde = (1 - ab[s]) / (1 - ab[t]) * beta
    if kind == "beta":
        return ab[s] * (1 / ab[t] - 1 / ab[s]) if grows else beta
    if kind == "beta_tilde":
        return beta_tilde
    if kind == "learned":
        return np.exp(v)
    if kind == "learned_range":
        share = (v + 1) / 2
        return np.exp(share * math.log(beta) + (1 - share) * math.log(beta_tilde))
    assert kind == "analytic"
    bar_t, bar_s, a = 1 - ab[t], 1 - ab[s], ab[t] / ab[s]
    return beta_tilde + (math.sqrt(bar_t / a) - math.sqrt(bar_s - beta_tilde)) ** 2 * (1 - bar_t * gamma)


# Whole chains. Each yields (x_s, x0_hat, sigma) for each step. eps(x, t) is the network, noise(index, x) the added
# noise.


def ddpm(ab, eps, x, pairs, kind, noise, clip, second_half=None, grows=False):
    """Yield the steps of Algorithm 2 on the pairs. second_half(x, t): v of a network with learned variance; grows: see
    `variance`.
    """
    for i, (t, s) in enumerate(pairs):
        x0 = x0_of(ab, "epsilon", eps(x, t), x, t)
        x0 = np.clip(x0, -1, 1) if clip else x0
        v = second_half(x, t) if second_half else None
        sigma = np.sqrt(variance(ab, kind, t, s, v, grows=grows)) if s > 0 else 0.0
        x = mean(ab, x0, x, t, s) + sigma * noise(i, x)
        yield x, x0, sigma


def ddim(ab, eps, x, pairs, eta, noise, clip):
    """Yield the steps of DDIM, Eqs. 12 and 16. eps is computed again from the clipped x_0."""
    for i, (t, s) in enumerate(pairs):
        x0 = x0_of(ab, "epsilon", eps(x, t), x, t)
        x0 = np.clip(x0, -1, 1) if clip else x0
        e = (x - math.sqrt(ab[t]) * x0) / math.sqrt(1 - ab[t])
        sigma = eta * math.sqrt((1 - ab[s]) / (1 - ab[t])) * math.sqrt(1 - ab[t] / ab[s])
        x = math.sqrt(ab[s]) * x0 + math.sqrt(1 - ab[s] - sigma**2) * e + sigma * noise(i, x)
        yield x, x0, sigma


# Karras et al. 2022 (EDM), where x = x_0 + sigma n


def karras(n, low, high, rho=7.0):
    """Return n falling sigmas, Eq. 5."""
    roots = [high ** (1 / rho) + i / (n - 1) * (low ** (1 / rho) - high ** (1 / rho)) for i in range(n)]
    return [root**rho for root in roots]


def denoiser(F, sigma_data=0.5):
    """Return D of Table 1 for F(x, c_noise)."""

    def D(x, sigma):
        total = sigma**2 + sigma_data**2
        c_skip, c_out, c_in = sigma_data**2 / total, sigma * sigma_data / math.sqrt(total), 1 / math.sqrt(total)
        return c_skip * x + c_out * F(c_in * x, math.log(sigma) / 4)

    return D


def heun(D, x, sigmas, noise, S_churn=0.0, S_min=0.0, S_max=math.inf, S_noise=1.0):
    """Run Algorithm 2, line by line, and return x. noise(i, x): standard normal."""
    t, N = [*sigmas, 0.0], len(sigmas)
    for i in range(N):
        gamma = min(S_churn / N, math.sqrt(2) - 1) if S_min <= t[i] <= S_max else 0.0
        eps = S_noise * noise(i, x)
        t_hat = t[i] + gamma * t[i]
        x_hat = x + math.sqrt(t_hat**2 - t[i] ** 2) * eps
        denoised = D(x_hat, t_hat)
        d = (x_hat - denoised) / t_hat
        x = x_hat + (t[i + 1] - t_hat) * d
        if t[i + 1] != 0:
            d_prime = (x - D(x, t[i + 1])) / t[i + 1]
            x = x_hat + (t[i + 1] - t_hat) * (0.5 * d + 0.5 * d_prime)
        yield x, denoised


# Gaussian data N(m, s2): the exact network for them, and the result of a chain with this network from N(0, 1)


def gaussian_eps(ab, m, s2, x, t):
    """Return E[eps | x_t], where x_t ~ N(sqrt(ab) m, ab s2 + 1 - ab)."""
    return math.sqrt(1 - ab[t]) * (x - math.sqrt(ab[t]) * m) / (ab[t] * s2 + 1 - ab[t])


def gaussian_chain(ab, m, s2, pairs, step):
    """Return (mean, variance) of x at the end. step(x0, x, t, s) returns the mean of x_s, affine in x0 and x, and
    sigma^2.
    """
    mu, var = 0.0, 1.0
    for t, s in pairs:
        (at_0, noise), (at_1, _) = (
            step(x0_of(ab, "epsilon", gaussian_eps(ab, m, s2, x, t), x, t), x, t, s) for x in (0.0, 1.0)
        )
        slope = at_1 - at_0
        mu, var = slope * mu + at_0, slope**2 * var + noise
    return mu, var


# A small network for all tests: smooth, neither odd nor linear, different at every t, without mixing between images


def toy_eps(x, t):
    """Return a plausible eps for x_t, elementwise, float64."""
    return 0.6 * x + 0.4 * np.sin(2.0 * x + 0.01 * t) + 0.1
