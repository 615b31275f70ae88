"""Denoising diffusion probabilistic models (Ho, Jain & Abbeel, NeurIPS 2020): the process, samplers and checkpoints."""

from importlib import import_module

# torch and diffusers take seconds to import: each name is fetched from its module when it is first used.
_HOME = {
    "CheckpointError": "refs",
    "Model": "checkpoint",
    "NoiseSchedule": "schedule",
    "Step": "samplers",
    "bits_per_dim": "likelihood",
    "load": "checkpoint",
    "posterior": "process",
    "q_sample": "process",
    "reverse_variance": "process",
    "sample": "samplers",
    "save": "saving",
    "side_by_side": "samplers",
    "timestep_pairs": "timesteps",
    "trajectory": "samplers",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"ddpm_core.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
