"""What the app remembers of each open page."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ddpm_core.model import ModelSpec
from ui.runs.frames import RunView, make_room
from ui.runs.settings import Settings
from ui.tabs.denoise import controls


@dataclass(frozen=True)
class ClipChoice:
    """The value of a page's Clip for a model. decided: by the model or the user; not while the model is unknown."""

    ref: str
    value: bool
    decided: bool


class Pages:
    """The newest run of each open page, and the number of images and the Clip that it has for which model."""

    LIMIT = 64  # pages; the oldest is dropped, as a browser may vanish without closing its page

    def __init__(self, checkpoint: str):
        self._views: OrderedDict[str, RunView] = OrderedDict()
        self._counts: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._clips: OrderedDict[str, ClipChoice] = OrderedDict()
        self._first = (checkpoint, Settings.count)
        self._lock = threading.Lock()

    def begin(self, request: gr.Request, view: RunView) -> None:
        """Make it the page's run, and stop an older one."""
        with self._lock:
            dropped = [self._views.pop(_hash(request), None)]
            self._views[_hash(request)] = view
            if len(self._views) > self.LIMIT:
                dropped.append(self._views.popitem(last=False)[1])
            make_room(self._views.values())
        for old in filter(None, dropped):
            old.superseded = True
            old.stop()

    def take(self, request: gr.Request) -> RunView | None:
        """The page's run if nobody has started it yet. It counts as started from here on."""
        with self._lock:
            view = self.view(request)
            if view is None or view.started:
                return None
            view.started = True
            return view

    def view(self, request: gr.Request) -> RunView | None:
        """The page's newest run."""
        return self._views.get(_hash(request))

    def stop(self, request: gr.Request) -> None:
        """Stop the page's run."""
        view = self.view(request)
        if view:
            view.stop()

    def close(self, request: gr.Request) -> None:
        """Stop the page's run and forget the page."""
        self.stop(request)
        self._views.pop(_hash(request), None)
        self._counts.pop(_hash(request), None)
        self._clips.pop(_hash(request), None)

    def keep_count(self, request: gr.Request, ref: str) -> None:
        """From here on the number of images is the user's own choice."""
        self._keep(self._counts, request, (ref, 0))

    def count(self, request: gr.Request, ref: str, now: int) -> int:
        """The number of images to continue with: the default of a new model, unless the user has set another."""
        for_ref, given = self._counts.get(_hash(request), self._first)
        if now == given and (ref != for_ref or self.view(request) is None):
            now = given = controls.default_count(ref)
        self._keep(self._counts, request, (ref, given))
        return now

    def keep_clip(self, request: gr.Request, ref: str, value: bool) -> None:
        """From here on Clip is the user's own choice for this model."""
        self._keep(self._clips, request, ClipChoice(ref, value, decided=True))

    def clip(self, request: gr.Request, ref: str, model: ModelSpec | None, now: bool) -> bool:
        """The value of Clip to continue with: a new model's own as soon as it is known, unless the user has set it."""
        last = self._clips.get(_hash(request))
        if last is None or last.ref != ref:
            last = ClipChoice(ref, now, decided=False)
        if not last.decided and model:
            now = model.clip if now == last.value else now
            last = ClipChoice(ref, now, decided=True)
        self._keep(self._clips, request, last)
        return now

    def _keep(self, table: OrderedDict[str, Any], request: gr.Request, value: object) -> None:
        """Remember something of a page."""
        with self._lock:
            table[_hash(request)] = value
            if len(table) > self.LIMIT:
                table.popitem(last=False)

    def says_clip(self, request: gr.Request, ref: str, now: bool) -> bool:
        """Whether the value of Clip was chosen for this model, and not left over from the model before."""
        last = self._clips.get(_hash(request))
        return last is None or last.ref != ref or last.decided or now != last.value


def _hash(request: gr.Request) -> str:
    return request.session_hash or ""
