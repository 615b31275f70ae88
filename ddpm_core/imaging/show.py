"""Show runs and pictures in a notebook, as HTML without a server: a player, or a still picture if scripts don't run."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeGuard

import numpy as np
from PIL import Image
from torch import Tensor

from ddpm_core.imaging.image_files import MODES
from ddpm_core.imaging.pixels import grid, png, thin, to_uint8

PLAYER = Path(__file__).with_name("player.js")
FRAMES = 60  # maximum number of steps in the player
PIXELS = 6_000_000  # maximum number of pixels in one display, over all its pictures
LOSSLESS = 600_000  # maximum bytes of a lossless sprite; a larger sprite is stored with a small loss
STILLS = 8  # number of steps in the still picture of a run
SIDE = 96  # approximate height in pixels to which small pictures are enlarged


class Step(Protocol):
    """The attributes of `samplers.Step` that this module uses.

    This module can't import that class, because samplers.py imports this module.
    """

    @property
    def t(self) -> float: ...
    @property
    def s(self) -> float: ...
    @property
    def x(self) -> Tensor: ...
    @property
    def x0_hat(self) -> Tensor: ...


class Shown:
    """The result of `show`. A notebook displays it if it is the last line of a cell.

    Attributes:
        html: the display as HTML, for a file or another page.
    """

    def __init__(self, html: str):
        self.html = html

    def _repr_html_(self) -> str:
        """Return the display for a notebook."""
        return self.html

    def __repr__(self) -> str:
        return f"Shown({len(self.html):,} characters of HTML: leave it as the last line of a cell, or write .html)"


def show(
    what: Iterable[Step] | Step | Tensor | np.ndarray | Sequence[np.ndarray] | Mapping[str, Tensor],
    titles: Sequence[str] = (),
    columns: int = 10,
    pictures: Callable[[Tensor], np.ndarray] = to_uint8,
) -> Shown:
    """Show a run or pictures in a notebook: Jupyter, JupyterLab, VS Code or Colab.

    A run becomes a player with x_s and x̂_0 of each step. If scripts don't run, as on GitHub, the run is a still
    picture with a few steps. The player has at most 60 of the steps, and fewer if the pictures are large.

    Arguments:
        what: the steps of a run, such as `trajectory(…)`; one `Step`; pictures, (N, C, H, W) in [−1, 1] or uint8
            (N, H, W, C); a list of uint8 pictures (H, W, C); or a dict of tensors, such as the taps of `inside`: each
            tensor becomes a row. A tensor with more than 4 channels is no picture. It is shown by its magnitude at each
            place, the root of the mean square over channels; the largest value of the row is white.
        titles: a short text under each picture.
        columns: the number of pictures in a row, at least 1.
        pictures: a function from the state of a step to uint8 (N, H, W, C); `model.pictures` for a latent model.

    Returns:
        An object that the notebook displays.

    Raises:
        ValueError: if there is nothing to show, for any other `what`, or if a step has more than 1.5 million pixels.
    """
    if not isinstance(columns, int) or columns < 1:
        raise ValueError(f"columns must be a whole number from 1, got {columns!r}")
    if isinstance(what, Mapping):
        return Shown("".join(_row(str(name), tensor, columns) for name, tensor in what.items()) or _raise_empty())
    if _is_step(what):
        return Shown(_step(what, columns, pictures))
    if isinstance(what, (Tensor, np.ndarray)):
        return Shown(_pictures(_levels(what), titles, columns))
    if not isinstance(what, Iterable):
        raise ValueError(f"expected steps, pictures or tensors by name, got {type(what).__name__}")
    items: Iterator[Any] = iter(what)
    first = next(items, None)
    if first is None:
        _raise_empty()
    if _is_step(first):
        return Shown(_run(chain([first], items), columns, pictures))
    return Shown(_pictures([picture for item in (first, *items) for picture in _levels(item)], titles, columns))


def _is_step(what: object) -> TypeGuard[Step]:
    """Return whether an object has the attributes of a step."""
    return hasattr(what, "x0_hat") and hasattr(what, "s")


def _raise_empty() -> NoReturn:
    """Raise the error for an empty input."""
    raise ValueError("there is nothing to show: no steps and no pictures")


def _levels(pictures: Any) -> np.ndarray:
    """Return pictures as uint8 (N, H, W, C). A single picture may be (H, W) or (H, W, C).

    Raise ValueError for anything else.
    """
    if isinstance(pictures, Tensor) and pictures.is_floating_point() and pictures.ndim == 4:
        levels = to_uint8(pictures)
    else:
        levels = np.asarray(pictures.detach().cpu() if isinstance(pictures, Tensor) else pictures)
        levels = levels[None, ..., None] if levels.ndim == 2 else levels[None] if levels.ndim == 3 else levels
    if levels.dtype != np.uint8 or levels.ndim != 4 or levels.shape[-1] not in MODES or not levels.size:
        shape = tuple(getattr(pictures, "shape", ()))
        raise ValueError(
            "expected pictures: (N, C, H, W) in [−1, 1], uint8 (N, H, W, C) or a list of uint8 (H, W, C), with 1 to 4 "
            f"channels, got {getattr(pictures, 'dtype', type(pictures).__name__)} {shape}"
        )
    return levels


# --- Stills


def _address(content: bytes, kind: str) -> str:
    """Return a data address (data:image/…) that contains a picture file. kind: its format, such as "png"."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _image(picture: np.ndarray, words: str, scale: int) -> str:
    """Return a picture as an HTML element. words: its text alternative. scale: the factor by which it is enlarged."""
    width = picture.shape[1] * scale
    style = f"width:{width}px;max-width:100%;height:auto;image-rendering:pixelated;display:block"
    return f'<img src="{_address(png(picture), "png")}" alt="{html.escape(words)}" style="{style}">'


def _scale(height: int) -> int:
    """Return the whole number by which a picture is enlarged on the screen, to a height of about 96 pixels."""
    return max(round(SIDE / height), 1)


def _pictures(levels: Sequence[np.ndarray] | np.ndarray, titles: Sequence[str], columns: int) -> str:
    """Return pictures in a grid with their titles, as HTML."""
    cells = []
    for i, picture in enumerate(levels):
        title = str(titles[i]) if i < len(titles) else ""
        image = _image(picture, title or f"picture {i + 1}", _scale(len(picture)))
        cells.append(f'<div>{image}<small style="display:block;text-align:center">{html.escape(title)}</small></div>')
    across = f"repeat({min(columns, len(cells))},minmax(0,auto))"
    style = f"display:inline-grid;max-width:100%;grid-template-columns:{across};gap:4px;margin:4px 0"
    return f'<div style="{style}">{"".join(cells)}</div>'


def _row(name: str, tensor: Tensor, columns: int) -> str:
    """Return a tensor as a row of pictures with its name above, as HTML."""
    if isinstance(tensor, Tensor) and tensor.ndim == 4 and tensor.shape[1] not in MODES:
        strength = tensor.detach().float().square().mean(1, keepdim=True).sqrt()
        tensor = strength / strength.max().clamp(min=1e-12) * 2 - 1
    return f"<div><small>{html.escape(name)}</small><br>{_pictures(_levels(tensor)[:columns], (), columns)}</div>"


def _levels_of_step(step: Step, pictures: Callable[[Tensor], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the pictures of x_s and of x̂_0, uint8 (N, H, W, C). Raise ValueError if they have too many pixels."""
    if pictures is to_uint8 and step.x.shape[1] not in MODES:
        raise ValueError(f"a state of {step.x.shape[1]} channels is no picture: say pictures=model.pictures")
    after, guess = pictures(step.x), pictures(step.x0_hat)
    if after[..., 0].size > PIXELS // 4:
        n, height, width, _ = after.shape
        most = PIXELS // (4 * height * width)
        raise ValueError(f"{n} pictures of {height}×{width} are too many to show: the limit is {most}")
    return after, guess


def _step(step: Step, columns: int, pictures: Callable[[Tensor], np.ndarray]) -> str:
    """Return x_s and x̂_0 of one step as two rows of pictures, as HTML."""
    names = (f"x_s, s = {step.s}", f"the guess x̂_0 from x_t, t = {step.t}")
    rows = zip(names, _levels_of_step(step, pictures), strict=True)
    return "".join(f"<div><small>{name}</small><br>{_pictures(levels, (), columns)}</div>" for name, levels in rows)


# --- The player


def _run(steps: Iterable[Step], columns: int, pictures: Callable[[Tensor], np.ndarray]) -> str:
    """Return a run as a player, with a still picture for when scripts don't run, as HTML."""
    kept = [(step.s, *_levels_of_step(step, pictures)) for step in steps]
    count, side, _, _ = kept[0][1].shape
    shown = thin(range(len(kept)), min(FRAMES, PIXELS // (2 * kept[0][1][..., 0].size)))
    # Each frame is a grid of x_s with a grid of x̂_0 below it. The sprite is one large picture of all frames.
    halves = [[grid(levels, columns) for levels in kept[k][1:]] for k in shown]
    height, width, _ = halves[0][0].shape
    sprite = grid(np.stack([np.concatenate(half) for half in halves]), gap=0)
    scale = _scale(side)
    about = {
        "titles": [f"Step {k + 1} of {len(kept)} · t = {kept[k][0]}" for k in shown],
        "width": width,
        "height": height,
        "columns": sprite.shape[1] // width,
        "scale": scale,
    }
    stills = [kept[k][1] for k in thin(range(len(kept)), STILLS)]
    sheet = grid(np.concatenate([*np.stack(stills, axis=1)]), columns=len(stills))  # one row for each image
    words = f"Noise becomes {count} picture{'s' if count > 1 else ''} in {len(kept)} steps, from left to right"
    still = _image(sheet, words, max(scale // 2, 1))
    data = f'data-sprite="{_webp(sprite)}" data-about="{html.escape(json.dumps(about))}"'
    script = PLAYER.read_text(encoding="utf-8")
    return f'<div class="ddpm-show" {data}>{still}</div><script>{script}</script>'


def _webp(picture: np.ndarray) -> str:
    """Return a data address of a picture as WebP: lossless, or with a small loss if that file would be too large."""
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).convert(
        "RGBA" if picture.shape[-1] in (2, 4) else "RGB"
    )
    for options in ({"lossless": True}, {"quality": 85}):
        file = io.BytesIO()
        image.save(file, "WEBP", **options)
        if file.tell() <= LOSSLESS:
            break
    return _address(file.getvalue(), "webp")
