"""The app: one page with a tab for each thing to do."""

# What is imported inside functions waits for a measured reason: the page is up after 5 s, and diffusers takes another
# 2 s to import, which the warm-up does in the background. So nothing in ui imports what needs diffusers at the start:
# ddpm_core's own names (`ddpm_core.load`) are fetched from their modules when they are first used, and ddpm_core.runs
# and ddpm_core.engines are imported inside the functions that need them.

from __future__ import annotations

import time
from typing import Any

from ui import environment  # noqa: F401, before gradio

# isort: split
import gradio as gr
from starlette.middleware import Middleware

from ddpm_core import defaults
from ui import api, temporary, web
from ui.events import QUICK
from ui.gate import Gate
from ui.runs import zero
from ui.runs.closing import CLOSING
from ui.runs.limits import ServerLimits
from ui.runs.line import LINE
from ui.runs.listeners import Streams
from ui.runs.models import Models
from ui.runs.warmup import Warmup
from ui.runs.watch import COUNTS
from ui.tabs.denoise.handlers import TABS, device_note
from ui.tabs.denoise.tab import denoise_tab
from ui.tabs.forward.tab import forward_tab
from ui.tabs.latents.tab import latents_tab
from ui.tabs.learn.tab import learn_tab
from ui.tabs.likelihood.tab import likelihood_tab
from ui.tabs.plane.tab import plane_tab
from ui.tabs.train.tab import train_tab
from ui.tabs.train.visits import close_all

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


class Page(gr.Blocks):
    """The page, and what its server has to keep to."""

    limits = ServerLimits()
    sweeper: temporary.Sweeper | None = None


# Pages whose state gradio keeps, a third of a megabyte each; the longest unused one goes first. Every call of the API
# counts as one. gradio's own number is 10,000. Our page needs none of that state (no gr.State, and no value is checked
# against what a component was told to be), so the number has only to be more than the runs that can be here at once.
SESSIONS = 64


def build(
    checkpoint: str = defaults.CHECKPOINT,
    device: str = "auto",
    public: bool = False,
    limits: ServerLimits | None = None,
    allow_hub: bool = False,
    allow_training: bool = False,
) -> Page:
    """The page, to be served by `launch`.

    checkpoint: the one that is chosen at first. device: where models are evaluated, as for `ddpm_core.load`.
    public: strangers use the page, so it accepts the checkpoints of its list only, and any Hub id with allow_hub, and
    trains only with allow_training. limits: those of a public page, or of one's own, where none are given.
    Raises CheckpointError or ValueError for a checkpoint or a device that does not exist.
    """
    if zero.is_here():
        device = "cpu"  # the GPU is in other processes
    if device != "auto":
        from ddpm_core.engines.choose import choose_device

        choose_device(device)
    models = Models(device, public, limits, allow_hub, checkpoint)
    checkpoint = models.first
    warmup = Warmup(models, checkpoint)
    LINE.active, LINE.queue = models.limits.concurrent_runs, models.limits.waiting_runs
    trains = allow_training or not public
    names = [name for name in TABS if trains or name != "train"]
    with Page(title="DDPM Lab", fill_width=True, analytics_enabled=False) as demo:
        demo.limits = models.limits
        with gr.Row(elem_id="top"):
            gr.HTML("<h1>DDPM Lab</h1>", elem_id="title")
            note = gr.HTML(device_note(models), elem_id="device-note")
        with gr.Tabs() as tabs:
            with gr.Tab("Denoise", id="denoise"):
                controls = denoise_tab(demo, models, warmup, checkpoint, note, tabs, names)
            with gr.Tab("Forward", id="forward"):
                forward_tab(models.limits)
            with gr.Tab("Latents", id="latents"):
                latents_tab(demo, models, checkpoint)
            with gr.Tab("Likelihood", id="likelihood"):
                likelihood_tab(demo, models, checkpoint)
            with gr.Tab("Plane", id="plane"):
                plane_tab(demo, models)
            if trains:
                with gr.Tab("Train", id="train"):
                    train_tab(tabs, controls.checkpoint, models)
            with gr.Tab("Learn", id="learn"):
                learn_tab(tabs, controls)
        controls.checkpoint.change(None, controls.checkpoint, None, js=FOLLOW, **QUICK)
        api.endpoints(demo, models, checkpoint)
    warmup.start()
    # api_open: a run that is requested past the queue would have nobody to listen to it.
    demo.queue(default_concurrency_limit=None, api_open=False)
    return demo


def launch(demo: Page, **options: Any) -> Any:
    """Serve the page of `build` with its style; options and result are those of `demo.launch`."""
    limits = demo.limits
    CLOSING.cancel()
    demo.sweeper = temporary.Sweeper(demo, limits.temporary_mb * 1e6)
    demo.sweeper.start()
    css = "\n".join(web.text(f"page/{name}") for name in ("page.css", "lab.css"))
    look: dict[str, Any] = {"theme": THEME, "css": css, "footer_links": ["api"], "run_history": False}
    served: dict[str, Any] = {"middleware": [Middleware(Gate, limits), Middleware(Streams), Middleware(web.Fresh)]}
    # The server that renders pages beforehand, which Spaces start, passes on only gradio's own addresses.
    safe: dict[str, Any] = {"ssr_mode": False, "enable_monitoring": False, "max_file_size": int(limits.upload_mb * 1e6)}
    safe["state_session_capacity"] = SESSIONS
    return demo.launch(**look, **safe, app_kwargs=served, max_threads=80, quiet=True, **options)


def close(demo: Page, patience: float = 0, seconds: float = 5) -> bool:
    """End all runs and trainings and close the page. Returns whether no run computes any more.

    patience: seconds that runs have to finish; new ones are refused. seconds: that the rest has to stop then.
    Python aborts when the program ends while one of its threads computes.
    """
    CLOSING.begin(patience)
    end = time.monotonic() + patience
    while COUNTS.here and time.monotonic() < end:
        time.sleep(0.05)
    close_all(seconds)
    stopped = LINE.stop_all(seconds)
    end = time.monotonic() + 1
    while COUNTS.here and time.monotonic() < end:  # its last message is on its way
        time.sleep(0.05)
    if demo.sweeper:
        demo.sweeper.stop()
    demo.close(verbose=False)
    CLOSING.cancel()
    return stopped
