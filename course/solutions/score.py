"""Solutions of notebook 5, how good is it."""

import torch


def gaussian_kl(mean_1, variance_1, mean_2, variance_2):
    """KL(N(mean_1, variance_1) ‖ N(mean_2, variance_2)) of each pixel, in nats.

    ½ (r − 1 − log r + (mean_1 − mean_2)² / variance_2) with r = variance_1 /
    variance_2. All four: tensors of one shape. Returns a tensor of this shape. L_{t−1}
    is the mean of this (Eqs. 5 and 8).
    """
    r = variance_1 / variance_2
    return 0.5 * (r - 1 - torch.log(r) + (mean_1 - mean_2) ** 2 / variance_2)


def pixel_bits(x_0, mean, sigma):
    """−log₂ of the probability that N(mean, σ²) gives to the grey level x_0, the
    decoder of Eq. 13.

    A grey level stands for the bin from x_0 − 1/255 to x_0 + 1/255; the bin of −1 goes
    down to −∞, that of 1 up to ∞. torch.special.ndtr is Φ, the normal CDF. x_0, mean,
    sigma: one shape. Returns bits for each pixel.
    """
    upper = torch.special.ndtr((x_0 + 1 / 255 - mean) / sigma)
    lower = torch.special.ndtr((x_0 - 1 / 255 - mean) / sigma)
    upper = torch.where(x_0 > 0.999, torch.ones_like(upper), upper)
    lower = torch.where(x_0 < -0.999, torch.zeros_like(lower), lower)
    return -torch.log2(upper - lower)


def rate(prior, terms, t):
    """Bits that are sent until the receiver has x_t: L_T + L_{T−1} + … + L_t (Algorithm
    3).

    prior: L_T; terms: L_0, L_1, …, L_{T−1} in this order, (T,); t: 1, …, T. Returns one
    number.
    """
    return prior + terms[t:].sum()


def distortion(x_0, x0_hat):
    """√(mean (x_0 − x̂_0)²) of each image, in grey levels from 0 to 255 (Fig. 5).

    x_0, x0_hat: (N, C, H, W), in [−1, 1]. Returns (N,).
    """
    return 127.5 * (x_0 - x0_hat).square().mean((1, 2, 3)).sqrt()


def frechet_distance(features_1, features_2):
    """‖μ₁ − μ₂‖² + tr(C₁ + C₂ − 2 (C₁ C₂)^½), the distance between two Gaussians that
    FID measures.

    μ and C: mean and covariance (torch.cov) of the features, (N, D) each. tr (C₁ C₂)^½
    is the sum of the roots of the eigenvalues of C₁ C₂ (torch.linalg.eigvals(…).real;
    rounding can make them a little negative). Returns one number.
    """
    c_1, c_2 = torch.cov(features_1.T), torch.cov(features_2.T)
    eigenvalues = torch.linalg.eigvals(c_1 @ c_2).real.clamp(min=0)
    means = features_1.mean(0) - features_2.mean(0)
    return means.square().sum() + torch.trace(c_1) + torch.trace(c_2) - 2 * eigenvalues.sqrt().sum()
