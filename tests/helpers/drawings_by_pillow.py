"""An independent implementation, with Pillow, of how the page makes pictures of drawings and compares pictures with
them.

It is the code with which the server trained on drawings before `ui/web/learning/` replaced it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

SIDE = 28  # side of a drawing, in pixels
UNITS = 10  # units of a stroke's coordinates in a pixel
WIDTH = 2  # width of a line, in pixels
FINER = 4  # a line is drawn this many times larger, and then made small
TURNS = range(-12, 13, 4)  # angles at which a drawing is compared, in degrees
SPREAD = 6.0  # standard deviation of the light pixels, in pixels
BILINEAR = Image.Resampling.BILINEAR


def drawn(lines: Sequence[np.ndarray]) -> np.ndarray:
    """Return a drawing of lines through points, (n, 2) each in pixels, white on black: uint8 (SIDE, SIDE)."""
    image = Image.new("L", (SIDE * FINER, SIDE * FINER))
    pen, r = ImageDraw.Draw(image), WIDTH * FINER / 2
    for line in lines:
        points = [(x, y) for x, y in line * FINER]
        pen.line(points, fill=255, width=WIDTH * FINER)
        for x, y in points:  # draws round joints and ends
            pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
    return np.asarray(image.reduce(FINER))


class Likeness:
    """Measures how similar pictures are to drawings. Place, size and small turns do not count."""

    def __init__(self, drawings: np.ndarray):
        """drawings: uint8 (N, SIDE, SIDE), at least two."""
        turned = [[_placed(Image.fromarray(one).rotate(turn, BILINEAR)) for turn in TURNS] for one in drawings]
        self._turned = np.array(turned)
        apart = self.distances(drawings)
        np.fill_diagonal(apart, np.inf)
        self._usual = float(np.median(apart.min(1)))  # usual distance of a drawing to the nearest other one

    def distances(self, pictures: np.ndarray) -> np.ndarray:
        """Return the distance of each picture, uint8 (n, SIDE, SIDE), to each drawing, (n, N): the root mean square of
        the differences, in grey levels.
        """
        new = np.array([_placed(Image.fromarray(one)) for one in pictures])
        return np.sqrt(((new[:, None, None] - self._turned) ** 2).mean((3, 4))).min(2)

    def compare(self, pictures: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the index of the drawing nearest to each picture, and a relative distance. It is the pictures' median
        distance, divided by the usual distance of a drawing to the nearest other one.
        """
        apart = self.distances(pictures)
        return apart.argmin(1), float(np.median(apart.min(1))) / max(self._usual, 1e-9)


def _placed(picture: Image.Image) -> np.ndarray:
    """Return a picture moved to the middle and stretched: its light pixels get the standard deviation SPREAD in both
    directions. float32 (SIDE, SIDE).
    """
    light = np.asarray(picture, float) + 1e-9
    of = []  # a, b of x' = a x + b, for each direction
    for axis in (0, 1):
        at, share = np.arange(SIDE) + 0.5, light.sum(axis) / light.sum()
        middle = (at * share).sum()
        a = max(1.0, np.sqrt((share * (at - middle) ** 2).sum())) / SPREAD
        of.append((a, middle - a * SIDE / 2))
    (a, b), (c, d) = of
    moved = picture.transform((SIDE, SIDE), Image.Transform.AFFINE, (a, 0, b, 0, c, d), BILINEAR)
    return np.asarray(moved, np.float32)
