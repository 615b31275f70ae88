"""The button that finds a model's optimised steps, under the sentence that says that it has none."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from html import escape
from typing import Any

import gradio as gr

from ddpm_core.checkpoint.refs import CheckpointError
from ui.events import NETWORK, QUICK, QUIET, listener
from ui.runs.listeners import Unheard, in_thread
from ui.runs.models import Models
from ui.runs.optimise import MOST, Search, is_missing
from ui.tabs.denoise import texts


class OptimiseSteps:
    """Two components, in the place where this is made: the button, and how far the search is."""

    def __init__(self, models: Models):
        self._models = models
        with gr.Column(elem_id="optimise", visible=False) as self.box:
            self.button = gr.Button(texts.OPTIMISE, size="sm", elem_id="optimise-button")
            self.state = gr.HTML(f"<p>{texts.OPTIMISE_TIME}</p>", elem_id="optimise-state")

    def connect(self, inputs: list[Any], describe: dict[str, Any]) -> None:
        """inputs: the components of the checkpoint, sampler, spacing and steps. describe: the event that says what the
        settings mean, to be called again afterwards.
        """
        show: dict[str, Any] = {"fn": self.show, "inputs": inputs, "outputs": [self.box, self.state], **QUICK}
        gr.on([component.change for component in inputs], **show, trigger_mode="always_last")
        once: dict[str, Any] = {"trigger_mode": "once", "preprocess": False}
        found = self.button.click(self.search, inputs, self.state, **once, **QUIET, **NETWORK)
        found.then(**{**show, "fn": self.hide, "outputs": [self.box]}).then(**describe)

    def show(self, *chosen: Any) -> tuple[Any, str]:
        """Offer the search where the chosen steps are not there."""
        return gr.update(visible=self._is_needed(*chosen)), f"<p>{texts.OPTIMISE_TIME}</p>"

    def hide(self, *chosen: Any) -> Any:
        """The same after a search, whose last words stay."""
        return gr.update(visible=self._is_needed(*chosen))

    def _is_needed(self, checkpoint: object, sampler: Any, spacing: object, steps: Any) -> bool:
        if spacing != "optimised" or not (isinstance(steps, int | float) and 1 <= steps <= MOST):
            return False
        with suppress(CheckpointError):  # Run reports it
            return is_missing(self._models.known(_ref(checkpoint)), sampler, int(steps))
        return False

    async def search(self, checkpoint: object, sampler: Any, spacing: object, steps: Any) -> AsyncGenerator[str, None]:
        """Search, and say how far it is. It ends when the page is gone."""
        if not (isinstance(steps, int | float) and 1 <= steps <= MOST):  # not from the page
            return
        search = Search(_ref(checkpoint), int(steps), self._models)
        with suppress(Unheard):
            async with aclosing(in_thread(search.updates(), search.stop, listener())) as updates:
                async for update in updates:
                    mark = ' class="wrong"' if update.failed else ""
                    yield f"<p{mark}>{escape(update.text)}</p>"


def _ref(checkpoint: object) -> str:
    return str(checkpoint or "").strip()
