"""Draw the strip of pictures in the README: `python -m benchmarks strip`. It shows a picture of each embedded model,
with its time.

Each model draws one picture four times; the first time is a warm-up, and the strip shows the median of the other three
times, without loading the model. Run this on a quiet machine: the last line of the strip names the machine, its load
and the date.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont

import ddpm_core
from benchmarks._measure import describe

SIDE, GAP, LINE = 128, 16, 17  # pixels: the SIDE of a picture, the GAP between pictures, the height of a LINE of text
WORDS = "a red apple"
TWENTY: dict[str, Any] = {"steps": 20, "sampler": "ddim", "spacing": "trailing", "guidance": 3}
DRAWN: list[tuple[str, str, dict[str, Any]]] = [
    ("mnist-tiny", "a 3, 20 steps", {"labels": 3, "steps": 20}),
    ("mnist-tiny-2-steps", "a 3, 2 steps", {"labels": 3}),
    ("cifar10-tiny", "a horse, 20 steps", {"labels": 7, "steps": 20, "sampler": "unipc"}),
    ("cifar10-tiny-4-steps", "a horse, 4 steps", {"labels": 7}),
    ("emoji-tiny", f"{WORDS}, 20 steps", {"prompts": WORDS, **TWENTY}),
    ("emoji-tiny-3-steps", f"{WORDS}, 3 steps", {"prompts": WORDS}),
]


def draw(name: str, options: dict[str, Any], seed: int) -> tuple[Image.Image, float]:
    """Return the picture of a seed, and the median of its time in three runs, in seconds."""
    model = ddpm_core.load(name)
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        pixels = ddpm_core.sample(model, seeds=[seed], **options)[0]
        seconds.append(time.perf_counter() - began)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels), statistics.median(seconds[1:])


def main(arguments: list[str] | None = None) -> None:
    """Draw the strip and save it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks strip", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/strip.png"), help="default: docs/strip.png")
    parser.add_argument("--seed", type=int, default=5, help="the same for all models; default: 5")
    given = parser.parse_args(arguments)
    about = describe(torch.device("cpu"))
    width = GAP + (SIDE + GAP) * len(DRAWN)
    strip = Image.new("RGB", (width, GAP + SIDE + 5 * LINE + GAP), "white")
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(12)
    for column, (name, what, options) in enumerate(DRAWN):
        left, top = GAP + column * (SIDE + GAP), GAP
        picture, seconds = draw(name, options, given.seed)
        strip.paste(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.NEAREST), (left, top))
        for row, text in enumerate([name, what, f"{seconds:.2g} s"], start=1):
            pen.text((left, top + SIDE - LINE + row * LINE + 4), text, "black", font)
    machine = f"{about['processor']}, {about['cores']} cores, load {about['load']}, {about['date']}"
    pen.text((GAP, GAP + SIDE + 4 * LINE), machine, "black", font)
    strip.save(given.out, optimize=True)
    print(f"{given.out}: {machine}")


if __name__ == "__main__":
    main()
