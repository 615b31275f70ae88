"""The tasks of a tab: each page has one at a time, and the newest ones can still be asked for their results."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

import gradio as gr

from ui.events import listener
from ui.runs.listeners import Unheard, in_thread
from ui.runs.task import Task, TaskView
from ui.tabs.denoise.pages import Pages

KEPT = 24  # tasks whose results can still be asked for

Asked = dict[str, Any]


class Tasks:
    """make: a task from what a page asked for, and the page. It raises ValueError, one sentence, for what is wrong."""

    def __init__(self, make: Callable[[Asked, str | None], Task], checkpoint: str):
        self._make = make
        self._pages = Pages(checkpoint)
        self._views: OrderedDict[str, TaskView] = OrderedDict()

    async def run(self, request: gr.Request, event: gr.EventData) -> AsyncGenerator[Asked, None]:
        """The messages of a new task, which replaces the page's task. The event's data is what is asked for."""
        asked = event._data if isinstance(event._data, dict) else {}
        try:
            view = TaskView([asked], self._make(asked, request.session_hash))
        except ValueError as error:
            view = TaskView([asked], error=str(error))
        view.started = True
        self._pages.begin(request, view)
        self._views[view.id] = view
        while len(self._views) > KEPT:
            self._views.popitem(last=False)
        with suppress(Unheard):  # then nobody is there to be told
            async with aclosing(in_thread(view.messages(), view.stop, listener())) as messages:
                async for message in messages:
                    yield message

    def stop(self, request: gr.Request) -> None:
        """Stop the page's task."""
        self._pages.stop(request)

    def close(self, request: gr.Request) -> None:
        """Stop the page's task and forget the page."""
        self._pages.close(request)

    def task(self, run: object) -> Task | None:
        """The task of a message's `run`, if it is among the newest."""
        view = self._views.get(str(run))
        return view.task if view else None
