"""Training of diffusion models: configurations, data, the training loop. See README.md beside this file."""


class TrainError(Exception):
    """Something the user can put right; its text is the one clear sentence to show."""
