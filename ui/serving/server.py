"""The app: one page of our own, served by gradio, whose login, share link and API for scripts it uses.

The page asks through two routes: `ask` for quick questions, and `run` for a computation, whose messages are one
response that goes on until it ends; and it fetches what a run keeps, of which it makes files. Scripts have /sample and
/trajectory, which gradio_client lists.
"""

from __future__ import annotations

import inspect
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ui.serving import before_gradio  # noqa: F401, before gradio

# isort: split
import anyio
import anyio.to_thread
import gradio as gr
import numpy as np
from fastapi import HTTPException, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from gradio.data_classes import FileData
from gradio.route_utils import get_root_url
from gradio_client.utils import strip_invalid_filename_characters
from pydantic import BaseModel
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from ddpm_core import imaging
from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.commands import defaults
from ddpm_core.model import ModelSpec
from ui import web
from ui.export.invitation import Served, invitation
from ui.export.link_preview import preview
from ui.forms import emoji, units
from ui.forms.fields import reference
from ui.machine import temporary_files, zero_gpu
from ui.machine.event_log import EventLog, log_no_other_way
from ui.machine.limits import Refused, ServerLimits
from ui.machine.step_times import StepTimes
from ui.machine.turns import QuickTurns, Turns
from ui.models.facts import answer
from ui.models.form_options import default_count, quick, samplers, step_limits
from ui.models.loaded import Models
from ui.models.services import Services
from ui.models.warmup import Warmup
from ui.parts import between, course, forward, latents, likelihood, network, plane, repair, sampling, training
from ui.parts.part import Part
from ui.protocol import Asked, Device, EngineQuestions, Invitation, Known, ModelList, Nothing, RunHere
from ui.runs.jobs import Job
from ui.runs.listeners import UNHEARD, Listener, NobodyListens, Unheard, in_thread
from ui.runs.log import Values
from ui.runs.pages import Run, Runs
from ui.runs.states import ENDED
from ui.runs.visitors import address, asks, far_address, visitor
from ui.runs.words import page_words
from ui.serving import gradio_faults
from ui.serving.connections import Connections, few_at_once, raise_file_limit
from ui.serving.gate import REQUESTS, UNCLEAR, Access, Gate
from ui.serving.origins import Origins
from ui.serving.packing import packed, whole

# Pages whose state gradio keeps, a third of a megabyte each; the longest unused one goes first. Every call of the API
# counts as one. gradio's own number is 10,000. Our page needs none of that state, so the number has only to be more
# than the runs that can be here at once.
SESSIONS = 64
LAST = 0.5  # seconds, at least, for the last answers to leave when the app ends
QUESTIONS = anyio.CapacityLimiter(80)  # threads for what pages ask
BYTES = "application/octet-stream"  # what `packing` packs
LIVE = {"cache-control": "no-store", "x-accel-buffering": "no"}  # of a stream: no proxy gathers its messages

log = logging.getLogger(__name__)


class Question(BaseModel):
    """A page asks a part of it, or "engine". page: as it calls itself."""

    part: str
    what: str
    values: dict[str, Any] = {}
    page: str = ""


class AskedRun(BaseModel):
    """A page wants a run of a part, or {resume: run}. load, number: which run of its page it is, as the page counts."""

    part: str
    values: dict[str, Any]
    page: str = ""
    load: str = ""
    number: int = 0


class App(gr.Server):
    """The page's server; `ui.build` makes it, `ui.launch` serves it, `ui.close` ends it.

    local_url, share_url: where it is served.
    """

    local_url = ""
    share_url: str | None = None

    def __init__(self, services: Services):
        super().__init__(title="DDPM Lab", docs_url=None, redoc_url=None, openapi_url=None)
        self.services = services
        self.heard: Counter[str] = Counter()  # open streams of gradio's events and sessions, by their names
        self.warmup = Warmup(services)
        self.sweeper: temporary_files.Sweeper | None = None
        self.training = training.TrainingPart(services) if services.trains else None
        parts: list[Part] = [sampling.SamplingPart(services), sampling.SketchPart(services), plane.PlanePart(services)]
        parts += [
            forward.ForwardPart(services),
            latents.LatentsPart(services),
            repair.RepairPart(services),
            between.BetweenPart(services),
            likelihood.LikelihoodPart(services),
            network.NetworkPart(services),
        ]
        parts += [self.training] if self.training else []
        self.parts: dict[str, Part] = {name: part for part in parts for name in part.forms}
        self.parts["course"] = course.CoursePart(services)
        self.runs = Runs(services, lambda name, values: self.parts[name].request(name, values))
        self.origins = Origins(any_host=services.public)
        self.unheard = Unheard()
        self.events = gradio_faults.Events(lambda: self.get_blocks()._queue, self.heard)
        web.routes(self, self._page)
        self.add_api_route("/preview.png", self._preview, methods=["GET", "HEAD"], response_model=None)
        # gradio's own route keeps its first answer for all, with the address that its asker gave to the app.
        self.add_api_route("/gradio_api/info", lambda: self.get_blocks().get_api_info(), response_model=None)
        self.add_api_route("/ask", self._asked, methods=["POST"], response_model=None)
        self.add_api_route("/run", self._run, methods=["POST"], response_model=None)
        self.add_api_route("/kept/{run}", self._kept, methods=["GET"], response_model=None)
        # The line of turns limits and orders runs, and not gradio's queue.
        for endpoint, result in ((self._sample, list[dict]), (self._trajectory, dict)):
            self.api(
                _with_parameters(endpoint, services.first, result), name=endpoint.__name__[1:], concurrency_limit=None
            )

    def build_middleware_stack(self) -> ASGIApp:
        """The gate is before everything else, gradio's own middleware too."""
        access = Access(
            self.services.events,
            self.origins,
            any_site=self.services.public,
            logs_in_there="SPACE_ID" in os.environ,
            is_locked=lambda: self.auth is not None,
            knows=self._knows,
            is_here=self.events.is_here,
            heard=self.heard,
        )
        self.user_middleware.insert(0, Middleware(Gate, access=access))
        return super().build_middleware_stack()

    # --- The page

    def _page(self, request: Request) -> Response:
        """The page, or its login where there is one."""
        if self.auth is not None and not self._knows(request.cookies):
            return HTMLResponse(web.text("login.html"))
        root = get_root_url(request, "/", self.root_path)
        return HTMLResponse(web.page(self.given(), f"{root}/preview.png?{request.url.query}", f"{root}/"))

    def given(self) -> dict[str, Any]:
        """What the page has from the beginning: `Given` of web/app.js."""
        return {
            "client": web.CLIENT,
            "first": self.services.first,
            "public": self.services.public,
            "takesAny": self.services.models.takes_any,
            "models": self.services.models.choices(),
            "device": self._device(),
            "forms": self._forms(),
            "words": page_words(),
            "initial": {name: part.initial() for name, part in self.parts.items()},
        }

    def _preview(self, request: Request) -> Response:
        """What the run of this link ends with, where that is a matter of seconds; else the picture of all links."""
        asked, part, found = dict(request.query_params), self.parts["watch"], None
        name = asked.get("tab", "" if "lesson" in asked else "watch")
        if asked and name in part.forms and not self.auth:
            with suppress(ValueError, CheckpointError):
                run = part.request(name, {"checkpoint": self.services.first, **asked})
                cost = part.cost(run)
                found = preview(run, self.services) if quick(cost) else None
        return Response(found or (web.FILES / "icons/preview.png").read_bytes(), media_type="image/png")

    def _forms(self) -> dict[str, list[dict[str, object]]]:
        """The fields of each part; all that take any model begin with the app's first checkpoint."""
        forms = {name: form.form() for part in self.parts.values() for name, form in part.forms.items()}
        for field in (field for form in forms.values() for field in form if field["name"] == "checkpoint"):
            if field["default"] == defaults.CHECKPOINT:
                field["default"] = self.services.first
        return forms

    def _knows(self, cookies: Mapping[str, str]) -> bool:
        """Whether a visitor has entered the password: gradio's login gives out these cookies."""
        names = (f"access-token-{self.cookie_id}", f"access-token-unsecure-{self.cookie_id}")
        return any(self.tokens.get(cookies.get(name)) for name in names)

    def _device(self) -> Device:
        """What computes, for the corner of the page."""
        models = self.services.models
        return {"note": "Space on ZeroGPU" if zero_gpu.is_here() else models.note, "engine": models.engine}

    # --- What the page asks

    def _keep(self, content: bytes, name: str) -> str:
        """The path of a new temporary file."""
        assert self.sweeper is not None  # since the app is served
        name = strip_invalid_filename_characters(Path(name).name).strip(".")
        return str(self.sweeper.keep(content, name or "file"))

    async def _asked(self, question: Question, request: Request) -> Response:
        """The answer to a question of the page."""
        asks(question.page, request.client and request.client.host)
        what = question.part, question.what, question.values
        try:
            answer = await anyio.to_thread.run_sync(self._ask, *what, limiter=QUESTIONS)
        except Exception:
            log.exception("a question failed")
            raise HTTPException(400, UNCLEAR) from None
        return Response(whole(answer), media_type=BYTES)

    def _ask(self, part: str, what: str, values: Values) -> object:
        """The answer to a question of the page; {error}, a sentence, where it can't be answered."""
        try:
            return self._answer(str(part), str(what), values if isinstance(values, dict) else {})
        except (ValueError, CheckpointError) as error:
            return {"error": units.sentence(error)}
        except OSError as error:
            full = temporary_files.FULL if temporary_files.is_full(error) else ""
            # Without a reason of the system's the error may name folders of this machine.
            return {"error": full or f"The system refused it: {error.strerror or type(error).__name__}"}

    def _answer(self, part: str, what: str, values: Values) -> object:
        own: EngineQuestions = {
            "models": self._models,
            "facts": self._facts,
            "emoji": lambda asked: emoji.NAMES,
            "stop": self._stop,
            "run": self._has_run,
            "room": self._room,
        }
        if part == "engine":
            if what not in own:
                raise ValueError("The page can't ask this")
            return own[what](values)
        asked = self.parts.get(part)
        if asked is None:
            raise ValueError("There is no such part on this page")
        if what == "cost":
            return asked.cost(asked.request(part, values))
        if what not in asked.questions:
            raise ValueError("The page can't ask this")
        return asked.questions[what](values)

    def _models(self, asked: Asked) -> ModelList:
        """The choices of models with what is known of them by now, and what computes."""
        return {
            "models": self.services.models.choices(visitor()),
            "device": self._device(),
            "known": self.warmup.known.is_set(),
        }

    def _facts(self, asked: Asked) -> Known:
        """What is known of a checkpoint; what is not loaded yet begins to load."""
        ref = reference(asked.get("ref"))
        found = answer(self.services, ref, asked.get("pictures") is True)
        self.warmup.look(ref)
        return found

    def _has_run(self, asked: Asked) -> RunHere:
        return {"closing": self.runs.resumed(asked.get("run")).log.state == "lost"}

    def _stop(self, asked: Asked) -> Nothing:
        self.runs.find(asked.get("run")).stop()
        return {}

    def _kept(self, run: str) -> Response:
        """What the files of a run are made of: `Run.kept`, as `packing` packs it."""
        try:
            size, pieces = packed(self.runs.find(run).kept())
        except ValueError as error:
            raise HTTPException(404, units.sentence(error)) from None
        headers = {"content-length": str(size), "cache-control": "no-store"}
        return StreamingResponse(pieces, headers=headers, media_type=BYTES)

    def _room(self, asked: Asked) -> Invitation:
        """Where others in the room can open the page."""
        blocks = self.get_blocks()
        served = Served(blocks.server_name, blocks.server_port, far_address() is None, self.share_url)
        return invitation(asked.get("page"), served)

    async def _run(self, asked: AskedRun, request: Request) -> Response:
        """The messages of a new run, which replaces the page's run of this part; or of one that is here,
        {resume: run}. The page listens until it closes the connection.
        """
        asks(asked.page, request.client and request.client.host)
        if asked.part not in self.parts:
            raise HTTPException(404, "There is no such part on this page")
        try:
            run = (
                self.runs.resumed(asked.values["resume"])
                if "resume" in asked.values
                else self.runs.begin(asked.part, asked.values, asked.page, far_address(), (asked.load, asked.number))
            )
        except ValueError as error:  # it is gone
            raise HTTPException(404, str(error)) from None
        gradio_faults.tell_spaces(request)
        return StreamingResponse(_pieces(run), headers=LIVE, media_type=BYTES)

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
                t, s = plan.pairs[0][frame.k]
                yield {
                    "index": frame.k,
                    "steps": len(plan.pairs[0]),
                    "t": t,
                    "s": s,
                    "alpha_bar": plan.models[0].schedule.alpha_bar[t].item(),
                    "sigma": frame.sigma,
                    "x_t": await self._pictures(frame.x, f"x_{s}", plan),
                    "x0_hat": await self._pictures(frame.x0_hat, f"x0_hat_{t}", plan),
                }

    async def _frames(self, values: Values) -> AsyncGenerator[tuple[Any, sampling.Frame | None], None]:
        """The plan of a run, and each kept step while somebody listens, None now and then. Raises gr.Error for a run
        that fails or is stopped.
        """
        if values["count"] is None:
            values = values | {"count": default_count(str(values["checkpoint"]), self.services.step_times)}
        try:
            computation = Scripted(self.services, values)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from None
        job = Job(computation, self.services, visitor(), far_address())
        session = visitor()
        listener = Listener(lambda: self.events.is_heard(session))
        try:
            with self.unheard.one(address()):
                await listener.comes()
            async with aclosing(listener.hears(job.updates(), job.leave)) as updates:
                async for update in updates:
                    if update.state in ENDED and update.state != "finished":
                        raise gr.Error(update.text or "The run was stopped", print_exception=False)
                    yield job.plan, None
                    for result in update.results:
                        if isinstance(result, sampling.Frame):
                            yield job.plan, result
        except (NobodyListens, Refused) as error:
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


async def _pieces(run: Run) -> AsyncGenerator[bytes, None]:
    """The messages of a run, each packed as one piece."""
    async with aclosing(in_thread(run.messages())) as messages:
        async for message in messages:
            yield whole(message)


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

    def __init__(self, services: Services, values: Values):
        self._open = [name for name in ("sampler", "steps") if values[name] is None]
        given = {name: value for name, value in values.items() if name not in self._open}
        super().__init__(services, sampling.Settings.check(given))

    def plan(self, models: Sequence[ModelSpec]) -> sampling.SamplingPlan:
        own = {"sampler": samplers(models[0])[0], "steps": step_limits(models[0])[2]}
        request = replace(self.request, **{name: own[name] for name in self._open})
        return sampling.Sampling(self.services, request).plan(models)


def _with_parameters(
    endpoint: Callable[[Values], AsyncGenerator[Any, None]], first: str, result: object
) -> Callable[..., AsyncGenerator[Any, None]]:
    """The endpoint as a function with a parameter for each field of `Settings`, which is how gradio reads them."""
    usual = sampling.Settings.defaults() | dict.fromkeys(OPEN) | {"checkpoint": first}
    defaults: Values = {name: usual[name] for name in (*ORDER, *usual)}

    async def called(request: gr.Request, *values: Any) -> AsyncGenerator[Any, None]:
        asks(request.session_hash, request.client and request.client.host)
        async with aclosing(endpoint(dict(zip(defaults, values, strict=True)))) as items:
            async for item in items:
                yield item

    types: dict[str, Any] = {name: OPEN.get(name, type(default)) for name, default in defaults.items()}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("request", kind)]  # gradio gives it
    parameters += [
        inspect.Parameter(name, kind, default=default, annotation=types[name]) for name, default in defaults.items()
    ]
    called.__signature__ = inspect.Signature(parameters, return_annotation=result)  # pyright: ignore[reportFunctionMemberAccess]
    called.__annotations__ = types | {"request": gr.Request, "return": result}
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
) -> App:
    """The app, to be served by `launch`.

    checkpoint: the one that is chosen at first. device: where models are evaluated, as for `ddpm_core.load`.
    public: strangers use the page, so it accepts the checkpoints of its list only, and any Hub id with allow_hub, and
    trains only with allow_training. limits: those of a public page, or of one's own, where none are given.
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
    services = Services(
        models, turns, QuickTurns(), limits, pace, EventLog(), models.first, trains=allow_training or not public
    )
    return App(services)


def launch(app: App, warm: bool = True, **options: Any) -> None:
    """Serve the app. Raises OSError where it can't be served.

    warm: then load and time the first model in the background, and ask the Hub what is there. options: those of
    gradio's `launch`.
    """
    limits = app.services.limits
    app.services.events.closing = ""
    # The server that renders pages beforehand, which Spaces start, passes on only gradio's own addresses.
    safe: dict[str, Any] = {"ssr_mode": False, "enable_monitoring": False}
    safe |= {"state_session_capacity": SESSIONS, "run_history": False, "quiet": True}
    # An event waits until one of so many places is free, and nobody is told so: there are places for all at once, and
    # who computes when is said by `Turns`. They are no threads, as no endpoint needs one.
    safe |= {"max_threads": REQUESTS + 2 * UNHEARD, "app_kwargs": {"lifespan": app.events.forgetting}}
    connections = Connections(raise_file_limit())
    app.origins.serve_this_machine()
    app.origins.serve(options.get("server_name"))
    with few_at_once():
        _serve(app, **safe, **options)
    log_no_other_way()
    app.origins.serve(app.share_url, app.root_path)
    gradio_faults.calm(app.get_blocks()._queue)
    connections.protect(app.get_blocks().server)
    app.sweeper = temporary_files.Sweeper(app.get_blocks(), limits.temporary_mb * 1e6)
    app.sweeper.start()
    if warm:  # only now: what it imports would make the page wait
        app.warmup.start()


def _serve(app: App, **options: Any) -> None:
    """gradio's `launch`. Raises OSError where its server does not answer."""
    try:
        # Without its look for the page, which has three seconds: too few for a machine under heavy load.
        _, app.local_url, app.share_url = app.launch(**options, _frontend=False)
    except Exception as error:
        if "Couldn't start the app" not in str(error):
            raise
        close(app)
        raise OSError(
            "the page's own server did not answer: a proxy stands before localhost (set NO_PROXY=localhost,127.0.0.1)"
        ) from None


def close(app: App, patience: float = 0, seconds: float = 5) -> bool:
    """End all runs and trainings and close the app. Returns whether no run computes any more.

    patience: seconds that runs have to finish; new ones are refused, and trainings stop at once. seconds: that all has
    to stop after that, one deadline for all.
    Python aborts when the program ends while one of its threads computes.
    """
    services = app.services
    finish = time.monotonic() + patience
    end = finish + seconds
    services.events.close(patience)
    if app.training:
        app.training.stop()
    while services.events.here and time.monotonic() < finish:
        time.sleep(0.05)
    stopped = services.turns.stop_all(end - time.monotonic())
    if app.training:
        app.training.close(end - time.monotonic())
    while services.events.here and time.monotonic() < end:  # its last message is on its way
        time.sleep(0.05)
    if app.sweeper:
        app.sweeper.stop()
    blocks = app.get_blocks()
    hurry = threading.Timer(max(LAST, end - time.monotonic()), setattr, (blocks.server, "force_exit", True))
    hurry.start()  # the server waits for requests under way
    blocks.close(verbose=False)
    hurry.cancel()
    return stopped
