"""Numbers, sizes, times and names as the page writes them."""

from __future__ import annotations

VARIANCE = {"beta": "βₜ", "beta_tilde": "β̃ₜ", "analytic": "analytic", "learned": "learned", "learned_range": "learned"}
# In a form: the word first.
VARIANCE_CHOICE = VARIANCE | {
    **{"beta": "much, βₜ", "beta_tilde": "little, β̃ₜ", "analytic": "analytic"},
    "learned_range": "learned, between",
}
SAMPLER = {
    **{"ddpm": "DDPM", "ddim": "DDIM", "dpm++": "DPM++", "unipc": "UniPC"},
    **{"langevin": "Langevin", "consistency": "Consistency", "heun": "Heun"},
}


def megabytes(size: float) -> str:
    """A number of bytes: "455 MB", "12 kB"."""
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def duration(seconds: float) -> str:
    """A time in one unit: "under 1 s", "45 s", "12 min", "3.0 h"."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def sentence(error: Exception) -> str:
    """An error that says itself what was wrong, as a sentence."""
    text = str(error).rstrip(".")
    first = text.split(" ", 1)[0]
    is_word = first.isascii() and first.isalpha()  # a name, an id or a symbol keeps its case
    return text[:1].upper() + text[1:] if is_word else text
