"""Pipelines whose networks are in other coordinates than ours: what their scheduler_config.json may say, and means.

A row of FAMILIES for each, by the class of its scheduler; `NoiseSchedule.from_config` knows the σ of each.
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
    """A pipeline, and what belongs to it.

    pipeline: diffusers' class. times: how its networks embed σ, as `time_embedding_type` of their config.json.
    coordinates: their class. read: the fields of ModelSpec that a scheduler's configuration says. write: those of its
    fields that the model's schedule does not have, from the model.
    """

    pipeline: str
    times: str
    coordinates: type
    read: Callable[[dict[str, Any]], dict[str, Any]]
    write: Callable[[ModelSpec], dict[str, Any]]


def of(scheduler: Mapping[str, Any]) -> Family | None:
    """The family of a scheduler's configuration; None for that of DDPM."""
    kind = scheduler.get("_class_name")
    return FAMILIES.get(kind) if isinstance(kind, str) else None


def _check_sigmas(scheduler: dict[str, Any], T: int, low: float, high: float) -> None:
    """ValueError where there are no T rising σ. low, high: their ends, where the file does not say."""
    if whole(scheduler, "num_train_timesteps", T) < 2:
        raise ValueError("num_train_timesteps must be at least 2 for noise that grows, got 1")
    low, high = number(scheduler, "sigma_min", low), number(scheduler, "sigma_max", high)
    if high < 2 * low:
        raise ValueError(f"sigma_max must be at least twice sigma_min, got {high:g} and {low:g}")


def _score(scheduler: dict[str, Any]) -> dict[str, Any]:
    """Score models (Song et al. 2021), of data in [0, 1]."""
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
    its: Any = model.coordinates
    return {"snr": model.snr, "sampling_eps": its.early, "correct_steps": model.corrections}


def _consistency(scheduler: dict[str, Any]) -> dict[str, Any]:
    """Consistency models (Song et al. 2023), which know the times of their training and no others."""
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
    its: Any = model.coordinates
    return {"sigma_data": its.sigma_data, "s_noise": 1.0, "clip_denoised": model.clip}


def _edm(scheduler: dict[str, Any]) -> dict[str, Any]:
    """Networks preconditioned as in EDM (Karras et al. 2022), such as the teachers of OpenAI's consistency models."""
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
# Their names in folders that were saved before December 2026.
BEFORE = {"Exploding": "VarianceExploding", "Preconditioned": "EDM", "Straight": "RectifiedFlow"}


def coordinates_json(coordinates: Coordinates) -> dict[str, Any]:
    """Return the entry of ddpm_core.json for coordinates of a user's network. Raise ValueError for a
    user's coordinates.
    """
    kind: Any = type(coordinates)
    if KINDS.get(kind.__name__) is not kind:
        raise ValueError(
            f"your own coordinates, {kind.__name__}, can't be saved in a folder: make the Model again after loading"
        )
    own = {field.name: getattr(coordinates, field.name) for field in fields(kind)}
    usual = {field.name: field.default for field in fields(kind)}
    return {"kind": kind.__name__, **{name: value for name, value in own.items() if value != usual[name]}}


def read_coordinates(found: Any) -> Coordinates:
    """Read coordinates back from the JSON that `coordinates_json` writes. Raise ValueError for anything else."""
    if not isinstance(found, dict):
        raise ValueError(f"coordinates must be a JSON object, got {shown(found)}")
    if found.get("kind") in BEFORE:
        found = found | {"kind": BEFORE[found["kind"]]}
    kind = KINDS[choice(found, "kind", KINDS)]
    return kind(**{field.name: number(found, field.name) for field in fields(kind) if field.name in found})


# Times of two steps in the authors' scripts, as numbers from the noisiest on, by the repository's name.
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
    """A consistency model with the times of two steps that were published under its name, if it knows them."""
    second = _SECOND.get(name.removeprefix("diffusers-"))
    if student is None or second is None:
        return student
    usual = (student.times[0], student.times[0] - second)
    return replace(student, usual=usual) if set(usual) <= {*student.times} else student
