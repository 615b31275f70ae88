"""Collect the facts of a model that the page needs to describe and plan runs (`Facts` of ui/web/plans/plan.js)."""

from __future__ import annotations

import hashlib
import json

from ddpm_core.checkpoint.config.families import FAMILIES
from ddpm_core.checkpoint.refs import LocalCheckpoint
from ddpm_core.checkpoint.spec import read
from ddpm_core.coordinates import inner
from ddpm_core.model import ModelSpec
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.student import Student
from ui.models.form_options import EXAMPLES, default_count
from ui.models.home import home
from ui.models.services import Services
from ui.pictures import as_text
from ui.pictures.test_sets import PictureSet, set_for
from ui.protocol import CheckpointFacts, ExamplePicture, FactsAnswer, PaceOf, ScheduleTable, Spec, StudentSpec


def answer(services: Services, ref: str, pictures: bool = False) -> FactsAnswer:
    """Return the answer to the question `facts` about a checkpoint. pictures: whether to include example pictures.

    Raises CheckpointError if there is no such checkpoint.
    """
    model = services.models.known(ref)
    found = set_for(model) if model else None
    return {
        "ref": ref,
        "count": default_count(ref, services.step_times),
        "download": services.models.to_download(ref) or 0,
        "facts": services.models.read(ref, facts_of) if model else None,
        "set": {"name": found.name, "count": len(found.images)} if found else None,
        "examples": _examples(found) if found and pictures else [],
    }


def pace(services: Services, ref: str) -> PaceOf:
    """Return the measured step times of a checkpoint, the cost of an evaluation, and the bytes to download first."""
    models = services.models
    return {
        "seconds": services.step_times.measured(ref),
        "flop": models.flop(ref),
        "download": models.to_download(ref) or 0,
    }


def _examples(found: PictureSet) -> list[ExamplePicture]:
    """Return the first pictures of a set, each with the name of its class."""
    names = [found.class_names[label] for label in found.labels[:EXAMPLES]]
    return [{"name": name, "text": as_text.to_text(image)} for image, name in zip(found.images, names, strict=False)]


def facts_of(checkpoint: LocalCheckpoint) -> CheckpointFacts:
    """Return the facts of a checkpoint, with a stamp: a hash that changes when any fact changes."""
    config = read(checkpoint)
    found = facts(config.spec)
    if config.whole_times:
        found["spec"]["whole_times"] = True
    stamp = hashlib.blake2s(json.dumps(found).encode(), digest_size=8).hexdigest()
    return {**found, "stamp": stamp}


def facts(model: ModelSpec) -> CheckpointFacts:
    """Return the facts of a model that was loaded from a folder."""
    from ddpm_core.checkpoint.sidecars import gamma_file, optimised_file

    assert model.source is not None
    gamma = gamma_file.read_estimate(model.source, model.schedule)
    family = FAMILIES.get(model.schedule.config.get("_class_name", ""))
    return {
        "spec": spec(model),
        "home": home(model),
        "scheduler": table(model.schedule),
        "sidecars": {
            "gamma": {"times": list(gamma.times), "gamma": gamma.gamma.tolist()} if gamma else None,
            "optimised": {"times": optimised_file.as_json(model.optimised)} if model.optimised else None,
        },
        "pipeline": {"name": family.pipeline, "sigma": model.schedule.config.get("sigma_max")} if family else None,
    }


def spec(model: ModelSpec) -> Spec:
    """Return the fields of a model specification that are plain data."""
    from ddpm_core.checkpoint.sidecars import readers_file

    source, optimised, student = model.source, model.optimised or {}, model.student
    return {
        "image_size": model.image_size,
        "channels": model.channels,
        "factor": model.factor,
        "prediction": model.prediction,
        "variance": model.variance,
        "num_classes": model.num_classes,
        "null_label": model.null_label,
        "class_names": list(model.class_names) if model.class_names is not None else None,
        "clip": model.clip,
        "source": {
            "ref": source and source.ref,
            "name": source and source.name,
            "revision": source and source.revision,
            "weights": source and source.weights,
            "file": source and source.file,
            "fixed": source and source.fixed,
        },
        "gamma": True if model.gamma is not None else None,
        "optimised": {name: {str(n): list(times) for n, times in found.items()} for name, found in optimised.items()}
        or None,
        "student": _student(student) if student else None,
        "latent": model.latent,
        "takes_words": model.takes_words,
        "leading_offset": model.leading_offset,
        "coordinates": type(model.coordinates).__name__ if model.coordinates is not None else None,
        "floor": getattr(inner(model.coordinates), "sigma_min", 0.0),
        "snr": model.snr,
        "corrections": model.corrections,
        "readers": readers_file.exists(source),
    }


def _student(student: Student) -> StudentSpec:
    """Return the properties of a distilled model as plain data."""
    return {
        "method": student.method,
        "times": list(student.times),
        "usual": list(student.usual),
        "guidance": student.guidance,
    }


def table(schedule: NoiseSchedule) -> ScheduleTable:
    """Return β and ᾱ of a schedule for t = 0..T."""
    beta, alpha_bar = schedule.beta.tolist(), schedule.alpha_bar.tolist()
    return {"T": schedule.T, "beta": beta, "alphaBar": alpha_bar, "exploding": schedule.exploding}
