"""Training of diffusion models: configurations, data, the training loop. See docs/training.md."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ddpm_core.errors import UserError
from ddpm_core.signatures import readable

if TYPE_CHECKING:
    from train.common.config import Config as Config
    from train.fit.average import average as average
    from train.fit.outputs.progress import Point as Point
    from train.fit.start import preset as preset
    from train.fit.start import resume as resume
    from train.fit.trainer import Trainer as Trainer

# Importing torch takes seconds, so `__getattr__` imports each name's module when the name is first used.
_HOME = {
    "Config": "common.config",
    "Point": "fit.outputs.progress",
    "Trainer": "fit.trainer",
    "average": "fit.average",
    "preset": "fit.start",
    "resume": "fit.start",
}
__all__ = ["TrainError", *_HOME]  # pyright: ignore[reportUnsupportedDunderAll]


class TrainError(UserError):
    """A command of the trainer can't do its work; the text says why, and what to do."""


def __getattr__(name: str) -> Any:
    """Return a public name, imported from its module at the first use. Raises AttributeError for any other name."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return readable(getattr(import_module(f"train.{_HOME[name]}"), name))


def __dir__() -> list[str]:
    """Return the public names, which TAB completes, without the modules that were imported for them."""
    return sorted(__all__)
