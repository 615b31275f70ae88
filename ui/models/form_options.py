"""What the page offers: its models, and what a form can be set to for one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ddpm_core.checkpoint.refs import embedded
from ddpm_core.model import ModelSpec
from ddpm_core.names import LEARNED, SAMPLERS, VARIANCES
from ddpm_core.timesteps import quarters
from ui.forms import units
from ui.forms.fields import ANY
from ui.machine.step_times import StepKind, StepTimes
from ui.models.catalogue import short_name
from ui.models.lab import Lab
from ui.models.loaded import revision
from ui.pictures import as_text
from ui.pictures.test_sets import set_for

COUNT, STEPS = 4, 50  # pictures and steps of a new page's run
QUICK = 3.0  # seconds: runs that take less start by themselves
PATIENCE = 5.0  # seconds that they may take
EXAMPLES = 10  # pictures of a shipped set to choose from
PROMPTS = (  # to try: things, colours and a mood that no picture of emoji-tiny had
    *("red apple", "green apple", "blue apple", "red heart", "fox", "green fox", "cat face", "winking dog face"),
    *("smiling face", "smiling face with sunglasses", "pizza", "rocket"),
)


# The variances of a score model, by what its authors call the samplers that have them.
OF_SCORES = {"beta": "reverse diffusion, βₜ", "beta_tilde": "ancestral sampler, β̃ₜ"}


def about_model(lab: Lab, ref: str) -> dict[str, Any]:
    """What a form offers for a checkpoint, as far as its files are here. Raises CheckpointError for one that is not.

    {name, here, note, revision, size, channels, T, times, steps: [least, most, usual], samplers, variances, titles,
    variance, classes, latent, prompts, clip, count, student, set, examples}; note: what `note` says; size and channels:
    of its pictures; titles: of what it offers, where it calls that otherwise; prompts: to try, none where the model
    takes no words. A field's `follows` and conditions name these.
    """
    model = lab.models.known(ref)
    about = {
        "ref": ref,
        "name": short_name(ref),
        "here": model is not None,
        "count": default_count(ref, lab.step_times),
    }
    if model is None:
        size = lab.models.to_download(ref)
        return about | {"download": units.megabytes(size) if size else ""}
    pictures = set_for(model)
    names = class_names(model)
    return about | {
        "note": note(model),
        "revision": revision(model) or "",
        "size": model.image_size,
        "channels": model.channels,
        "T": model.schedule.T,
        "times": list(quarters(model)),
        "steps": step_limits(model),
        "samplers": list(samplers(model)),
        "variances": variances(model),
        "titles": {"variances": OF_SCORES} if model.snr is not None else {},
        "variance": model.variance,
        "classes": names if model.null_label is None else [ANY, *names] if names else [],
        "latent": model.latent,
        "prompts": PROMPTS if model.takes_words else (),
        "clip": model.clip,
        "student": model.student is not None,
        "set": {"title": pictures.title, "count": len(pictures.images)} if pictures else None,
        "examples": _examples(model),
    }


def note(model: ModelSpec) -> str:
    """What is special about a model's choices, and what it can't do: a sentence, "" for an ordinary one."""
    if model.student:
        title = units.SAMPLER[model.student.sampler]
        return f"It has learned {title} steps only: no other sampler is possible, and no bits per dimension."
    if model.variance in LEARNED:
        return "It has learned its variance, too: the third choice beside βₜ and β̃ₜ."
    if model.snr is not None:
        return "A score model: βₜ is its authors’ reverse diffusion, β̃ₜ Song’s ancestral sampler, of the same mean."
    return ""


def samplers(model: ModelSpec) -> Sequence[str]:
    """The samplers that a model can be run with."""
    return [model.student.sampler] if model.student else SAMPLERS


def variances(model: ModelSpec) -> list[str]:
    """The variances that a model has."""
    has = {
        "beta": True,
        "beta_tilde": True,
        "analytic": model.gamma is not None,
        "learned": model.variance == "learned",
        "learned_range": model.variance == "learned_range",
    }
    return [kind for kind in VARIANCES if has[kind]]


def step_limits(model: ModelSpec) -> tuple[int, int, int]:
    """The least and the most steps of a run, and how many to set where there are more or fewer now."""
    T, student = model.schedule.T, model.student
    if student is None:
        return 1, T, min(STEPS, T)
    return student.steps if student.method == "progressive" else 1, len(student.times), student.steps


def class_names(model: ModelSpec) -> list[str]:
    """The names of the model's classes; their numbers where it has no names."""
    return list(model.class_names or map(str, range(model.num_classes)))


def default_count(ref: str, pace: StepTimes) -> int:
    """4 pictures where they take less than PATIENCE seconds, else 1. A model whose steps were never timed gets 1,
    unless it comes with the project: those are small enough for any machine.
    """
    seconds = pace.seconds(StepKind(ref, COUNT))
    if seconds is None:
        return COUNT if ref in embedded() else 1
    return COUNT if seconds * STEPS < PATIENCE else 1


def quick(cost: dict[str, Any]) -> bool:
    """Return whether a run of this `Part.cost` may start by itself."""
    seconds = cost["seconds"]
    return not cost["missing"] and seconds is not None and seconds < QUICK and not cost["busy"]


def estimate(lab: Lab, refs: Sequence[str], seconds: float | None) -> dict[str, Any]:
    """{estimate, seconds, auto}: what a run of these checkpoints takes, its download included. seconds is None where it
    is not known, or where something has to be downloaded first. auto: whether it may start by itself: it is quick, and
    on a public page nobody else computes; None while its time is not known yet.
    """
    missing = [ref for ref in refs if lab.models.to_download(ref)]
    text = units.estimate(seconds, lab.models.kind)
    if missing:
        size = units.megabytes(sum(lab.models.to_download(ref) or 0 for ref in missing))
        first = f"Run downloads {' and '.join(missing)} first ({size})"
        return {"estimate": f"{first} · {text}", "seconds": None, "auto": False}
    if seconds is None:
        return {"estimate": text, "seconds": None, "auto": None}
    quick = seconds < QUICK and all(lab.models.known(ref) for ref in refs)
    return {"estimate": text, "seconds": seconds, "auto": quick and not (lab.public and len(lab.turns))}


def _examples(model: ModelSpec) -> list[dict[str, Any]]:
    """Pictures of the shipped set, with what they show."""
    found = set_for(model)
    if found is None:
        return []
    names = [found.class_names[label] for label in found.labels[:EXAMPLES]]
    return [as_text.shown(image) | {"name": name} for image, name in zip(found.images, names, strict=False)]
