"""An independent implementation of what the page makes of drawings and how it compares pictures with them, by Pillow.

Until December 2026 the server trained on drawings with this code. `ui/web/learning/` has taken its place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

SIDE = 28  # pixels of a drawing
UNITS = 10  # of a stroke's coordinates in a pixel
WIDTH = 2  # pixels of a line
FINER = 4  # times, in which a line is drawn before it is made small
TURNS = range(-12, 13, 4)  # degrees in which a drawing is compared
SPREAD = 6.0  # pixels
BILINEAR = Image.Resampling.BILINEAR


def drawn(lines: Sequence[np.ndarray]) -> np.ndarray:
    """Draw lines through points, (n, 2) each in pixels, white on black: uint8 (SIDE, SIDE)."""
    image = Image.new("L", (SIDE * FINER, SIDE * FINER))
    pen, r = ImageDraw.Draw(image), WIDTH * FINER / 2
    for line in lines:
        points = [(x, y) for x, y in line * FINER]
        pen.line(points, fill=255, width=WIDTH * FINER)
        for x, y in points:  # round joints and ends
            pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
    return np.asarray(image.reduce(FINER))


class Likeness:
    """How like new pictures are to drawings, whatever their place, size and small turns: those make no new picture."""

    def __init__(self, drawings: np.ndarray):
        """drawings: uint8 (N, SIDE, SIDE), two at least."""
        turned = [[_placed(Image.fromarray(one).rotate(turn, BILINEAR)) for turn in TURNS] for one in drawings]
        self._turned = np.array(turned)
        apart = self.distances(drawings)
        np.fill_diagonal(apart, np.inf)
        self._usual = float(np.median(apart.min(1)))  # of a drawing to the nearest other one

    def distances(self, pictures: np.ndarray) -> np.ndarray:
        """Of uint8 (n, SIDE, SIDE) to each drawing, (n, N): root mean square of the differences, in grey levels."""
        new = np.array([_placed(Image.fromarray(one)) for one in pictures])
        return np.sqrt(((new[:, None, None] - self._turned) ** 2).mean((3, 4))).min(2)

    def compare(self, pictures: np.ndarray) -> tuple[np.ndarray, float]:
        """The number of the drawing that is nearest to each picture, and the pictures' median distance to it, as a
        share of that from a drawing to the nearest other one.
        """
        apart = self.distances(pictures)
        return apart.argmin(1), float(np.median(apart.min(1))) / max(self._usual, 1e-9)


def _placed(picture: Image.Image) -> np.ndarray:
    """A picture moved to the middle, and stretched so that what is light in it spreads SPREAD pixels in both directions
    (standard deviation): float32 (SIDE, SIDE).
    """
    light = np.asarray(picture, float) + 1e-9
    of = []  # a, b of x' = a x + b, for either direction
    for axis in (0, 1):
        at, share = np.arange(SIDE) + 0.5, light.sum(axis) / light.sum()
        middle = (at * share).sum()
        a = max(1.0, np.sqrt((share * (at - middle) ** 2).sum())) / SPREAD
        of.append((a, middle - a * SIDE / 2))
    (a, b), (c, d) = of
    moved = picture.transform((SIDE, SIDE), Image.Transform.AFFINE, (a, 0, b, 0, c, d), BILINEAR)
    return np.asarray(moved, np.float32)
