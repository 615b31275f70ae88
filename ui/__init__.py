"""The app: one page with a tab for each thing to do."""

# What is imported inside functions waits for a measured reason: the page is up after 5 s, and diffusers takes another
# 2 s to import, which the warm-up does in the background. So nothing in ui imports what needs diffusers at the start:
# ddpm_core's own names (`ddpm_core.load`) are fetched from their modules when they are first used, and ddpm_core.runs
# and ddpm_core.engines are imported inside the functions that need them.

from __future__ import annotations

import os
from typing import Any

# Without this gradio sends usage statistics, already when it is imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from starlette.middleware import Middleware

from ui import api, web
from ui.events import QUICK
from ui.runs.line import LINE
from ui.runs.listeners import Streams
from ui.runs.models import Models
from ui.runs.settings import CHECKPOINT
from ui.runs.warmup import Warmup
from ui.tabs.denoise.handlers import device_note
from ui.tabs.denoise.tab import denoise_tab
from ui.tabs.forward.tab import forward_tab
from ui.tabs.latents.tab import latents_tab
from ui.tabs.learn.tab import learn_tab
from ui.tabs.likelihood.tab import likelihood_tab

FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
THEME = gr.themes.Base(primary_hue="orange", neutral_hue="gray", font=FONT, font_mono=["ui-monospace", "monospace"])
# White text on primary_700 is readable (contrast 5.2), and the player's curves have this colour.
THEME.set(
    color_accent="*primary_700",
    slider_color="*primary_700",
    slider_color_dark="*primary_700",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover_dark="*primary_600",
    checkbox_background_color_selected="*primary_700",
    checkbox_background_color_selected_dark="*primary_700",
    checkbox_border_color_selected="*primary_700",
    checkbox_border_color_selected_dark="*primary_700",
)

# Latents and Likelihood take the model that is chosen in Denoise, also when they are opened later.
FOLLOW = """(checkpoint) => {
  window.ddpmModel = checkpoint;
  for (const tab of [window.ddpmLatents, window.ddpmLikelihood]) tab?.set?.({ checkpoint });
}"""


def build(checkpoint: str = CHECKPOINT, device: str = "auto", public: bool = False) -> gr.Blocks:
    """The page, to be served by `launch`.

    checkpoint: the one that is chosen at first. device: where models are evaluated, as for `ddpm_core.load`.
    public: strangers use the page, so it accepts embedded names and Hub ids only.
    Raises CheckpointError or ValueError for a checkpoint or a device that does not exist.
    """
    if device != "auto":
        from ddpm_core.engines.choose import choose_device

        choose_device(device)
    models = Models(device, public)
    warmup = Warmup(models, checkpoint)
    with gr.Blocks(title="DDPM Lab", fill_width=True, analytics_enabled=False, delete_cache=(3600, 3600)) as demo:
        with gr.Row(elem_id="top"):
            gr.HTML("<h1>DDPM Lab</h1>", elem_id="title")
            note = gr.HTML(device_note(models), elem_id="device-note")
        with gr.Tabs() as tabs:
            with gr.Tab("Denoise", id="denoise"):
                controls = denoise_tab(demo, models, warmup, checkpoint, note, tabs)
            with gr.Tab("Forward", id="forward"):
                forward_tab()
            with gr.Tab("Latents", id="latents"):
                latents_tab(demo, models, checkpoint)
            with gr.Tab("Likelihood", id="likelihood"):
                likelihood_tab(demo, models, checkpoint)
            with gr.Tab("Learn", id="learn"):
                learn_tab(tabs, controls)
        controls.checkpoint.change(None, controls.checkpoint, None, js=FOLLOW, **QUICK)
        api.endpoints(demo, models, checkpoint)
    warmup.start()
    # api_open: a run that is requested past the queue would have nobody to listen to it.
    return demo.queue(default_concurrency_limit=None, api_open=False)


def launch(demo: gr.Blocks, **options: Any) -> Any:
    """Serve the page with its style; options and result are those of `demo.launch`."""
    css = "\n".join(web.text(f"page/{name}") for name in ("page.css", "lab.css"))
    look: dict[str, Any] = {"theme": THEME, "css": css, "footer_links": ["api"], "run_history": False}
    served: dict[str, Any] = {"middleware": [Middleware(Streams), Middleware(web.Fresh)]}
    return demo.launch(**look, app_kwargs=served, max_threads=80, quiet=True, **options)


def close(demo: gr.Blocks, seconds: float = 5) -> bool:
    """Stop all runs, within so many seconds, and close the page. Returns whether no run computes any more.

    Python aborts when the program ends while one of its threads computes.
    """
    stopped = LINE.stop_all(seconds)
    demo.close(verbose=False)
    return stopped
