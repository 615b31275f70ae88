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
from ui.export.home import home


def facts(model: ModelSpec) -> dict[str, Any]:
    """Return {spec, home, scheduler, sidecars, pipeline} of a model that was loaded from a folder.

    spec: the fields of its specification that are plain data. home: see `ui.export.home`. scheduler: its schedule as a
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
    source = asdict(model.source) if model.source else {}
    optimised = {name: {str(n): found[n] for n in found} for name, found in (model.optimised or {}).items()}
    return own | {
        "gamma": True if model.gamma is not None else None,
        "optimised": optimised or None,
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
