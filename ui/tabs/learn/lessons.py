"""The lessons: their texts in lessons.md, and what the button of each sets.

In lessons.md a lesson is a heading, its text, and a last line "*See it*: what the button shows | words of the link |
page of the paper".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ui.tabs.denoise.controls import OF_SOLVERS, comparison, of_variances
from ui.tabs.learn import few_steps


@dataclass(frozen=True)
class LessonSettings:
    """What a lesson's button sets: a tab, and values of its controls. Denoise's other controls get their defaults.

    figure: makes HTML that stands under the text of the lesson.
    """

    tab: str
    values: dict[str, Any] = field(default_factory=dict)
    button: str = ""
    figure: Callable[[], str] | None = None


# The models that the lab brings: on digits noise and shape are seen best, and colour and texture need the other.
DIGITS = {"checkpoint": "mnist-tiny"}
COLOUR = {"checkpoint": "cifar10-tiny"}

PLANE = {
    "shape": "ring",
    **{"denoiser": "exact", "sampler": "ddpm", "steps": 10, "variance": "beta"},
    **{"denoiser_b": "exact", "sampler_b": "ddpm", "steps_b": 10, "variance_b": "beta_tilde"},
}

# In the order of the lessons.
LESSON_SETTINGS = (
    LessonSettings("denoise", DIGITS | {"steps": 50}, "Show the whole chain"),
    LessonSettings("forward", {"t": 250, "schedule": "linear", "picture": "lighthouse"}, "Noise a picture"),
    LessonSettings("denoise", COLOUR | {"steps": 10}, "Show 10 large steps"),
    LessonSettings("forward", {"t": 400, "schedule": "linear", "picture": "cat"}, "Show SNR below 1"),
    LessonSettings("latents", {"mode": "reconstruct", "times": "", "count": 8, "steps": 50}, "Share a latent"),
    LessonSettings("likelihood", {"mode": "measure", "count": 8}, "Count the bits"),
    LessonSettings("forward", {"t": 500, "schedule": "linear", "picture": "flower"}, "Show what is to be guessed"),
    LessonSettings("denoise", DIGITS | {"steps": 100}, "Show the guesses x̂₀"),
    LessonSettings("denoise", DIGITS | of_variances(10), "Show 10 steps: β against β̃"),
    LessonSettings("plane", PLANE, "Show two clouds"),
    LessonSettings("denoise", DIGITS | of_variances(1000), "Show 1000 steps: β against β̃"),
    LessonSettings(
        "denoise", COLOUR | {"steps": 20, "sampler": "ddim", "spacing": "quadratic"}, "Show 20 steps of DDIM"
    ),
    LessonSettings("denoise", COLOUR | OF_SOLVERS, "Show 10 steps: DDIM against UniPC"),
    LessonSettings(
        "denoise",
        DIGITS
        | {"label": few_steps.DIGIT}
        | comparison(
            {"steps": 10, "sampler": "ddim"},
            {"checkpoint": "mnist-tiny-consistency", "steps": 2, "sampler": "consistency"},
        ),
        "Show teacher and student",
    ),
    LessonSettings(
        "denoise",
        DIGITS
        | {"label": few_steps.DIGIT}
        | comparison(
            {"steps": 2, "sampler": "ddim"},
            {"checkpoint": "mnist-tiny-consistency", "sampler": "consistency"},
        ),
        "Show 2 steps of each",
        few_steps.table,
    ),
    LessonSettings(
        "denoise",
        DIGITS | {"steps": 50, "label": "3", "guidance": 3.0},
        "Show a class with guidance",
    ),
    LessonSettings("denoise", DIGITS, "Show the small model"),
)
# Left as they are, unless a lesson is about them: they belong to the model or to the user.
KEPT = ("checkpoint", "clip", "seed", "count", "label")


@dataclass(frozen=True)
class Lesson:
    """title, text: Markdown. see: what the button shows. link: the words of the link. page: of the paper."""

    title: str
    text: str
    see: str
    link: str
    page: int


def lessons() -> list[Lesson]:
    """The lessons of lessons.md."""
    content = (Path(__file__).parent / "lessons.md").read_text(encoding="utf-8")
    result = []
    for part in content.split("## ")[1:]:
        title, body = part.split("\n", 1)
        text, last = body.rsplit("*See it*: ", 1)
        see, link, page = (piece.strip() for piece in last.rsplit("|", 2))
        result.append(Lesson(title.strip(), text.strip(), see, link, int(page)))
    return result
