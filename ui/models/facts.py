"""The facts of a model, as JSON: what the page's own words need of it (`Facts` of ui/web/plans/plan.js)."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.config.families import FAMILIES
from ddpm_core.model import ModelSpec
from ddpm_core.schedule import NoiseSchedule
from ui.models.form_options import EXAMPLES, default_count
from ui.models.home import home
from ui.models.services import Services
from ui.pictures import as_text
from ui.pictures.test_sets import PictureSet, set_for


def answer(services: Services, ref: str, pictures: bool = False) -> dict[str, Any]:
    """Return what the page learns of a checkpoint: {ref, count, download, facts, set, examples}.

    count: pictures of a first run. download: bytes, 0 where it is here or nobody knows. facts: None where it is not
    here. set, examples: of the pictures that come with the page and suit it; examples only where `pictures`.

    Raises CheckpointError for a checkpoint that there is not.
    """
    model = services.models.known(ref)
    found = set_for(model) if model else None
    return {
        "ref": ref,
        "count": default_count(ref, services.step_times),
        "download": services.models.to_download(ref) or 0,
        "facts": facts(model) if model else None,
        "set": {"title": found.title, "count": len(found.images)} if found else None,
        "examples": _examples(found) if found and pictures else [],
    }


def _examples(found: PictureSet) -> list[dict[str, Any]]:
    """Pictures of a shipped set, with what they show."""
    names = [found.class_names[label] for label in found.labels[:EXAMPLES]]
    return [as_text.shown(image) | {"name": name} for image, name in zip(found.images, names, strict=False)]


def facts(model: ModelSpec) -> dict[str, Any]:
    """Return {spec, home, scheduler, sidecars, pipeline} of a model that was loaded from a folder.

    spec: the fields of its specification that are plain data. home: see `ui.models.home`. scheduler: its schedule as a
    table {T, beta, alphaBar, exploding}. sidecars: what lies beside the weights, {gamma, optimised}. pipeline:
    {name, sigma} of diffusers' pipeline of a model with coordinates, else None.
    """
    assert model.source is not None and model.source.folder is not None
    folder, family = model.source.folder, FAMILIES.get(model.schedule.config.get("_class_name", ""))
    return {
        "spec": spec(model),
        "home": asdict(home(model)),
        "scheduler": table(model.schedule),
        "sidecars": {
            "gamma": _read(folder / refs.ANALYTIC) if model.gamma is not None else None,
            "optimised": _read(folder / refs.OPTIMISED) if model.optimised is not None else None,
        },
        "pipeline": {"name": family.pipeline, "sigma": model.schedule.config.get("sigma_max")} if family else None,
    }


def spec(model: ModelSpec) -> dict[str, Any]:
    """The fields of a specification that are plain data."""
    own = {
        row.name: getattr(model, row.name) for row in fields(ModelSpec) if row.name not in ("schedule", "coordinates")
    }
    source, optimised = asdict(model.source) if model.source else {}, model.optimised or {}
    return own | {
        "gamma": True if model.gamma is not None else None,
        "optimised": {name: {str(n): times for n, times in found.items()} for name, found in optimised.items()} or None,
        "student": asdict(model.student) if model.student else None,
        "source": {name: source.get(name) for name in ("ref", "name", "revision", "weights", "file", "fixed")},
        "coordinates": type(model.coordinates).__name__ if model.coordinates is not None else None,
        "floor": getattr(model.coordinates, "sigma_min", 0.0),
    }


def table(schedule: NoiseSchedule) -> dict[str, Any]:
    """A schedule as numbers, t = 0..T."""
    numbers = {"beta": schedule.beta.tolist(), "alphaBar": schedule.alpha_bar.tolist()}
    return {"T": schedule.T, **numbers, "exploding": schedule.exploding}


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
