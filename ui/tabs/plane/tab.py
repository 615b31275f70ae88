"""The Plane tab: a whole distribution instead of one picture. Points in the plane go from noise to data, in two lanes.

The page's part is web/plane; it asks the handlers, and starts a run with the event "submit".
"""

from __future__ import annotations

import gradio as gr

from ddpm_core import defaults
from ui import web
from ui.events import NETWORK, QUICK, QUIET
from ui.runs.models import Models
from ui.runs.settings import MAX_SEED
from ui.tabs.plane.handlers import Handlers
from ui.tabs.plane.job import ARROW_UNIT, ARROWS, UNIT
from ui.tabs.plane.wanted import DRAWN


def plane_tab(demo: gr.Blocks, models: Models) -> None:
    """Build the tab. In the page, `window.ddpmPlane` = { values } sets it, also before it is opened."""
    handlers = Handlers(models)
    constants = {
        "MAX_SEED": MAX_SEED,
        "DRAWN": DRAWN,
        "UNIT": UNIT,
        "ARROWS": ARROWS,
        "ARROW_UNIT": ARROW_UNIT,
    }
    filled = {"SEED": str(defaults.SEED), "<!-- lanes -->": _lane("a", "beta") + _lane("b", "beta_tilde")}
    screen = web.component("plane", constants, filled, server_functions=web.functions(handlers.describe_run))
    screen.submit(handlers.tasks.run, None, screen, trigger_mode="multiple", **QUIET, **NETWORK)
    screen.stop(handlers.tasks.stop, None, None, **QUICK)
    demo.unload(handlers.tasks.close)


def _lane(name: str, variance: str) -> str:
    """The HTML of a lane's choices, with this variance chosen."""
    chosen = f'value="{variance}"'
    lane = web.text("plane/lane.html").replace("LANE", name).replace("LETTER", name.upper())
    return lane.replace(chosen, f"{chosen} selected")
