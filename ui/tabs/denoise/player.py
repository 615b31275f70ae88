"""The frame player of the Denoise tab: collects a run's frames in the page, so that scrubbing needs no server."""

from typing import Any

import gradio as gr
from gradio.context import LocalContext

from ui import web
from ui.export.invitation import Served, invitation


def player(public: bool = False) -> gr.HTML:
    """The player as a component whose values are its messages, one dict each; web/player/messages.js lists them.

    Give events that write to it `show_progress="hidden"`. In the page, `window.ddpmPlayer.starting(values)` and
    `.settings(values)` tell it what the controls say, and its `.ddpm-player` element carries data-state (a message's
    state, or "idle", "starting", "lost"), data-run, data-frames, data-k and data-live. public: strangers use the page.
    """

    def invite(page: Any = None) -> dict[str, str]:
        """The page's address, as its browser has it -> `invitation`."""
        demo: Any = LocalContext.blocks.get()
        return invitation(page, Served(demo.server_name, demo.server_port, public, demo.share_url))

    return web.component("player", server_functions=[invite])
