"""The texts of the Denoise tab: one line for each control, and the table beside a comparison."""

from __future__ import annotations

CHECKPOINT = "From the list, or any Hub id (owner/name)"
CHECKPOINT_LISTED = "From the list"
CHECKPOINT_LOCAL = "From the list, or any Hub id or folder"
STEPS = "Network calls from x_T to x₀"
VARIANCE = "σ² of each step's noise: βₜ most, β̃ₜ least"
CHECKPOINT_B = "Another one: its images must have A's size and channels"
SEED = "Fixes all the noise"
CLASS = "What to draw; any: the model chooses"
SPACING = "Which times t the steps visit; auto suits the sampler"
ETA = "Share of β̃ₜ in DDIM's noise: 0 adds none"
ETA_OTHERS = "Only with DDIM"
COUNT = "Image i has the seed + i"
COMPARE = "Two runs from one x_T, side by side"
CLIP = "Keeps the guessed picture in the range of pixels"
GUIDANCE = "ε = ε_∅ + w (ε_c − ε_∅): 1 is none"
GUIDANCE_ANY = "Needs a class"
SAVES = {  # of files.KINDS
    "png": "Picture",
    "gif": "GIF",
    "webp": "WebP",
    "mp4": "MP4",
    "strip": "Film strip",
    "zip": "ZIP of all",
}

# How each sampler goes from x_t to x_s; and why the variance is not its own to choose, where it is not.
SAMPLER = {
    "ddpm": "DDPM: xₛ = μ̃(xₜ, x̂₀) + σ z (Algorithm 2)",
    "ddim": "DDIM: xₛ = √ᾱₛ x̂₀ + √(1 − ᾱₛ − σ²) ε + σ z",
    "dpm++": "DPM-Solver++: xₛ from xₜ, x̂₀ and the x̂₀ before it, of order 2; σ = 0. For few steps",
    "unipc": "UniPC: corrects xₜ by x̂₀, then steps as order 2 does; σ = 0. For few steps",
    "consistency": "Consistency: xₛ = √ᾱₛ x̂₀ + √(1 − ᾱₛ) z. For students of 1 to 8 steps",
}
NO_VARIANCE = {
    "ddim": "DDIM sets its own σ through η",
    "dpm++": "DPM-Solver++ adds no noise",
    "unipc": "UniPC adds no noise",
    "consistency": "Consistency sampling adds all of xₛ's noise anew",
}

# The published numbers behind the two ready-made comparisons (Song et al. 2021).
PUBLISHED = """<table><caption>FID by steps, lower is better: the paper's CIFAR-10 model, not this one
(<a href="https://arxiv.org/abs/2010.02502" target="_blank" rel="noopener">DDIM paper</a>, Table 1)</caption>
<tr><th>steps</th><td>10</td><td>20</td><td>50</td><td>100</td><td>1000</td></tr>
<tr><th>βₜ</th><td>367</td><td>133</td><td>32.7</td><td>9.99</td><td><b>3.17</b></td></tr>
<tr><th>β̃ₜ</th><td><b>41.1</b></td><td><b>18.4</b></td><td><b>8.01</b></td><td><b>5.78</b></td><td>4.73</td></tr></table>"""


def spacing(chosen: str | None) -> str:
    """What stands below Spacing where "auto" means this one; None is a student's own times."""
    return f"Which times t the steps visit; auto is {chosen or 'what this student learned'} here"
