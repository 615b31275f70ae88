"""Solutions of notebook 2, learning to denoise."""

import torch

import ddpm_core


def draw_times(n, T):
    """n times t, each of 1, …, T with the same probability: line 3 of Algorithm 1.

    Returns int64 (n,).
    """
    return torch.randint(1, T + 1, (n,))


def x0_from_eps(schedule, x_t, t, eps):
    """x̂_0, the picture that belongs to x_t if ε is the noise in it: Eq. 4, solved for
    x_0 (Eq. 15).

    x_t, eps: float32 (N, C, H, W); t: int64 (N,). Returns float32 (N, C, H, W).
    """
    alpha_bar_t = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    x_0 = (x_t - (1 - alpha_bar_t).sqrt() * eps) / alpha_bar_t.sqrt()
    return x_0.to(x_t.dtype)


def l_simple(network, schedule, x_0, t, eps):
    """‖ε − ε_θ(x_t, t)‖², averaged over all pixels of the batch, L_simple, Eq. 14.

    network(x, index) → (N, C, H, W): it counts times from 0, so its index is t − 1.
    x_0, eps: float32 (N, C, H, W); t: int64 (N,). ddpm_core.q_sample(schedule, x_0, t,
    eps) is your q_sample of notebook 1. Returns one number, a tensor with its gradient.
    """
    x_t = ddpm_core.q_sample(schedule, x_0, t, eps)
    return (eps - network(x_t, t - 1)).square().mean()


def train_step(optimiser, loss):
    """One step of gradient descent on this loss, line 5 of Algorithm 1.

    optimiser: one of torch.optim. Returns nothing.
    """
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def update_average(average, network, decay):
    """θ_average ← decay · θ_average + (1 − decay) · θ, in place, for each parameter
    (the EMA of Appendix B).

    average, network: two networks of one kind; .parameters() gives their weights in the
    same order. Only the average changes. Returns nothing.
    """
    with torch.no_grad():
        for a, p in zip(average.parameters(), network.parameters(), strict=True):
            a.copy_(decay * a + (1 - decay) * p)
