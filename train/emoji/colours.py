"""Recolour a picture that has one main colour."""

from __future__ import annotations

import numpy as np

# For each name: the hue in degrees, the factor of saturation, the factor of value.
COLOURS = {
    "red": (0, 0.95, 1.0),
    "orange": (28, 1.0, 1.0),
    "yellow": (48, 1.0, 1.0),
    "green": (120, 0.9, 0.85),
    "blue": (212, 0.95, 1.0),
    "purple": (275, 0.9, 1.0),
    "pink": (332, 0.65, 1.15),
    "brown": (22, 0.75, 0.62),
}
# For each name, in degrees: a hue has the name if it differs from the name's hue by at most this.
_OWN = {"red": 14, "orange": 12, "yellow": 14, "green": 40, "blue": 35, "purple": 28, "pink": 16}
_LEAST = 0.3  # smallest share of the visible pixels that a main colour covers
_WIDTH = 28  # degrees to both sides of a hue that count as the same colour


def _hue(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hue in degrees, saturation and value of colours (..., 3) from 0 to 1."""
    value, chroma = rgb.max(-1), np.ptp(rgb, -1)
    r, g, b = np.moveaxis(rgb, -1, 0)
    safe = np.where(chroma == 0, 1, chroma)
    sixth = np.select([value == r, value == g], [((g - b) / safe) % 6, (b - r) / safe + 2], (r - g) / safe + 4)
    return np.where(chroma == 0, 0, 60 * sixth), chroma / np.where(value == 0, 1, value), value


def _rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return the colours (..., 3) from 0 to 1. This is the inverse of `_hue`."""
    k = (np.array([5, 3, 1]) + hue[..., None] / 60) % 6
    return value[..., None] * (1 - saturation[..., None] * np.clip(np.minimum(k, 4 - k), 0, 1))


def _hue_difference(hue: np.ndarray | float, other: float) -> np.ndarray:
    """Return the difference hue − other, from −180 to 180 degrees."""
    return (np.asarray(hue) - other + 180) % 360 - 180


def main_hue(rgba: np.ndarray) -> float | None:
    """Return the main hue of a picture, uint8 (H, W, 4), in degrees; None if no hue is dominant."""
    hue, saturation, value = _hue(rgba[..., :3] / 255)
    visible = rgba[..., 3] > 128
    vivid = visible & (saturation > 0.3) & (value > 0.25)
    if not vivid.sum() > 0.05 * vivid.size:
        return None
    counts = np.histogram(hue[vivid], 36, (0, 360))[0]
    main = float((counts + np.roll(counts, 1) + np.roll(counts, -1)).argmax() * 10 + 5)
    near = (vivid & (np.abs(_hue_difference(hue, main)) < _WIDTH)).sum()
    return main if near > _LEAST * visible.sum() and near > 0.75 * vivid.sum() else None


def name_of(hue: float) -> str | None:
    """Return the name of the colour of a hue, in degrees; None if it lies between two colours."""
    return next((name for name, reach in _OWN.items() if abs(_hue_difference(hue, COLOURS[name][0])) <= reach), None)


def recolour(rgba: np.ndarray, main: float, colour: str) -> np.ndarray:
    """Return a picture, uint8 (H, W, 4), with its main hue, in degrees, changed to one of COLOURS. Other hues stay."""
    target, more_saturation, more_value = COLOURS[colour]
    hue, saturation, value = _hue(rgba[..., :3] / 255)
    away = _hue_difference(hue, main)
    share = (np.clip((40 - np.abs(away)) / 12, 0, 1) * np.clip(saturation / 0.15, 0, 1))[..., None]
    changed = _rgb(
        (target + 0.6 * away) % 360, np.clip(saturation * more_saturation, 0, 1), np.clip(value * more_value, 0, 1)
    )
    mixed = share * changed + (1 - share) * rgba[..., :3] / 255
    return np.concatenate([(255 * mixed).round().clip(0, 255).astype(np.uint8), rgba[..., 3:]], -1)
