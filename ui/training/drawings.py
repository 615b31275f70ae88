"""What a visitor has drawn: checked, made into the images of a training, and compared with what that training makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ddpm_core.imaging import grid, png
from ddpm_core.imaging.image_files import open_picture

SIDE = 28  # pixels of a drawing
UNITS = 10  # of a stroke's coordinates in a pixel
WIDTH = 2  # pixels of a line
FINER = 4  # times, in which a line is drawn before it is made small
FEWEST, MOST = 5, 20  # drawings
LONGEST = 400  # points of a drawing
VARIANTS = 150  # of a drawing: 20 make 3,000 images, as many as there are digits
SHIFT, TURN, SCALE = 2.0, 10.0, 0.15  # at most: pixels, degrees, share of the width and of the height
GAP = 2  # pixels between the pictures of a grid
TURNS = range(-12, 13, 4)  # degrees in which a drawing is compared
SPREAD = 6.0  # pixels
BILINEAR = Image.Resampling.BILINEAR
FILE = "drawings.npz"  # in a run's folder
ABOUT = {
    "side": SIDE,
    "units": UNITS,
    "fewest": FEWEST,
    "most": MOST,
    "how": f"The network learns each drawing in {VARIANTS} variants: shifted by up to {SHIFT:g} pixels, turned by up "
    f"to {TURN:g}°, stretched by up to {100 * SCALE:g} %. It begins with the weights of the digits, which know lines. "
    "If you change what it predicts or its width, it begins with random weights.",
}


class Drawings:
    """Drawings of a visitor. Raises ValueError, one sentence, for anything but FEWEST to MOST of them on the sheet.

    found: a list of drawings. Each is a list of strokes [x, y, x, y, ...], whole numbers from 0 to SIDE · UNITS.
    """

    def __init__(self, found: object):
        found = found if isinstance(found, list) else []
        if not FEWEST <= len(found) <= MOST:
            raise ValueError(f"Draw {FEWEST} to {MOST} small pictures. There are {len(found)} now")
        if not all(map(_fits, found)):
            raise ValueError(f"A drawing is lines of 2 to {LONGEST:,} points in all on the sheet. Draw it again")
        rng = np.random.default_rng(0)
        made = [[np.array(stroke, float).reshape(-1, 2) / UNITS for stroke in strokes] for strokes in found]
        self.images = np.stack([drawn(varied(lines, rng)) for lines in made for _ in range(VARIANTS)])
        self.drawings = np.stack([drawn(lines) for lines in made])

    def save(self, folder: Path) -> Path:
        """The file in a run's folder that it learns from."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / FILE, images=self.images, drawings=self.drawings)
        return folder / FILE


def _fits(drawing: object) -> bool:
    """Whether this is a drawing: strokes of at least two points, and at most LONGEST points in all."""
    strokes = drawing if isinstance(drawing, list) else []
    if not strokes or not all(isinstance(one, list) and len(one) >= 4 and len(one) % 2 == 0 for one in strokes):
        return False
    numbers = [n for stroke in strokes for n in stroke]
    return len(numbers) <= 2 * LONGEST and all(type(n) is int and 0 <= n <= SIDE * UNITS for n in numbers)


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


def varied(lines: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Return the same lines, their size changed about the middle of the sheet, turned and shifted a little."""
    turn = np.deg2rad(rng.uniform(-TURN, TURN))
    scale, shift = rng.uniform(1 - SCALE, 1 + SCALE, 2), rng.uniform(-SHIFT, SHIFT, 2)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return [((line - SIDE / 2) * scale) @ rotation.T + SIDE / 2 + shift for line in lines]


class Likeness:
    """How like new pictures are to drawings, whatever their place, size and small turns: those make no new picture."""

    def __init__(self, drawings: np.ndarray):
        """drawings: uint8 (N, SIDE, SIDE), two at least."""
        self._drawings = drawings
        turned = [[_placed(Image.fromarray(one).rotate(turn, BILINEAR)) for turn in TURNS] for one in drawings]
        self._turned = np.array(turned)
        apart = self.distances(drawings)
        np.fill_diagonal(apart, np.inf)
        self._usual = float(np.median(apart.min(1)))  # of a drawing to the nearest other one

    @classmethod
    def load(cls, folder: Path) -> Likeness:
        """To the drawings of a run. Where there are none, it raises what numpy and zipfile raise."""
        with np.load(folder / FILE) as arrays:
            return cls(arrays["drawings"])

    def distances(self, pictures: np.ndarray) -> np.ndarray:
        """Of uint8 (n, SIDE, SIDE) to each drawing, (n, N): root mean square of the differences, in grey levels."""
        new = np.array([_placed(Image.fromarray(one)) for one in pictures])
        return np.sqrt(((new[:, None, None] - self._turned) ** 2).mean((3, 4))).min(2)

    def compare(self, pictures: np.ndarray) -> tuple[bytes, float]:
        """Each picture with the nearest drawing beside it, dark on light, as a PNG; and their median distance, as a
        share of that from a drawing to the nearest other one.
        """
        apart = self.distances(pictures)
        pairs = np.concatenate([pictures, 255 - self._drawings[apart.argmin(1)]], 2)
        return png(grid(pairs[..., None], gap=GAP)), float(np.median(apart.min(1))) / max(self._usual, 1e-9)


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


def pictures_of(file: Path) -> np.ndarray:
    """The pictures of a grid, uint8 (n, SIDE, SIDE). Raises OSError and ValueError where it has none."""
    with open_picture(file) as image:
        pixels = np.asarray(image.convert("L"))
    step = SIDE + GAP
    rows, columns = (n // step for n in (pixels.shape[0] + GAP, pixels.shape[1] + GAP))
    found = [pixels[y * step :, x * step :][:SIDE, :SIDE] for y in range(rows) for x in range(columns)]
    return np.stack(found)
