"""The Likelihood tab: bits/dim, L_t, rate and distortion of pictures, measured live; and results of `train evaluate`.

The page's part is web/likelihood; it asks the handlers, and starts a measurement with the event "submit".
"""

from __future__ import annotations

import gradio as gr

from ui import web
from ui.events import NETWORK, QUICK, QUIET
from ui.runs.models import Models
from ui.runs.settings import MAX_SEED
from ui.tabs.latents.chooser import source_html
from ui.tabs.likelihood.handlers import Handlers

INFO = "Test pictures that come with the page, or one of your own"


def likelihood_tab(demo: gr.Blocks, models: Models, checkpoint: str) -> None:
    """Build the tab. In the page, `window.ddpmLikelihood` = { values } sets it, also before it is opened."""
    handlers = Handlers(models, checkpoint)
    constants = {
        "MAX_SEED": MAX_SEED,
        "MAX_BYTES": int(models.limits.upload_mb * 1e6),
        "checkpoint": checkpoint,
        "local": not models.public,
    }
    source = source_html("a", "likelihood-kind", "Pictures", INFO, "Test set")
    functions = web.functions(*handlers.chooser.functions, handlers.describe_measure, handlers.open_study)
    screen = web.component("likelihood", constants, {"<!-- source -->": source}, server_functions=functions)
    screen.submit(handlers.tasks.run, None, screen, trigger_mode="multiple", **QUIET, **NETWORK)
    screen.stop(handlers.tasks.stop, None, None, **QUICK)
    demo.unload(handlers.tasks.close)
