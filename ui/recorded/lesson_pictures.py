"""Draw the small pictures on the cards of the lessons: `python -m ui.recorded.lesson_pictures`.

Each picture shows the content of its lesson, computed by the embedded models with the lesson's seeds.
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
LINE = tuple((4, row) for row in range(3, 11))  # the cells of a white line, drawn at the left side of the digit 3

Pictures = np.ndarray  # uint8 (N, height, width, channels)


def of_step(model: Model, steps: Sequence[Step], at: Sequence[int]) -> Pictures:
    """Return the first picture of the batch after some steps. at: numbers of these steps; 0 is pure noise."""
    return np.concatenate(
        [model.pictures(steps[k - 1].x[:1] if k else gaussian(13, 0, shape_of(model))[None]) for k in at]
    )


def shape_of(model: Model) -> tuple[int, int, int]:
    """Return (channels, height, width) of the model's pictures."""
    return (model.channels, model.image_size, model.image_size)


def from_noise() -> list[Pictures]:
    """Draw a digit emerging from noise, after 0 to 50 steps."""
    model = ddpm_core.load("mnist-tiny")
    steps = list(ddpm_core.trajectory(model, [13], steps=50, variance="beta_tilde"))
    return [of_step(model, steps, (0, 20, 30, 40, 50))]


def noising() -> list[Pictures]:
    """Draw a lighthouse with more and more noise, at four times t."""
    model = ddpm_core.load("mnist-tiny")
    picture = open_picture(FILES / "examples/drawings/lighthouse.png").convert("RGB").resize((48, 48))
    x_0 = from_uint8(np.array(picture)[None])
    eps = gaussian(13, 0, x_0.shape[1:])[None]
    return [
        np.concatenate([model.pictures(ddpm_core.q_sample(model.schedule, x_0, t, eps)) for t in (0, 131, 400, 1000)])
    ]


def memory() -> list[Pictures]:
    """Draw one row for each t: five pictures, sampled from the same digit with noise up to t."""
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
    """Draw a 3, then the effect of a line that is drawn into it at t ≈ 500 and at t ≈ 200: each time the picture with
    the line, and the final picture.
    """
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
    """Draw the guesses x̂_0 on the way to a 3, and below them the guesses with the middle block's output of a run for a
    6.
    """
    opened = ddpm_core.inside(ddpm_core.load("mnist-tiny"))
    run = {"seeds": [7], "steps": 20, "sampler": "ddim"}
    at = (1, 5, 8, 12, 20)

    def guesses(label: int) -> Pictures:
        """Return the guesses x̂_0 at some steps of a run for this digit."""
        steps = list(ddpm_core.trajectory(opened.model, labels=label, **run))
        return np.concatenate([opened.model.pictures(steps[k - 1].x0_hat) for k in at])

    whole = guesses(3)
    middle = {step.t: opened.taps["middle"] for step in ddpm_core.trajectory(opened.model, labels=6, **run)}
    opened.change("middle", lambda found, t: middle[t])
    return [whole, guesses(3)]


def by_itself() -> list[Pictures]:
    """Draw five digits of the recorded training for each of three moments: early, in the middle, at the end."""
    (answer,) = json.loads((FILES / "parts/train/example.json").read_text("utf-8"))["results"]
    rows = []
    for i in (2, 5, -1):
        grid = np.asarray(open_picture(io.BytesIO(base64.b64decode(answer["grids"][i]["ema"]["base64"]))).convert("L"))
        cell = [grid[:28, 30 * k : 30 * k + 28] for k in range(COLUMNS)]
        rows.append(np.stack(cell)[..., None])
    return rows


def which_noise() -> list[Pictures]:
    """Draw four pictures with each of two variances, β and β̃."""
    model = ddpm_core.load("mnist-tiny")
    return [ddpm_core.sample(model, range(13, 17), steps=10, variance=variance) for variance in ("beta", "beta_tilde")]


def two_steps() -> list[Pictures]:
    """Draw fives in two steps, by the teacher and below by its consistency student."""
    seeds = range(13, 17)
    teacher, student = ddpm_core.load("mnist-tiny"), ddpm_core.load("mnist-tiny-consistency")
    return [
        ddpm_core.sample(teacher, seeds, steps=2, sampler="ddim", labels=5),
        ddpm_core.sample(student, seeds, steps=2, sampler="consistency", labels=5),
    ]


def one_path() -> list[Pictures]:
    """Draw the states of some DDIM steps, and below them the guesses x̂_0."""
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
    """Return rows of pictures as one picture. The gaps are transparent, for the light and the dark page."""
    height, width = rows[0].shape[1:3]
    size = (max(map(len, rows)) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP)
    whole = Image.new("RGBA", size)
    for i, row in enumerate(rows):
        for k, picture in enumerate(row):
            whole.paste(Image.fromarray(picture.squeeze()).convert("RGBA"), (k * (width + GAP), i * (height + GAP)))
    return whole


def main() -> None:
    """Draw and save the pictures of all lessons."""
    for name, draw in LESSONS.items():
        file = FOLDER / f"lesson-{name}.webp"
        sheet(draw()).save(file, "WEBP", quality=60, alpha_quality=100, method=6)
        print(f"{name}: {file.stat().st_size / 1e3:.1f} kB")


if __name__ == "__main__":
    main()
