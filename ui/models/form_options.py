"""What a form can be set to for a model, as far as a run is checked by it, and what a new page begins with."""

from __future__ import annotations

from collections.abc import Sequence

from ddpm_core.checkpoint.refs import embedded
from ddpm_core.model import ModelSpec
from ddpm_core.names import SAMPLERS, VARIANCES
from ui.machine.step_times import StepKind, StepTimes

COUNT, STEPS = 4, 50  # pictures and steps of a new page's run
QUICK = 3.0  # seconds: runs that take less start by themselves
PATIENCE = 5.0  # seconds that they may take
EXAMPLES = 10  # pictures of a shipped set to choose from


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
