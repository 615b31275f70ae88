"""The Learn tab: short lessons, each with a button that sets another tab to show its point."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.events import QUIET
from ui.runs.settings import DEFAULTS
from ui.tabs.denoise.controls import Controls
from ui.tabs.learn.lessons import KEPT, LESSON_SETTINGS, Lesson, LessonSettings, lessons

PAPER = "https://arxiv.org/pdf/2006.11239#page={}"
MATHS = [{"left": "$$", "right": "$$", "display": True}, {"left": "$", "right": "$", "display": False}]
TO_TOP = "() => window.scrollTo({ top: 0 })"
HANDLES = {
    "forward": "ddpmForward",
    "latents": "ddpmLatents",
    "likelihood": "ddpmLikelihood",
    "plane": "ddpmPlane",
}  # of tabs that draw themselves


def learn_tab(tabs: gr.Tabs, denoise: Controls) -> None:
    """Build the tab. tabs: all tabs of the page; denoise: the controls that lessons set. Nothing runs by itself."""
    with gr.Column(elem_id="lessons"):
        gr.HTML(
            "<p>How a diffusion model works, in short lessons. The button of each sets the lab up to show its point;"
            " nothing runs until you press Run.</p>",
            elem_id="lessons-intro",
        )
        for number, (lesson, settings) in enumerate(zip(lessons(), LESSON_SETTINGS, strict=True), 1):
            with gr.Column(elem_classes="lesson", elem_id=f"lesson-{number}"):
                paper = f"[{lesson.link}]({PAPER.format(lesson.page)}) (arXiv 2006.11239, page {lesson.page})"
                gr.Markdown(f"## {number}. {lesson.title}\n\n{lesson.text}", latex_delimiters=MATHS)
                if settings.figure:
                    gr.HTML(settings.figure(), elem_classes="figure")
                gr.Markdown(lesson.see, elem_classes="see")
                button = gr.Button(f"{settings.button} in {settings.tab.capitalize()}", size="sm")
                gr.Markdown(paper, elem_classes="paper")
            _connect(button, lesson, settings, tabs, denoise)


def _connect(button: gr.Button, lesson: Lesson, settings: LessonSettings, tabs: gr.Tabs, denoise: Controls) -> None:
    if settings.tab in HANDLES:
        # A tab that was not opened yet finds the values when it is.
        handle = f"window.{HANDLES[settings.tab]}"
        set_tab = f"""() => {{
          const values = {json.dumps(settings.values)};
          if ({handle}?.set) {handle}.set(values);
          else {handle} = values;
        }}"""
        button.click(None, js=set_tab, **QUIET)
        button.click(switch(lesson, settings), None, tabs, **QUIET).then(None, js=TO_TOP, **QUIET)
        return
    values = denoise_values(settings)
    outputs = [tabs, *denoise.named(*values)]
    button.click(switch(lesson, settings, values), None, outputs, **QUIET).then(None, js=TO_TOP, **QUIET)


def denoise_values(settings: LessonSettings) -> dict[str, Any]:
    """The values that a lesson gives to controls of Denoise, by their names."""
    return {name: value for name, value in DEFAULTS.items() if name not in KEPT} | settings.values


def switch(lesson: Lesson, settings: LessonSettings, values: dict[str, Any] | None = None) -> Callable[[], Any]:
    """The handler of a lesson's button: it says what to look at, opens the tab and sets the values of controls."""

    def set_up() -> Any:
        gr.Info(lesson.see, duration=6)  # needs an event in the queue
        opened = gr.Tabs(selected=settings.tab)
        return opened if values is None else [opened, *(gr.update(value=value) for value in values.values())]

    return set_up
