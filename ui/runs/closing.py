"""The end of the app: what those are told who still have a run."""

from __future__ import annotations


class Closing:
    """sentence: "" until the app is told to stop."""

    def __init__(self) -> None:
        self.sentence = ""

    def cancel(self) -> None:
        """The app serves (again)."""
        self.sentence = ""

    def begin(self, patience: float) -> None:
        """From here on new runs are refused. patience: seconds that the others have to finish."""
        self.sentence = "The app stops now"
        if patience:
            self.sentence = f"The app is told to stop: this run has {patience:.0f} s to finish"


CLOSING = Closing()
