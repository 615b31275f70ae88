"""A run: a thread samples as fast as it can, and whoever asked for it takes what is there, some times a second."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import anyio.to_thread
import numpy as np

from ddpm_core.checkpoint.refs import CheckpointError
from ui import words
from ui.runs import models as checkpoints
from ui.runs.line import LINE, Member
from ui.runs.models import Loading
from ui.runs.pace import PACE
from ui.runs.plan import Plan, kept_steps, make_plan
from ui.runs.settings import Settings

INTERVAL = 0.1  # seconds between two updates, at least: each takes server and browser about 15 ms of a core each
HEARTBEAT = 0.5  # and at most, so that a closed page is noticed in time
FINAL = ("stopped", "finished", "error")
RUNS = 60  # at once; all but one of them wait
# Of their own: waiting runs would use up those that serve files and everything else.
_THREADS = anyio.CapacityLimiter(RUNS)

log = logging.getLogger(__name__)


class Stopped(Exception):
    """Somebody does not want the run any more."""


class Unheard(Exception):
    """Nobody listens to the run."""

    def __str__(self) -> str:
        return "The run was stopped, as nobody listened to it"


class Listener(Protocol):
    """Whoever a run is for: ui.runs.listeners has one for gradio's events."""

    async def comes(self) -> bool: ...

    def is_lost(self) -> bool: ...


async def in_thread(items: Iterator, stop: Callable[[], None], listener: Listener) -> AsyncIterator:
    """Iterate in other threads while somebody listens; stop() when that ends or is cancelled, whenever that is.

    Nothing is begun before somebody listens. Raises Unheard when nobody does for some seconds.
    gradio's own way to run a generator loses one that is cancelled before its first item: it would run to its end.
    """
    try:
        if not await listener.comes():
            raise Unheard
        while (item := await anyio.to_thread.run_sync(next, items, None, limiter=_THREADS)) is not None:
            if listener.is_lost():
                raise Unheard
            yield item
    finally:
        stop()  # closing the iterator won't do: the other thread can still be in it


@dataclass(frozen=True)
class Frame:
    """A lane's pictures after its step k: x is x_s, x0_hat x̂_0 as seen from x_t, both uint8 (N, H, W, C)."""

    lane: int
    k: int
    sigma: float
    x: object
    x0_hat: object


@dataclass(frozen=True)
class Update:
    """How a run stands, and the kept frames since the last update. plan comes once, with the first frame."""

    state: str
    text: str = ""
    progress: float | None = None
    left: float | None = None
    plan: Plan | None = None
    frames: list[Frame] = field(default_factory=list)


class Job:
    """One run, or two lanes side by side. `updates` starts it and tells how it goes; `stop` ends it after the step
    under way. Lanes differ in steps, sampler, variance and η only.
    """

    def __init__(self, lanes: Sequence[Settings], models: checkpoints.Checkpoints):
        self.lanes = tuple(lanes)
        self.plan: Plan | None = None
        self.loaded = False  # whether the run had to load its model
        self.about: dict[str, str | None] = {}  # which weights these were, and what evaluated them
        self.x_0: dict[int, np.ndarray] = {}  # of each lane that is finished, float32 (N, C, H, W)
        self._models = models
        self._steps: deque = deque()  # (lane, step), done, kept, and not yet looked at
        self._done = 0  # steps, of all lanes
        self._state = Update("queued")
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._started = 0.0  # when the first step was done

    # --- For whoever asked for the run

    def updates(self) -> Iterator[Update]:
        """Run, and yield how it goes at most every INTERVAL and at least every HEARTBEAT seconds. Never raises.

        The last update's state is one of FINAL. Closing the iterator stops the run.
        """
        threading.Thread(target=self._work, daemon=True, name="run").start()
        try:
            planned, said = False, None
            while True:
                with self._news:
                    self._news.wait_for(lambda: self._steps or self._state is not said, timeout=HEARTBEAT)  # noqa: B023
                    said, steps, done, plan = self._state, list(self._steps), self._done, self.plan
                    self._steps.clear()
                yield self._update(said, steps, done, None if planned else plan)
                planned = plan is not None
                if said.state in FINAL:
                    return
                if steps or said.state == "loading":  # what comes before the first frame is rare, and not kept waiting
                    self._until_final(INTERVAL)
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop as soon as possible: after the step that computes, at once where none does."""
        self._stop.set()
        if self._state.state == "running":
            self._say("stopping")
        elif self._state.state != "stopping":
            self._say("stopped")

    @property
    def settings(self) -> Settings:
        """For what the lanes share."""
        return self.lanes[0]

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def _update(self, said: Update, steps: list, done: int, plan: Plan | None) -> Update:
        frames = [_frame(lane, step) for lane, step in steps]
        if said.state != "running":
            return Update(said.state, said.text, said.progress, said.left, plan, frames)
        steps = sum(lane.steps for lane in self.lanes)
        pace = PACE.of(self.settings.checkpoint, self.settings.batch, len(self.lanes))
        left = None if pace is None else pace * (steps - done)
        text = "" if done else "Running: the first step"
        return Update("running", text, done / steps, left, plan, frames)

    def _until_final(self, seconds: float) -> None:
        with self._news:
            self._news.wait_for(lambda: self._state.state in FINAL, timeout=seconds)

    # --- In the run's own thread

    def _work(self) -> None:
        try:
            self._check()
            self._fetch()
            known = self._models.known(self.settings.checkpoint)
            for lane in self.lanes if known else ():
                lane.arguments(known)  # what is wrong is said before others are waited for
            with LINE.turn(self, self._wait):
                self._compute()
            self._say("finished")
        except Stopped:
            self._say("stopped")
        except (ValueError, CheckpointError) as error:
            self._say("error", _sentence(error))
        except Exception as error:
            log.exception("a run failed")
            self._say("error", _unforeseen(error, self.settings))

    def _compute(self) -> None:
        """In its turn, so that as many models are in memory as fit there, however many runs wait."""
        self._check()
        ref = self.settings.checkpoint
        if self._models.loaded(ref) is None:
            self._say("loading", f"Loading {checkpoints.name(ref)}")
            self.loaded = True
        model = self._models.get(ref)
        self._check()
        self.lanes = tuple(lane.resolved(model) for lane in self.lanes)
        self._sample(model, [lane.arguments(model) for lane in self.lanes])

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _fetch(self) -> None:
        """Have the checkpoint's files here: others can compute meanwhile."""
        ref = self.settings.checkpoint
        if self._models.loaded(ref) is not None:
            return
        name = checkpoints.name(ref)
        self._say("loading", f"Loading {name}")
        reports: deque[tuple[float, int]] = deque(maxlen=30)  # about three seconds of them

        def progress(done: int, total: int) -> None:
            self._check()
            now = time.monotonic()
            reports.append((now, done))
            since, before = reports[0]
            seconds = now - since
            speed = (done - before) / seconds if seconds > 0.5 else None
            if done >= total:
                self._say("loading", f"Loading {name}")
            else:
                text = f"Downloading {name}: {words.download(done, total, speed)}"
                self._say("loading", text, done / total, (total - done) / speed if speed else None)

        self._models.fetch(ref, progress)

    def _wait(self, before: int, first: Member) -> None:
        self._check()
        if before == 1 and isinstance(first, Loading):
            self._say("loading", f"Loading {checkpoints.name(first.ref)}")
        elif before == 1 and getattr(first, "stopping", True):
            self._say("waiting", "Finishing the previous step")
        else:
            self._say("queued", words.queue(before))

    def _sample(self, model, lanes: list[dict]) -> None:
        from ddpm_core import side_by_side

        settings = self.settings
        shared = {name: lanes[0][name] for name in ("seeds", "clip", "labels", "guidance")}
        steps = side_by_side(
            model, lanes=[{k: v for k, v in lane.items() if k not in shared} for lane in lanes], **shared
        )
        pictures = settings.count * len(lanes)
        kept = [kept_steps(lane.steps, model.image_size, pictures, model.channels) for lane in self.lanes]
        self.plan = make_plan(self.lanes, model)
        self.about = {
            "revision": checkpoints.revision(model),
            "engine": getattr(model.network, "description", None),
        }
        self._say("running")
        started, first = time.perf_counter(), 0.0
        for done, (lane, step) in enumerate(steps, 1):
            now = time.perf_counter()
            with self._news:
                self._done = done
                if step.index in kept[lane]:
                    self._steps.append((lane, step))
                    self._news.notify_all()
            # The first step can be slower: memory, kernels and threads are got ready in it. With lanes, each has one.
            if done <= len(lanes):
                first, started = (now - started) / done if done == 1 else first, now
            pace = (now - started) / (done - len(lanes)) if done > len(lanes) else first
            PACE.note(settings.checkpoint, settings.batch, pace, len(lanes))
            if step.s == 0:
                self.x_0[lane] = step.x.float().cpu().numpy()
            if step.s > 0 or len(self.x_0) < len(lanes):
                self._check()

    def _say(self, state: str, text: str = "", progress: float | None = None, left: float | None = None) -> None:
        with self._news:
            if self._state.state in FINAL or (self._state.state == "stopping" and state not in FINAL):
                return
            if (state, text, progress) != (self._state.state, self._state.text, self._state.progress):
                self._state = Update(state, text, progress, left)
                self._news.notify_all()


def _frame(lane: int, step) -> Frame:
    from ddpm_core.imaging import to_uint8

    sigma = step.sigma if isinstance(step.sigma, float) else float(step.sigma.mean())
    return Frame(lane, step.index, sigma, to_uint8(step.x), to_uint8(step.x0_hat))


def _sentence(error: Exception) -> str:
    text = str(error)
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text  # a name or an id keeps its small letter


def _unforeseen(error: Exception, settings: Settings) -> str:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate" in str(error):
        images = f"{settings.count} images" if settings.count > 1 else "this model"
        return f"There is not enough memory for {images}: try {'fewer' if settings.count > 1 else 'a smaller one'}"
    return f"The run failed unexpectedly ({type(error).__name__}); the details are in the terminal of the app"
