"""The texts of the Denoise tab: one line for each control, and the table beside a comparison."""

from __future__ import annotations

CHECKPOINT = "From the list, or any Hub id (owner/name)"
CHECKPOINT_LOCAL = "From the list, or any Hub id or folder"
STEPS = "Network calls from x_T to x₀"
VARIANCE = "σ² of each step's noise: βₜ most, β̃ₜ least"
VARIANCE_DDIM = "DDIM sets its own σ through η"
SEED = "Fixes all the noise"
CLASS = "What to draw; any: the model chooses"
SAMPLER = "DDPM is Algorithm 2; DDIM can go without noise"
SPACING = "Which times t the steps visit"
ETA = "Share of β̃ₜ in DDIM's noise: 0 adds none"
ETA_DDPM = "Only with DDIM"
COUNT = "Image i has the seed + i"
COMPARE = "Two runs from one x_T, side by side"
CLIP = "Keeps the guessed picture in the range of pixels"
GUIDANCE = "ε = ε_∅ + w (ε_c − ε_∅): 1 is none"
GUIDANCE_ANY = "Needs a class"
SAVES = {"png": "Picture", "gif": "GIF", "webp": "WebP", "strip": "Film strip", "zip": "ZIP of all"}  # as files.KINDS

# The published numbers behind the two ready-made comparisons (Song et al. 2021).
PUBLISHED = """<table><caption>FID by steps, lower is better: the paper's CIFAR-10 model, not this one
(<a href="https://arxiv.org/abs/2010.02502" target="_blank" rel="noopener">DDIM paper</a>, Table 1)</caption>
<tr><th>steps</th><td>10</td><td>20</td><td>50</td><td>100</td><td>1000</td></tr>
<tr><th>βₜ</th><td>367</td><td>133</td><td>32.7</td><td>9.99</td><td><b>3.17</b></td></tr>
<tr><th>β̃ₜ</th><td><b>41.1</b></td><td><b>18.4</b></td><td><b>8.01</b></td><td><b>5.78</b></td><td>4.73</td></tr></table>"""


def comparison(steps: int) -> str:
    """The button that sets up a comparison of the variances with so many steps."""
    return f"{steps} steps: βₜ against β̃ₜ"
