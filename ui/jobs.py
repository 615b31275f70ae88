"""A run: a thread samples as fast as it can, and whoever asked for it takes what is there, some times a second."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio.to_thread

from ddpm_core.refs import CheckpointError
from ui import checkpoints, words
from ui.settings import Settings

INTERVAL = 0.1  # seconds between two updates, at least: each costs server and page some 10 ms of a processor
HEARTBEAT = 0.5  # and at most, so that a closed page is noticed in time
FRAME_BYTES = 24e6  # what the frames of one run may weigh on the way to the page
LOSSLESS = 64  # models up to this size are sent as PNG, larger ones as JPEG
FINAL = ("stopped", "finished", "error")

log = logging.getLogger(__name__)


class Stopped(Exception):
    """Somebody does not want the run any more."""


class Line:
    """The app's one lock: whoever computes with a network takes a turn, first come, first served.

    Queue limits of gradio are not enough: cancelling an event frees its slot while the step still computes.
    """

    def __init__(self):
        self._waiting: list[object] = []
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, who: object, wait: Callable[[int, object], None] = lambda before, first: None) -> Iterator[None]:
        """Hold the lock. While others are before, wait(how many, the one that computes) is called and may raise."""
        with self._changed:
            self._waiting.append(who)
        try:
            while before := self._before(who):
                wait(before, self._waiting[0])
                with self._changed:
                    self._changed.wait_for(lambda: not self._before(who), timeout=0.1)
            yield
        finally:
            with self._changed:
                self._waiting.remove(who)
                self._changed.notify_all()

    def _before(self, who: object) -> int:
        return self._waiting.index(who)

    def __len__(self) -> int:
        return len(self._waiting)


LINE = Line()


async def in_thread(items: Iterator, stop: Callable[[], None]) -> AsyncIterator:
    """Iterate in other threads; stop() when that ends or is cancelled, whenever that is.

    gradio's own way to run a generator loses one that is cancelled before its first item: it would run to its end.
    """
    try:
        while (item := await anyio.to_thread.run_sync(next, items, None)) is not None:
            yield item
    finally:
        stop()  # closing the iterator won't do: the other thread can still be in it


class Pace:
    """Seconds per step as last measured, by checkpoint and number of images the network sees at once."""

    def __init__(self):
        self._seconds: dict[str, dict[int, float]] = {}
        self._guessed: set[str] = set()

    def note(self, ref: str, batch: int, seconds: float, guess: bool = False) -> None:
        """Remember a measurement. guess: of a step or two, to be forgotten when a run has been measured."""
        if guess:
            self._guessed.add(ref)
        elif ref in self._guessed:
            self._guessed.remove(ref)
            self._seconds.pop(ref)
        self._seconds.setdefault(ref, {})[batch] = seconds

    def of(self, ref: str, batch: int) -> float | None:
        """Seconds per step, in proportion from the nearest batch that was measured; None when none was."""
        known = self._seconds.get(ref)
        if not known:
            return None
        nearest = min(known, key=lambda measured: abs(math.log(measured / batch)))
        return known[nearest] * batch / nearest


PACE = Pace()


@dataclass(frozen=True)
class Plan:
    """What a run is going to do. steps: (t, s, ᾱ_t, σ) each, σ None where only the network knows it."""

    title: str
    lane: str  # what tells this run's sampling from another's
    size: int
    seeds: range
    T: int
    steps: list[tuple[int, int, float, float | None]]

    @property
    def lossless(self) -> bool:
        return self.size <= LOSSLESS


@dataclass(frozen=True)
class Frame:
    """The pictures after step k: x is x_s, x0_hat x̂_0 as seen from x_t, both uint8 (N, H, W, C)."""

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
    """One run of the network. `updates` starts it and tells how it goes; `stop` ends it after the step under way."""

    def __init__(self, settings: Settings, models: checkpoints.Checkpoints):
        self.settings = settings
        self.plan: Plan | None = None
        self.loaded = False  # whether the run had to load its model
        self._models = models
        self._steps: deque = deque()  # done, kept, and not yet looked at
        self._done = 0
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
    def stopping(self) -> bool:
        return self._stop.is_set()

    def _update(self, said: Update, steps: list, done: int, plan: Plan | None) -> Update:
        frames = [_frame(step) for step in steps]
        if said.state != "running":
            return Update(said.state, said.text, said.progress, said.left, plan, frames)
        settings = self.settings
        pace = PACE.of(settings.checkpoint, settings.batch)
        left = None if pace is None else pace * (settings.steps - done)
        text = "" if done else "Running: the first step"
        return Update("running", text, done / settings.steps, left, plan, frames)

    def _until_final(self, seconds: float) -> None:
        with self._news:
            self._news.wait_for(lambda: self._state.state in FINAL, timeout=seconds)

    # --- In the run's own thread

    def _work(self) -> None:
        try:
            self._check()
            model = self._models.loaded(self.settings.checkpoint) or self._load()
            arguments = self.settings.arguments(model)
            with LINE.turn(self, self._wait):
                self._check()
                self._sample(model, arguments)
            self._say("finished")
        except Stopped:
            self._say("stopped")
        except (ValueError, CheckpointError) as error:
            self._say("error", _sentence(error))
        except Exception as error:
            log.exception("a run failed")
            self._say("error", _unforeseen(error, self.settings))

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _load(self):
        name = checkpoints.name(self.settings.checkpoint)
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

        model = self._models.get(self.settings.checkpoint, progress)
        self.loaded = True
        return model

    def _wait(self, before: int, first: object) -> None:
        self._check()
        if before == 1 and getattr(first, "stopping", True):
            self._say("waiting", "Finishing the previous step")
        else:
            self._say("queued", words.queue(before))

    def _sample(self, model, arguments: dict) -> None:
        from ddpm_core import trajectory

        settings = self.settings
        steps = trajectory(model, **arguments)
        kept = kept_steps(settings.steps, model.image_size, settings.count)
        self.plan = _plan(settings, model)
        self._say("running")
        started = time.perf_counter()
        for step in steps:
            now = time.perf_counter()
            with self._news:
                self._done = step.index + 1
                if step.index in kept:
                    self._steps.append(step)
                    self._news.notify_all()
            # The first step can be slower: memory, kernels and threads are got ready in it.
            if step.index == 0:
                first, started = now - started, now
            PACE.note(settings.checkpoint, settings.batch, (now - started) / step.index if step.index else first)
            if step.s > 0:
                self._check()

    def _say(self, state: str, text: str = "", progress: float | None = None, left: float | None = None) -> None:
        with self._news:
            if self._state.state in FINAL or (self._state.state == "stopping" and state not in FINAL):
                return
            if (state, text, progress) != (self._state.state, self._state.text, self._state.progress):
                self._state = Update(state, text, progress, left)
                self._news.notify_all()


def kept_steps(steps: int, size: int, count: int) -> set[int]:
    """The step indices whose frames are kept: all, or evenly as many as fit into FRAME_BYTES, the ends always.

    A pixel of noise weighs 4 bytes as a PNG in a data-URI, and 1.2 as a JPEG of quality 80 (measured: 4.13 and 1.09).
    """
    frame = 2 * count * (size**2 * 4 + 400 if size <= LOSSLESS else size**2 * 1.2 + 1000)
    fit = max(2, int(FRAME_BYTES / frame))
    if steps <= fit:
        return set(range(steps))
    return {round(i * (steps - 1) / (fit - 1)) for i in range(fit)}


def _plan(settings: Settings, model) -> Plan:
    from ddpm_core import reverse_variance, timestep_pairs

    def sigma(t: int, s: int) -> float | None:
        if s == 0:
            return 0.0
        if settings.sampler == "ddim":
            return settings.eta * math.sqrt(reverse_variance(model.schedule, t, s, "beta_tilde"))
        if settings.variance.startswith("learned"):
            return None
        return math.sqrt(reverse_variance(model.schedule, t, s, settings.variance))

    pairs = timestep_pairs(model.schedule.T, settings.steps, settings.spacing)
    steps = [(t, s, float(model.schedule.alpha_bar[t]), sigma(t, s)) for t, s in pairs]
    return Plan(summary(settings), way(settings), model.image_size, settings.seeds, model.schedule.T, steps)


def summary(settings: Settings) -> str:
    """A run in one line."""
    parts = [
        checkpoints.name(settings.checkpoint),
        f"{settings.steps} step{'s' if settings.steps > 1 else ''}",
        way(settings),
        *([settings.label] if settings.label != "any" else []),
        f"seed {settings.seed}",
    ]
    return " · ".join(parts)


def way(settings: Settings) -> str:
    """The sampler and what sets its noise."""
    if settings.sampler == "ddim":
        return f"DDIM η {settings.eta:g}"
    return f"DDPM {words.VARIANCE[settings.variance]}"


def _frame(step) -> Frame:
    from ddpm_core.imaging import to_uint8

    sigma = step.sigma if isinstance(step.sigma, float) else float(step.sigma.mean())
    return Frame(step.index, sigma, to_uint8(step.x), to_uint8(step.x0_hat))


def _sentence(error: Exception) -> str:
    text = str(error)
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text  # a name or an id keeps its small letter


def _unforeseen(error: Exception, settings: Settings) -> str:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate" in str(error):
        images = f"{settings.count} images" if settings.count > 1 else "this model"
        return f"There is not enough memory for {images}: try {'fewer' if settings.count > 1 else 'a smaller one'}"
    return f"The run failed unexpectedly ({type(error).__name__}); the details are in the terminal of the app"
