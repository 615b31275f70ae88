"""diffusers' multistep solvers, DPM-Solver++ (Lu et al. 2022) and UniPC (Zhao et al. 2023), on our pairs and tables.

Both are deterministic, of order two, and work with x̂_0, so clipping it acts as in our own samplers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ddpm_core.names import Sampler
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.timesteps import Pairs

# Names of diffusers' classes.
SOLVERS: dict[Sampler, str] = {
    "dpm++": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
}
Advance = Callable[[Tensor, float, Tensor], Tensor]  # (x̂_0, t, x_t) -> x_s


def check_start(name: Sampler, schedule: NoiseSchedule, pairs: Pairs) -> None:
    """Raise ValueError if ᾱ is 0 at the first time: the solvers divide by it."""
    if schedule.alpha_bar_at(pairs[0][0]) == 0:
        raise ValueError(f"sampler {name!r} can't start from pure noise (alpha_bar[T] = 0): use ddpm or ddim")


def solver(name: Sampler, schedule: NoiseSchedule, pairs: Pairs) -> Advance:
    """Return a function (x̂_0, t, x_t) -> x_s. Call it once for each pair, in order: it keeps the earlier x̂_0.

    name: one of SOLVERS. Raises the same as `check_start`.
    """
    from ddpm_core.engines import from_diffusers  # nothing else of a run waits for diffusers: its import takes seconds

    check_start(name, schedule, pairs)
    kind = getattr(from_diffusers, SOLVERS[name])
    # By default order two, first order where the last step reaches s = 0.
    scheduler = kind(num_train_timesteps=schedule.T, prediction_type="sample", final_sigmas_type="zero")
    scheduler.set_timesteps(len(pairs))
    # Replaced by our times and by √((1 − ᾱ)/ᾱ) in float64, which the scheduler derives everything else from.
    times = [t for t, _ in pairs]
    scheduler.timesteps = torch.tensor(times, dtype=None if all(isinstance(t, int) for t in times) else torch.float64)
    scheduler.sigmas = schedule.at(torch.tensor([*times, 0], dtype=torch.float64)).sigma

    def advance(x_0: Tensor, t: float, x: Tensor) -> Tensor:
        if x.device.type == "mps":  # has no float64
            return advance(x_0.cpu(), t, x.cpu()).to(x.device)
        return scheduler.step(x_0, t, x, return_dict=False)[0]

    return advance
