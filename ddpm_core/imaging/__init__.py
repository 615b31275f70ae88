"""Conversions of pictures: numbers in [−1, 1] to grey levels, grids and files, and picture files to arrays."""

from ddpm_core.imaging.pixels import (
    check_channels,
    from_uint8,
    grid,
    jpeg,
    png,
    save_gif,
    save_webp,
    thin,
    to_uint8,
)

__all__ = [
    "check_channels",
    "from_uint8",
    "grid",
    "jpeg",
    "png",
    "save_gif",
    "save_webp",
    "thin",
    "to_uint8",
]
