"""Animations as MP4 (H.264), which every browser, telephone and slide program plays. Needs the package `av` (PyAV)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ddpm_core import files
from ddpm_core.imaging import animation

RATE = 50  # frames a second: the shortest time that a picture is shown is 20 ms
QUALITY = 14  # x264's constant rate factor: 0 is lossless, 18 can hardly be told from it on photographs
# ITU-T H.273's numbers for the colours of HDTV (BT.709) and for levels from 16 to 235, which players assume anyway.
COLOURS = {"color_primaries": 1, "color_trc": 1, "colorspace": 1, "color_range": 1}
MISSING = "MP4 files need the package av: pip install av"


def is_possible() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec("av") is not None


def save_mp4(
    path: str | Path | BinaryIO,
    frames: Sequence[np.ndarray],
    seconds: float = 4.0,
    hold: float = 1.5,
    scale: int = 1,
    about: str = "",
) -> None:
    """uint8 (H, W, C) frames of one size as an MP4. Arguments as for `imaging.save_gif`; about is the file's comment.

    H.264 halves the resolution of colours, so a picture needs an even size: where it is odd, its last row or column is
    there twice. At least `scale` 2 keeps the colour of every pixel. Raises ImportError, one sentence, without `av`.
    """
    try:
        import av
        from av.video.reformatter import Colorspace
    except ImportError:
        raise ImportError(MISSING) from None
    pictures, options = animation(frames, seconds, hold, scale)
    ends = np.rint(np.cumsum(options["duration"]) * RATE / 1000).astype(int)
    width, height = (length + length % 2 for length in pictures[0].size)
    with (
        files.replacing(path) if isinstance(path, (str, Path)) else nullcontext(path) as file,
        av.open(file, "w", format="mp4") as container,
    ):
        container.metadata["comment"] = about
        stream = container.add_stream("libx264", rate=RATE, options={"crf": str(QUALITY), "preset": "fast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        coder = stream.codec_context
        coder.thread_count = 1  # runs of the network need the others
        coder.gop_size = RATE // 2  # a player can jump to every half second
        for name, number in COLOURS.items():
            setattr(coder, name, number)
        shown = 0
        for picture, end in zip(pictures, ends, strict=True):
            frame = av.VideoFrame.from_ndarray(_even(np.asarray(picture.convert("RGB"))), format="rgb24")
            frame = frame.reformat(format=stream.pix_fmt, dst_colorspace=Colorspace.ITU709)
            while shown < end:
                frame.pts, shown = shown, shown + 1
                container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _even(pixels: np.ndarray) -> np.ndarray:
    height, width, _ = pixels.shape
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
