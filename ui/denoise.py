"""The Denoise tab: the controls of a run, its player, and what can be taken away."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import fields
from html import escape

import gradio as gr

from ddpm_core.refs import CheckpointError
from ui import checkpoints, controls, files, words
from ui.checkpoints import Checkpoints
from ui.controls import Controls
from ui.jobs import PACE, Job, in_thread
from ui.messages import Show
from ui.player import player
from ui.settings import ANY, MAX_SEED, Settings
from ui.warmup import Warmup

NETWORK = {"concurrency_id": "network", "concurrency_limit": 60}  # jobs.LINE makes it one at a time
# Values come as they are in the page, so that what is wrong with them is said here and not by gradio.
QUICK = {"queue": False, "show_progress": "hidden", "api_visibility": "private", "preprocess": False}
FIELDS = [field.name for field in fields(Settings)]

# In the page. The values are those of Controls.all(); Run's are followed by the seed's lock.
DRAW = f"String(Math.floor(Math.random() * {MAX_SEED + 1}))"
ON_RUN = f"""(...values) => {{
  const locked = values.pop();
  if (!locked) values[{FIELDS.index("seed")}] = {DRAW};
  document.querySelector("#controls").classList.remove("open");
  window.ddpmPlayer?.starting(values);
  return [...values, locked];
}}"""
ON_CHANGE = "(...values) => { window.ddpmPlayer?.settings(values); }"
ON_SUMMARY = """() => {
  const open = document.querySelector("#controls").classList.toggle("open");
  document.querySelector("#summary").setAttribute("aria-expanded", open);
}"""


class Pages:
    """What is remembered of each open page: its newest run, and for which model it was given which number of images."""

    LIMIT = 64  # pages; a browser that vanished without a word is forgotten in the end

    def __init__(self, checkpoint: str):
        self._shows: OrderedDict[str, Show] = OrderedDict()
        self._counts: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._first = (checkpoint, Settings.count)
        self._lock = threading.Lock()

    def begin(self, request: gr.Request, show: Show) -> None:
        """Make it the page's run; an older one ends."""
        with self._lock:
            dropped = [self._shows.pop(request.session_hash, None)]
            self._shows[request.session_hash] = show
            if len(self._shows) > self.LIMIT:
                dropped.append(self._shows.popitem(last=False)[1])
        for old in filter(None, dropped):
            old.superseded = True
            old.stop()

    def take(self, request: gr.Request) -> Show | None:
        """The page's run if nobody has started it yet."""
        with self._lock:
            show = self.show(request)
            if show is None or show.started:
                return None
            show.started = True
            return show

    def show(self, request: gr.Request) -> Show | None:
        return self._shows.get(request.session_hash)

    def stop(self, request: gr.Request) -> None:
        show = self.show(request)
        if show:
            show.stop()

    def close(self, request: gr.Request) -> None:
        self.stop(request)
        self._shows.pop(request.session_hash, None)
        self._counts.pop(request.session_hash, None)

    def count(self, request: gr.Request, ref: str, now: int) -> int:
        """The number of images to go on with: the default for a new model, unless the user has set another."""
        for_ref, given = self._counts.get(request.session_hash, self._first)
        if now == given and (ref != for_ref or self.show(request) is None):
            now = given = controls.default_count(ref)
        self._counts[request.session_hash] = (ref, given)
        if len(self._counts) > self.LIMIT:
            self._counts.popitem(last=False)
        return now


def tab(demo: gr.Blocks, models: Checkpoints, warmup: Warmup, checkpoint: str, note: gr.HTML) -> Controls:
    """Build the tab, and return its controls. note: where the page says what computes."""
    pages = Pages(checkpoint)
    for_steps, for_variance, for_class = controls.for_model(models.peek(checkpoint))

    with gr.Row(elem_id="denoise", equal_height=False):
        with gr.Column(elem_id="controls", scale=0, min_width=320):
            summary = gr.Button("Settings", elem_id="summary", size="sm")
            with gr.Column(elem_id="settings"):
                ref = controls.checkpoint_dropdown(models, checkpoint)
                steps = controls.steps_slider(**for_steps)
                variance = controls.variance_radio(**for_variance)
                with gr.Row(elem_id="seed-row"):
                    seed = controls.seed_textbox()
                    lock = gr.Checkbox(True, label="Lock", elem_id="lock", container=False, min_width=60)
                    dice = gr.Button("New seed", elem_id="dice", min_width=44)
                label = controls.label_dropdown(**for_class)
            with gr.Row(elem_id="run-bar"):
                run = gr.Button("Run", variant="primary", elem_id="run", min_width=80)
                stop = gr.Button("Stop", elem_id="stop", min_width=80)
                dice_bar = gr.Button("New seed", elem_id="dice-bar", min_width=44)  # on a phone
            estimate = gr.HTML(elem_id="estimate")
            with gr.Accordion("Advanced", open=False, elem_id="advanced"):
                rest = controls.advanced()
        with gr.Column(elem_id="stage", min_width=280):
            view = player()
            with gr.Row(elem_id="downloads"):
                save_png = gr.Button("Save picture (PNG)", size="sm", interactive=False, elem_id="save-png")
                save_gif = gr.Button("Save trajectory (GIF)", size="sm", interactive=False, elem_id="save-gif")
                png_file = gr.DownloadButton(visible="hidden", elem_id="png-file")
                gif_file = gr.DownloadButton(visible="hidden", elem_id="gif-file")

    inputs = Controls(checkpoint=ref, steps=steps, variance=variance, seed=seed, label=label, **rest)
    everything = inputs.all()

    # --- What is shown while choosing

    def describe(*values):
        """The time a run will take or what is wrong with the settings, and the settings in a line."""
        chosen = dict(zip(FIELDS, values, strict=True))
        line = _line(chosen)
        try:
            settings = _settings(values)
        except ValueError as error:
            return f'<p class="wrong">{escape(str(error))}</p>', line
        text = _estimate(models, settings)
        return f"<p>{escape(text)}</p>", line

    def choose(request: gr.Request, chosen, steps_now, variance_now, label_now, count_now):
        """Fit the controls to a checkpoint, as far as it is known without a download."""
        model, ref = None, str(chosen or "").strip()
        with suppress(CheckpointError):  # Run will say it
            model = models.peek(ref)
        fitted = controls.for_model(model, steps_now, variance_now, label_now)
        updates = [gr.update(**properties) for properties in fitted]
        count = pages.count(request, ref, count_now)
        return *updates, gr.skip() if count == count_now else count, device_note(models)

    def look(chosen):
        with suppress(CheckpointError):
            models.refuse_folders(str(chosen or ""))
            models.look(str(chosen or "").strip())

    def refit(request: gr.Request, *values):
        """The same after a run that loaded the model; after others the controls fit, and are left alone."""
        show = pages.show(request)
        return choose(request, *values) if show and show.job and show.job.loaded else [gr.skip()] * 5

    fit = {
        "inputs": [ref, steps, variance, label, inputs.count],
        "outputs": [steps, variance, label, inputs.count, note],
        **QUICK,
    }
    tell = {"fn": describe, "inputs": everything, "outputs": [estimate, summary], **QUICK}

    changes = [component.change for component in everything]
    gr.on(changes, None, everything, None, js=ON_CHANGE, **QUICK)
    gr.on(changes, **tell, trigger_mode="always_last")
    chosen = ref.change(choose, **fit, trigger_mode="always_last").then(**tell)
    chosen.then(look, ref, None, **QUICK).then(**tell)
    inputs.sampler.change(controls.for_sampler, inputs.sampler, [variance, inputs.eta], **QUICK)
    label.change(controls.for_label, label, inputs.guidance, **QUICK)
    gr.on([dice.click, dice_bar.click], None, None, seed, js=f"() => {DRAW}", **QUICK)
    summary.click(None, js=ON_SUMMARY, **QUICK)

    # --- A run

    def prepare(request: gr.Request, *values):
        """Take the order: what the page's Stop and its stream refer to from here on."""
        *values, _ = values
        try:
            show = Show(values, Job(_settings(values), models))
        except ValueError as error:
            show = Show(values, error=str(error))
        pages.begin(request, show)
        return values[FIELDS.index("seed")]

    async def stream(request: gr.Request) -> AsyncIterator[dict]:
        show = pages.take(request)
        if show:
            async with aclosing(in_thread(show.messages(), show.stop)) as messages:
                async for message in messages:
                    yield message

    def finish(request: gr.Request):
        show = pages.show(request)
        some = bool(show and show.last)
        return gr.update(interactive=some), gr.update(interactive=some), gr.update(choices=models.choices())

    # "multiple": Run in a run starts anew. By default gradio drops an event of which one is still under way.
    running = gr.on(
        [run.click, seed.submit], prepare, [*everything, lock], seed, js=ON_RUN, trigger_mode="multiple", **QUICK
    ).then(stream, None, view, trigger_mode="multiple", show_progress="hidden", api_visibility="private", **NETWORK)
    running.then(finish, None, [save_png, save_gif, ref], **QUICK).then(refit, **fit).then(**tell)
    stop.click(pages.stop, None, None, **QUICK)

    # --- To take away

    def saved(make):
        def save(request: gr.Request):
            show = pages.show(request)
            if show is None or show.last is None:
                raise gr.Error("There is no picture yet: press Run", print_exception=False)
            return make(demo, show)

        return save

    for button, file, make in ((save_png, png_file, files.png), (save_gif, gif_file, files.gif)):
        follow = f"() => document.querySelector('#{file.elem_id}').click()"
        button.click(saved(make), None, file, show_progress="minimal", api_visibility="private").success(
            None, js=follow, **QUICK
        )

    # --- The page opens and closes

    async def known():
        await _set(warmup.known)
        return gr.update(choices=models.choices())

    async def ready():
        await _set(warmup.ready)

    demo.load(**tell)
    demo.load(ready, **QUICK).then(choose, **fit).then(**tell)
    demo.load(known, None, ref, **QUICK)
    demo.unload(pages.close)
    return inputs


async def _set(event: threading.Event) -> None:
    """Wait without holding a thread."""
    while not event.is_set():
        await asyncio.sleep(0.1)


def _settings(values: list) -> Settings:
    """Settings of the controls' values. A control that is out of use says nothing."""
    chosen = dict(zip(FIELDS, values, strict=True))
    if chosen["label"] in (ANY, None):
        chosen["guidance"] = Settings.guidance
    if chosen["sampler"] != "ddim":
        chosen["eta"] = Settings.eta
    return Settings.check(**chosen)


def _estimate(models: Checkpoints, settings: Settings) -> str:
    """What a run will take: its time, and before that a download."""
    size = models.to_download(settings.checkpoint)
    pace = PACE.of(settings.checkpoint, settings.batch)
    text = words.estimate(pace and pace * settings.steps, models.kind)
    return f"{words.megabytes(size)} to download first · {text}" if size else text


def _line(chosen: dict) -> str:
    """The settings in one line, for the button that opens them on a phone."""
    way = "DDIM" if chosen["sampler"] == "ddim" else words.VARIANCE.get(chosen["variance"], "")
    label = [] if chosen["label"] in (ANY, None) else [chosen["label"]]
    parts = [checkpoints.name(str(chosen["checkpoint"] or "no model")), f"{chosen['steps']} steps", way, *label]
    return " · ".join([*parts, f"seed {chosen['seed']}"])


def device_note(models: Checkpoints) -> str:
    """What computes, for the corner of the page."""
    return f'<span title="{escape(models.engine)}">{escape(models.note)}</span>'
