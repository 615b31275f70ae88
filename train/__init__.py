"""Training of diffusion models: configurations, data, the training loop. See README.md beside this file."""


class TrainError(Exception):
    """An error that the user can correct; its text is the one clear sentence to show."""


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or the error's name where it has no text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
