"""Define the options of a form for a model, as far as the server needs them to check a run, and the first values of a
new page.
"""

from __future__ import annotations

from collections.abc import Sequence

from ddpm_core.checkpoint.refs import embedded
from ddpm_core.model import ModelSpec
from ddpm_core.names import SAMPLERS, VARIANCES
from ui.machine.step_times import StepKind, StepTimes

COUNT, STEPS = 4, 50  # number of pictures and steps of a new page's run
QUICK = 3.0  # seconds; a run that takes less time starts without a press on Run
PATIENCE = 5.0  # seconds that a new page's run of COUNT pictures may take
EXAMPLES = 10  # number of pictures of a shipped set that the page offers


def samplers(model: ModelSpec) -> Sequence[str]:
    """Return the samplers that a model can be run with."""
    return [model.student.sampler] if model.student else SAMPLERS


def variances(model: ModelSpec) -> list[str]:
    """Return the variances that a model supports."""
    has = {
        "beta": True,
        "beta_tilde": True,
        "analytic": model.gamma is not None,
        "learned": model.variance == "learned",
        "learned_range": model.variance == "learned_range",
    }
    return [kind for kind in VARIANCES if has[kind]]


def step_limits(model: ModelSpec) -> tuple[int, int, int]:
    """Return the least and the most steps of a run, and the number to use if the current number is outside these
    limits.
    """
    T, student = model.schedule.T, model.student
    if student is None:
        return 1, T, min(STEPS, T)
    return student.steps if student.method == "progressive" else 1, len(student.times), student.steps


def class_names(model: ModelSpec) -> list[str]:
    """Return the names of the model's classes, or their numbers if it has no names."""
    return list(model.class_names or map(str, range(model.num_classes)))


def default_count(ref: str, pace: StepTimes) -> int:
    """Return the number of pictures for a first run: 4 if they take less than PATIENCE seconds, else 1. If the model's
    steps were never timed, return 4 only for embedded models, which are small enough for any machine.
    """
    seconds = pace.seconds(StepKind(ref, COUNT))
    if seconds is None:
        return COUNT if ref in embedded() else 1
    return COUNT if seconds * STEPS < PATIENCE else 1
