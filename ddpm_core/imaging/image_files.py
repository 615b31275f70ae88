"""Read picture files as 8-bit pixels. Training, evaluation and the page all use these functions."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Only these formats are opened: {Pillow's name of a format: its suffixes}. Pillow supports fifty more. But for EPS it
# runs another program (Ghostscript), and few people check the other decoders for security.
FORMATS = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm"),
}
SUFFIXES = {suffix for suffixes in FORMATS.values() for suffix in suffixes}
KINDS = " or ".join([", ".join([*FORMATS][:-1]), [*FORMATS][-1]])  # the names of the formats as text, for messages

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # {number of channels: Pillow's mode}
WITH_ALPHA = (2, 4)  # numbers of channels with alpha as the last channel
BACKGROUND = 128  # grey level, 0..255, behind transparent parts


def open_picture(file: str | Path | BinaryIO) -> Image.Image:
    """Open a picture file by `PIL.Image.open`, if it has one of FORMATS.

    The content determines the format, not the name. Raise UnidentifiedImageError, an OSError, for any other file.
    Pillow may raise other errors for a damaged file.
    """
    try:
        return Image.open(file, formats=tuple(FORMATS))
    except UnidentifiedImageError:
        name = file if isinstance(file, str | Path) else "this file"
        raise UnidentifiedImageError(f"{name} cannot be read as a picture: it has to be {KINDS}") from None


def is_grey(image: Image.Image) -> bool:
    """Return whether a picture has one channel, not counting transparency. Only the header of its file is read."""
    return Image.getmodebase(image.mode) == "L"


def to_8_bits(image: Image.Image, channels: int = 3) -> Image.Image:
    """Return a picture upright, with 8 bits per channel. channels: the number of channels, a key of MODES.

    With 2 or 4 channels, transparent parts stay transparent; otherwise they are drawn over grey. For an animation, the
    result is its first frame. Raise ValueError for pixels that are not finite. Pillow raises its own errors for a
    damaged file.
    """
    whites = _whites(image)
    image.load()  # raises an error for damaged pixels
    with suppress(Exception), warnings.catch_warnings():  # ignores damaged EXIF data
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        image = ImageOps.exif_transpose(image)
    if whites:
        image = _shallow(image, whites)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if channels not in WITH_ALPHA:
            image = opaque(image)
    elif not is_grey(image):
        image = image.convert("RGB")  # Pillow can convert some modes only to RGB
    return image.convert(MODES[channels])


def square(image: Image.Image, size: int, how: Image.Resampling = Image.Resampling.BICUBIC) -> np.ndarray:
    """Return a picture resized so that its shorter side is `size`, and cropped to the centre: uint8 (size, size, C).

    image: a result of `to_8_bits`. how: the interpolation.
    """
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), how)
    return np.array(image).reshape(size, size, -1)


def opaque(image: Image.Image) -> Image.Image:
    """Return a picture of mode LA or RGBA as L or RGB, with its transparent parts over grey."""
    grey = Image.new("RGBA", image.size, (BACKGROUND, BACKGROUND, BACKGROUND, 255))
    return Image.alpha_composite(grey, image.convert("RGBA")).convert(image.mode.removesuffix("A"))


def over_grey(images: np.ndarray) -> np.ndarray:
    """Return uint8 (..., W, C) with 1 to 4 channels as uint8 (..., W, 3), with transparent parts over grey."""
    if images.shape[-1] in WITH_ALPHA:
        rows = images.reshape(-1, *images.shape[-2:])
        images = np.asarray(opaque(Image.fromarray(rows))).reshape(*images.shape[:-1], -1)
    return images if images.shape[-1] == 3 else images.repeat(3, -1)


def _whites(image: Image.Image) -> tuple[int, ...]:
    """Return the values that may mean white in a picture with more than 8 bits per channel, ascending.

    The result is empty for 8 bits. It has one value for formats with 16-bit whole numbers. For other formats it has
    several, and `_shallow` chooses one by the pixels.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return (65535,)
    return {"I": (255, 65535), "F": (1, 255, 65535)}.get(image.mode, ())


def _shallow(image: Image.Image, whites: tuple[int, ...]) -> Image.Image:
    """Return a grey picture with more than 8 bits as mode L, or as LA if one of its levels means transparent."""
    values = np.array(image, np.float32)
    if not np.isfinite(values).all():
        raise ValueError("this picture has a pixel value that is NaN or infinite")
    highest = float(values.max())
    white = next((white for white in whites if highest <= white), highest)
    clear = image.info.get("transparency")
    alpha = np.where(values == clear, 0, 255).astype(np.uint8) if isinstance(clear, int) else None
    values *= 255 / white  # in place, to save memory
    levels = np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)
    return Image.fromarray(levels if alpha is None else np.stack([levels, alpha], -1))
