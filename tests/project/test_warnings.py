"""The run fails for a warning, unless other packages deprecate something among themselves: see `pytest_configure`."""

import warnings

import pytest


def warn(module, category):
    """A warning as if this module had caused it."""
    warnings.warn_explicit("new", category, "somewhere.py", 1, module)


@pytest.mark.parametrize("category", [UserWarning, DeprecationWarning, PendingDeprecationWarning, FutureWarning])
def test_a_warning_of_ours_fails_the_run(category):
    for module in ("ddpm_core.runs", "ui.runs.jobs", "train.fit.trainer", "app", "toy", "test_words", "__main__"):
        with pytest.raises(category):
            warn(module, category)


def test_what_others_deprecate_among_themselves_does_not():
    for module in ("diffusers.models", "apprise", "trainer", "toys", "/somewhere/torch/nn"):
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning, SyntaxWarning):
            warn(module, category)
        with pytest.raises(UserWarning):
            warn(module, UserWarning)
