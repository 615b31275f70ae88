"""Serve the app: our own page, and gradio for the login, the share link and the API for scripts.

The page uses three routes: `ask` answers quick questions; `run` starts a computation and sends its messages in one
response, until the run ends; `kept` sends a run's data, from which the page makes files. All other requests go to
gradio (`api`). These requests wait until gradio is imported.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from socket import socket
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ui.serving import before_gradio  # noqa: F401, before torch

# isort: split
import anyio
import anyio.to_thread
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.types import Receive, Scope, Send

from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.commands import defaults
from ddpm_core.imports import collector_off
from ui import web
from ui.export.invitation import Served, invitation
from ui.export.link_preview import preview
from ui.forms import emoji
from ui.forms.fields import reference, sentence
from ui.machine import temporary_files, zero_gpu
from ui.machine.event_log import EventLog
from ui.machine.limits import Places, ServerLimits
from ui.machine.step_times import StepTimes
from ui.machine.turns import Turns
from ui.models import figures
from ui.models.facts import answer, pace
from ui.models.loaded import Models
from ui.models.services import OwnSamplers, Services
from ui.models.warmup import Warmup
from ui.parts import PARTS
from ui.parts.part import Part
from ui.protocol import Asked, Device, EngineQuestions, FactsAnswer, Invitation, ModelList, Nothing, Pace, RunHere
from ui.runs.asked import unclear as unclear_request
from ui.runs.listeners import in_thread
from ui.runs.log import Gone, Values
from ui.runs.pages import NotBegun, Runs
from ui.runs.visitors import note_visitor, visitor
from ui.runs.words import page_words
from ui.serving.connections import Server
from ui.serving.gate import CROWDED, NAME, REQUESTS, REQUESTS_OF_ONE, Gate, unclear
from ui.serving.origins import Origins, page_address
from ui.serving.packing import pack
from ui.serving.scripted import OF_FORMS, is_quick, run_of_link

if TYPE_CHECKING:
    from ui.serving.api import Api

MOST_NAMES = 8  # maximum number of names in one question about step times
LAST = 0.5  # minimum seconds for sending the last responses when the app ends
QUESTIONS = anyio.CapacityLimiter(80)  # maximum number of threads that answer questions of pages
# maximum number of threads that answer one address; more questions wait. Most questions take milliseconds, so this
# suffices even if a whole class has the same address
QUESTIONS_OF_ONE = 4
BYTES = "application/octet-stream"  # media type of the bytes that `pack` returns
# headers of a stream, so that no proxy delays its messages
LIVE = {"cache-control": "no-store", "x-accel-buffering": "no"}

log = logging.getLogger(__name__)


class Question(BaseModel):
    """A question of a page to a part or to "engine". page: the name that the page chose for itself."""

    part: str
    what: str
    values: Values = {}
    page: str = Field("", max_length=NAME)


class AskedRun(BaseModel):
    """A page's request for a run of a part. {resume: id} as values continues an existing run. load: an id that changes
    when the page is loaded. number: the run's number since then.
    """

    part: str
    values: Values
    page: str = Field("", max_length=NAME)
    load: str = Field("", max_length=NAME)
    number: int = 0


class App(FastAPI):
    """The server of the page. `ui.build` creates it, `ui.launch` serves it, `ui.close` ends it.

    local_url, share_url: the URLs of the page. locked: whether there is a login. api: a future, which gets gradio's app
    when gradio is imported. wanted: set if a request waits for gradio.
    """

    local_url = ""
    share_url: str | None = None
    locked = False
    server: Server | None = None

    def __init__(self, services: Services):
        super().__init__(title="DDPM Lab", docs_url=None, redoc_url=None, openapi_url=None)
        self.services = services
        self.requests = Places(CROWDED, REQUESTS, REQUESTS_OF_ONE)
        self.api: Future[Api] = Future()
        self.wanted = threading.Event()
        self.warmup = Warmup(services)
        parts: list[Part] = [make(services) for make in PARTS]
        self.parts = {name: part for part in parts for name in part.names}
        self.shares: WeakValueDictionary[str, anyio.CapacityLimiter] = WeakValueDictionary()
        """for each address, the limit of threads that answer its questions at the same time"""
        self.runs = Runs(services, self.parts)
        self.origins = Origins(any_host=services.public)
        self.add_middleware(
            Gate, events=services.events, origins=self.origins, requests=self.requests, admits=self._admits
        )
        self.add_exception_handler(RequestValidationError, unclear)
        web.routes(self, {"/": self._page, "/essay": self._essay, "/figure": self._figure})
        self.add_api_route("/preview.png", self._preview, methods=["GET", "HEAD"], response_model=None)
        self.add_api_route(
            "/checkpoints/{ref}/{path:path}", self._weights, methods=["GET", "HEAD"], response_model=None
        )
        self.add_api_route("/ask", self._asked, methods=["POST"], response_model=None)
        self.add_api_route("/run", self._run, methods=["POST"], response_model=None)
        self.add_api_route("/kept/{run}", self._kept, methods=["GET"], response_model=None)
        self.mount("", self._to_gradio)

    async def _to_gradio(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to gradio. Wait until gradio is imported."""
        self.wanted.set()
        api = await asyncio.shield(asyncio.wrap_future(self.api))
        with api.events.stream(scope):
            await api(scope, receive, send)

    # --- The page

    def _page(self, request: Request) -> Response:
        """Return the page, or the login page if a login is needed."""
        if not self._admits(lambda: request.cookies):
            return HTMLResponse(web.text("login.html"))
        root = page_address(request, self.root_path)
        return HTMLResponse(web.page(self.given(), f"{root}/preview.png?{request.url.query}", f"{root}/"))

    def _essay(self, request: Request) -> Response:
        """Return the essay, or the login page if a login is needed."""
        if not self._admits(lambda: request.cookies):
            return HTMLResponse(web.text("login.html"))
        root = page_address(request, self.root_path)
        return HTMLResponse(
            web.essay(figures.start_data(figures.served_files(), self._frame), f"{root}/preview.png", f"{root}/essay")
        )

    def _figure(self, request: Request) -> Response:
        """Return the page of one figure, or the login page if a login is needed."""
        if not self._admits(lambda: request.cookies):
            return HTMLResponse(web.text("login.html"))
        return HTMLResponse(web.figure(figures.start_data(figures.served_files()), "essay"))

    @property
    def _frame(self) -> str:
        """The URL of the page of one figure if other sites may embed it, else ""."""
        return "figure" if self.origins.frames or self.origins.any_host else ""

    def given(self) -> Values:
        """Return the data that the page needs when it opens: `Given` of web/app.js."""
        return {
            "client": web.CLIENT,
            "first": self.services.first,
            "public": self.services.public,
            "frame": self._frame,
            "takesAny": self.services.models.takes_any,
            "models": self.services.models.choices(),
            "device": self._device(),
            "words": page_words() | {"samplers": list(self.services.samplers)},
            "initial": {name: own for name, part in self.parts.items() if (own := part.initial())},
        }

    def _preview(self, request: Request) -> Response:
        """Return the preview picture of a link: the result of its run if the run is quick, else the picture that all
        links share.
        """
        values, picture = dict(request.query_params), None
        part = values.get("tab", "" if "lesson" in values else "watch")
        if values and part in OF_FORMS and not self.locked:
            with suppress(ValueError, CheckpointError):
                run = run_of_link(self.services, part, values)
                picture = preview(run, self.services) if is_quick(run) else None
        return Response(picture or (web.FILES / "icons/preview.png").read_bytes(), media_type="image/png")

    def _weights(self, ref: str, path: str) -> Response:
        """Return a file of a model that visitors' browsers evaluate: for figures, and as the start of a training."""
        file = figures.files_of(ref).get(path)
        if file is None:
            raise HTTPException(404)
        return FileResponse(file, media_type="application/octet-stream")

    def _admits(self, cookies: Callable[[], Mapping[str, str]]) -> bool:
        """Return whether a visitor may see the page: there is no password, or gradio's login has accepted it."""
        return not self.locked or (self.api.done() and self.api.result().knows(cookies()))

    def _device(self) -> Device:
        """Return the description of the engine and its precision, for the page."""
        models = self.services.models
        return {"engine": models.engine, "precision": models.precision}

    # --- Questions and runs of the page

    async def _asked(self, question: Question, request: Request) -> Response:
        """Return the response to a question of the page, which a background thread computes."""
        who = note_visitor(question.page, request.client and request.client.host)
        what = question.part, question.what, question.values
        share = self.shares.setdefault(who.address or "", anyio.CapacityLimiter(QUESTIONS_OF_ONE))
        async with share:
            answer = await anyio.to_thread.run_sync(self.ask, *what, limiter=QUESTIONS)
        return Response(b"".join(pack(answer)), media_type=BYTES)

    def ask(self, part: str, what: str, values: Values) -> object:
        """Return the answer to a question, or {error} with a sentence."""
        try:
            return self._answer(str(part), str(what), values if isinstance(values, dict) else {})
        except (ValueError, CheckpointError) as error:
            return {"error": sentence(error)}
        except OSError as error:
            full = temporary_files.FULL if temporary_files.is_full(error) else ""
            # str(error) may contain paths of this machine
            return {"error": full or f"The system refused it: {error.strerror or type(error).__name__}"}

    def _answer(self, part: str, what: str, values: Values) -> object:
        """Return the answer to the question `what` of a part or of "engine". Raises ValueError if there is no such
        question.
        """
        questions: EngineQuestions = {
            "models": self._models,
            "facts": self._facts,
            "pace": self._pace,
            "emoji": lambda asked: emoji.NAMES,
            "stop": self._stop,
            "run": self._has_run,
            "room": self._room,
        }
        if part == "engine":
            if what not in questions:
                raise ValueError("The page can't ask this")
            return questions[what](values)
        asked = self.parts.get(part)
        if asked is None:
            raise ValueError("There is no such part on this page")
        if what not in asked.questions:
            raise ValueError("The page can't ask this")
        return asked.questions[what](values)

    def _models(self, asked: Asked) -> ModelList:
        """Return the list of models with their current status, and the device."""
        return {
            "models": self.services.models.choices(),
            "device": self._device(),
            "known": self.warmup.known.is_set(),
        }

    def _facts(self, asked: Asked) -> FactsAnswer:
        """Return the facts of a checkpoint, and begin to load it in the background if its files are here."""
        ref = reference(asked.get("ref"))
        facts = answer(self.services, ref, asked.get("pictures") is True)
        self.warmup.look(ref, asked.get("typed") is True)
        return facts

    def _pace(self, asked: Asked) -> Pace:
        """Return the step times of checkpoints, as far as they are known."""
        names = asked.get("refs")
        if not isinstance(names, list) or len(names) > MOST_NAMES:
            raise unclear_request("names of what takes time")
        services = self.services
        return {
            "paces": {name: pace(services, name) for name in map(str, names)},
            "device": services.models.kind,
            "busy": services.public and len(services.turns) > 0,
            "tflop": services.limits.run_tflop,
        }

    def _has_run(self, asked: Asked) -> RunHere:
        """Return whether the run ended because the app closed. Raises Gone if its messages are no longer stored."""
        return {"closing": self.runs.find_readable(asked.get("run")).log.state == "lost"}

    def _stop(self, asked: Asked) -> Nothing:
        """Stop a run. Raises Gone if it is no longer stored."""
        self.runs.find(asked.get("run")).stop()
        return {}

    def _kept(self, run: str) -> Response:
        """Return a run's data for files: `Job.kept`, packed."""
        try:
            pieces = pack(self.runs.find(run).kept())
        except ValueError as error:
            raise HTTPException(404, sentence(error)) from None
        headers = {"content-length": str(sum(map(len, pieces))), "cache-control": "no-store"}
        return StreamingResponse(iter(pieces), headers=headers, media_type=BYTES)

    def _room(self, asked: Asked) -> Invitation:
        """Return the URL at which other people in the room can open the page."""
        assert self.server is not None
        served = Served(self.server.host, self.server.port, visitor().address is None, self.share_url)
        return invitation(asked.get("page"), served)

    async def _run(self, asked: AskedRun, request: Request) -> Response:
        """Return the messages of a run as a stream, until it ends or the page closes the connection. The run is new and
        replaces the page's run of this part, or, with {resume: id}, it exists already.
        """
        who = note_visitor(asked.page, request.client and request.client.host)
        if asked.part not in self.parts:
            raise HTTPException(404, "There is no such part on this page")
        try:
            run = (
                self.runs.find_readable(asked.values["resume"])
                if "resume" in asked.values
                else self.runs.begin(asked.part, asked.values, asked.page, who.address, (asked.load, asked.number))
            )
            messages = run.messages()
        except NotBegun as refused:
            messages = iter([refused.message])
        except Gone as gone:
            raise HTTPException(404, str(gone)) from None
        if zero_gpu.on_gpu is not None:
            from ui.serving.gradio_faults import tell_spaces

            tell_spaces(request)
        content = in_thread(b"".join(pack(message)) for message in messages)
        return StreamingResponse(content, headers=LIVE, media_type=BYTES)


# --- Start and end


def build(
    checkpoint: str = defaults.CHECKPOINT,
    device: str = "auto",
    public: bool = False,
    limits: ServerLimits | None = None,
    allow_hub: bool = False,
    samplers: OwnSamplers | None = None,
) -> App:
    """Create the app, which `launch` serves.

    checkpoint: the checkpoint that is selected at first. device: as for `ddpm_core.load`. public: strangers use the
    page, so it accepts only the checkpoints of its list, or any Hub id if allow_hub. limits: None for the defaults of a
    public or private page. samplers: the owner's samplers, which the page offers. Raises CheckpointError or ValueError
    if the checkpoint or the device does not exist.
    """
    if zero_gpu.is_here():
        device = "cpu"  # only forked processes have a GPU on ZeroGPU
    if device != "auto":
        from ddpm_core.engines.choose import choose_device

        choose_device(device)
    limits = limits or (ServerLimits.public() if public else ServerLimits())
    turns, pace = Turns(limits.concurrent_runs, limits.waiting_runs), StepTimes()
    models = Models(device, public, limits, allow_hub, checkpoint, turns, pace)
    models.peek(models.first)
    services = Services(models, turns, limits, pace, EventLog(), models.first, samplers or {})
    return App(services)


def launch(
    app: App,
    listening: socket,
    host: str = "127.0.0.1",
    warm: bool = True,
    opened: Callable[[], None] = lambda: None,
    **options: Any,
) -> None:
    """Serve the app on a socket that already listens. Return when both the page and gradio are served.

    Importing gradio takes as long as everything that the page needs. So the import begins when the first model was
    loaded and nobody computes, or when a request needs gradio.

    host: the host in the page's URL. warm: whether to load and time the first model and query the Hub in the
    background. opened: called when the page can be opened. options: options of gradio's `launch`. Raises OSError if the
    app can't be served.
    """
    app.services.events.closing = None
    app.locked = options.get("auth") is not None
    app.root_path = options.get("root_path") or os.environ.get("GRADIO_ROOT_PATH", "")
    app.origins.serve_this_machine()
    app.origins.serve(host, app.root_path)
    app.server = Server(app, listening, host)
    app.local_url = app.server.url
    app.server.start()
    opened()
    if warm:
        app.warmup.start()
    if not warm or options.get("share") or zero_gpu.is_here():
        app.wanted.set()
    while not (app.wanted.wait(0.1) or (app.warmup.ready.is_set() and not len(app.services.turns))):
        pass
    with collector_off():
        from ui.serving.api import Api

        gc.freeze()
    app.share_url = Api(app.services).join(app.server, app.api.set_result, **options)
    app.origins.serve(app.share_url)


def close(app: App, patience: float = 0, seconds: float = 5) -> bool:
    """Stop all runs and close the app. Return whether all computing has stopped.

    patience: seconds for runs to finish, while new runs are refused. seconds: the time after `patience` within which
    everything must stop. Call this before the program ends: Python aborts if a thread still computes then.
    """
    services = app.services
    finish = time.monotonic() + patience
    end = finish + seconds
    services.events.close(patience)
    while services.events.here and time.monotonic() < finish:
        time.sleep(0.05)
    stopped = services.turns.stop_all(end - time.monotonic())
    stopped = app.warmup.close(end - time.monotonic()) and stopped
    while services.events.here and time.monotonic() < end:  # the last message of a run is being sent
        time.sleep(0.05)
    if app.server is None:
        return stopped
    if app.api.done():
        app.api.result().leave()
    app.server.close(max(LAST, end - time.monotonic()))
    return stopped
