"""Training of diffusion models: configurations, data, the training loop. See docs/training.md."""

from ddpm_core.errors import UserError


class TrainError(UserError):
    """A command of the trainer can't do what it was asked for."""
