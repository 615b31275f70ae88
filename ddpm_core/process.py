"""The equations of the diffusion process (Ho, Jain & Abbeel 2020). Symbols and equation numbers are the paper's.

Every equation holds for a step from t down to any s < t. Each is the paper's formula with α_{t|s} = ᾱ_t/ᾱ_s instead of
α_t, and β_{t|s} = 1 − α_{t|s} instead of β_t; for s = t − 1 they are equal. Coefficients are computed in float64 on the
CPU and applied in the dtype of x. t is one real number for the whole batch, or a tensor (N,), best on the CPU. At a
whole time, ᾱ_t comes from the schedule's table; `NoiseSchedule.at` defines ᾱ_t between two whole times.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddpm_core.names import LEARNED, PREDICTIONS, VARIANCES, Prediction, Variance
from ddpm_core.schedule import NoiseSchedule

Time = float | Tensor  # in type annotations, float includes int


def check_tensors(**states: object) -> None:
    """Raise ValueError if a state is not a tensor of a float dtype. Each keyword is a state's name for the message."""
    for name, state in states.items():
        if not isinstance(state, Tensor) or not state.is_floating_point():
            kind = str(state.dtype) if isinstance(state, Tensor) else type(state).__name__
            raise ValueError(f"{name} must be a tensor of a float dtype, got {kind}")


def q_sample(schedule: NoiseSchedule, x_0: Tensor, t: Time, noise: Tensor, s: float = 0) -> Tensor:
    """Return a draw x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε from q(x_t | x_0), Eq. 4; with s, a draw from q(x_t | x_s).

    Arguments:
        schedule: the noise schedule.
        x_0: (N, C, H, W), or any shape if t is one number. If s is given, this is x_s.
        t: s..T, a number, or one for each image (N,).
        noise: ε, of the shape of x_0.
        s: 0..T, the time of the given state; 0 for x_0. The result is √α_{t|s} x_s + √(1 − α_{t|s}) ε with
            α_{t|s} = ᾱ_t/ᾱ_s.

    Raises:
        ValueError: unless 0 <= s <= t <= T, or if the shapes differ.
    """
    check_tensors(x_0=x_0, noise=noise)
    if noise.shape != x_0.shape:
        raise ValueError(f"noise must have the shape of x_0, {tuple(x_0.shape)}, got {tuple(noise.shape)}")
    from_s = alpha_bar_like(schedule, s, x_0, 0)
    alpha_bar = alpha_bar_like(schedule, t, x_0, s)
    if s:
        alpha_bar = alpha_bar / from_s if from_s > 0 else torch.ones_like(alpha_bar)
    return cast(alpha_bar.sqrt(), x_0) * x_0 + cast((1 - alpha_bar).sqrt(), x_0) * noise


def posterior(
    schedule: NoiseSchedule, x_0: Tensor, x_t: Tensor, t: Time, s: Time | None = None
) -> tuple[Tensor, Tensor]:
    """Return mean and variance of q(x_s | x_t, x_0), Eqs. 6 and 7, for 0 <= s < t <= T.

    Arguments:
        schedule: the noise schedule.
        x_0: (N, C, H, W).
        x_t: the same shape.
        t: above 0 and at most T, a number, or one for each image (N,).
        s: at least 0 and below t; None for t − 1.

    Returns:
        The mean μ̃, like x_t, and the variance β̃, which broadcasts against it. At s = 0 they are x_0 and 0.

    Raises:
        ValueError: unless 0 <= s < t <= T, or if the shapes differ.
    """
    check_tensors(x_0=x_0, x_t=x_t)
    alpha_bar_t, alpha_bar_s, _, beta_ts = _pair(schedule, t, s, x_t)
    beta_tilde = (1 - alpha_bar_s) / (1 - alpha_bar_t) * beta_ts
    return posterior_mean(schedule, x_0, x_t, t, s), to_device(beta_tilde, x_t.device, x_t.dtype)


def posterior_mean(schedule: NoiseSchedule, x_0: Tensor, x_t: Tensor, t: Time, s: Time | None = None) -> Tensor:
    """Return the mean μ̃ of `posterior`, (N, C, H, W), without the variance. Arguments and errors are the same."""
    if x_0.shape != x_t.shape:
        raise ValueError(f"x_0 and x_t must have one shape, got {tuple(x_0.shape)} and {tuple(x_t.shape)}")
    alpha_bar_t, alpha_bar_s, alpha_ts, beta_ts = _pair(schedule, t, s, x_t)
    of_x_0 = alpha_bar_s.sqrt() * beta_ts / (1 - alpha_bar_t)
    of_x_t = alpha_ts.sqrt() * (1 - alpha_bar_s) / (1 - alpha_bar_t)
    return cast(of_x_0, x_t) * x_0 + cast(of_x_t, x_t) * x_t


def reverse_variance(
    schedule: NoiseSchedule,
    t: Time,
    s: Time,
    kind: Variance,
    v: Tensor | None = None,
    gamma: float | Tensor | None = None,
) -> Tensor:
    """Return σ² of the reverse step p_θ(x_s | x_t): a variance, never a standard deviation or a logarithm.

    - "beta" is β_{t|s} (section 3.2 of the paper). For a variance-exploding process, it is the variance σ_t² − σ_s²
      that the process adds (Song et al. 2021, reverse diffusion); in our coordinates, ᾱ_s (σ_t² − σ_s²) = β_{t|s}
      ᾱ_s/ᾱ_t.
    - "beta_tilde" is β̃ = (1 − ᾱ_s)/(1 − ᾱ_t) β_{t|s} (section 3.2).
    - "analytic" is the optimum for a network with E‖ε_θ(x_t, t)‖²/d = gamma · (1 − ᾱ_t) (Bao et al. 2022, Theorem 1).
      The variance of x_0 given x_t is clamped to [0, 1], because the data lie in [−1, 1].
    - "learned" is exp(v) with v = log σ². This kind exists only for steps with s = t − 1.
    - "learned_range" is exp(u log β + (1 − u) log β̃) with u = (v + 1)/2 (Nichol & Dhariwal 2021, Eq. 15). At s = 0, β̃
      is 0, and `decoder_variance` replaces it, as in the authors' code.

    Arguments:
        schedule: the noise schedule.
        t, s: times, 0 <= s < t <= T, numbers, or one for each image (N,).
        kind: one of names.VARIANCES.
        v: the network's output for the two learned kinds, (N, C, H, W).
        gamma: Γ >= 0 for "analytic", at the time `gamma_time(t)`: t, or t − 1 if ᾱ_t = 0.

    Returns:
        A float64 scalar or (N, 1, 1, 1); for the learned kinds, a tensor like v. Only "beta_tilde" is 0 at s = 0.

    Raises:
        ValueError: for an unknown kind, a missing v or gamma, or a strided pair with "learned".
    """
    if kind not in VARIANCES:
        raise ValueError(f"unknown variance {kind!r}: choose from {', '.join(VARIANCES)}")
    if kind in LEARNED:
        if v is None:
            raise ValueError(f"variance {kind!r} needs a network with 2C output channels, whose second half is v")
        return _learned_variance(schedule, t, s, kind, v)
    images = v if v is not None else torch.empty(torch.as_tensor(t).numel(), 1, 1, 1)
    alpha_bar_t, alpha_bar_s, alpha_ts, beta_ts = _pair(schedule, t, s, images)
    beta_tilde = (1 - alpha_bar_s) / (1 - alpha_bar_t) * beta_ts
    if kind == "beta":
        return beta_ts / alpha_ts if schedule.exploding else beta_ts
    if kind == "beta_tilde":
        return beta_tilde
    if gamma is None:
        raise ValueError("variance 'analytic' needs gamma, estimated once per checkpoint")
    gamma = torch.as_tensor(gamma, dtype=torch.float64).reshape(alpha_bar_t.shape)
    if not bool((gamma >= 0).all()):
        raise ValueError(f"gamma is a mean square, at least 0, got {gamma.min().item()}")
    # Law of total variance: x_s varies by β̃ for a fixed x_0, and its mean μ̃ varies with x_0.
    known = alpha_bar_like(schedule, gamma_time(schedule, t), images, 0)
    x_0_variance = ((1 - known) / known * (1 - (1 - known) * gamma)).clamp(0, 1)
    return beta_tilde + alpha_bar_s * (beta_ts / (1 - alpha_bar_t)) ** 2 * x_0_variance


def _learned_variance(schedule: NoiseSchedule, t: Time, s: Time, kind: Variance, v: Tensor) -> Tensor:
    """Return σ² of the kinds "learned" and "learned_range", like v: see `reverse_variance`."""
    alpha_bar_t, alpha_bar_s, _, beta_ts = _pair(schedule, t, s, v)
    if kind == "learned":
        if not bool(torch.as_tensor(_number(t) - _number(s) == 1).all()):
            raise ValueError(
                "variance 'learned' belongs to single steps s = t − 1: use all T steps, or another variance"
            )
        return v.exp()
    beta_tilde = (1 - alpha_bar_s) / (1 - alpha_bar_t) * beta_ts
    log_beta_tilde = torch.where(beta_tilde > 0, beta_tilde, decoder_variance(schedule)).log()
    u = (v + 1) / 2
    return (u * cast(beta_ts.log(), v) + (1 - u) * cast(log_beta_tilde, v)).exp()


def decoder_variance(schedule: NoiseSchedule) -> Tensor:
    """Return the variance that replaces β̃ = 0 at s = 0: β̃ of the step from t = 2 to s = 1, as in the paper's code.

    If T = 1, it is β_1.
    """
    return reverse_variance(schedule, 2, 1, "beta_tilde") if schedule.T > 1 else schedule.beta[1]


def gamma_time(schedule: NoiseSchedule, t: Time) -> Any:
    """Return the time whose Γ the analytic variance at t uses: t − 1 if ᾱ_t = 0, else t itself.

    If ᾱ_t = 0, x_t is noise alone, so Γ_t is 1 for any data. Then the variance of x_0 given x_t does not follow from
    Γ_t. The variance of x_0 given x_{t−1} is nearly the same, because x_{t−1} is nearly noise alone.
    """
    found: Any = _number(t)
    if isinstance(found, Tensor):
        return found - (schedule.at(found).alpha_bar == 0).to(found)
    return found - int(schedule.alpha_bar_at(found) == 0)


def gamma_at(schedule: NoiseSchedule, gamma: Tensor, t: Time) -> Tensor:
    """Return Γ at `gamma_time(t)`, a scalar or (N,), from its table (T + 1,).

    Γ is interpolated linearly between two whole times. t: as for `check_time`.
    """
    times = torch.as_tensor(gamma_time(schedule, t), dtype=torch.float64).clamp(min=1)
    low = times.long()
    return torch.lerp(gamma[low], gamma[(low + 1).clamp(max=schedule.T)], times - low)


def to_x0_eps(
    schedule: NoiseSchedule, prediction: Prediction, output: Tensor, x_t: Tensor, t: Time
) -> tuple[Tensor, Tensor]:
    """Return (x̂_0, ε), both like x_t, from a network's output. They agree with x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε.

    Arguments:
        schedule: the noise schedule.
        prediction: what the output is: "epsilon" (Eq. 11), "x0", "v" = √ᾱ_t ε − √(1 − ᾱ_t) x_0 (Salimans & Ho 2022),
            "mu", the mean of q(x_{t−1} | x_t, x_0) (Eq. 7), or "flow" = ε − x_0 (Lipman et al. 2023).
        output, x_t: (N, C, H, W).
        t: above 0 and at most T, a number, or one for each image (N,).

    Raises:
        ValueError: for an unknown prediction or another shape, and for "epsilon" where ᾱ_t = 0: there, ε does not
            determine x̂_0.
    """
    _check_prediction(prediction, x_t, output)
    alpha_bar = alpha_bar_like(schedule, t, x_t, 1)
    signal, sigma = cast(alpha_bar.sqrt(), x_t), cast((1 - alpha_bar).sqrt(), x_t)
    check_signal(prediction, alpha_bar)
    if prediction == "epsilon":
        return (x_t - sigma * output) / signal, output
    if prediction == "v":
        return signal * x_t - sigma * output, sigma * x_t + signal * output
    if prediction == "flow":
        return (x_t - sigma * output) / (signal + sigma), (x_t + signal * output) / (signal + sigma)
    if prediction == "mu":
        output = _solve_posterior_mean(schedule, output, x_t, t)
    return output, (x_t - signal * output) / sigma


def check_signal(prediction: Prediction, alpha_bar: Tensor) -> None:
    """Raise ValueError if an ᾱ_t is 0 and the network predicts ε: x_t is noise alone, so ε does not determine x_0.

    alpha_bar: ᾱ_t, of any shape.
    """
    if prediction == "epsilon" and bool((alpha_bar == 0).any()):
        raise ValueError("x_T is pure noise in this schedule (alpha_bar[T] = 0): ε-prediction can't give x̂_0 there")


def from_x0_eps(
    schedule: NoiseSchedule, prediction: Prediction, x_0: Tensor, eps: Tensor, x_t: Tensor, t: Time
) -> Tensor:
    """Return the output of a perfect network with this prediction, like x_t: the target of the training.

    This function is the inverse of `to_x0_eps`; the arguments are the same.
    """
    _check_prediction(prediction, x_t, x_0, eps)
    if prediction == "epsilon":
        return eps
    if prediction == "x0":
        return x_0
    if prediction == "flow":
        return eps - x_0
    if prediction == "mu":
        return posterior_mean(schedule, x_0, x_t, t)
    alpha_bar = alpha_bar_like(schedule, t, x_t, 1)
    return cast(alpha_bar.sqrt(), x_t) * eps - cast((1 - alpha_bar).sqrt(), x_t) * x_0


def _solve_posterior_mean(schedule: NoiseSchedule, mean: Tensor, x_t: Tensor, t: Time) -> Tensor:
    """Return the x_0 for which the posterior mean of the step from t to t − 1 is `mean`."""
    zero = torch.zeros_like(x_t)
    of_x_t = posterior_mean(schedule, zero, x_t, t)
    of_one = posterior_mean(schedule, zero + 1, zero, t)
    return (mean - of_x_t) / of_one


def _check_prediction(prediction: str, x_t: Tensor, *others: Tensor) -> None:
    """Raise ValueError for an unknown prediction, and for tensors of another shape than x_t."""
    if prediction not in PREDICTIONS:
        raise ValueError(f"unknown prediction {prediction!r}: choose from {', '.join(PREDICTIONS)}")
    for other in others:
        if other.shape != x_t.shape:
            raise ValueError(f"all tensors must have the shape of x_t, {tuple(x_t.shape)}, got {tuple(other.shape)}")


def _pair(schedule: NoiseSchedule, t: Time, s: Time | None, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ᾱ_t, ᾱ_s, α_{t|s} and β_{t|s}, float64, to broadcast against x. If s is None, it is t − 1."""
    t = check_time(t, x, 1, schedule.T)
    s = check_time(t - 1 if s is None else s, x, 0, schedule.T)
    if not bool((torch.as_tensor(s) < torch.as_tensor(t)).all()):
        raise ValueError(f"a step goes down in time: s must be below t, got t = {t} and s = {s}")
    alpha_bar_t, alpha_bar_s = (as_column(schedule.at(time).alpha_bar, x) for time in (t, s))
    alpha_ts = alpha_bar_t / alpha_bar_s
    if is_whole_time(t):  # for s = t − 1, take β from the table, because 1 − ᾱ_t/ᾱ_s loses digits
        single = torch.as_tensor(t - s == 1).reshape(alpha_ts.shape)
        row: Any = t.cpu() if isinstance(t, Tensor) else t
        return alpha_bar_t, alpha_bar_s, alpha_ts, torch.where(single, as_column(schedule.beta[row], x), 1 - alpha_ts)
    return alpha_bar_t, alpha_bar_s, alpha_ts, 1 - alpha_ts


def alpha_bar_like(schedule: NoiseSchedule, t: Time | np.integer, x: Tensor, first: float) -> Tensor:
    """Return ᾱ_t, float64 on the CPU: a scalar if t is a number, (N, 1, ..., 1) if t is a tensor (N,) for N images x.

    first: the smallest t that is allowed, as for `check_time`.
    """
    return as_column(schedule.at(check_time(t, x, first, schedule.T)).alpha_bar, x)


def as_column(values: Tensor, x: Tensor) -> Tensor:
    """Return a tensor (N,) as (N, 1, ..., 1), to broadcast against x. Return a scalar unchanged."""
    return values.reshape(-1, *[1] * (x.ndim - 1)) if values.ndim else values


def is_whole_time(t: Time) -> bool:
    """Return whether t, a result of `check_time`, is a whole time, so that a table has it."""
    return not t.is_floating_point() if isinstance(t, Tensor) else isinstance(t, int)


def check_time(t: Time | np.integer, x: Tensor, first: float, T: int) -> Time:
    """Return t as an int or int64 (N,) if it is whole, even if its type is float; else as a float or float64 (N,).

    Raise ValueError unless t is a number from `first` to T, or a tensor with such a number for each image of x. If
    `first` is 1, numbers between 0 and 1 are also allowed.
    """
    if isinstance(t, Tensor) and t.ndim:
        if t.is_complex() or t.dtype == torch.bool:
            raise ValueError(f"t must be numbers, such as torch.int64, got {t.dtype}")
        if t.ndim != 1 or len(t) != len(x):
            raise ValueError(f"t must be a number or one per image ({len(x)}), got shape {tuple(t.shape)}")
    try:
        found = _number(t)
        inside = ((found >= first) | ((found > 0) & (first == 1))) & (found <= T)
    except TypeError:
        raise ValueError(f"t must be a number or a tensor, got {type(t).__name__}") from None
    if not (inside.all() if isinstance(inside, Tensor) else inside):
        raise ValueError(f"t must {f'be above 0 and at most {T}' if first == 1 else f'lie in {first}..{T}'}, got {t}")
    return found


def _number(t: Time | np.integer) -> Time:
    """Return t as an int or int64 (N,) if it is whole, else as a float or float64 (N,). Raise TypeError for no number.

    Other dtypes would be wrong: torch reads an index of uint8 as a mask, and t − 1 of an unsigned t can overflow.
    """
    if isinstance(t, Tensor) and t.ndim:
        whole = not t.is_floating_point() or bool((t == t.floor()).all())
        return t.long() if whole else t.double()
    one: Any = t.item() if isinstance(t, Tensor) else t
    if isinstance(one, (bool, np.bool_)):
        raise TypeError("True and False are not times")
    if isinstance(one, (float, np.floating)):
        return int(one) if float(one).is_integer() else float(one)
    return operator.index(one)


def to_device(values: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Return values, of any shape, cast to a dtype and moved to a device. The cast comes first for Apple's GPUs, which
    have no float64.

    From the CPU to CUDA, they go through pinned memory, so that the CPU does not wait for earlier computations.
    """
    values = values.to(dtype or values.dtype)
    if device.type == "cuda" and values.device.type == "cpu":
        return (values if values.is_pinned() else values.pin_memory()).to(device, non_blocking=True)
    return values.to(device)


def cast(coefficient: Tensor, x: Tensor) -> Tensor | float:
    """Return a float64 coefficient in the dtype and on the device of x. A scalar becomes a Python number."""
    return coefficient.item() if coefficient.ndim == 0 else to_device(coefficient, x.device, x.dtype)
