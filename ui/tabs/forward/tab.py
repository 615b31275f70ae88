"""The Forward tab: a picture noised by Eq. 4, the schedules, the posterior, and t small steps against one jump.

The page mixes x_0 and ε itself with the weights of `ddpm_core.forward.tables`, so dragging t needs no server.
"""

from __future__ import annotations

from ddpm_core import defaults
from ui import web
from ui.runs.limits import ServerLimits
from ui.runs.settings import MAX_SEED
from ui.tabs.forward import pictures, server


def forward_tab(limits: ServerLimits) -> None:
    """Build the tab, with the server's limits for uploads.

    In the page, `window.ddpmForward` = { t, schedule, picture } sets it, also before it is opened."""
    constants = {
        "T": server.T,
        "EPSILON_UNIT": server.EPSILON_UNIT,
        "SEED": defaults.SEED,
        "MAX_SEED": MAX_SEED,
        "MAX_BYTES": int(limits.upload_mb * 1e6),
    }
    thumbs = "".join(_thumb(name) for name in pictures.DRAWINGS)
    web.component("forward", constants, {"<!-- thumbs -->": thumbs}, server_functions=server.functions(limits))


def _thumb(name: str) -> str:
    source = server.uri(pictures.drawn(name)[::2, ::2])
    choice = f'<input type="radio" name="forward-picture" value="{name}" aria-label="{name}">'
    return f'<label title="{name}">{choice}<img src="{source}" alt=""></label>'
