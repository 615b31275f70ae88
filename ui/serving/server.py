"""The app: one page of our own, served by gradio, whose queue, streams, uploads, login and share link it uses.

The page asks through three endpoints: `ask` for quick questions, `run` for a computation, whose results it streams, and
gradio's `upload`; and it fetches what a run keeps, of which it makes files. Scripts have /sample and /trajectory, which
gradio_client lists.
"""

from __future__ import annotations

import inspect
import logging
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ui.serving import before_gradio  # noqa: F401, before gradio

# isort: split
import anyio.to_thread
import gradio as gr
import numpy as np
from fastapi import HTTPException, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from gradio import networking
from gradio.data_classes import FileData
from gradio.route_utils import get_root_url
from gradio_client.utils import strip_invalid_filename_characters
from starlette.datastructures import UploadFile
from starlette.middleware import Middleware

from ddpm_core import imaging
from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.commands import defaults
from ddpm_core.model import ModelSpec
from ui import web
from ui.export.invitation import Served, invitation
from ui.export.kept import packed
from ui.export.link_preview import preview
from ui.forms import emoji, units
from ui.forms.fields import reference
from ui.machine import temporary_files, zero_gpu
from ui.machine.event_log import EventLog, log_no_other_way
from ui.machine.limits import ServerLimits
from ui.machine.step_times import StepTimes
from ui.machine.turns import Quick, Turns
from ui.models.facts import facts
from ui.models.form_options import about_model, default_count, samplers, step_limits
from ui.models.lab import Lab
from ui.models.loaded import Models
from ui.models.warmup import Warmup
from ui.parts import between, course, forward, latents, likelihood, picture_chooser, plane, repair, sampling, training
from ui.parts.part import Part
from ui.runs.jobs import Job
from ui.runs.listeners import NobodyListens, Streams, in_thread
from ui.runs.log import ENDED, Values
from ui.runs.pages import Runs
from ui.runs.visitors import far_address, listener, run_number, visitor
from ui.runs.words import page_words
from ui.serving import gradio_faults
from ui.serving.connections import Connections, few_at_once, raise_file_limit
from ui.serving.gate import REQUESTS, UPLOADS, Door, Gate
from ui.serving.origins import Origins

# Pages whose state gradio keeps, a third of a megabyte each; the longest unused one goes first. Every call of the API
# counts as one. gradio's own number is 10,000. Our page needs none of that state, so the number has only to be more
# than the runs that can be here at once.
SESSIONS = 64
LAST = 0.5  # seconds, at least, for the last answers to leave when the app ends
ATTEMPTS = 10  # to reach the server that was just started, three seconds each

log = logging.getLogger(__name__)


class App(gr.Server):
    """The page's server; `ui.build` makes it, `ui.launch` serves it, `ui.close` ends it.

    local_url, share_url: where it is served.
    """

    local_url = ""
    share_url: str | None = None
    api_info = gradio_faults.OwnInfo()  # pyright: ignore[reportAssignmentType]

    def __init__(self, lab: Lab):
        super().__init__(title="DDPM Lab", docs_url=None, redoc_url=None, openapi_url=None)
        self.lab = lab
        self.streams = Streams()
        self.warmup = Warmup(lab)
        self.sweeper: temporary_files.Sweeper | None = None
        self.training = training.TrainingPart(lab) if lab.trains else None
        parts: list[Part] = [sampling.SamplingPart(lab), plane.PlanePart(lab), forward.ForwardPart(lab)]
        parts += [
            latents.LatentsPart(lab),
            repair.RepairPart(lab),
            between.BetweenPart(lab),
            likelihood.LikelihoodPart(lab),
        ]
        parts += [self.training] if self.training else []
        self.parts: dict[str, Part] = {name: part for part in parts for name in part.forms}
        self.parts["course"] = course.CoursePart(lab)
        self.runs = Runs(lab, lambda name, values: self.parts[name].request(name, values))
        self.origins = Origins(any_host=lab.public)
        self.events = gradio_faults.Events(self.streams)
        self.add_middleware(self.streams.counting)
        web.routes(self, self._page)
        self.add_api_route("/preview.png", self._preview, methods=["GET", "HEAD"], response_model=None)
        self.add_api_route("/kept/{run}", self._kept, methods=["GET"], response_model=None)
        self.add_api_route("/gradio_api/upload", self._upload, methods=["POST"], response_model=None)
        # The line of turns limits and orders runs; questions are quick, and pass gradio's queue.
        self.api(self._ask, name="ask", queue=False, api_visibility="private")
        self.api(self._run, name="run", concurrency_limit=None, api_visibility="private")
        for endpoint, result in ((self._sample, list[dict]), (self._trajectory, dict)):
            self.api(_with_parameters(endpoint, lab.first, result), name=endpoint.__name__[1:], concurrency_limit=None)

    def build_middleware_stack(self) -> Any:
        """The gate is before everything else, gradio's own middleware too."""
        door = Door(
            self.lab.limits,
            self.lab.events,
            self.origins,
            any_site=self.lab.public,
            logs_in_there="SPACE_ID" in os.environ,
            is_locked=lambda: self.auth is not None,
            knows=self._knows,
            is_here=self.events.is_here,
        )
        self.user_middleware = [Middleware(Gate, door=door), *gradio_faults.without_cors(self.user_middleware)]
        return super().build_middleware_stack()

    # --- The page

    def _page(self, request: Request) -> Response:
        """The page, or its login where there is one."""
        if self.auth is not None and not self._knows(request.cookies):
            return HTMLResponse(web.text("login.html"))
        preview = f"{get_root_url(request, '/', self.root_path)}/preview.png?{request.url.query}"
        return HTMLResponse(web.page(self.given(), preview))

    def given(self) -> dict[str, Any]:
        """What the page has from the beginning: `Given` of web/app.js."""
        return {
            "client": "server/client.js",
            "first": self.lab.first,
            "public": self.lab.public,
            "takesAny": self.lab.models.takes_any,
            "limits": {"upload": int(self.lab.limits.upload_mb * 1e6)},
            "models": self.lab.models.choices(),
            "device": self._device(),
            "forms": self._forms(),
            "initial": {name: part.initial() for name, part in self.parts.items()},
        }

    def _preview(self, request: Request) -> Response:
        """What the run of this link ends with, where that is a matter of seconds; else the picture of all links."""
        asked, part, found = dict(request.query_params), self.parts["watch"], None
        name = asked.get("tab", "" if "lesson" in asked else "watch")
        if asked and name in part.forms and not self.auth:
            with suppress(ValueError, CheckpointError):
                run = part.request(name, {"checkpoint": self.lab.first, **asked})
                found = preview(run, self.lab) if part.describe(run)["auto"] else None
        return Response(found or (web.FILES / "icons/preview.png").read_bytes(), media_type="image/png")

    def _forms(self) -> dict[str, list[dict[str, Any]]]:
        """The fields of each part; all that take any model begin with the app's first checkpoint."""
        forms = {name: form.form() for part in self.parts.values() for name, form in part.forms.items()}
        for field in (field for form in forms.values() for field in form if field["name"] == "checkpoint"):
            if field["default"] == defaults.CHECKPOINT:
                field["default"] = self.lab.first
        return forms

    def _knows(self, cookies: Mapping[str, str]) -> bool:
        """Whether a visitor has entered the password: gradio's login gives out these cookies."""
        names = (f"access-token-{self.cookie_id}", f"access-token-unsecure-{self.cookie_id}")
        return any(self.tokens.get(cookies.get(name)) for name in names)

    def _device(self) -> dict[str, str]:
        """What computes, for the corner of the page."""
        models = self.lab.models
        return {"note": "Space on ZeroGPU" if zero_gpu.is_here() else models.note, "engine": models.engine}

    # --- What the page asks

    async def _upload(self, request: Request) -> list[str]:
        """As gradio's own route, which leaves on the disk what it could not finish."""
        async with request.form(max_files=UPLOADS, max_fields=UPLOADS) as form:
            files = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
            try:
                for file in files:
                    self.lab.limits.check_upload(file.size or 0)
            except ValueError as error:
                raise HTTPException(413, str(error)) from None
            if not files:
                raise HTTPException(400, "There is no file in this upload")
            return [
                await anyio.to_thread.run_sync(self._keep, await file.read(), file.filename or "") for file in files
            ]

    def _keep(self, content: bytes, name: str) -> str:
        """The path of a new temporary file."""
        assert self.sweeper is not None  # since the app is served
        name = strip_invalid_filename_characters(Path(name).name).strip(".")
        return str(self.sweeper.keep(content, name or "file"))

    def _ask(self, part: str, what: str, values: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question of the page; {error}, a sentence, where it can't be answered."""
        try:
            return self._answer(str(part), str(what), values if isinstance(values, dict) else {})
        except (ValueError, CheckpointError) as error:
            return {"error": units.sentence(error)}
        except OSError as error:
            full = temporary_files.FULL if temporary_files.is_full(error) else ""
            # Without a reason of the system's the error may name folders of this machine.
            return {"error": full or f"The system refused it: {error.strerror or type(error).__name__}"}

    def _answer(self, part: str, what: str, values: Values) -> Values:
        own = {
            "models": self._models,
            "model": self._model,
            "stop": self._stop,
            "run": self._has_run,
            "facts": self._facts,
            "words": self._words,
            "room": self._room,
            **picture_chooser.questions(self.lab),
        }
        if part == "lab":
            if what not in own:
                raise ValueError("The page can't ask this")
            return own[what](values)
        asked = self.parts.get(part)
        if asked is None:
            raise ValueError("There is no such part on this page")
        if what == "describe":
            return asked.describe(asked.request(part, values))
        if what not in asked.questions:
            raise ValueError("The page can't ask this")
        return asked.questions[what](values)

    def _models(self, values: Values) -> Values:
        """{} -> the choices of models with what is known of them by now, and what computes."""
        return {
            "models": self.lab.models.choices(visitor()),
            "device": self._device(),
            "known": self.warmup.known.is_set(),
        }

    def _model(self, values: Values) -> Values:
        """{ref} -> `form_options.about_model`; what is not loaded yet begins to load."""
        ref = reference(values.get("ref"))
        about = about_model(self.lab, ref)
        self.warmup.look(ref)
        return about

    def _has_run(self, values: Values) -> Values:
        """{run} -> {closing}, where its messages can still be had. closing: whether they end with this app."""
        return {"closing": self.runs.resumed(values.get("run")).log.state == "lost"}

    def _stop(self, values: Values) -> Values:
        """{run}"""
        self.runs.find(values.get("run")).stop()
        return {}

    def _facts(self, values: Values) -> Values:
        """{ref} -> {facts} of a model whose files are here: see ui/models/facts.py."""
        model = self.lab.models.known(reference(values.get("ref")))
        if model is None:
            raise ValueError("This model is not on this machine any more: press Run again")
        return {"facts": facts(model)}

    def _words(self, values: Values) -> Values:
        """{} -> {words, emoji}: `page_words`, and the names of emoji."""
        return {"words": page_words(), "emoji": emoji.NAMES}

    def _kept(self, run: str) -> Response:
        """What the files of a run are made of: `Run.kept`, as ui/export/kept.py packs it."""
        try:
            size, pieces = packed(self.runs.find(run).kept())
        except ValueError as error:
            raise HTTPException(404, units.sentence(error)) from None
        headers = {"content-length": str(size), "cache-control": "no-store"}
        return StreamingResponse(pieces, headers=headers, media_type="application/octet-stream")

    def _room(self, values: Values) -> Values:
        """{page} -> `invitation`: where others in the room can open it."""
        blocks = self.get_blocks()
        served = Served(blocks.server_name, blocks.server_port, far_address() is None, self.share_url)
        return invitation(values.get("page"), served)

    async def _run(self, part: str, values: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The messages of a new run, which replaces the page's run of this part; or of one that is here,
        {resume: run}.
        """
        if str(part) not in self.parts or not isinstance(values, dict):
            return
        try:
            run = (
                self.runs.resumed(values["resume"])
                if "resume" in values
                else self.runs.begin(part, values, visitor() or "", far_address(), run_number())
            )
        except ValueError:  # it is gone
            return
        with suppress(NobodyListens):  # then nobody is there to be told
            async with aclosing(in_thread(run.messages(), lambda: None, listener(self.streams))) as messages:
                async for message in messages:
                    yield message

    # --- What scripts ask

    async def _sample(self, values: Values) -> AsyncGenerator[list[dict], None]:
        """The final images of a run, a list of PNG files of the model's own resolution: image i has seed + i."""
        last = None
        async with aclosing(self._frames(values)) as frames:
            async for plan, frame in frames:
                last = (plan, frame) if frame else last
                yield []  # here it is noticed when the caller has gone away
        assert last and last[1]
        yield await self._pictures(last[1].x, "x_0", last[0])

    async def _trajectory(self, values: Values) -> AsyncGenerator[dict, None]:
        """Every kept step of a run as it is done: index (from 0), steps, t, s, alpha_bar (of t), sigma (of the noise
        added), and the pictures x_t (after the step, at time s) and x0_hat (as seen from t), a PNG file for each image.
        """
        async with aclosing(self._frames(values)) as frames:
            async for plan, frame in frames:
                if frame is None:
                    continue
                t, s, alpha_bar, _ = plan.rows[0][frame.k]
                yield {
                    "index": frame.k,
                    "steps": len(plan.rows[0]),
                    "t": t,
                    "s": s,
                    "alpha_bar": alpha_bar,
                    "sigma": frame.sigma,
                    "x_t": await self._pictures(frame.x, f"x_{s}", plan),
                    "x0_hat": await self._pictures(frame.x0_hat, f"x0_hat_{t}", plan),
                }

    async def _frames(self, values: Values) -> AsyncGenerator[tuple[Any, sampling.Frame | None], None]:
        """The plan of a run, and each kept step while somebody listens, None now and then. Raises gr.Error for a run
        that fails or is stopped.
        """
        if values["count"] is None:
            values = values | {"count": default_count(str(values["checkpoint"]), self.lab.step_times)}
        try:
            computation = Scripted(self.lab, values)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from None
        job = Job(computation, self.lab, visitor(), far_address())
        try:
            async with aclosing(in_thread(job.updates(), job.leave, listener(self.streams))) as updates:
                async for update in updates:
                    if update.state in ENDED and update.state != "finished":
                        raise gr.Error(update.text or "The run was stopped", print_exception=False)
                    yield job.plan, None
                    for result in update.results:
                        if isinstance(result, sampling.Frame):
                            yield job.plan, result
        except NobodyListens as error:
            raise gr.Error(str(error), print_exception=False) from None

    async def _pictures(self, images: np.ndarray, name: str, plan: sampling.SamplingPlan) -> list[dict]:
        def write() -> list[dict]:
            files = []
            for image, seed in zip(images, plan.request.seeds, strict=True):
                try:
                    path = self._keep(imaging.png(image), f"{name}-seed-{seed}.png")
                except OSError as error:
                    if temporary_files.is_full(error):
                        raise gr.Error(temporary_files.FULL, print_exception=False) from error
                    raise
                files.append(FileData(path=path, mime_type="image/png").model_dump())
            return files

        return await anyio.to_thread.run_sync(write)


# The order in which scripts may pass values without their names; a new field of Settings comes behind these.
ORDER = (
    "checkpoint",
    "sampler",
    "steps",
    "spacing",
    "variance",
    "eta",
    "clip",
    "seed",
    "count",
    "label",
    "guidance",
    "prompt",
    "negative",
)
# Left to the checkpoint: its own sampler, steps, clipping and guidance, and as many images as the page starts with: 4,
# or 1 where 4 take over 5 s.
OPEN = {
    "sampler": str | None,
    "steps": int | None,
    "clip": bool | None,
    "count": int | None,
    "guidance": float | None,
}


class Scripted(sampling.Sampling):
    """The run of a script. Without a sampler or a number of steps it has those that the page sets for its model.

    Raises ValueError as `Settings.check` does.
    """

    def __init__(self, lab: Lab, values: Values):
        self._open = [name for name in ("sampler", "steps") if values[name] is None]
        given = {name: value for name, value in values.items() if name not in self._open}
        super().__init__(lab, sampling.Settings.check(given))

    def plan(self, models: Sequence[ModelSpec]) -> sampling.SamplingPlan:
        own = {"sampler": samplers(models[0])[0], "steps": step_limits(models[0])[2]}
        request = replace(self.request, **{name: own[name] for name in self._open})
        return sampling.Sampling(self.lab, request).plan(models)


def _with_parameters(
    endpoint: Callable[[Values], AsyncGenerator[Any, None]], first: str, result: object
) -> Callable[..., AsyncGenerator[Any, None]]:
    """The endpoint as a function with a parameter for each field of `Settings`, which is how gradio reads them."""
    usual = sampling.Settings.defaults() | dict.fromkeys(OPEN) | {"checkpoint": first}
    defaults: Values = {name: usual[name] for name in (*ORDER, *usual)}

    async def called(*values: Any) -> AsyncGenerator[Any, None]:
        async with aclosing(endpoint(dict(zip(defaults, values, strict=True)))) as items:
            async for item in items:
                yield item

    types = {name: OPEN.get(name, type(default)) for name, default in defaults.items()}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        inspect.Parameter(name, kind, default=default, annotation=types[name]) for name, default in defaults.items()
    ]
    called.__signature__ = inspect.Signature(parameters, return_annotation=result)  # pyright: ignore[reportFunctionMemberAccess]
    called.__annotations__ = types | {"return": result}
    called.__name__, called.__doc__ = endpoint.__name__[1:], endpoint.__doc__
    return called


# --- Start and end


def build(
    checkpoint: str = defaults.CHECKPOINT,
    device: str = "auto",
    public: bool = False,
    limits: ServerLimits | None = None,
    allow_hub: bool = False,
    allow_training: bool = False,
    warm: bool = True,
) -> App:
    """The app, to be served by `launch`.

    checkpoint: the one that is chosen at first. device: where models are evaluated, as for `ddpm_core.load`.
    public: strangers use the page, so it accepts the checkpoints of its list only, and any Hub id with allow_hub, and
    trains only with allow_training. limits: those of a public page, or of one's own, where none are given. warm: load
    and time the first model in the background, and ask the Hub what is there.
    Raises CheckpointError or ValueError for a checkpoint or a device that does not exist.
    """
    if zero_gpu.is_here():
        device = "cpu"  # the GPU is in other processes
    if device != "auto":
        from ddpm_core.engines.choose import choose_device

        choose_device(device)
    limits = limits or (ServerLimits.public() if public else ServerLimits())
    turns, pace = Turns(limits.concurrent_runs, limits.waiting_runs), StepTimes()
    models = Models(device, public, limits, allow_hub, checkpoint, turns, pace)
    models.peek(models.first)
    lab = Lab(models, turns, Quick(), limits, pace, EventLog(), models.first, trains=allow_training or not public)
    app = App(lab)
    if warm:
        app.warmup.start()
    return app


def launch(app: App, **options: Any) -> None:
    """Serve the app; options are those of gradio's `launch`. Raises OSError where it can't be served."""
    limits = app.lab.limits
    app.lab.events.closing = ""
    # The server that renders pages beforehand, which Spaces start, passes on only gradio's own addresses.
    safe: dict[str, Any] = {"ssr_mode": False, "enable_monitoring": False, "max_file_size": int(limits.upload_mb * 1e6)}
    safe |= {"state_session_capacity": SESSIONS, "run_history": False, "max_threads": 80, "quiet": True}
    connections = Connections(raise_file_limit())
    gradio_faults.log_tracebacks()
    gradio_faults.without_plots()
    app.origins.serve_this_machine()
    app.origins.serve(options.get("server_name"))
    with few_at_once():
        _serve(app, **safe, **options)
    log_no_other_way()
    app.origins.serve(app.share_url, app.root_path)
    app.get_blocks().api_open = False  # a run that is requested past the queue would have nobody to listen to it
    app.events.tend(app.get_blocks()._queue, REQUESTS + gradio_faults.UNHEARD)
    connections.protect(app.get_blocks().server)
    app.sweeper = temporary_files.Sweeper(app.get_blocks(), limits.temporary_mb * 1e6)
    app.sweeper.start()


def _serve(app: App, **options: Any) -> None:
    """gradio's `launch`. Raises OSError where its server does not answer."""
    try:
        with _patient():
            _, app.local_url, app.share_url = app.launch(**options)
    except ValueError as error:
        if "localhost is not accessible" not in str(error):
            raise
        close(app)
        raise OSError(
            "the page's own server did not answer: this machine is too busy (try again later), or a proxy stands "
            "before localhost (set NO_PROXY=localhost,127.0.0.1)"
        ) from None


@contextmanager
def _patient() -> Iterator[None]:
    """gradio's `launch` asks its own server for an answer, and gives up after three seconds, which a machine under
    heavy load needs: here it asks ATTEMPTS times.
    """
    once = networking.url_ok

    def ask(url: str) -> bool:
        networking.url_ok = once  # a share link is asked in gradio's own way
        if once(url):
            return True
        log.warning("this machine is busy: waiting for the page's own server to answer")
        return any(once(url) for _ in range(ATTEMPTS - 1))

    networking.url_ok = ask
    try:
        yield
    finally:
        networking.url_ok = once


def close(app: App, patience: float = 0, seconds: float = 5) -> bool:
    """End all runs and trainings and close the app. Returns whether no run computes any more.

    patience: seconds that runs have to finish; new ones are refused, and trainings stop at once. seconds: that all has
    to stop after that, one deadline for all.
    Python aborts when the program ends while one of its threads computes.
    """
    lab = app.lab
    finish = time.monotonic() + patience
    end = finish + seconds
    lab.events.close(patience)
    if app.training:
        app.training.stop()
    while lab.events.here and time.monotonic() < finish:
        time.sleep(0.05)
    stopped = lab.turns.stop_all(end - time.monotonic())
    if app.training:
        app.training.close(end - time.monotonic())
    while lab.events.here and time.monotonic() < end:  # its last message is on its way
        time.sleep(0.05)
    if app.sweeper:
        app.sweeper.stop()
    gradio_faults.wait_at_most(app.get_blocks().server, max(LAST, end - time.monotonic()))
    app.get_blocks().close(verbose=False)
    return stopped
