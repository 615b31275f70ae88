"""What the Denoise tab does when something happens in the page. Nothing here needs a browser.

`values` are always those of the controls, in the order of settings.PAGE.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from html import escape
from typing import Any, NamedTuple

import gradio as gr

from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.model import ModelSpec
from ui.events import listener
from ui.export import files, scripts
from ui.export.link import from_address
from ui.runs import formats, hardware, notices
from ui.runs.frames import RunView
from ui.runs.job import Job
from ui.runs.listeners import Unheard, in_thread
from ui.runs.models import Models, revision
from ui.runs.offered import short_name
from ui.runs.pace import PACE
from ui.runs.parameters import ANY
from ui.runs.plan import make_plan
from ui.runs.settings import AUTO, LANE, PAGE, SAME, Settings, arguments, lanes, resolved
from ui.runs.warmup import Warmup
from ui.tabs.denoise import controls, texts
from ui.tabs.denoise.pages import Pages

TABS = ("denoise", "forward", "latents", "likelihood", "plane", "train", "learn")
CLIP_AT, SEED_AT = PAGE.index("clip"), PAGE.index("seed")

Change = Any  # of a component: a value, gr.update(...) or gr.skip()


class Description(NamedTuple):
    """What the settings mean, as HTML and scripts; "" for what is not known."""

    estimate: str
    summary: str
    caption: str = ""
    python: str = ""
    diffusers: str = ""
    copy_diffusers: Change = None
    spacing: Change = None


class Fit(NamedTuple):
    """The changes that a model makes: to the number of images, Clip and controls.FITTED, then to the rest."""

    count: Change
    clip: Change
    sampler: Change
    steps: Change
    variance: Change
    label: Change
    sampler_b: Change
    steps_b: Change
    variance_b: Change
    note: Change
    revision: Change
    revision_b: Change


class Handlers:
    """The handlers of the tab's events. checkpoint: the one that is chosen when a page opens; tabs: those of TABS that
    the page has.
    """

    def __init__(self, demo: gr.Blocks, models: Models, warmup: Warmup, checkpoint: str, tabs: Sequence[str] = TABS):
        self.pages = Pages(checkpoint)
        self._demo = demo
        self._models = models
        self._warmup = warmup
        self._checkpoint = checkpoint
        self._tabs = tabs

    # --- While the user chooses

    def describe(self, *values: Any) -> Description:
        """The time a run will take, or what is wrong with its settings; the settings in one line; what two lanes will
        show; scripts that repeat the run; and which spacing "auto" is.
        """
        summary, disabled = one_line(dict(zip(PAGE, values, strict=True))), gr.update(interactive=False)
        unknown, caption = gr.update(info=texts.SPACING), ""
        try:
            wanted = lanes(values)
            found = [self._models.known(lane.checkpoint) for lane in wanted]
            models = [model for model in found if model]  # the files of others are not here yet
            if len(models) == len(wanted):
                arguments(wanted, models)
                caption = make_plan(wanted, models).caption
        except (ValueError, CheckpointError) as error:
            wrong = f'<p class="wrong">{escape(notices.sentence(error))}</p>'
            return Description(wrong, summary, copy_diffusers=disabled, spacing=unknown)
        estimate = f"<p>{escape(self._estimate(wanted))}</p>"
        if len(models) < len(wanted):
            return Description(estimate, summary, copy_diffusers=disabled, spacing=unknown)
        decided = resolved(wanted, models)
        try:
            diffusers = scripts.diffusers(decided, models)
        except ValueError:  # a run that diffusers cannot repeat
            diffusers = ""
        return Description(
            estimate,
            summary,
            caption and f"<p>{escape(caption)}</p>",
            scripts.copied(scripts.python, decided, models),
            diffusers,
            gr.update(interactive=bool(diffusers)),
            gr.update(info=texts.spacing(decided[0].spacing)) if wanted[0].spacing == AUTO else unknown,
        )

    def _estimate(self, wanted: Sequence[Settings]) -> str:
        """What a run will take: its time, and before that a download."""
        refs = {lane.checkpoint for lane in wanted}
        size = sum(self._models.to_download(ref) or 0 for ref in refs)
        text = formats.estimate(PACE.left(wanted, [0] * len(wanted)), self._models.kind)
        return f"{formats.megabytes(size)} to download first · {text}" if size else text

    def choose(
        self, request: gr.Request, checkpoint: str, checkpoint_b: str, count: int, clip: bool, *fitted: Any
    ) -> Fit:
        """Fit the controls to the checkpoints of both lanes, as far as they are known without a download.

        fitted: values of FITTED.
        """
        ref = _ref(checkpoint)
        model = self._known(ref)
        model_b = model if _ref(checkpoint_b) == SAME else self._known(_ref(checkpoint_b))
        changes = controls.for_models(model, model_b, **dict(zip(controls.FITTED, fitted, strict=True)))
        new_count, new_clip = self.pages.count(request, ref, count), self.pages.clip(request, ref, model, clip)
        return Fit(
            gr.skip() if new_count == count else new_count,
            gr.skip() if new_clip == clip else new_clip,
            *(gr.update(**changes[name]) for name in controls.FITTED),
            note=device_note(self._models),
            revision=revision(model) or "",
            revision_b="" if model_b is model else revision(model_b) or "",
        )

    def _known(self, ref: str) -> ModelSpec | None:
        with suppress(CheckpointError):  # Run reports it
            return self._models.known(ref)

    def refit(
        self, request: gr.Request, checkpoint: str, checkpoint_b: str, count: int, clip: bool, *fitted: Any
    ) -> Fit:
        """`choose` after a run that had to load its model. After other runs the controls fit, and are left alone."""
        view = self.pages.view(request)
        if view and view.has_loaded:
            return self.choose(request, checkpoint, checkpoint_b, count, clip, *fitted)
        return Fit(*(gr.skip() for _ in Fit._fields))

    def look(self, checkpoint: str) -> None:
        """Find out what a checkpoint takes, and load it if it is here."""
        if _ref(checkpoint) == SAME:
            return
        with suppress(CheckpointError):
            self._models.look(_ref(checkpoint))

    def compare(self, *lane: Any) -> list[Any]:
        """The values of lane B when Compare is switched on; those of lane A are given, both in the order of LANE."""
        return list(controls.opposite_lane(dict(zip(LANE, lane, strict=True))).values())

    def comparison(self, title: str) -> Callable[[], list[Any]]:
        """The handler of the button that sets up one of controls.COMPARISONS."""

        def set_up() -> list[Any]:
            return list(controls.COMPARISONS[title].values())

        return set_up

    # --- A run

    def prepare(self, request: gr.Request, *values: Any) -> Any:
        """Make a run of the values the page's current one, which Stop and `stream` refer to. Returns the seed.

        The values are followed by the seed's lock and the models' revisions, which the page needs for itself.
        """
        *chosen, _, _, _ = values
        try:
            job = Job(lanes(self._with_own_clip(request, chosen)), self._models, request.session_hash)
            view = RunView(chosen, job)
        except ValueError as error:
            view = RunView(chosen, error=str(error))
        self.pages.begin(request, view)
        return chosen[SEED_AT]

    def _with_own_clip(self, request: gr.Request, values: Sequence[Any]) -> list[Any]:
        """The values, with Clip left to the checkpoint if the page did not know yet what that asks for."""
        chosen = dict(zip(PAGE, values, strict=True))
        if not self.pages.says_clip(request, _ref(chosen["checkpoint"]), chosen["clip"]):
            chosen["clip"] = None
        return list(chosen.values())

    async def stream(self, request: gr.Request) -> AsyncGenerator[dict[str, Any], None]:
        """The messages of the page's current run, if nobody has started it yet."""
        view = self.pages.take(request)
        if view is None:
            return
        with suppress(Unheard):  # then nobody is there to be told
            async with aclosing(in_thread(view.messages(), view.stop, listener())) as messages:
                async for message in messages:
                    if "plan" in message:
                        message["plan"]["settings"][CLIP_AT] = view.settings.clip
                    yield message

    def finish(self, request: gr.Request) -> list[Change]:
        """Changes of the buttons that save, by whether there is a picture, and of the choices of models, of which one
        may have been downloaded.
        """
        view = self.pages.view(request)
        some = gr.update(interactive=bool(view and view.snapshot()))
        return [*(some for _ in files.KINDS), *self._choices()]

    def _choices(self) -> tuple[Change, Change]:
        """Of the models of both lanes."""
        return gr.update(choices=self._models.choices()), gr.update(choices=controls.choices_b(self._models))

    def saver(self, kind: str) -> Callable[[gr.Request], str]:
        """The handler of a button that saves one of files.KINDS: it returns the path of the file."""

        def save(request: gr.Request) -> str:
            view = self.pages.view(request)
            run = view.snapshot() if view else None
            if run is None:
                raise gr.Error("There is no picture to save: press Run", print_exception=False)
            return files.cached(self._demo, files.name(run, kind), files.KINDS[kind](run))

        return save

    # --- The page opens

    def restore(self, request: gr.Request) -> list[Change]:
        """The controls' values in the page's address, in the order of settings.PAGE, and its tab. Nothing is run."""
        query: Any = request.query_params
        values, refused = from_address(query)
        for sentence in refused:
            gr.Warning(escape(sentence))
        ref = values.get("checkpoint", self._checkpoint)
        if "count" in values:
            self.pages.keep_count(request, ref)
        if "clip" in values:
            self.pages.keep_clip(request, ref, values["clip"])
        tab = query.get("tab")
        selected = gr.Tabs(selected=tab) if tab in self._tabs else gr.skip()
        return [*(values.get(name, gr.skip()) for name in PAGE), selected]

    async def known(self) -> tuple[Change, Change]:
        """The choices of models, as soon as the Hub was asked for them."""
        await _set(self._warmup.known)
        return self._choices()

    async def ready(self) -> None:
        """Wait until the first model is loaded."""
        await _set(self._warmup.ready)


async def _set(event: threading.Event) -> None:
    """Wait without holding a thread."""
    while not event.is_set():
        await asyncio.sleep(0.1)


def _ref(checkpoint: object) -> str:
    return str(checkpoint or "").strip()


def one_line(chosen: dict[str, Any]) -> str:
    """The settings in one line, for the button that opens them on a phone."""
    sampler, variance = str(chosen["sampler"]), str(chosen["variance"])
    way = formats.VARIANCE.get(variance, "") if sampler == "ddpm" else formats.SAMPLER.get(sampler, "")
    label = [] if chosen["label"] in (ANY, None) else [str(chosen["label"])]
    steps = f"{chosen['steps']} steps" + (" against another" if chosen["compare"] else "")
    parts = [short_name(str(chosen["checkpoint"] or "no model")), steps, way, *label]
    return " · ".join([*parts, f"seed {chosen['seed']}"])


def device_note(models: Models) -> str:
    """What computes, for the corner of the page."""
    note = " · ".join(filter(None, [hardware.space(), models.note]))
    return f'<span title="{escape(models.engine)}">{escape(note)}</span>'
