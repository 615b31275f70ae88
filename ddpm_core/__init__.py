"""Denoising diffusion probabilistic models (Ho, Jain & Abbeel, NeurIPS 2020): the process, samplers and checkpoints."""

from __future__ import annotations  # lets an old Python read this file; then `python_versions` refuses it

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ddpm_core.imports import collector_off
from ddpm_core.signatures import readable

if TYPE_CHECKING:  # for editors and type checkers, which can't follow __getattr__; a test compares the names with _HOME
    from ddpm_core import data as data
    from ddpm_core.checkpoint.load import load as load
    from ddpm_core.checkpoint.refs import CheckpointError as CheckpointError
    from ddpm_core.checkpoint.save import save as save
    from ddpm_core.checkpoint.sidecars.readers_file import readers as readers
    from ddpm_core.engines.blocks import inside as inside
    from ddpm_core.engines.blocks import module as module
    from ddpm_core.engines.onnx_file import export_onnx as export_onnx
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
    from ddpm_core.objective import loss as loss
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

# {public name: the module that defines it}. A module is imported when one of its names is first used, because torch and
# diffusers take seconds to import.
_HOME = {
    "CheckpointError": "checkpoint.refs",
    "Denoised": "prediction",
    "Model": "model",
    "NoiseSchedule": "schedule",
    "Shown": "imaging.show",
    "Step": "samplers",
    "bits_per_dim": "likelihood",
    "encode": "latents",
    "export_onnx": "engines.onnx_file",
    "from_uint8": "imaging",
    "inside": "engines.blocks",
    "interpolate": "latents",
    "invert": "latents",
    "load": "checkpoint.load",
    "loss": "objective",
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
_ROOMS = ("data",)  # public submodules, imported when they are first used
__all__ = [*_HOME, *_ROOMS]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Import and return a public name or module when it is first used."""
    if name in _ROOMS:
        return import_module(f"ddpm_core.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with collector_off():
        return readable(getattr(import_module(f"ddpm_core.{_HOME[name]}"), name))


def __dir__() -> list[str]:
    """Return the public names, so that TAB completes only these and not the imported modules."""
    return sorted(__all__)
