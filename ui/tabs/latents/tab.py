"""The Latents tab: reconstructions that share a latent x_t, and interpolations between two (Figs. 7 to 9).

The page's part is web/latents; it asks the handlers, and starts a run with the event "submit".
"""

from __future__ import annotations

import gradio as gr

from ddpm_core import defaults
from ui import web
from ui.events import NETWORK, QUICK, QUIET
from ui.runs.models import Models
from ui.runs.settings import MAX_SEED
from ui.tabs.latents.chooser import source_html
from ui.tabs.latents.handlers import Handlers

FIRST = "Its latent x<sub>t</sub> is made by adding noise (Eq. 4)"
SECOND = "Its latent is mixed with the first one’s"


def latents_tab(demo: gr.Blocks, models: Models, checkpoint: str) -> None:
    """Build the tab. In the page, `window.ddpmLatents` = { values } sets it, also before it is opened."""
    handlers = Handlers(demo, models, checkpoint)
    constants = {
        "MAX_SEED": MAX_SEED,
        "MAX_BYTES": int(models.limits.upload_mb * 1e6),
        "checkpoint": checkpoint,
        "kinds": handlers.kinds,
    }
    second = defaults.SEED + 1
    sources = {
        "<!-- source a -->": source_html("a", "latents-kind-a", "First picture", FIRST, "Sample"),
        "<!-- source b -->": source_html("b", "latents-kind-b", "Second picture", SECOND, "Sample", seed=second),
    }
    functions = web.functions(*handlers.chooser.functions, handlers.describe_run, handlers.save_run)
    screen = web.component("latents", constants, sources, server_functions=functions)
    screen.submit(handlers.tasks.run, None, screen, trigger_mode="multiple", **QUIET, **NETWORK)
    screen.stop(handlers.tasks.stop, None, None, **QUICK)
    demo.unload(handlers.tasks.close)
