"""Pictures in and out: [−1, 1] to levels, grids and files; picture files to arrays. No model and no process."""

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
