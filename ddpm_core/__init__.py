"""Denoising diffusion probabilistic models (Ho, Jain & Abbeel, NeurIPS 2020): the process, samplers and checkpoints."""

from __future__ import annotations  # also read by versions of Python that python_versions refuses

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ddpm_core.imports import collector_off

if TYPE_CHECKING:  # for editors and type checkers, which can't follow __getattr__; a test compares it with _HOME
    from ddpm_core.checkpoint.load import load as load
    from ddpm_core.checkpoint.refs import CheckpointError as CheckpointError
    from ddpm_core.checkpoint.save import save as save
    from ddpm_core.checkpoint.sidecars.readers_file import readers as readers
    from ddpm_core.engines.blocks import inside as inside
    from ddpm_core.engines.blocks import module as module
    from ddpm_core.few_steps.optimised import optimise_timesteps as optimise_timesteps
    from ddpm_core.imaging import from_uint8 as from_uint8
    from ddpm_core.imaging import to_uint8 as to_uint8
    from ddpm_core.imaging.show import Shown as Shown
    from ddpm_core.imaging.show import show as show
    from ddpm_core.latents import encode as encode
    from ddpm_core.latents import interpolate as interpolate
    from ddpm_core.latents import invert as invert
    from ddpm_core.latents import reconstruct as reconstruct
    from ddpm_core.likelihood import bits_per_dim as bits_per_dim
    from ddpm_core.model import Model as Model
    from ddpm_core.noise import seeded_noise as seeded_noise
    from ddpm_core.objective import l_simple as l_simple
    from ddpm_core.ode import ode_log_prob as ode_log_prob
    from ddpm_core.prediction import Denoised as Denoised
    from ddpm_core.prediction import predict as predict
    from ddpm_core.prediction import word_square as word_square
    from ddpm_core.process import posterior as posterior
    from ddpm_core.process import q_sample as q_sample
    from ddpm_core.process import reverse_variance as reverse_variance
    from ddpm_core.runs import sample as sample
    from ddpm_core.runs import side_by_side as side_by_side
    from ddpm_core.runs import trajectory as trajectory
    from ddpm_core.samplers import Step as Step
    from ddpm_core.schedule import NoiseSchedule as NoiseSchedule
    from ddpm_core.timesteps import timestep_pairs as timestep_pairs

# torch and diffusers take seconds to import: each name is fetched from its module when it is first used.
_HOME = {
    "CheckpointError": "checkpoint.refs",
    "Denoised": "prediction",
    "Model": "model",
    "NoiseSchedule": "schedule",
    "Shown": "imaging.show",
    "Step": "samplers",
    "bits_per_dim": "likelihood",
    "encode": "latents",
    "from_uint8": "imaging",
    "inside": "engines.blocks",
    "interpolate": "latents",
    "invert": "latents",
    "l_simple": "objective",
    "load": "checkpoint.load",
    "module": "engines.blocks",
    "ode_log_prob": "ode",
    "optimise_timesteps": "few_steps.optimised",
    "posterior": "process",
    "predict": "prediction",
    "q_sample": "process",
    "readers": "checkpoint.sidecars.readers_file",
    "reconstruct": "latents",
    "reverse_variance": "process",
    "sample": "runs",
    "save": "checkpoint.save",
    "seeded_noise": "noise",
    "show": "imaging.show",
    "side_by_side": "runs",
    "timestep_pairs": "timesteps",
    "to_uint8": "imaging",
    "trajectory": "runs",
    "word_square": "prediction",
}
__all__ = list(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with collector_off():
        return getattr(import_module(f"ddpm_core.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
