"""Read and write the scheduler_config.json of pipelines whose networks take other inputs than the paper's x_t and t.

`ddpm_core.coordinates` calls these inputs the coordinates of a network. The keys of FAMILIES are the classes of the
pipelines' schedulers. `NoiseSchedule.from_config` computes the noise levels σ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ddpm_core.checkpoint.config.fields import choice, flag, number, shown, whole
from ddpm_core.coordinates import EDM, Coordinates, RectifiedFlow, VarianceExploding
from ddpm_core.model import ModelSpec
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.student import Student


@dataclass(frozen=True)
class Family:
    """A pipeline of diffusers whose networks have other coordinates than the paper's.

    Attributes:
        pipeline: the class of the pipeline.
        times: the `time_embedding_type` in its networks' config.json, which says how they embed σ.
        coordinates: the class of their coordinates.
        read: returns fields of ModelSpec from a scheduler's configuration.
        write: returns the fields of the scheduler's configuration that describe the model, except its schedule.
    """

    pipeline: str
    times: str
    coordinates: type
    read: Callable[[dict[str, Any]], dict[str, Any]]
    write: Callable[[ModelSpec], dict[str, Any]]


def family_of(scheduler: Mapping[str, Any]) -> Family | None:
    """Return the family of models that use this scheduler; None for a scheduler in the paper's coordinates."""
    kind = scheduler.get("_class_name")
    return FAMILIES.get(kind) if isinstance(kind, str) else None


def _check_sigmas(scheduler: dict[str, Any], T: int, low: float, high: float) -> None:
    """Raise ValueError unless a configuration gives rising σ.

    T, low, high: the defaults for the number of times, σ_1 and σ_T.
    """
    if whole(scheduler, "num_train_timesteps", T) < 2:
        raise ValueError("num_train_timesteps must be at least 2 for noise that grows, got 1")
    low, high = number(scheduler, "sigma_min", low), number(scheduler, "sigma_max", high)
    if high < 2 * low:
        raise ValueError(f"sigma_max must be at least twice sigma_min, got {high:g} and {low:g}")


def _score(scheduler: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of ModelSpec for score models (Song et al. 2021), whose data lie in [0, 1]."""
    _check_sigmas(scheduler, 2000, 0.01, 1348.0)
    return {
        "schedule": NoiseSchedule.from_config(scheduler),
        "prediction": "epsilon",
        "variance": "beta",
        "clip": False,
        "coordinates": VarianceExploding(0.0, number(scheduler, "sampling_eps", 1e-5)),
        "snr": number(scheduler, "snr", 0.15),
        "corrections": whole(scheduler, "correct_steps", 1),
    }


def _score_file(model: ModelSpec) -> dict[str, Any]:
    """Return the scheduler's fields for a score model."""
    its: Any = model.coordinates
    return {"snr": model.snr, "sampling_eps": its.early, "correct_steps": model.corrections}


def _consistency(scheduler: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of ModelSpec for consistency models (Song et al. 2023), which take only times of training."""
    _check_sigmas(scheduler, 40, 0.002, 80.0)
    number(scheduler, "rho", 7.0)
    if number(scheduler, "s_noise", 1.0) != 1:
        raise ValueError(f"s_noise must be 1, got {scheduler['s_noise']}: extra noise is not supported")
    schedule = NoiseSchedule.from_config(scheduler)
    return {
        "schedule": schedule,
        "prediction": "x0",
        "clip": flag(scheduler, "clip_denoised", True),
        "coordinates": EDM(number(scheduler, "sigma_data", 0.5), number(scheduler, "sigma_min", 0.002)),
        "student": Student("consistency", tuple(range(schedule.T, 0, -1))),
    }


def _consistency_file(model: ModelSpec) -> dict[str, Any]:
    """Return the scheduler's fields for a consistency model."""
    its: Any = model.coordinates
    return {"sigma_data": its.sigma_data, "s_noise": 1.0, "clip_denoised": model.clip}


def _edm(scheduler: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of ModelSpec for EDM (Karras et al. 2022), such as the teachers of consistency models."""
    _check_sigmas(scheduler, 1000, 0.002, 80.0)
    number(scheduler, "rho", 7.0)
    choice(scheduler, "sigma_schedule", ("karras",), "karras")
    choice(scheduler, "prediction_type", ("epsilon",), "epsilon")
    return {
        "schedule": NoiseSchedule.from_config(scheduler),
        "prediction": "x0",
        "clip": flag(scheduler, "clip_denoised", False),
        "coordinates": EDM(number(scheduler, "sigma_data", 0.5), times=1.0),
    }


def _edm_file(model: ModelSpec) -> dict[str, Any]:
    """Return the scheduler's fields for an EDM model."""
    its: Any = model.coordinates
    return {"sigma_data": its.sigma_data, "clip_denoised": model.clip}


FAMILIES: dict[str, Family] = {
    "ScoreSdeVeScheduler": Family("ScoreSdeVePipeline", "fourier", VarianceExploding, _score, _score_file),
    "CMStochasticIterativeScheduler": Family(
        "ConsistencyModelPipeline", "positional", EDM, _consistency, _consistency_file
    ),
    "EDMEulerScheduler": Family("DDPMPipeline", "positional", EDM, _edm, _edm_file),
}

KINDS: dict[str, Any] = {kind.__name__: kind for kind in (VarianceExploding, EDM, RectifiedFlow)}
# Older names of the classes, in folders that were saved before December 2026: {older name: present name}.
BEFORE = {"Exploding": "VarianceExploding", "Preconditioned": "EDM", "Straight": "RectifiedFlow"}


def coordinates_json(coordinates: Coordinates) -> dict[str, Any]:
    """Return the entry of ddpm_core.json for coordinates. Raise ValueError for a class that a user has defined."""
    kind: Any = type(coordinates)
    if KINDS.get(kind.__name__) is not kind:
        raise ValueError(
            f"your own coordinates, {kind.__name__}, can't be saved in a folder: make the Model again after loading"
        )
    own = {field.name: getattr(coordinates, field.name) for field in fields(kind)}
    usual = {field.name: field.default for field in fields(kind)}
    return {"kind": kind.__name__, **{name: value for name, value in own.items() if value != usual[name]}}


def read_coordinates(found: Any) -> Coordinates:
    """Return the coordinates from the JSON that `coordinates_json` writes. Raise ValueError for anything else."""
    if not isinstance(found, dict):
        raise ValueError(f"coordinates must be a JSON object, got {shown(found)}")
    if found.get("kind") in BEFORE:
        found = found | {"kind": BEFORE[found["kind"]]}
    kind = KINDS[choice(found, "kind", KINDS)]
    return kind(**{field.name: number(found, field.name) for field in fields(kind) if field.name in found})


# In the authors' scripts, a run has two steps. {repository: time of the first step minus time of the second}.
_SECOND = {
    "cd_bedroom256_l2": 18,
    "cd_bedroom256_lpips": 17,
    "cd_imagenet64_l2": 22,
    "cd_imagenet64_lpips": 22,
    "ct_bedroom256": 67,
    "ct_cat256": 62,
    "ct_imagenet64": 106,
}


def with_published_times(student: Student | None, name: str) -> Student | None:
    """Return a consistency model with the two times that the authors published for it, if they are among its times.

    name: the repository's name. Any other student, and None, is returned unchanged.
    """
    second = _SECOND.get(name.removeprefix("diffusers-"))
    if student is None or second is None:
        return student
    usual = (student.times[0], student.times[0] - second)
    return replace(student, usual=usual) if set(usual) <= {*student.times} else student
