"""The small pictures on the cards of the lessons: `python -m ui.recorded.lesson_pictures` draws them anew.

Each shows what its lesson shows, with the lesson's seeds, from the embedded models.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

import ddpm_core
from ddpm_core.imaging.image_files import open_picture
from ddpm_core.imaging.pixels import from_uint8
from ddpm_core.noise import gaussian
from ui.runs import touch
from ui.web import FILES

if TYPE_CHECKING:
    from ddpm_core import Model, Step

FOLDER = FILES / "examples" / "course"
COLUMNS = 5
GAP = 1  # pixels between two pictures
LINE = tuple((4, row) for row in range(3, 11))  # cells of a white line down the left side of the 3

Pictures = np.ndarray  # uint8 (N, height, width, channels)


def of_step(model: Model, steps: Sequence[Step], at: Sequence[int]) -> Pictures:
    """Return the first picture after each of these steps; 0 is pure noise."""
    return np.concatenate(
        [model.pictures(steps[k - 1].x[:1] if k else gaussian(13, 0, shape_of(model))[None]) for k in at]
    )


def shape_of(model: Model) -> tuple[int, int, int]:
    """Return (channels, height, width) of the model's pictures."""
    return (model.channels, model.image_size, model.image_size)


def from_noise() -> list[Pictures]:
    model = ddpm_core.load("mnist-tiny")
    steps = list(ddpm_core.trajectory(model, [13], steps=50, variance="beta_tilde"))
    return [of_step(model, steps, (0, 20, 30, 40, 50))]


def noising() -> list[Pictures]:
    model = ddpm_core.load("mnist-tiny")
    picture = open_picture(FILES / "examples/drawings/lighthouse.png").convert("RGB").resize((48, 48))
    x_0 = from_uint8(np.array(picture)[None])
    eps = gaussian(13, 0, x_0.shape[1:])[None]
    return [
        np.concatenate([model.pictures(ddpm_core.q_sample(model.schedule, x_0, t, eps)) for t in (0, 131, 400, 1000)])
    ]


def memory() -> list[Pictures]:
    """A row for each t: what five chains make of one digit with noise up to t."""
    model = ddpm_core.load("mnist-tiny")
    (*_, end) = ddpm_core.trajectory(model, [13], steps=50)
    seeds, times = list(range(COLUMNS)), [step.s for step in ddpm_core.trajectory(model, [13], steps=20)]
    rows = []
    for wanted in (750, 250):
        t = min(times, key=lambda s: abs(s - wanted))
        x_t = ddpm_core.q_sample(model.schedule, end.x, t, gaussian(13, 0, shape_of(model))[None]).expand(
            COLUMNS, -1, -1, -1
        )
        (*_, last) = ddpm_core.trajectory(model, seeds, steps=20, after=(t, x_t))
        rows.append(model.pictures(last.x))
    return rows


def decided() -> list[Pictures]:
    """The 3, then with a line at t near 500 and near 200: the picture with the line, and what it becomes."""
    model = ddpm_core.load("mnist-tiny")
    options = {"steps": 50, "variance": "beta_tilde"}
    way = {step.s: step.x for step in ddpm_core.trajectory(model, [14], **options)}
    shown = [way[0]]
    for wanted in (500, 200):
        s = min((s for s in way if s), key=lambda s: abs(s - wanted))
        x = touch.touched(way[s], way[s], way[s], [([1.0], 1.0, LINE)], touch.cell_size(model))
        (*_, last) = ddpm_core.trajectory(model, [14], **options, after=(s, x))
        shown += [x, last.x]
    return [np.concatenate([model.pictures(x) for x in shown])]


def inside() -> list[Pictures]:
    """The guesses on the way to a 3, and below it with the middle of a run of 6."""
    opened = ddpm_core.inside(ddpm_core.load("mnist-tiny"))
    run = {"seeds": [7], "steps": 20, "sampler": "ddim"}
    at = (1, 5, 8, 12, 20)

    def guesses(label: int) -> Pictures:
        steps = list(ddpm_core.trajectory(opened.model, labels=label, **run))
        return np.concatenate([opened.model.pictures(steps[k - 1].x0_hat) for k in at])

    whole = guesses(3)
    middle = {step.t: opened.taps["middle"] for step in ddpm_core.trajectory(opened.model, labels=6, **run)}
    opened.change("middle", lambda found, t: middle[t])
    return [whole, guesses(3)]


def by_itself() -> list[Pictures]:
    """Five digits of the recorded training: early, in the middle, at its end."""
    (answer,) = json.loads((FILES / "parts/train/example.json").read_text("utf-8"))["results"]
    rows = []
    for i in (2, 5, -1):
        grid = np.asarray(open_picture(io.BytesIO(base64.b64decode(answer["grids"][i]["ema"]["base64"]))).convert("L"))
        cell = [grid[:28, 30 * k : 30 * k + 28] for k in range(COLUMNS)]
        rows.append(np.stack(cell)[..., None])
    return rows


def which_noise() -> list[Pictures]:
    model = ddpm_core.load("mnist-tiny")
    return [ddpm_core.sample(model, range(13, 17), steps=10, variance=variance) for variance in ("beta", "beta_tilde")]


def two_steps() -> list[Pictures]:
    seeds = range(13, 17)
    teacher, student = ddpm_core.load("mnist-tiny"), ddpm_core.load("mnist-tiny-consistency")
    return [
        ddpm_core.sample(teacher, seeds, steps=2, sampler="ddim", labels=5),
        ddpm_core.sample(student, seeds, steps=2, sampler="consistency", labels=5),
    ]


def one_path() -> list[Pictures]:
    """What DDIM's steps see, and the guesses below."""
    model = ddpm_core.load("mnist-tiny")
    steps = list(ddpm_core.trajectory(model, [13], steps=10, sampler="ddim"))
    at = (2, 4, 6, 8, 10)
    return [of_step(model, steps, at), np.concatenate([model.pictures(steps[k - 1].x0_hat) for k in at])]


LESSONS: dict[str, Callable[[], list[Pictures]]] = {
    "noise-to-picture": from_noise,
    "noising": noising,
    "memory": memory,
    "decided": decided,
    "inside": inside,
    "by-itself": by_itself,
    "which-noise": which_noise,
    "two-steps": two_steps,
    "one-path": one_path,
}


def sheet(rows: Sequence[Pictures]) -> Image.Image:
    """Return rows of pictures as one; what lies between them is transparent, for light and dark."""
    height, width = rows[0].shape[1:3]
    size = (max(map(len, rows)) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP)
    whole = Image.new("RGBA", size)
    for i, row in enumerate(rows):
        for k, picture in enumerate(row):
            whole.paste(Image.fromarray(picture.squeeze()).convert("RGBA"), (k * (width + GAP), i * (height + GAP)))
    return whole


def main() -> None:
    for name, draw in LESSONS.items():
        file = FOLDER / f"lesson-{name}.webp"
        sheet(draw()).save(file, "WEBP", quality=60, alpha_quality=100, method=6)
        print(f"{name}: {file.stat().st_size / 1e3:.1f} kB")


if __name__ == "__main__":
    main()
