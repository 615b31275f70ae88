"""What a run says in words: how it waits, and what went wrong."""

from __future__ import annotations

from ui.runs import formats


def queue(before: int, seconds: float | None) -> str:
    """The wait for the first turn. before: runs that begin first; seconds: until then, where that is known."""
    place = f"Number {before + 1} in the queue"
    if seconds is None:
        return place
    return f"{place} · starts in {'' if seconds < 1 else 'about '}{formats.duration(seconds)}"


def shared(others: int) -> str:
    """While others take turns with the run."""
    return f"Running, shared with {others} other{'s' * (others > 1)}"


def sentence(error: Exception) -> str:
    """An error that says itself what was wrong, as a sentence."""
    text = str(error)
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text  # a name or an id keeps its lower case


def unforeseen(error: Exception, count: int) -> str:
    """Any other error, in a run of so many images."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate" in str(error):
        images = f"{count} images" if count > 1 else "this model"
        return f"There is not enough memory for {images}: try {'fewer' if count > 1 else 'a smaller one'}"
    return f"The run failed unexpectedly ({type(error).__name__}); the details are in the terminal of the app"
