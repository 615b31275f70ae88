"""What an image file shows, as 8-bit pixels: the one reader of pictures for training, measuring and the page."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# The only formats that are opened, by Pillow's names, with the ends of their files' names. Pillow knows fifty more: for
# one it runs another program (EPS, Ghostscript), and their decoders are rarely looked at.
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
KINDS = " or ".join([", ".join([*FORMATS][:-1]), [*FORMATS][-1]])  # in a sentence

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # Pillow's name for so many channels
WITH_ALPHA = (2, 4)  # numbers of channels of which the last is alpha
BACKGROUND = 128  # grey level behind transparent parts, where the channels have no place for them


def open_picture(file: str | Path | BinaryIO) -> Image.Image:
    """`PIL.Image.open` for FORMATS alone, by the file's content, whatever its name says.

    Raises UnidentifiedImageError, an OSError, for any other file, and whatever else Pillow raises for a broken one.
    """
    try:
        return Image.open(file, formats=tuple(FORMATS))
    except UnidentifiedImageError:
        name = file if isinstance(file, str | Path) else "this file"
        raise UnidentifiedImageError(f"{name} cannot be read as a picture: it has to be {KINDS}") from None


def is_grey(image: Image.Image) -> bool:
    """Whether a picture has one channel, not counting transparency. Needs the file's header alone."""
    return Image.getmodebase(image.mode) == "L"


def to_8_bits(image: Image.Image, channels: int = 3) -> Image.Image:
    """A picture as it is meant to be seen, upright, with 8 bits in each of `channels` channels, a key of MODES.

    Transparent parts lie over grey, or keep their transparency where there are 2 or 4 channels. Of an animation this is
    the first frame. Raises what Pillow raises for a broken file, ValueError for pixels that are not numbers.
    """
    whites = _whites(image)
    image.load()  # raises for damaged pixels
    with suppress(Exception), warnings.catch_warnings():  # damaged EXIF data do not matter
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        image = ImageOps.exif_transpose(image)
    if whites:
        image = _shallow(image, whites)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if channels not in WITH_ALPHA:
            image = opaque(image)
    elif not is_grey(image):
        image = image.convert("RGB")  # the only way from some modes to others
    return image.convert(MODES[channels])


def square(image: Image.Image, size: int, how: Image.Resampling = Image.Resampling.BICUBIC) -> np.ndarray:
    """uint8 (size, size, C): the shorter side resized to `size`, cropped at the centre. image: from `to_8_bits`."""
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), how)
    return np.array(image).reshape(size, size, -1)


def opaque(image: Image.Image) -> Image.Image:
    """A picture of mode LA or RGBA as L or RGB, its transparent parts over grey."""
    grey = Image.new("RGBA", image.size, (BACKGROUND, BACKGROUND, BACKGROUND, 255))
    return Image.alpha_composite(grey, image.convert("RGBA")).convert(image.mode.removesuffix("A"))


def over_grey(images: np.ndarray) -> np.ndarray:
    """uint8 (..., W, C) with 1 to 4 channels as uint8 (..., W, 3), transparent parts over grey."""
    if images.shape[-1] in WITH_ALPHA:
        rows = images.reshape(-1, *images.shape[-2:])
        images = np.asarray(opaque(Image.fromarray(rows))).reshape(*images.shape[:-1], -1)
    return images if images.shape[-1] == 3 else images.repeat(3, -1)


def _whites(image: Image.Image) -> tuple[int, ...]:
    """The values that may mean white in a picture of more than 8 bits, ascending; empty for 8 bits.

    Formats with 16-bit whole numbers say so; for others it has to be guessed from the pixels.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return (65535,)
    return {"I": (255, 65535), "F": (1, 255, 65535)}.get(image.mode, ())


def _shallow(image: Image.Image, whites: tuple[int, ...]) -> Image.Image:
    """A grey picture of more than 8 bits as L, or as LA where one level of it means transparent."""
    values = np.array(image, np.float32)
    if not np.isfinite(values).all():
        raise ValueError("this picture has a pixel value that is NaN or infinite")
    highest = float(values.max())
    white = next((white for white in whites if highest <= white), highest)
    clear = image.info.get("transparency")
    alpha = np.where(values == clear, 0, 255).astype(np.uint8) if isinstance(clear, int) else None
    values *= 255 / white  # in place: pictures may be large
    levels = np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)
    return Image.fromarray(levels if alpha is None else np.stack([levels, alpha], -1))
