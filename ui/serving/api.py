"""Serve the parts of gradio that the app uses: the API for scripts (/sample and /trajectory, which gradio_client
lists), the login, and the tunnel of --share.

Importing gradio takes as long as everything that the page needs, so `server` imports this module after the page can be
opened.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, redirect_stdout
from pathlib import Path
from typing import Any, get_type_hints
from unittest import mock

import anyio.to_thread
import numpy as np
from fastapi.exceptions import RequestValidationError

from ui.serving import before_gradio

with before_gradio.unparsed():
    import gradio as gr
from gradio.data_classes import FileData
from gradio_client.utils import strip_invalid_filename_characters
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp

from ddpm_core import imaging
from ui.machine import temporary_files
from ui.machine.limits import Places, Refused
from ui.models.services import Services
from ui.parts import sampling
from ui.runs.jobs import Job
from ui.runs.listeners import NOBODY, UNHEARD, UNHEARD_OF_ONE, Listener, NobodyListens
from ui.runs.log import Message, Values
from ui.runs.states import ENDED
from ui.runs.visitors import note_visitor, visitor
from ui.serving import gradio_faults
from ui.serving.connections import Server
from ui.serving.gate import REQUESTS, unclear
from ui.serving.scripted import Script, Scripted

# The number of pages whose state gradio keeps. Each state takes a third of a megabyte, and each call of the API counts
# as a page; gradio's default is 10,000. Our page needs no such state, so the number must only exceed the number of runs
# at the same time.
SESSIONS = 64


class Api(gr.Server):
    """gradio's app, to which the page's server passes requests."""

    sweeper: temporary_files.Sweeper

    def __init__(self, services: Services):
        super().__init__(title="DDPM Lab", docs_url=None, redoc_url=None, openapi_url=None)
        self.services = services
        self.unheard = Places(NOBODY, UNHEARD, UNHEARD_OF_ONE)
        self.events = gradio_faults.Events(lambda: self.get_blocks()._queue)
        self.add_exception_handler(RequestValidationError, unclear)
        # gradio's own route stores its first answer for everybody, although it contains the address at which the first
        # visitor opened the app.
        self.add_api_route("/gradio_api/info", lambda: self.get_blocks().get_api_info(), response_model=None)
        # gradio's queue gets no limit, because `Turns` limits and orders the runs
        for endpoint, result in ((self._sample, list[dict]), (self._trajectory, dict)):
            self.api(
                _with_parameters(endpoint, services.first, result), name=endpoint.__name__[1:], concurrency_limit=None
            )

    def build_middleware_stack(self) -> ASGIApp:
        """Remove the outermost middleware, which answers failed requests, because the gate answers them."""
        stack = super().build_middleware_stack()
        assert isinstance(stack, ServerErrorMiddleware)
        return stack.app

    def knows(self, cookies: Mapping[str, str]) -> bool:
        """Return whether a visitor has entered the password. gradio's login sets these cookies."""
        names = (f"access-token-{self.cookie_id}", f"access-token-unsecure-{self.cookie_id}")
        return any(self.tokens.get(cookies.get(name)) for name in names)

    def join(self, server: Server, here: Callable[[Api], None], **options: Any) -> str | None:
        """Start to answer requests that the page's server passes on. Return the address of the tunnel, or None without
        a tunnel.

        here: called with this Api when requests can be passed on. options: options of gradio's `launch`. Raises OSError
        if the server does not answer on this machine.
        """

        def start_server(app: Api, **_: object) -> tuple[str, int, str, None]:
            """Join the page's server, in the place of the server that gradio would start."""
            self.sweeper = temporary_files.Sweeper(self.get_blocks(), self.services.limits.temporary_mb * 1e6)
            self.sweeper.start()
            server.enter(app.router.lifespan_context(app))
            here(self)
            return server.host, server.port, server.url, None  # the last value would be gradio's own server

        # ssr_mode: on Spaces gradio would start a server that renders pages in advance. This server passes on only
        # gradio's own addresses. max_threads: events without a free place would wait without a message, so each event
        # has a place; `Turns` decides which run computes. The places are no threads, because our endpoints are
        # asynchronous.
        options |= {"ssr_mode": False, "enable_monitoring": False, "run_history": False, "quiet": True}
        options |= {"state_session_capacity": SESSIONS, "max_threads": REQUESTS + 2 * UNHEARD}
        options |= {"app_kwargs": {"lifespan": self.events.forgetting}, "prevent_thread_lock": True}
        # hides the advice that gradio prints
        with mock.patch("gradio.http_server.start_server", start_server), redirect_stdout(io.StringIO()):
            try:
                # _frontend: gradio would check that the page is there and give up after 3 s, which is too short under
                # heavy load.
                *_, share_url = self.launch(**options, _frontend=False)
            except Exception as error:  # gradio raises a plain Exception here
                if "Couldn't start the app" not in str(error):
                    raise
                raise OSError(
                    "the page's own server did not answer: a proxy stands before localhost "
                    "(set NO_PROXY=localhost,127.0.0.1)"
                ) from None
        gradio_faults.fix_queue(self.get_blocks()._queue)
        return share_url

    def leave(self) -> None:
        """End gradio's queue and its open streams."""
        self.sweeper.stop()
        self.get_blocks().close(verbose=False)

    def keep(self, content: bytes, name: str) -> str:
        """Write a temporary file and return its path."""
        name = strip_invalid_filename_characters(Path(name).name).strip(".")
        return str(self.sweeper.keep(content, name or "file"))

    async def _sample(self, values: Values) -> AsyncGenerator[list[dict], None]:
        """Return the final images of a run as PNG files of the model's resolution. Image i has the seed `seed` + i."""
        last = None
        async with aclosing(self._frames(values)) as frames:
            async for plan, frame in frames:
                last = (plan, frame) if frame else last
                yield []  # an empty item lets gradio notice that the caller has left
        assert last and last[1]
        yield await self._pictures(last[1].x, "x_0", last[0])

    async def _trajectory(self, values: Values) -> AsyncGenerator[dict, None]:
        """Yield every kept step of a run while it computes: index (from 0), steps, t, s, alpha_bar (at t), sigma (of
        the added noise), and a PNG file for each image of x_t (after the step, at time s) and x0_hat (predicted from
        t).
        """
        async with aclosing(self._frames(values)) as frames:
            async for plan, frame in frames:
                if frame is None:
                    continue
                chain = plan.lanes[0].chain
                t, s = chain.pairs[frame.k]
                yield {
                    "index": frame.k,
                    "steps": len(chain.pairs),
                    "t": t,
                    "s": s,
                    "alpha_bar": chain.schedule.alpha_bar[t].item(),
                    "sigma": frame.sigma,
                    "x_t": await self._pictures(frame.x, f"x_{s}", plan),
                    "x0_hat": await self._pictures(frame.x0_hat, f"x0_hat_{t}", plan),
                }

    async def _frames(self, values: Values) -> AsyncGenerator[tuple[Any, sampling.Frame | None], None]:
        """Yield the plan of a run with each kept step, or with None from time to time, as long as the caller is
        connected. Raises gr.Error if the run fails or is stopped.
        """
        try:
            computation = Scripted(self.services, [Script.check(values)])
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from None
        who = visitor()
        job = Job(computation, self.services, who.name, who.address)
        listener = Listener(lambda: self.events.is_heard(who.name))
        try:
            with self.unheard.occupy(who.address):
                await listener.wait_for_client()
            async with aclosing(listener.follow(job.updates(), job.leave)) as updates:
                async for update in updates:
                    if update.state in ENDED and update.state != "finished":
                        raise gr.Error(_why(update), print_exception=False)
                    yield job.plan, None
                    for result in update.results:
                        if isinstance(result, sampling.Frame):
                            yield job.plan, result
        except (NobodyListens, Refused) as error:
            raise gr.Error(str(error), print_exception=False) from None

    async def _pictures(self, images: np.ndarray, name: str, plan: sampling.SamplingPlan) -> list[dict]:
        """Write pictures as temporary PNG files, and return them in gradio's form."""

        def write() -> list[dict]:
            """Write the files, in a thread."""
            files = []
            for image, seed in zip(images, plan.request.seeds, strict=True):
                try:
                    path = self.keep(imaging.png(image), f"{name}-seed-{seed}.png")
                except OSError as error:
                    if temporary_files.is_full(error):
                        raise gr.Error(temporary_files.FULL, print_exception=False) from error
                    raise
                files.append(FileData(path=path, mime_type="image/png").model_dump())
            return files

        return await anyio.to_thread.run_sync(write)


def _why(end: Message) -> str:
    """Return the reason why a run ended early, for a script."""
    return end.text or {"lost": "The app has stopped, and this run with it"}.get(end.state, "The run was stopped")


def _with_parameters(
    endpoint: Callable[[Values], AsyncGenerator[object, None]], first: str, result: object
) -> Callable[..., AsyncGenerator[object, None]]:
    """Return the endpoint as a function whose signature has a parameter for each field of `Script`, because gradio
    reads the signature. first: the default checkpoint. result: the type of the items that the endpoint yields.
    """
    defaults: Values = Script.defaults() | {"checkpoint": first}

    async def called(request: gr.Request, *values: object) -> AsyncGenerator[object, None]:
        """Call the endpoint with named values, for the visitor of this request."""
        note_visitor(request.session_hash, request.client and request.client.host)
        async with aclosing(endpoint(dict(zip(defaults, values, strict=True)))) as items:
            async for item in items:
                yield item

    types: dict[str, object] = {name: kind for name, kind in get_type_hints(Script).items() if name in defaults}
    position = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("request", position)]  # gradio passes the request
    parameters += [
        inspect.Parameter(name, position, default=default, annotation=types[name]) for name, default in defaults.items()
    ]
    called.__signature__ = inspect.Signature(parameters, return_annotation=result)  # pyright: ignore[reportFunctionMemberAccess]
    called.__annotations__ = types | {"request": gr.Request, "return": result}
    called.__name__, called.__doc__ = endpoint.__name__[1:], endpoint.__doc__
    return called
