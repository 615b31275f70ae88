"""The app: one page with a tab for each thing to do."""

from __future__ import annotations

import os

# Without this gradio calls home, and does so even on import.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from starlette.middleware import Middleware

from ui import api, web
from ui.runs.line import LINE
from ui.runs.listeners import Streams
from ui.runs.models import Checkpoints
from ui.runs.settings import CHECKPOINT
from ui.runs.warmup import Warmup
from ui.tabs.denoise import tab as denoise
from ui.tabs.forward import tab as forward
from ui.tabs.learn import tab as learn

FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
THEME = gr.themes.Base(primary_hue="orange", neutral_hue="gray", font=FONT, font_mono=["ui-monospace", "monospace"])
# White on it is readable (contrast 5.2), and the player's curves are it.
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


def build(checkpoint: str = CHECKPOINT, device: str = "auto", public: bool = False) -> gr.Blocks:
    """The page, its default checkpoint and the device its models run on.

    public: strangers use it, so that checkpoints are embedded names and Hub ids only. Show it with `launch(demo)`.
    Raises CheckpointError or ValueError for a checkpoint or a device that is not there.
    """
    if device != "auto":
        from ddpm_core.engines.choose import choose_device

        choose_device(device)
    models = Checkpoints(device, public)
    warmup = Warmup(models, checkpoint)
    with gr.Blocks(title="DDPM Lab", fill_width=True, analytics_enabled=False, delete_cache=(3600, 3600)) as demo:
        with gr.Row(elem_id="top"):
            gr.HTML("<h1>DDPM Lab</h1>", elem_id="title")
            note = gr.HTML(denoise.device_note(models), elem_id="device-note")
        with gr.Tabs() as tabs:
            with gr.Tab("Denoise", id="denoise"):
                controls = denoise.tab(demo, models, warmup, checkpoint, note, tabs)
            with gr.Tab("Forward", id="forward"):
                forward.tab()
            with gr.Tab("Learn", id="learn"):
                learn.tab(tabs, controls)
        api.endpoints(demo, models, checkpoint)
    warmup.start()
    # Not open: a run that is posted without the queue has nobody to listen to it.
    return demo.queue(default_concurrency_limit=None, api_open=False)


def launch(demo: gr.Blocks, **options):
    """`demo.launch` with the app's look; returns what it returns."""
    css = "\n".join(web.text(f"page/{name}") for name in ("page.css", "lab.css"))
    look = {"theme": THEME, "css": css, "footer_links": ["api"], "run_history": False}
    served = {"middleware": [Middleware(Streams), Middleware(web.Fresh)]}
    return demo.launch(**look, app_kwargs=served, max_threads=80, quiet=True, **options)


def close(demo: gr.Blocks, seconds: float = 5) -> bool:
    """Stop all runs and close the page, each within so many seconds; whether nothing computes any more.

    A program that ends while one of its threads computes is aborted.
    """
    stopped = LINE.stop_all(seconds)
    demo.close(verbose=False)
    return stopped
