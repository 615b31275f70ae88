"""Errors for users: their base class, and the text of an error in one line."""

# diffusers and torch do not check a configuration. If a value is wrong, their code raises one of these errors.
UNCHECKED = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class UserError(Exception):
    """An error that the user can correct. Its text is one sentence that says what is wrong and what to do."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or the name of its class if it has no text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
