"""The Denoise tab: the controls of a run, its player, and what can be taken away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from functools import partial
from html import escape

import gradio as gr

from ddpm_core.checkpoint.refs import CheckpointError
from ui import words
from ui.export import files
from ui.export import link as share
from ui.runs import models as checkpoints
from ui.runs.frames import Show
from ui.runs.job import RUNS, Job, Unheard, in_thread
from ui.runs.listeners import Listener
from ui.runs.models import Checkpoints
from ui.runs.pace import PACE
from ui.runs.plan import make_plan
from ui.runs.settings import ANY, LANE, PAGE, Settings, lanes
from ui.runs.warmup import Warmup
from ui.tabs.denoise import controls, scripts
from ui.tabs.denoise.controls import Controls
from ui.tabs.denoise.pages import Pages
from ui.tabs.denoise.player import player

NETWORK = {"concurrency_id": "network", "concurrency_limit": RUNS}  # line.LINE makes it one at a time
# Values come as they are in the page, so that what is wrong with them is said here and not by gradio.
QUICK = {"queue": False, "show_progress": "hidden", "api_visibility": "private", "preprocess": False}

# What a checkpoint decides about the controls.
FITTED = ("steps", "variance", "label", "steps_b", "variance_b")
TABS = ("denoise", "forward", "learn")
SAVES = (
    ("png", "Picture", files.picture),
    ("gif", "GIF", files.gif),
    ("strip", "Film strip", files.strip),
    ("zip", "ZIP of all", files.archive),
)


def tab(
    demo: gr.Blocks, models: Checkpoints, warmup: Warmup, checkpoint: str, note: gr.HTML, tabs: gr.Tabs
) -> Controls:
    """Build the tab, and return its controls. note: where the page says what computes; tabs: where the others are."""
    pages = Pages(checkpoint)
    known = models.peek(checkpoint)
    fitted = controls.for_model(known)

    with gr.Row(elem_id="denoise", equal_height=False):
        with gr.Column(elem_id="controls", scale=0, min_width=320):
            summary = gr.Button("Settings", elem_id="summary", size="sm")
            with gr.Column(elem_id="settings"):
                ref = controls.checkpoint_dropdown(models, checkpoint)
                steps = controls.steps_slider(**fitted["steps"])
                variance = controls.variance_radio(**fitted["variance"])
                with gr.Row(elem_id="seed-row"):
                    seed = controls.seed_textbox()
                    lock = gr.Checkbox(True, label="Lock", elem_id="lock", container=False, min_width=60)
                    dice = gr.Button("New seed", elem_id="dice", min_width=44)
                label = controls.label_dropdown(**fitted["label"])
            with gr.Row(elem_id="run-bar"):
                run = gr.Button("Run", variant="primary", elem_id="run", min_width=80)
                stop = gr.Button("Stop", elem_id="stop", min_width=80)
                dice_bar = gr.Button("New seed", elem_id="dice-bar", min_width=44)  # on a phone
            estimate = gr.HTML(elem_id="estimate")
            with gr.Column(elem_id="comparison"):
                compare = controls.compare_checkbox()
                with gr.Column(elem_id="lane-b"):
                    with gr.Row(elem_id="lessons-ab"):
                        lessons = [gr.Button(words.lesson(n), size="sm", min_width=80) for n in controls.LESSONS]
                    gr.HTML("<h3>Lane B <small>(A is set above)</small></h3>", elem_id="lane-b-title")
                    second = controls.second_lane(fitted["steps_b"]["maximum"], fitted["variance_b"]["choices"])
                    seen = gr.HTML(elem_id="seen")
                    gr.HTML(words.PUBLISHED, elem_id="published")
            with gr.Accordion("Advanced", open=False, elem_id="advanced"):
                rest = controls.advanced(clip=known.clip if known else bool(Settings.clip))
        with gr.Column(elem_id="stage", min_width=280):
            view = player()
            with gr.Row(elem_id="downloads"):
                copy_link = gr.Button("Copy link", size="sm", elem_id="copy-link")
                copy_python = gr.Button("Copy Python", size="sm", elem_id="copy-python")
                copy_diffusers = gr.Button("Copy for diffusers", size="sm", elem_id="copy-diffusers")
                saves = [
                    gr.Button(text, size="sm", interactive=False, elem_id=f"save-{name}") for name, text, _ in SAVES
                ]
                taken = [gr.DownloadButton(visible="hidden", elem_id=f"{name}-file") for name, _, _ in SAVES]
    revision = gr.Textbox("", visible=False)
    script, script_diffusers = gr.Textbox("", visible=False), gr.Textbox("", visible=False)

    inputs = Controls(
        checkpoint=ref, steps=steps, variance=variance, seed=seed, label=label, compare=compare, **second, **rest
    )
    everything = inputs.all()

    # --- What is shown while choosing

    def describe(*values):
        """What the settings mean: the time a run will take, or what is wrong with them; the settings in a line; what
        there is to see in two lanes; and scripts that repeat the run.
        """
        line = _line(dict(zip(PAGE, values, strict=True)))
        try:
            wanted = lanes(values)
            model = models.known(wanted[0].checkpoint)
            if model:
                for lane in wanted:
                    lane.arguments(model)
                there_is = make_plan(wanted, model).caption
        except (ValueError, CheckpointError) as error:
            return f'<p class="wrong">{escape(str(error))}</p>', line, "", "", "", gr.update(interactive=False)
        said = f"<p>{escape(_estimate(models, wanted))}</p>"
        if model is None:  # not here yet
            return said, line, "", "", "", gr.update(interactive=False)
        try:
            theirs, why = share.diffusers(wanted, model), ""
        except ValueError as error:
            theirs, why = "", str(error)
        note = there_is and f"<p>{escape(there_is)}</p>"
        return said, line, note, share.python(wanted, model), theirs, gr.update(interactive=not why)

    def choose(request: gr.Request, chosen, count_now, clip_now, *values):
        """Fit the controls to a checkpoint, as far as it is known without a download."""
        model, ref = None, str(chosen or "").strip()
        with suppress(CheckpointError):  # Run will say it
            model = models.known(ref)
        fitted = controls.for_model(model, **dict(zip(FITTED, values, strict=True)))
        count, clip = pages.count(request, ref, count_now), pages.clip(request, ref, model, clip_now)
        updates = [gr.update(**fitted[name]) for name in FITTED]
        said = checkpoints.revision(model) or ""
        kept = [gr.skip() if new == now else new for new, now in ((count, count_now), (clip, clip_now))]
        return *kept, *updates, device_note(models), said

    def look(chosen):
        with suppress(CheckpointError):
            models.look(str(chosen or "").strip())

    def refit(request: gr.Request, *values):
        """The same after a run that loaded the model; after others the controls fit, and are left alone."""
        show = pages.show(request)
        skipped = [gr.skip()] * len(fit["outputs"])
        return choose(request, *values) if show and show.job and show.job.loaded else skipped

    some = [getattr(inputs, name) for name in FITTED]
    own = [inputs.count, inputs.clip, *some]
    fit = {"inputs": [ref, *own], "outputs": [*own, note, revision], **QUICK}
    told = [estimate, summary, seen, script, script_diffusers, copy_diffusers]
    tell = {"fn": describe, "inputs": everything, "outputs": told, **QUICK}

    changes = [component.change for component in everything]
    gr.on(changes, None, everything, None, js=scripts.ON_CHANGE, **QUICK)
    gr.on(changes, **tell, trigger_mode="always_last")
    chosen = ref.change(choose, **fit, trigger_mode="always_last").then(**tell)
    chosen.then(look, ref, None, **QUICK).then(**tell)
    inputs.sampler.change(controls.for_sampler, inputs.sampler, [variance, inputs.eta], **QUICK)
    inputs.sampler_b.change(controls.for_sampler, inputs.sampler_b, [inputs.variance_b, inputs.eta_b], **QUICK)
    label.change(controls.for_label, label, inputs.guidance, **QUICK)
    gr.on([dice.click, dice_bar.click], None, None, seed, js=scripts.DRAW, **QUICK)
    summary.click(None, js=scripts.ON_SUMMARY, **QUICK)
    first, other = ([getattr(inputs, name + lane) for name in LANE] for lane in ("", "_b"))
    compare.input(controls.against, first, other, **QUICK)
    for button, number in zip(lessons, controls.LESSONS, strict=True):
        values = controls.lesson(number)
        button.click(partial(list, values.values()), None, [getattr(inputs, name) for name in values], **QUICK)

    # --- A run

    def prepare(request: gr.Request, *values):
        """Take the order: what the page's Stop and its stream refer to from here on."""
        *values, _, _ = values
        try:
            show = Show(values, Job(lanes(said(request, values)), models))
        except ValueError as error:
            show = Show(values, error=str(error))
        pages.begin(request, show)
        return values[PAGE.index("seed")]

    def said(request: gr.Request, values: list) -> list:
        """The values, with Clip left open where the page could not know what the model asks for."""
        chosen = dict(zip(PAGE, values, strict=True))
        if not pages.says_clip(request, str(chosen["checkpoint"] or "").strip(), chosen["clip"]):
            chosen["clip"] = None
        return list(chosen.values())

    async def stream(request: gr.Request) -> AsyncIterator[dict]:
        show = pages.take(request)
        if show is None:
            return
        with suppress(Unheard):  # there is nobody to be told
            async with aclosing(in_thread(show.messages(), show.stop, Listener())) as messages:
                async for message in messages:
                    if "plan" in message:
                        message["plan"]["settings"][PAGE.index("clip")] = show.settings.clip
                    yield message

    def finish(request: gr.Request):
        show = pages.show(request)
        some = bool(show and show.last)
        return *(gr.update(interactive=some) for _ in saves), gr.update(choices=models.choices())

    # "multiple": Run in a run starts anew. By default gradio drops an event of which one is still under way.
    order = {"inputs": [*everything, lock, revision], "outputs": seed, "js": scripts.ON_RUN}
    ordered = gr.on([run.click, seed.submit], prepare, **order, trigger_mode="multiple", **QUICK)
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    running = ordered.then(stream, None, view, trigger_mode="multiple", **quiet, **NETWORK)
    running.then(finish, None, [*saves, ref], **QUICK).then(refit, **fit).then(**tell)
    stop.click(pages.stop, None, None, **QUICK)

    # --- To take away

    def saved(make):
        def save(request: gr.Request):
            show = pages.show(request)
            if show is None or not show.last:
                raise gr.Error("There is no picture yet: press Run", print_exception=False)
            return make(demo, show)

        return save

    for button, file, (_, _, make) in zip(saves, taken, SAVES, strict=True):
        follow = f"() => document.querySelector('#{file.elem_id}').click()"
        button.click(saved(make), None, file, show_progress="minimal", api_visibility="private").success(
            None, js=follow, **QUICK
        )
    copy_link.click(None, [*everything, revision], None, js=scripts.ON_COPY_LINK, **QUICK)
    for button, text in ((copy_python, script), (copy_diffusers, script_diffusers)):
        button.click(None, text, None, js=scripts.copy_text(button.elem_id), **QUICK)

    # --- The page opens and closes

    async def known():
        await _set(warmup.known)
        return gr.update(choices=models.choices())

    async def ready():
        await _set(warmup.ready)

    def restore(request: gr.Request):
        """What the address says goes into the controls; nothing runs by itself."""
        values, refused = share.from_address(request.query_params)
        for sentence in refused:
            gr.Warning(escape(sentence))
        if "count" in values:
            pages.keep_count(request, values.get("checkpoint", checkpoint))
        if "clip" in values:
            pages.keep_clip(request, values.get("checkpoint", checkpoint), values["clip"])
        tab = request.query_params.get("tab")
        selected = gr.Tabs(selected=tab) if tab in TABS else gr.skip()
        return *(values.get(name, gr.skip()) for name in PAGE), selected

    opened = demo.load(restore, None, [*everything, tabs], show_progress="hidden", api_visibility="private")
    opened.then(choose, **fit).then(**tell)
    demo.load(ready, **QUICK).then(choose, **fit).then(**tell)
    demo.load(known, None, ref, **QUICK)
    demo.unload(pages.close)
    return inputs


async def _set(event: threading.Event) -> None:
    """Wait without holding a thread."""
    while not event.is_set():
        await asyncio.sleep(0.1)


def _estimate(models: Checkpoints, wanted: Sequence[Settings]) -> str:
    """What a run will take: its time, and before that a download."""
    first = wanted[0]
    size = models.to_download(first.checkpoint)
    pace = PACE.of(first.checkpoint, first.batch, len(wanted))
    text = words.estimate(pace and pace * sum(lane.steps for lane in wanted), models.kind)
    return f"{words.megabytes(size)} to download first · {text}" if size else text


def _line(chosen: dict) -> str:
    """The settings in one line, for the button that opens them on a phone."""
    way = "DDIM" if chosen["sampler"] == "ddim" else words.VARIANCE.get(str(chosen["variance"]), "")
    label = [] if chosen["label"] in (ANY, None) else [str(chosen["label"])]
    steps = f"{chosen['steps']} steps" + (" against another" if chosen["compare"] else "")
    parts = [checkpoints.name(str(chosen["checkpoint"] or "no model")), steps, way, *label]
    return " · ".join([*parts, f"seed {chosen['seed']}"])


def device_note(models: Checkpoints) -> str:
    """What computes, for the corner of the page."""
    return f'<span title="{escape(models.engine)}">{escape(models.note)}</span>'
