"""Convert between [−1, 1] and uint8, arrange pictures in grids, and write pictures and animations to files."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import torch
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ddpm_core.disk import files
from ddpm_core.imaging.image_files import BACKGROUND, MODES, WITH_ALPHA, opaque

T = TypeVar("T")


def to_uint8(x: Tensor) -> np.ndarray:
    """Return pixels rounded to the nearest of 256 levels.

    Arguments:
        x: (N, C, H, W) in [−1, 1]; other values are clipped.

    Returns:
        uint8 (N, H, W, C).

    Raises:
        ValueError: for anything but a tensor of a float dtype.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise ValueError(f"x must be a tensor of a float dtype, got {getattr(x, 'dtype', type(x).__name__)}")
    if x.device.type != "cpu":  # convert on the device, so that one byte per number is copied instead of four
        levels = x.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
        return levels.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    # NumPy is used because pictures are usually small, and torch takes twice as long to start an operation.
    levels = x.detach().float().numpy().clip(-1, 1)
    levels += 1
    levels *= 127.5
    return np.rint(levels, out=levels).astype(np.uint8).transpose(0, 2, 3, 1)


def from_uint8(images: np.ndarray | Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return x/127.5 − 1, as the paper scales its data.

    Arguments:
        images: uint8 (N, H, W, C).
        dtype: the dtype of the result.

    Returns:
        (N, C, H, W) in [−1, 1].

    Raises:
        ValueError: for images that are not uint8 or do not have four axes.
    """
    # torch refuses arrays with negative strides
    images = torch.as_tensor(np.ascontiguousarray(images) if isinstance(images, np.ndarray) else images)
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(f"expected uint8 (N, H, W, C), got {images.dtype} {tuple(images.shape)}")
    return images.permute(0, 3, 1, 2).to(dtype) / 127.5 - 1


def grid(images: np.ndarray, columns: int | None = None, gap: int = 2, background: int = BACKGROUND) -> np.ndarray:
    """Return pictures, uint8 (N, H, W, C), arranged row by row as one picture (H', W', C).

    columns: the number of pictures in a row; None for a grid that is nearly square. gap: the distance of pictures in
    pixels. background: the grey level of the gaps.
    """
    n, height, width, channels = images.shape
    columns = min(columns or math.ceil(math.sqrt(n)), n)
    rows = math.ceil(n / columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)
    out = np.full(shape, background, np.uint8)
    if channels in WITH_ALPHA:
        out[..., -1] = 255
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        out[top : top + height, left : left + width] = image
    return out


def check_channels(channels: int) -> None:
    """Raise ValueError unless the number of channels is 1 to 4, as a picture file can have."""
    if channels not in MODES:
        raise ValueError(f"an image of {channels} channels can't be saved as a picture: it needs 1 to 4")


def png(image: np.ndarray, compress_level: int = 6, about: str = "") -> bytes:
    """Return the bytes of a PNG file of a picture, uint8 (H, W, C) with C from 1 to 4.

    compress_level: 0 (fast) to 9 (small). about: a text for the file's metadata, under "Description".
    """
    info = PngInfo()
    if about:
        info.add_itxt("Description", about)
    return _encode(_picture(image), "PNG", compress_level=compress_level, pnginfo=info)


def jpeg(image: np.ndarray, quality: int = 80) -> bytes:
    """Return the bytes of a JPEG file of a picture, uint8 (H, W, C) with C from 1 to 4. quality: 1 to 95.

    JPEG has no transparency: transparent parts become grey.
    """
    return _encode(_opaque(image), "JPEG", quality=quality)


def save_gif(
    path: str | Path | BinaryIO,
    frames: Sequence[np.ndarray],
    seconds: float = 4.0,
    hold: float = 1.5,
    scale: int = 1,
    about: str = "",
) -> None:
    """Save frames of one size, uint8 (H, W, C) with C from 1 to 4, as a GIF that repeats forever.

    GIF has no partial transparency: transparent parts become grey. seconds: the duration of all frames; at most 50 are
    shown in a second. hold: the seconds for which the last frame stays. scale: a whole number by which the frames are
    enlarged without smoothing. about: the file's comment.
    """
    pictures, options = _animation(frames, seconds, hold, scale)
    indexed = [picture if picture.mode == "L" else picture.quantize(256) for picture in pictures]
    _save(path, indexed, "GIF", comment=about.encode(), **options)


def save_webp(
    path: str | Path | BinaryIO,
    frames: Sequence[np.ndarray],
    seconds: float = 4.0,
    hold: float = 1.5,
    scale: int = 1,
    about: str = "",
) -> None:
    """Save frames as a WebP that repeats forever. The file is lossless, and about half as large as the GIF.

    The arguments are those of `save_gif`. about: a text for the file's EXIF data, as ImageDescription.
    """
    pictures, options = _animation(frames, seconds, hold, scale)
    exif = Image.Exif()
    if about:
        exif[ExifTags.Base.ImageDescription] = about.encode()  # bytes, because Pillow stores a str as ASCII
    _save(path, [picture.convert("RGB") for picture in pictures], "WEBP", lossless=True, exif=exif, **options)


def _animation(
    frames: Sequence[np.ndarray], seconds: float, hold: float, scale: int
) -> tuple[Iterator[Image.Image], dict[str, Any]]:
    """Return the pictures of an animation as an iterator, and Pillow's arguments for durations (in ms) and repetition.

    Each picture is shown for a multiple of 10 ms, at least 20 ms. The arguments are those of `save_gif`.
    """
    shown = thin(range(len(frames)), max(int(seconds * 50), 1))
    pictures = (_opaque(frames[i].repeat(scale, 0).repeat(scale, 1)) for i in shown)
    # GIF counts in units of 10 ms, and browsers show each frame for at least two units.
    duration = max(round(1000 * seconds / len(shown), -1), 20)
    return pictures, {"duration": [duration] * (len(shown) - 1) + [round(1000 * hold)], "loop": 0}


def _save(path: str | Path | BinaryIO, pictures: list[Image.Image], format: str, **options: Any) -> None:
    """Write an animation. If path is a name, the file is replaced only when it is complete."""
    with files.replacing(path) if isinstance(path, (str, Path)) else nullcontext(path) as file:
        pictures[0].save(file, format, save_all=True, append_images=pictures[1:], **options)


def thin(frames: Sequence[T], limit: int) -> list[T]:
    """Return at most `limit` of the frames at equal distances, including the last one."""
    kept = np.linspace(len(frames) - 1, 0, min(len(frames), limit)).round().astype(int)
    return [frames[i] for i in kept[::-1]]


def _picture(image: np.ndarray) -> Image.Image:
    """Return a picture, uint8 (H, W, C), as a Pillow image. Raise ValueError unless C is 1 to 4."""
    check_channels(image.shape[-1])
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def _opaque(image: np.ndarray) -> Image.Image:
    """Return a picture, uint8 (H, W, C), as a Pillow image without alpha. Transparent parts become grey."""
    picture = _picture(image)
    return opaque(picture) if image.shape[-1] in WITH_ALPHA else picture


def _encode(picture: Image.Image, format: str, **options: Any) -> bytes:
    """Return the bytes of a picture in a file format of Pillow."""
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()
