"""What the page says: one line for each symbol, names, sizes and times."""

from __future__ import annotations

VARIANCE = {"beta": "βₜ", "beta_tilde": "β̃ₜ", "analytic": "analytic", "learned": "learned", "learned_range": "learned"}
SAMPLER = {"ddpm": "DDPM", "ddim": "DDIM"}

CHECKPOINT = "From the list, or any Hub id (owner/name)"
CHECKPOINT_LOCAL = "From the list, or any Hub id or folder"
STEPS = "Network calls from x_T to x₀"
VARIANCE_INFO = "σ² of each step's noise: βₜ most, β̃ₜ least"
VARIANCE_DDIM = "DDIM sets its own σ through η"
SEED = "Fixes all the noise"
CLASS = "What to draw; any leaves it open"
SAMPLER_INFO = "DDPM is Algorithm 2; DDIM can go without noise"
SPACING = "Which times t the steps visit"
ETA = "Share of β̃ₜ in DDIM's noise: 0 adds none"
ETA_DDPM = "Only with DDIM"
COUNT = "Image i has the seed + i"
COMPARE = "One x_T, two ways down, side by side"
CLIP = "Keeps the guessed picture in the range of pixels"
GUIDANCE = "ε = ε_∅ + w (ε_c − ε_∅): 1 is none"
GUIDANCE_ANY = "Needs a class"


# What the two lessons of Compare show, as others measured it (reference: Song et al. 2021).
PUBLISHED = """<table><caption>FID by steps, lower is better: the paper's CIFAR-10 model, not this one
(<a href="https://arxiv.org/abs/2010.02502" target="_blank" rel="noopener">DDIM paper</a>, Table 1)</caption>
<tr><th>steps</th><td>10</td><td>20</td><td>50</td><td>100</td><td>1000</td></tr>
<tr><th>βₜ</th><td>367</td><td>133</td><td>32.7</td><td>9.99</td><td><b>3.17</b></td></tr>
<tr><th>β̃ₜ</th><td><b>41.1</b></td><td><b>18.4</b></td><td><b>8.01</b></td><td><b>5.78</b></td><td>4.73</td></tr></table>"""


def lesson(steps: int) -> str:
    """A comparison of the variances in a few words."""
    return f"{steps} steps: βₜ against β̃ₜ"


def sigma(value: float) -> str:
    """A deviation in the units of [−1, 1]: ".182"."""
    return f"{value:.3f}".lstrip("0") if value else "0"


def grey(value: float) -> str:
    """The same in grey levels of 0…255: "23", "1.3"."""
    levels = value * 127.5
    return f"{levels:.0f}" if levels >= 9.95 or not levels else f"{levels:.1f}"


def megabytes(size: float) -> str:
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def duration(seconds: float) -> str:
    """A time in one unit: "under 1 s", "45 s", "12 min", "3 h"."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def estimate(seconds: float | None, device: str) -> str:
    """How long a run will take, before it starts."""
    if seconds is None:
        return "time unknown until the first step"
    return f"{'' if seconds < 1 else 'about '}{duration(seconds)} on this {device}"


def download(done: int, total: int, speed: float | None) -> str:
    """A download under way: bytes, and with a speed in bytes per second also that and the time left."""
    text = f"{done / 1e6:.0f} of {megabytes(total)}"
    if not speed:
        return text
    return f"{text} · {speed / 1e6:.1f} MB/s · {duration((total - done) / speed)} left"


def queue(before: int) -> str:
    return f"{before} run{'s' if before > 1 else ''} before this one"
