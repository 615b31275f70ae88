"""Files of a sampling run: the final pictures and a film strip as PNG, the trajectory as GIF or WebP, all as ZIP.

They are made from the kept pixels, never from what the page was sent. Each contains the settings as JSON: PNG as
Description, GIF as comment, WebP in its EXIF data (the tag ImageDescription), ZIP as settings.json.
"""

from __future__ import annotations

import io
import json
import math
import re
import unicodedata
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ddpm_core import imaging
from ddpm_core.model import ModelSpec
from ddpm_core.noise import gaussian_batch
from ui.export import scripts
from ui.forms.fields import ANY
from ui.models.catalogue import short_name
from ui.runs import captions
from ui.runs.settings import LANE, Settings, Touched, options_of
from ui.runs.touch import Touches, written

SLIDE = 1000  # pixels: the least width of an animation or a film strip, so that it fills half of a slide
STRIP = 10  # pictures in a row of a film strip
GAP = 2  # pixels between pictures
INK, PAPER = 32, 255  # of labels
SPELLED = {"β̃ₜ": "beta tilde", "βₜ": "beta", "η": "eta", "“": '"', "”": '"'}  # what Pillow's font lacks

About = Sequence[Mapping[str, Any]]  # of each checkpoint: revision, engine
Frames = Sequence[Mapping[int, np.ndarray]]  # of each lane: the kept x by step, uint8 (N, H, W, C)
# Of each lane, by step: the grain of its pictures, and how far they are from the first lane's of the same time.
Results = Sequence[Mapping[int, "tuple[float, float | None]"]]


class Planned(Protocol):
    """What runs: see `ui.parts.sampling.SamplingPlan`."""

    @property
    def request(self) -> Settings: ...
    @property
    def models(self) -> Sequence[ModelSpec]: ...
    @property
    def lanes(self) -> Sequence[Settings]: ...
    @property
    def refs(self) -> Sequence[str]: ...
    @property
    def touches(self) -> Touches: ...
    @property
    def rows(self) -> Sequence[Sequence[captions.Row]]: ...


class Saved(Protocol):
    """What is saved of it: see `ui.parts.sampling.SamplingRecording`."""

    @property
    def plan(self) -> Planned: ...
    @property
    def frames(self) -> Frames: ...
    @property
    def x_0(self) -> Mapping[int, np.ndarray]: ...


def save(run: Saved, kind: str, about: About) -> tuple[str, bytes]:
    """The name and the content of a file of a run, kind one of KINDS. about: of each of run.plan.refs.

    Raises ValueError where there is no picture yet.
    """
    frames = [dict(lane) for lane in run.frames]  # the run may go on meanwhile, or forget them
    if not any(frames):
        raise ValueError("There is no picture yet: press Run")
    suffix, make = KINDS[kind]
    return f"{_stem(run, frames)}{suffix}", make(run, frames, settings(run, frames, about))


def settings(run: Saved, frames: Sequence[Mapping[int, Any]], about: About) -> str:
    """The settings of a run as JSON, enough to repeat it: what its lanes share, and of each lane what is its own."""
    first, known = run.plan.lanes[0], dict(zip(run.plan.refs, about, strict=False))
    content: dict[str, Any] = {name: getattr(first, name) for name in ("seed", "count", "label", "negative", "clip")}
    content["lanes"] = [
        {name: getattr(lane, name) for name in LANE}
        | ({"touch": written(lane.touch)} if isinstance(lane, Touched) else {})
        | dict(known.get(lane.checkpoint, {}))
        | {"steps_done": max(kept, default=-1) + 1}
        for lane, kept in zip(run.plan.lanes, frames, strict=True)
    ]
    return json.dumps(content, ensure_ascii=False)


def _picture(run: Saved, frames: Frames, about: str) -> bytes:
    """The last pictures in the model's own resolution, with a row for each lane; a grid has the rows that it has."""
    last = [lane[max(lane)] for lane in frames if lane]
    columns = None if len(last) == 1 else len(last[0])
    if len(run.plan.lanes) > 2:
        columns = len({lane.steps for lane in run.plan.lanes}) * len(last[0])
    return imaging.png(imaging.grid(np.concatenate(last), columns, GAP), about=about)


def _strip(run: Saved, frames: Frames, about: str) -> bytes:
    """Up to STRIP moments from noise to x_0, a row for each image of each lane, with t above and the lane beside it."""
    moments = imaging.thin(_moments(run, frames), STRIP)
    rows = [(n, lane) for n in range(run.plan.request.count) for lane in moments[0][1]]
    tiles = [pictures[lane][n] for n, lane in rows for _, pictures in moments]
    scale = math.ceil(SLIDE / (len(moments) * tiles[0].shape[0]))
    image = imaging.grid(np.stack([_enlarged(tile, scale) for tile in tiles]), len(moments), GAP)
    side = tiles[0].shape[0] * scale + GAP
    names = ["AB"[lane] for _, lane in rows] if len(run.plan.lanes) == 2 else []
    below = _titles(run) if names else []
    return imaging.png(_labelled(image, [f"t = {t}" for t, _ in moments], names, side, below), about=about)


def _titles(run: Saved) -> list[str]:
    """What the lanes are, two of them with their letters."""
    letters = ("A: ", "B: ") if len(run.plan.lanes) == 2 else [""] * len(run.plan.lanes)
    return [letter + name for letter, name in zip(letters, captions.names(run.plan.lanes), strict=True)]


class _Film(Sequence[np.ndarray]):
    """The x_t at every moment, large enough for a slide, two lanes side by side, with t and the lanes' names.

    A picture is drawn when it is asked for: those of a thousand steps take gigabytes, and a film has fewer.
    """

    def __init__(self, run: Saved, frames: Frames):
        self._moments = _moments(run, frames)
        wide = sum(imaging.grid(lane).shape[1] for lane in self._moments[0][1].values())
        self._scale = math.ceil(SLIDE / wide)
        self._titles = _titles(run)

    def __len__(self) -> int:
        return len(self._moments)

    def __getitem__(self, i: Any) -> Any:
        t, pictures = self._moments[i]
        parts = []
        for number, lane in pictures.items():
            image = _enlarged(imaging.grid(lane), self._scale)
            parts.append(_labelled(image, [f"{self._titles[number]}   t = {t}"], [], image.shape[1]))
        return imaging.grid(np.stack(parts), gap=4 * GAP)


def animation(film: Sequence[np.ndarray], kind: str, about: str) -> bytes:
    """Frames, uint8 (H, W, C), as a GIF or WebP, enlarged to half a slide where they are small."""
    file = io.BytesIO()
    save = {"gif": imaging.save_gif, "webp": imaging.save_webp}[kind]
    save(file, film, scale=math.ceil(SLIDE / film[0].shape[1]), about=about)
    return file.getvalue()


def _animated(kind: str) -> Callable[[Saved, Frames, str], bytes]:
    return lambda run, frames, about: animation(_Film(run, frames), kind, about)


def _csv(run: Saved, frames: Frames, about: str) -> bytes:
    return _table(run, _results(run, frames)).encode()


def _table(run: Saved, results: Results) -> str:
    """A row for each step of each lane: what it is, what the step did, and what there is to measure in the pictures."""
    lines = ["lane,name,step,t,s,alpha_bar_t,sigma,grain,distance"]
    for number, (name, steps) in enumerate(zip(captions.names(run.plan.lanes), run.plan.rows, strict=True)):
        quoted = name.replace('"', '""')  # a prompt may have any
        for k, (t, s, alpha_bar, sigma) in enumerate(steps):
            measured = ["" if value is None else f"{value:.4g}" for value in results[number].get(k, (None, None))]
            written = "" if sigma is None else repr(sigma)
            lines.append(f'{number},"{quoted}",{k},{t},{s},{alpha_bar!r},{written},{",".join(measured)}')
    return "\n".join(lines) + "\n"


def _results(run: Saved, frames: Frames) -> Results:
    found: list[dict[int, tuple[float, float | None]]] = [{} for _ in frames]
    first = {run.plan.rows[0][k][1]: x for k, x in frames[0].items()}
    for number, lane in enumerate(frames):
        for k, x in lane.items():
            other = first.get(run.plan.rows[number][k][1]) if number else None
            apart = None if other is None else float(np.sqrt(np.mean((x.astype(float) - other) ** 2)))
            found[number][k] = float(np.mean([grain(one) for one in x])), apart
    return found


def grain(picture: np.ndarray) -> float:
    """σ of the noise in a picture (H, W, C), in grey levels: the median of its finest diagonal differences, which edges
    hardly change (Donoho and Johnstone 1994). player/pixels.js measures the same.
    A second or fourth channel is opacity, and does not count.
    """
    x = picture[..., : 3 if picture.shape[-1] > 2 else 1].astype(float)
    even, odd = x[:-1:2], x[1::2]
    found = np.abs(even[:, :-1:2] - even[:, 1::2] - odd[:, :-1:2] + odd[:, 1::2]) / 2
    return float(np.sort(found, axis=None)[found.size // 2] / 0.6745) if found.size else 0.0


def _zip(run: Saved, frames: Frames, about: str) -> bytes:
    """settings.json, the script and the table, x_T.npy and x_0.npy (float32, N × C × H × W; latents are not decoded),
    every kept x_t as PNG.
    """
    model = run.plan.models[0]
    shape = (model.channels, model.image_size, model.image_size)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as out:  # its files are compressed already
        out.writestr("settings.json", json.dumps(json.loads(about), indent=2, ensure_ascii=False))
        out.writestr("steps.csv", _csv(run, frames, about))
        if len(run.plan.lanes) < 3:
            out.writestr("run.py", scripts.copied(scripts.python, run.plan.lanes, run.plan.models, run.plan.touches))
        out.writestr("x_T.npy", _npy(gaussian_batch(list(run.plan.request.seeds), 0, shape).numpy()))
        for number, kept in enumerate(frames):
            folder = "" if len(frames) == 1 else f"lane-{'ab'[number]}/" if len(frames) == 2 else f"cell-{number:02}/"
            if number in run.x_0:  # a run that was stopped has none
                out.writestr(f"{folder}x_0.npy", _npy(run.x_0[number]))
            for k, images in sorted(kept.items()):
                s = run.plan.rows[number][k][1]
                for seed, image in zip(run.plan.request.seeds, images, strict=True):
                    out.writestr(f"{folder}seed-{seed}/x_{s:04}.png", imaging.png(image, compress_level=1))
    return file.getvalue()


# By kind: what follows the run's name in the file's, and what makes it.
KINDS = {
    "png": (".png", _picture),
    "gif": (".gif", _animated("gif")),
    "webp": (".webp", _animated("webp")),
    "strip": ("-strip.png", _strip),
    "csv": (".csv", _csv),
    "zip": (".zip", _zip),
}


def _moments(run: Saved, frames: Frames) -> list[tuple[int, dict[int, np.ndarray]]]:
    """(s, the x at that time by the lane's number) of each time of which any lane has a picture, from noise to x_0.

    A lane without a picture of that time shows its previous one, or its first one where there is none. Lanes that have
    not begun are not there.
    """
    times = [(run.plan.rows[number][k][1], number, x) for number, lane in enumerate(frames) for k, x in lane.items()]
    now = {number: lane[min(lane)] for number, lane in enumerate(frames) if lane}
    moments: dict[int, dict[int, np.ndarray]] = {}
    for s, number, x in sorted(times, key=lambda time: -time[0]):
        moments[s] = now = {**now, number: x}
    return list(moments.items())


def _enlarged(image: np.ndarray, scale: int) -> np.ndarray:
    """Every pixel as a square of scale × scale."""
    return image.repeat(scale, 0).repeat(scale, 1)


def _labelled(
    image: np.ndarray, above: Sequence[str], beside: Sequence[str], side: int, below: Sequence[str] = ()
) -> np.ndarray:
    """A picture on paper, with a text above each column and beside each row of that many pixels, and lines below."""
    size = max(14, min(side // 8, 28))
    top, left = 2 * size, 2 * size if beside else 0
    height, width, channels = image.shape
    paper = np.full((top + height + 2 * size * len(below), left + width, channels), PAPER, np.uint8)
    paper[top : top + height, left:] = image
    if channels not in (1, 3):
        return paper
    picture, ink = Image.fromarray(paper.squeeze()), (INK,) * channels
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
    for i, text in enumerate(above):
        draw.text((left + i * side, size // 2), _spelled(text), ink, font)
    for i, text in enumerate(beside):
        draw.text((size // 2, top + i * side + side // 2 - size), text, ink, font)
    for i, text in enumerate(below):
        draw.text((left, top + height + (2 * i + 1) * size - size // 2), _spelled(text), ink, font)
    return np.asarray(picture).reshape(paper.shape)


def _spelled(text: str) -> str:
    """In the letters of Pillow's own font, which are ASCII's: symbols as words, é as e, any other as ?."""
    for symbol, word in SPELLED.items():
        text = text.replace(symbol, word)
    letters = (one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return "".join(one if one.isascii() else "?" for one in letters)


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _stem(run: Saved, frames: Sequence[Mapping[int, Any]]) -> str:
    first = run.plan.lanes[0]
    if len(run.plan.lanes) > 2:
        parts = [short_name(first.checkpoint), "grid"]
    else:
        parts = []
        for number, (lane, kept) in enumerate(zip(run.plan.lanes, frames, strict=True)):
            done = max(kept, default=-1) + 1
            if isinstance(lane, Touched):
                parts += ["touched", written(lane.touch)[:60]]
                continue
            parts += ["against"] * bool(number)
            if not number or lane.checkpoint != first.checkpoint:
                parts.append(short_name(lane.checkpoint))
            if not number and lane.label != ANY:
                parts.append(lane.label)
            if lane.prompt and (not number or lane.prompt != first.prompt):
                parts.append(lane.prompt[:40])
            parts.append(f"{lane.steps} steps" if done == lane.steps else f"step {done} of {lane.steps}")
            parts.append(lane.variance if lane.sampler == "ddpm" else lane.sampler)
            parts += [f"{name} {value:g}" for name, value in options_of(lane).items() if name != "variance"]
    return re.sub(r"[^\w.-]+", "-", " ".join([*parts, f"seed {first.seed}"])).strip("-")
