"""Errors for users: their base class, and an error in one line."""

# diffusers and torch do not check a configuration. Their code runs into what is wrong with it, and raises one of these.
UNCHECKED = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class UserError(Exception):
    """An error that the user can correct; its text is one clear sentence: what is wrong and what to do."""


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or the error's name where it has no text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
