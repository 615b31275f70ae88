"""Denoising diffusion probabilistic models (Ho, Jain & Abbeel, NeurIPS 2020): the process, samplers and checkpoints."""

from ddpm_core.checkpoint import CheckpointError, Model, load, save
from ddpm_core.likelihood import bits_per_dim
from ddpm_core.process import posterior, q_sample, reverse_variance
from ddpm_core.samplers import Step, sample, trajectory
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.timesteps import timestep_pairs

__all__ = [
    "CheckpointError",
    "Model",
    "NoiseSchedule",
    "Step",
    "bits_per_dim",
    "load",
    "posterior",
    "q_sample",
    "reverse_variance",
    "sample",
    "save",
    "timestep_pairs",
    "trajectory",
]
