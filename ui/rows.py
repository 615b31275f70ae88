"""Rows of pictures that chains end in, one row beside the other: what Latents and Repair show and save."""

from __future__ import annotations

import numpy as np

from ddpm_core import imaging
from ui.export import files
from ui.pictures import frame_format, uri

KINDS = ("png", "gif", "webp")  # of files


class Rows:
    """images: columns. rows: the final pictures of each row that is done, uint8 (columns, H, W, C), by its number.
    frames: the x̂_0 of each row and kept step, likewise."""

    images: int

    def __init__(self) -> None:
        self.rows: dict[int, np.ndarray] = {}
        self.frames: dict[int, dict[int, np.ndarray]] = {}

    def grid(self) -> np.ndarray:
        return imaging.grid(np.concatenate([row for _, row in sorted(dict(self.rows).items())]), self.images)

    def film(self) -> list[np.ndarray]:
        """The grid of the x̂_0 at each moment; all rows run at once, from their first step to their last."""
        rows = [frames for row, frames in sorted(dict(self.frames).items()) if row in self.rows]
        if not rows:  # only t = 0
            return [self.grid()]
        moments, film = max(map(len, rows)), []
        for moment in range(moments):
            shown = []
            for frames in rows:
                steps = sorted(frames)
                shown.append(frames[steps[round(moment * (len(steps) - 1) / max(moments - 1, 1))]])
            film.append(imaging.grid(np.concatenate(shown), self.images))
        return film

    def about(self) -> str:
        """The settings as JSON."""
        raise NotImplementedError

    def save(self, kind: str, name: str) -> tuple[str, bytes]:
        """A file: its name and its content. Raises ValueError for no file of this kind, and while no row is done."""
        if kind not in KINDS:
            raise ValueError(f"There is no file of this kind: choose from {', '.join(KINDS)}")
        if not self.rows:
            raise ValueError("There is no finished row of pictures yet: press Run")
        name = f"{name}.{kind}".replace(" ", "-")
        if kind == "png":
            return name, imaging.png(self.grid(), about=self.about())
        return name, files.animation(self.film(), kind, self.about())


def sent(images: np.ndarray) -> str:
    """Pictures side by side on their way to the page."""
    return uri(images, frame_format(images.shape[1], images.shape[-1]))


def spread(images: np.ndarray) -> float:
    """The standard deviation of uint8 (N, H, W, C) pictures from their mean, in grey levels, over all pixels."""
    return float(np.sqrt(images.astype(float).var(0).mean()))
