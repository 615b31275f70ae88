"""The frame player of the Denoise tab: collects a run's frames in the page, so that scrubbing needs no server."""

from pathlib import Path

import gradio as gr

from ui.room import invitation

FILES = Path(__file__).parent


def player(elem_id: str = "player") -> gr.HTML:
    """The player as a component whose values are its messages, one dict per update; script.js says what they hold.

    Give events that write to it `show_progress="hidden"`. In the page, `window.ddpmPlayer.starting(values)` and
    `.settings(values)` tell it what the controls say, and its `.ddpm-player` element carries data-state (a message's
    state, or "idle", "starting", "lost"), data-run, data-frames, data-k and data-live.
    """
    template, style, draw, script = (
        (FILES / name).read_text(encoding="utf-8") for name in ("template.html", "style.css", "draw.js", "script.js")
    )
    # The style goes into the template: gradio would write a css_template into the page again with every message.
    return gr.HTML(
        html_template=f"<style>{style}</style>\n{template}",
        js_on_load=f"{draw}\n{script}",
        apply_default_css=False,
        server_functions=[invitation],
        elem_id=elem_id,
    )
