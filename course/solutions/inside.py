"""Solutions of notebook 6, what does the middle know."""

import torch


def fit_reader(a, x_0):
    """The linear map from what a block gives at a place to the pixels of this place, by
    least squares over all runs and places.

    Centre both first: subtract the mean over the runs, which each place has for itself.
    The weights minimise ‖a W − x_0‖² of what is left (torch.linalg.lstsq). The
    constants make the reader a W + constants right for the means. a: (runs, places, C);
    x_0: (runs, places, P). Returns W, (C, P), and the constants, (places, P).
    """
    mean_a, mean_x_0 = a.mean(0), x_0.mean(0)
    weights = torch.linalg.lstsq((a - mean_a).flatten(0, 1), (x_0 - mean_x_0).flatten(0, 1)).solution
    return weights, mean_x_0 - mean_a @ weights


def r_squared(x_0, read):
    """R² = 1 − Σ (x_0 − read)² / Σ (x_0 − mean picture)²: the share of x_0 that was read.

    The mean picture is the mean over the runs; both sums go over all runs and pixels.
    x_0, read: (runs, places, P). Returns one number.
    """
    return 1 - (x_0 - read).square().sum() / (x_0 - x_0.mean(0)).square().sum()
