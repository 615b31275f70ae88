"""The Denoise tab: which event of which component calls which handler, and what its result changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ui.events import NETWORK, QUICK, QUIET
from ui.export import files
from ui.runs.models import Models
from ui.runs.settings import LANE
from ui.runs.warmup import Warmup
from ui.tabs.denoise import controls, page_scripts
from ui.tabs.denoise.controls import FITTED, Controls
from ui.tabs.denoise.handlers import Handlers
from ui.tabs.denoise.layout import Layout, layout


def denoise_tab(
    demo: gr.Blocks,
    models: Models,
    warmup: Warmup,
    checkpoint: str,
    note: gr.HTML,
    tabs: gr.Tabs,
    names: Sequence[str],
) -> Controls:
    """Build the tab, and return its controls. note: where the page says what computes; tabs: all tabs of the page, of
    these names.
    """
    events = Events(
        demo,
        layout(models, checkpoint, models.peek(checkpoint)),
        Handlers(demo, models, warmup, checkpoint, names),
        note,
        tabs,
    )
    events.choosing()
    events.running()
    events.taking_away()
    events.opening()
    return events.layout.controls


class Events:
    """Connects the components to the handlers."""

    def __init__(self, demo: gr.Blocks, layout: Layout, handlers: Handlers, note: gr.HTML, tabs: gr.Tabs):
        self.layout = layout
        self._demo = demo
        self._handlers = handlers
        self._tabs = tabs
        self._all = layout.controls.all()
        fitted = layout.controls.named("count", "clip", *FITTED)
        self._fit: dict[str, Any] = {
            "inputs": [layout.controls.checkpoint, layout.controls.checkpoint_b, *fitted],
            "outputs": [*fitted, note, layout.revision, layout.revision_b],
            **QUICK,
        }
        # All descriptions are answers to one event, the change of a component: of two events' answers the older one
        # might come last.
        again = layout.again
        self._describe = {"fn": None, "inputs": again, "outputs": again, "js": page_scripts.NEXT, **QUICK}

    def choosing(self) -> None:
        """What changes while the user chooses."""
        on, at, handlers = self.layout, self.layout.controls, self._handlers
        changes = [component.change for component in self._all]
        gr.on(changes, None, self._all, None, js=page_scripts.ON_CHANGE, **QUICK)
        gr.on(
            [*changes, on.again.change],
            handlers.describe,
            self._all,
            [on.estimate, on.summary, on.caption, on.python, on.diffusers, on.copy_diffusers, at.spacing],
            trigger_mode="always_last",
            **QUICK,
        )
        for ref in (at.checkpoint, at.checkpoint_b):
            chosen = ref.change(handlers.choose, **self._fit, trigger_mode="always_last").then(**self._describe)
            chosen.then(handlers.look, ref, None, **QUICK).then(**self._describe)
        for sampler, variance, eta in ((at.sampler, at.variance, at.eta), (at.sampler_b, at.variance_b, at.eta_b)):
            sampler.change(controls.for_sampler, sampler, [sampler, variance, eta], **QUICK)
        at.label.change(controls.for_label, at.label, at.guidance, **QUICK)
        gr.on([on.dice.click, on.dice_bar.click], None, None, at.seed, js=page_scripts.DRAW, **QUICK)
        on.summary.click(None, js=page_scripts.ON_SUMMARY, **QUICK)
        lane_b = at.named(*(f"{name}_b" for name in LANE))
        at.compare.input(handlers.compare, at.named(*LANE), lane_b, **QUICK)
        for button, (title, values) in zip(on.comparisons, controls.COMPARISONS.items(), strict=True):
            button.click(handlers.comparison(title), None, at.named(*values), **QUICK)

    def running(self) -> None:
        """Run and Stop."""
        on, at, handlers = self.layout, self.layout.controls, self._handlers
        # "multiple": by default gradio drops an event while one is under way, but Run during a run starts anew.
        prepared = gr.on(
            [on.run.click, at.seed.submit],
            handlers.prepare,
            [*self._all, on.lock, on.revision, on.revision_b],
            at.seed,
            js=page_scripts.ON_RUN,
            trigger_mode="multiple",
            **QUICK,
        )
        run = prepared.then(handlers.stream, None, on.player, trigger_mode="multiple", **QUIET, **NETWORK)
        finished = run.then(handlers.finish, None, [*on.saves, at.checkpoint, at.checkpoint_b], **QUICK)
        finished.then(handlers.refit, **self._fit).then(**self._describe)
        on.stop.click(handlers.pages.stop, None, None, **QUICK)

    def taking_away(self) -> None:
        """The files, the link and the scripts."""
        on = self.layout
        for kind, button, file in zip(files.KINDS, on.saves, on.saved, strict=True):
            download = f"() => document.querySelector('#{file.elem_id}').click()"
            save = button.click(
                self._handlers.saver(kind), None, file, show_progress="minimal", api_visibility="private"
            )
            save.success(None, js=download, **QUICK)
        on.copy_link.click(None, [*self._all, on.revision, on.revision_b], None, js=page_scripts.ON_COPY_LINK, **QUICK)
        for button, script in ((on.copy_python, on.python), (on.copy_diffusers, on.diffusers)):
            button.click(None, script, None, js=page_scripts.copy_text(str(button.elem_id)), **QUICK)

    def opening(self) -> None:
        """What happens when a page opens and when it closes."""
        at, handlers, demo = self.layout.controls, self._handlers, self._demo
        opened = demo.load(handlers.restore, None, [*self._all, self._tabs], **QUIET)
        # One after another: of two answers that change a component at once, gradio may lose the first.
        fitted = opened.then(handlers.choose, **self._fit)
        fitted.then(**self._describe)
        fitted.then(handlers.ready, **QUICK).then(handlers.choose, **self._fit).then(**self._describe)
        fitted.then(handlers.known, None, [at.checkpoint, at.checkpoint_b], **QUICK)
        demo.unload(handlers.pages.close)
