"""The Train tab: a network learns digits, or other pictures, while the visitor watches.

The training is `train fit` in a process of its own (training.py); the page asks once a second what its folder tells
(folder.py), so following a run of another terminal is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from ui import web
from ui.events import QUICK, QUIET
from ui.runs.models import Models
from ui.tabs.train import choices
from ui.tabs.train.server import Compiling, functions, machine_flags
from ui.tabs.train.visits import Refused, Visits

VISITOR = "() => window.ddpmTrain.visitor"


def train_tab(tabs: gr.Tabs, checkpoint: gr.Dropdown, models: Models) -> Visits:
    """Build the tab. tabs: all tabs of the page; checkpoint: the choice of models in Denoise.

    In the page the component carries data-state (see web/train/server.js), data-grids, data-at and data-live.
    """
    visits = Visits(models.public, lambda: machine_flags(models.device), models.withdraw)
    compiling = Compiling()
    given = {"groups": choices.groups(models.public), "public": models.public}
    web.component("train", given, server_functions=functions(visits, compiling.begin))
    visitor = gr.Textbox(visible="hidden", elem_id="train-visitor")
    use = gr.Button("Use this model", visible="hidden", elem_id="train-use")
    chosen = use.click(None, None, visitor, js=VISITOR, **QUICK)
    chosen.then(user(visits, models), visitor, [tabs, checkpoint], **QUIET)
    return visits


def user(visits: Visits, models: Models) -> Callable[[str], list[Any]]:
    """The handler of "Use this model": it offers the visitor's model in Denoise, chooses it, and opens the tab."""

    def use(visitor: str) -> list[Any]:
        try:
            visit = visits.visit(visitor)
            folder, label = visits.use(visit)
        except Refused as error:
            gr.Warning(escape(str(error)))
            return [gr.skip(), gr.skip()]
        ref = models.offer(folder, label)
        return [gr.Tabs(selected="denoise"), gr.update(choices=models.choices(), value=ref)]

    return use
