"""Pictures to add noise to: four that are drawn here, and uploads of any kind, made square and small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from gradio.utils import get_upload_folder
from PIL import Image, ImageDraw

from ddpm_core.image_files import KINDS, can_be_resized, open_picture, square, to_8_bits
from ui.events import address
from ui.runs.limits import Refused, ServerLimits
from ui.runs.quick import QUICK

SIZE = 128  # pixels a side: the grain of the noise can be seen
SMALLEST = 32  # smaller uploads are enlarged to this
SCALE = 4  # drawings are made this much larger, for smooth edges

Point = tuple[float, float]
Result = TypeVar("Result")


def uploaded(path: object) -> Path:
    """The path of an upload. Raises ValueError for any other file of this machine."""
    with suppress(OSError, ValueError):  # not a path at all
        found = Path(str(path)).resolve()
        if found.is_relative_to(Path(get_upload_folder()).resolve()):
            return found
    raise ValueError("Only a picture that was uploaded can be opened")


def read(path: str | Path, limits: ServerLimits | None = None) -> np.ndarray:
    """The middle of an uploaded picture, upright and on grey, as uint8 (n, n, 3) with n from SMALLEST to SIZE.

    Raises ValueError, with one sentence for the user, for what is not a picture, and Refused for what is too large to
    decode.
    """
    return _reading(path, 2 * SIZE, _square, limits)


def read_whole(path: str | Path, longest: int, limits: ServerLimits | None = None) -> Image.Image:
    """An uploaded picture, upright, with mode RGBA, its longer side at most `longest` pixels. Raises as `read` does."""

    return _reading(path, longest, lambda image: _reduced(image, longest, 4), limits)


def _reading(
    path: str | Path, enough: int, take: Callable[[Image.Image], Result], limits: ServerLimits | None
) -> Result:
    """take(the opened picture), with checks before it is decoded. enough: pixels a side that are needed."""
    limits = limits or ServerLimits()
    with QUICK.turn(address()):  # one large picture in memory at a time
        try:
            limits.check_upload(Path(path).stat().st_size)
            with _open(path, enough, limits) as image:
                return take(image)
        except Refused:
            raise
        except Exception:  # decoders raise anything over a broken file
            raise ValueError(f"This file could not be read as a picture: choose a {KINDS}.") from None


def _open(path: str | Path, enough: int, limits: ServerLimits) -> Image.Image:
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # the limits below have their own sentences
    try:
        image = open_picture(path)
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    pixels = image.width * image.height
    image.draft(None, (enough, enough))  # a JPEG can be decoded up to 8 times smaller
    try:
        limits.check_picture(pixels, image.width * image.height)
    except Refused:
        image.close()
        raise
    return image


def _square(image: Image.Image) -> np.ndarray:
    side = min(max(min(image.size), SMALLEST), SIZE)
    longest = 4 * SIZE * max(image.size) // min(image.size)
    how = Image.Resampling.LANCZOS if min(image.size) >= SMALLEST else Image.Resampling.NEAREST
    return square(_reduced(image, longest), side, how)


def _reduced(image: Image.Image, longest: int, channels: int = 3) -> Image.Image:
    """What `to_8_bits` makes of a picture, its longer side at most `longest` pixels."""
    if not can_be_resized(image):
        image = to_8_bits(image, channels)
    image.thumbnail((longest, longest), reducing_gap=2)
    return to_8_bits(image, channels)


# --- Drawn pictures


@cache
def drawn(name: str) -> np.ndarray:
    """One of DRAWINGS, uint8 (SIZE, SIZE, 3)."""
    image = DRAWINGS[name]()
    return np.array(image.resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def _sky(*colours: str) -> Image.Image:
    """A vertical gradient through the colours, top to bottom."""
    side = SIZE * SCALE
    stops = np.array([Image.new("RGB", (1, 1), colour).getpixel((0, 0)) for colour in colours], float)
    at = np.linspace(0, len(stops) - 1, side)
    column = np.stack([np.interp(at, range(len(stops)), channel) for channel in stops.T], 1)
    return Image.fromarray(np.broadcast_to(column[:, None], (side, side, 3)).round().astype(np.uint8))


class _Pen:
    """Draws in units of a picture 100 wide and high."""

    def __init__(self, image: Image.Image):
        self._draw = ImageDraw.Draw(image, "RGBA")
        self._unit = image.width / 100

    def _at(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._unit, y * self._unit) for x, y in points]

    def shape(self, colour: str, *points: Point) -> None:
        self._draw.polygon(self._at(points), colour)

    def oval(self, colour: str, x: float, y: float, rx: float, ry: float | None = None) -> None:
        ry = rx if ry is None else ry
        self._draw.ellipse(self._at([(x - rx, y - ry), (x + rx, y + ry)]), colour)

    def box(self, colour: str, left: float, top: float, right: float, bottom: float) -> None:
        self._draw.rectangle(self._at([(left, top), (right, bottom)]), colour)

    def line(self, colour: str, width: float, *points: Point) -> None:
        self._draw.line(self._at(points), colour, round(width * self._unit), joint="curve")

    def arc(
        self, colour: str, width: float, x: float, y: float, rx: float, ry: float, start: float, end: float
    ) -> None:
        box = self._at([(x - rx, y - ry), (x + rx, y + ry)])
        self._draw.arc(box, start, end, colour, round(width * self._unit))


def _lighthouse() -> Image.Image:
    image = _sky("#1f2a5c", "#4a3f7e", "#c25b76", "#f6a25c", "#ffd98a")
    pen = _Pen(image)
    pen.oval("#fff0b8", 24, 60, 9)
    pen.shape("#ffe9a055", (67, 26), (0, 4), (0, 26))
    pen.shape("#ffe9a055", (67, 26), (100, 12), (100, 34))
    pen.box("#1d4a78", 0, 68, 100, 100)
    for y, colour in ((68, "#2b6396"), (76, "#245685"), (85, "#1a3f68")):
        pen.box(colour, 0, y, 100, y + 4)
    for y in range(69, 90, 4):
        pen.box("#ffdf9a", 24 - (90 - y) / 4, y, 24 + (90 - y) / 4, y + 1.2)
    pen.shape("#2a2433", (40, 100), (50, 80), (62, 74), (76, 74), (88, 82), (100, 88), (100, 100))
    left, right = (lambda y: 62 - (y - 32) * 0.09), (lambda y: 72 + (y - 32) * 0.09)
    for i, colour in enumerate(("#f7f3ec", "#d8383f") * 3):
        top, bottom = 32 + 7.4 * i, 32 + 7.4 * (i + 1)
        pen.shape(colour, (left(top), top), (right(top), top), (right(bottom), bottom), (left(bottom), bottom))
    pen.box("#2a2433", 59.5, 30, 74.5, 32.5)
    pen.box("#ffe27a", 63, 22.5, 71, 30)
    pen.shape("#d8383f", (61.5, 22.5), (67, 14.5), (72.5, 22.5))
    return image


def _cat() -> Image.Image:
    image = _sky("#7fc4bd", "#5aa9a6")
    pen = _Pen(image)
    fur, dark, cream = "#e8903a", "#b85f1d", "#fbe6c8"
    pen.oval(dark, 50, 112, 40, 36)
    pen.oval(fur, 50, 114, 37, 36)
    for side in (-1, 1):
        pen.shape(fur, (50 + side * 33, 50), (50 + side * 34, 9), (50 + side * 7, 26))
        pen.shape("#f2b6a8", (50 + side * 28, 36), (50 + side * 29.5, 18), (50 + side * 16, 27))
    pen.oval(fur, 50, 52, 35, 31)
    for x, y in ((50, 36), (42, 34), (58, 34)):
        pen.shape(dark, (x - 2.4, y - 13), (x + 2.4, y - 13), (x, y))
    for side in (-1, 1):
        pen.shape(dark, (50 + side * 35, 52), (50 + side * 34, 57), (50 + side * 24, 55))
        pen.shape(dark, (50 + side * 33, 61), (50 + side * 31, 66), (50 + side * 23, 62))
    for side in (-1, 1):
        pen.oval(cream, 50 + side * 8, 65, 11, 9)
        pen.oval("#fdfdf4", 50 + side * 15, 48, 8.5, 8)
        pen.oval("#5f9e3f", 50 + side * 15, 48, 7.2, 7.2)
        pen.oval("#17181a", 50 + side * 15, 48, 3.2, 6.6)
        pen.oval("#ffffff", 50 + side * 15 + 2.2, 45, 1.9)
    pen.oval(cream, 50, 72, 9, 7)
    pen.shape("#c9605f", (45.5, 58.5), (54.5, 58.5), (50, 63.5))
    for side in (-1, 1):
        pen.arc("#6b3410", 1.2, 50 + side * 4.4, 64, 4.4, 4.6, 10, 170)
        for y in (-3, 1, 5):
            pen.line("#fff8ec", 0.9, (50 + side * 17, 65 + y * 0.6), (50 + side * 42, 63 + y * 1.6))
    return image


def _balloon() -> Image.Image:
    image = _sky("#3f8fd6", "#7ebbea", "#cfe9f7", "#eef6ee")
    pen = _Pen(image)
    for x, y, size in ((16, 24, 1.0), (86, 58, 1.2), (10, 66, 0.8)):
        for dx, dy, r in ((-9, 2, 6), (-2, -2, 8), (6, 0, 7), (12, 3, 5)):
            pen.oval("#ffffff", x + dx * size, y + dy * size, r * size, r * 0.72 * size)
    pen.shape("#7fae63", (0, 86), (18, 80), (40, 85), (66, 79), (100, 87), (100, 100), (0, 100))
    pen.shape("#4f8a4c", (0, 93), (30, 88), (60, 94), (84, 89), (100, 93), (100, 100), (0, 100))
    for x in (-6.5, 6.5):
        pen.line("#6a4a2c", 0.8, (52 + x * 1.6, 60), (52 + x * 0.7, 73))
    colours = ("#d8343c", "#f6c33c", "#d8343c", "#f6c33c", "#d8343c")
    for width, colour in zip((27, 21, 14, 8, 3.5), colours, strict=True):
        pen.oval(colour, 52, 36, width, 27)
        pen.shape(
            colour, (52 - width * 0.93, 46), (52 + width * 0.93, 46), (52 + width * 0.26, 67), (52 - width * 0.26, 67)
        )
    pen.box("#b3242c", 44.8, 66, 59.2, 68)
    pen.shape("#8a5a30", (46.5, 73), (57.5, 73), (56.5, 82), (47.5, 82))
    pen.box("#6a4220", 46, 72.5, 58, 74.5)
    return image


def _flower() -> Image.Image:
    image = _sky("#2f5d46", "#3f7a50", "#2d5a3d")
    pen = _Pen(image)
    pen.line("#8cc152", 4.5, (50, 50), (51, 72), (47, 100))
    pen.shape("#79b344", (49, 84), (60, 72), (80, 70), (70, 84), (54, 90))
    pen.shape("#8cc152", (49, 92), (38, 82), (20, 82), (30, 93), (46, 97))
    for ring, (inner, outer, colour, shift) in enumerate(((10, 38, "#e8a016", 0.5), (9, 35, "#ffcf33", 0.0))):
        for k in range(14):
            angle = 2 * np.pi * (k + shift) / 14
            along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
            outline = [(inner, 2.4), (outer * 0.55, 5.6 - ring * 0.4), (outer * 0.85, 4.0), (outer, 0)]
            points = [(r, w) for r, w in outline] + [(r, -w) for r, w in reversed(outline)]
            pen.shape(colour, *[tuple(np.array([50, 42]) + r * along + w * across) for r, w in points])
    pen.oval("#5b3216", 50, 42, 14)
    for k in range(110):
        radius, angle = 12.6 * (k / 110) ** 0.5, 2.39996 * k
        colour = "#8f5a24" if k < 45 else "#b87a33"
        pen.oval(colour, 50 + radius * np.cos(angle), 42 + radius * np.sin(angle), 0.75)
    return image


DRAWINGS = {"lighthouse": _lighthouse, "cat": _cat, "balloon": _balloon, "flower": _flower}
