"""What the app remembers of each open page."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import gradio as gr

from ui.runs.frames import Show
from ui.runs.settings import Settings
from ui.tabs.denoise import controls


@dataclass(frozen=True)
class Clip:
    """What a page's Clip says for a model. decided: by that model or the user; not while neither is known."""

    ref: str
    value: bool
    decided: bool


class Pages:
    """What is remembered of each open page: its newest run, and what it was given for which model."""

    LIMIT = 64  # pages; a browser that vanished without a word is forgotten in the end

    def __init__(self, checkpoint: str):
        self._shows: OrderedDict[str, Show] = OrderedDict()
        self._counts: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._clips: OrderedDict[str, Clip] = OrderedDict()
        self._first = (checkpoint, Settings.count)
        self._lock = threading.Lock()

    def begin(self, request: gr.Request, show: Show) -> None:
        """Make it the page's run; an older one ends."""
        with self._lock:
            dropped = [self._shows.pop(request.session_hash, None)]
            self._shows[request.session_hash] = show
            if len(self._shows) > self.LIMIT:
                dropped.append(self._shows.popitem(last=False)[1])
        for old in filter(None, dropped):
            old.superseded = True
            old.stop()

    def take(self, request: gr.Request) -> Show | None:
        """The page's run if nobody has started it yet."""
        with self._lock:
            show = self.show(request)
            if show is None or show.started:
                return None
            show.started = True
            return show

    def show(self, request: gr.Request) -> Show | None:
        return self._shows.get(request.session_hash)

    def stop(self, request: gr.Request) -> None:
        show = self.show(request)
        if show:
            show.stop()

    def close(self, request: gr.Request) -> None:
        self.stop(request)
        self._shows.pop(request.session_hash, None)
        self._counts.pop(request.session_hash, None)
        self._clips.pop(request.session_hash, None)

    def keep_count(self, request: gr.Request, ref: str) -> None:
        """The number of images is the user's own choice."""
        self._counts[request.session_hash] = (ref, 0)

    def count(self, request: gr.Request, ref: str, now: int) -> int:
        """The number of images to go on with: the default for a new model, unless the user has set another."""
        for_ref, given = self._counts.get(request.session_hash, self._first)
        if now == given and (ref != for_ref or self.show(request) is None):
            now = given = controls.default_count(ref)
        self._counts[request.session_hash] = (ref, given)
        if len(self._counts) > self.LIMIT:
            self._counts.popitem(last=False)
        return now

    def keep_clip(self, request: gr.Request, ref: str, value: bool) -> None:
        """Whether x̂_0 is clipped is the user's own choice."""
        self._clips[request.session_hash] = Clip(ref, value, decided=True)

    def clip(self, request: gr.Request, ref: str, model, now: bool) -> bool:
        """Whether to clip from here on: a new model's own, as soon as it is known, unless the user has said."""
        last = self._clips.get(request.session_hash)
        if last is None or last.ref != ref:
            last = Clip(ref, now, decided=False)
        if not last.decided and model:
            now = model.clip if now == last.value else now
            last = Clip(ref, now, decided=True)
        self._clips[request.session_hash] = last
        if len(self._clips) > self.LIMIT:
            self._clips.popitem(last=False)
        return now

    def says_clip(self, request: gr.Request, ref: str, now: bool) -> bool:
        """Whether the control says it for this model, and not just what it said for the one before."""
        last = self._clips.get(request.session_hash)
        return last is None or last.ref != ref or last.decided or now != last.value
