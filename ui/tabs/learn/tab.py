"""The Learn tab: short lessons from lessons.md, each with a button that sets the lab to show its point.

A lesson is a heading, its text, and a last line "*See it*: what the button shows | link's words | page of the paper".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

from ui.runs.settings import DEFAULTS
from ui.tabs.denoise.controls import Controls, lesson

PAPER = "https://arxiv.org/pdf/2006.11239#page={}"
MATHS = [{"left": "$$", "right": "$$", "display": True}, {"left": "$", "right": "$", "display": False}]
QUIET = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class Show:
    """What a lesson's button sets: a tab, and the values of its controls; Denoise's others go to their defaults."""

    tab: str
    values: dict = field(default_factory=dict)
    button: str = ""


# In the order of the lessons.
SHOWS = (
    Show("denoise", {"steps": 50}, "Show the whole chain"),
    Show("forward", {"t": 250, "schedule": "linear", "picture": "lighthouse"}, "Noise a picture"),
    Show("denoise", {"steps": 10}, "Show 10 large steps"),
    Show("forward", {"t": 400, "schedule": "linear", "picture": "cat"}, "Show SNR below 1"),
    Show("forward", {"t": 500, "schedule": "linear", "picture": "flower"}, "Show what is to be guessed"),
    Show("denoise", {"steps": 100}, "Show the guesses x̂₀"),
    Show("denoise", lesson(10), "Show 10 steps: β against β̃"),
    Show("denoise", lesson(1000), "Show 1000 steps: β against β̃"),
    Show("denoise", {"steps": 20, "sampler": "ddim", "spacing": "quadratic"}, "Show 20 steps of DDIM"),
    Show(
        "denoise",
        {"checkpoint": "cifar10-tiny", "steps": 50, "label": "ship", "guidance": 3.0},
        "Show a class with guidance",
    ),
    Show("denoise", {"checkpoint": "cifar10-tiny"}, "Show the small model"),
)
KEPT = ("checkpoint", "clip", "seed", "count", "label")  # the model's or the user's, unless a lesson is about them


@dataclass(frozen=True)
class Lesson:
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


def tab(tabs: gr.Tabs, denoise: Controls) -> None:
    """Build the tab. tabs: where the others are; denoise: the controls that lessons set. Nothing runs by itself."""
    with gr.Column(elem_id="lessons"):
        gr.HTML(
            "<p>How a diffusion model works, in short lessons. The button of each sets the lab up to show its point;"
            " nothing runs until you press Run.</p>",
            elem_id="lessons-intro",
        )
        for number, (lesson, show) in enumerate(zip(lessons(), SHOWS, strict=True), 1):
            with gr.Column(elem_classes="lesson", elem_id=f"lesson-{number}"):
                paper = f"[{lesson.link}]({PAPER.format(lesson.page)}) (arXiv 2006.11239, page {lesson.page})"
                gr.Markdown(f"## {number}. {lesson.title}\n\n{lesson.text}", latex_delimiters=MATHS)
                gr.Markdown(lesson.see, elem_classes="see")
                button = gr.Button(f"{show.button} in {show.tab.capitalize()}", size="sm")
                gr.Markdown(paper, elem_classes="paper")
            _connect(button, lesson, show, tabs, denoise)


def _connect(button: gr.Button, lesson: Lesson, show: Show, tabs: gr.Tabs, denoise: Controls) -> None:
    def switch():  # in the queue: gr.Info needs it
        gr.Info(lesson.see, duration=6)
        return gr.Tabs(selected=show.tab)

    to_top = "() => window.scrollTo({ top: 0 })"
    if show.tab == "forward":
        # Where the tab has not been opened yet, it finds this when it is.
        set_forward = f"""() => {{
          const values = {json.dumps(show.values)};
          if (window.ddpmForward?.set) window.ddpmForward.set(values);
          else window.ddpmForward = values;
        }}"""
        button.click(None, js=set_forward, **QUIET)
        button.click(switch, None, tabs, **QUIET).then(None, js=to_top, **QUIET)
        return
    values = {name: value for name, value in DEFAULTS.items() if name not in KEPT} | show.values

    def set_denoise():
        return [switch(), *(gr.update(value=value) for value in values.values())]

    outputs = [tabs, *(getattr(denoise, name) for name in values)]
    button.click(set_denoise, None, outputs, **QUIET).then(None, js=to_top, **QUIET)
