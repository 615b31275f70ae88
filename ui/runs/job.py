"""A run: samples in a background thread; the caller polls for new frames about ten times a second."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

import ddpm_core
from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.imaging import to_uint8
from ddpm_core.model import Model, ModelSpec
from ui.runs import formats, notices
from ui.runs.lent import LentNetwork, lend
from ui.runs.line import LINE, Outlook, Place
from ui.runs.models import Loading, revision
from ui.runs.offered import short_name
from ui.runs.pace import PACE
from ui.runs.plan import Plan, kept_steps, make_plan
from ui.runs.settings import Settings

INTERVAL = 0.1  # least seconds between two updates: each costs the server and the browser about 15 ms of a core
HEARTBEAT = 0.5  # most seconds between two updates, so that a closed page is noticed in time
FINAL = ("stopped", "finished", "error")

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The run was asked to stop."""


class ModelSource(Protocol):
    """Where a run gets its model: `ui.runs.models.Models`, which says more of each method."""

    def loaded(self, ref: str) -> Model | None: ...

    def known(self, ref: str) -> ModelSpec | None: ...

    def fetch(self, ref: str, progress: Any) -> None: ...

    def get(self, ref: str) -> Model: ...


@dataclass(frozen=True)
class Frame:
    """The pictures of a lane after its step k: x is x_s, x0_hat is x̂_0 predicted from x_t, both uint8 (N, H, W, C)."""

    lane: int
    k: int
    sigma: float
    x: np.ndarray
    x0_hat: np.ndarray


@dataclass(frozen=True)
class Update:
    """The state of a run, and the kept frames since the last update.

    state: one of those in web/player/messages.js. progress: 0 to 1. left: seconds. plan: once, with or before the first
    frame.
    """

    state: str
    text: str = ""
    progress: float | None = None
    left: float | None = None
    plan: Plan | None = None
    frames: list[Frame] = field(default_factory=list)


class Job:
    """One run, or two lanes side by side, which differ in the parameters of settings.LANE only.

    `updates` starts it and yields its state; `stop` ends it after the current step. visitor: whose it is, who shares
    the network with others; None is nobody else's.
    """

    def __init__(self, lanes: Sequence[Settings], models: ModelSource, visitor: Hashable = None):
        self.lanes = tuple(lanes)
        self.visitor = visitor
        self.plan: Plan | None = None
        self.loaded = False  # whether the run had to load its model
        self.about: dict[str, str | None] = {}  # revision: of the weights; engine: what evaluated them
        self.x_0: dict[int, np.ndarray] = {}  # of each finished lane, float32 (N, C, H, W)
        self._models = models
        self._place: Place | None = None  # in the line
        self._steps: deque[tuple[int, ddpm_core.Step]] = deque()  # (lane, step): kept, and not yet in an update
        self._done = 0  # steps, of all lanes
        self._state = Update("queued")
        self._news = threading.Condition()
        self._stop = threading.Event()

    # --- For the caller

    def updates(self) -> Iterator[Update]:
        """Run, and yield the state of the run, INTERVAL to HEARTBEAT seconds apart. Never raises.

        The state of the last update is one of FINAL. Closing the iterator stops the run.
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
                if steps or said.state == "loading":  # other changes are rare, and reported at once
                    self._until_final(INTERVAL)
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop as soon as possible: after the current step, or at once when no step is being computed."""
        self._stop.set()
        if self._place:
            self._place.wake()
        if self._state.state == "running":
            self._say("stopping")
        elif self._state.state != "stopping":
            self._say("stopped")

    @property
    def settings(self) -> Settings:
        """Those of the first lane, for what the lanes share."""
        return self.lanes[0]

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def _update(self, said: Update, kept: list[tuple[int, ddpm_core.Step]], done: int, plan: Plan | None) -> Update:
        frames = self._frames(kept)
        outlook = self._place.outlook() if self._place else None
        if said.state == "queued" and outlook and not outlook.begun:
            said = self._queued(outlook)
        if said.state != "running":
            return Update(said.state, said.text, said.progress, said.left, plan, frames)
        left, text = self._seconds_left(done), "" if done else "Running: the first step"
        if outlook and outlook.sharers:
            left, text = outlook.end, notices.shared(outlook.sharers)
        return Update("running", text, done / self._total, left, plan, frames)

    def _frames(self, kept: list[tuple[int, ddpm_core.Step]]) -> list[Frame]:
        """What an update shows of these steps."""
        return [_frame(lane, step) for lane, step in kept]

    def _queued(self, outlook: Outlook) -> Update:
        """What there is to say before the first turn."""
        alone, holder = not outlook.before and outlook.sharers == 1, outlook.holder
        if alone and isinstance(holder, Loading):
            return Update("loading", f"Loading {short_name(holder.ref)}")
        if alone and getattr(holder, "stopping", True):
            return Update("waiting", "Finishing the previous step")
        return Update("queued", notices.queue(outlook.before, outlook.start))

    @property
    def _total(self) -> int:
        """Steps of all lanes."""
        return sum(lane.steps for lane in self.lanes)

    def _seconds_left(self, done: int) -> float | None:
        """Seconds of computing after so many steps; None when it is not known."""
        pace = PACE.of(self.settings.checkpoint, self.settings.batch, len(self.lanes))
        return None if pace is None else pace * (self._total - done)

    def _until_final(self, seconds: float) -> None:
        with self._news:
            self._news.wait_for(lambda: self._state.state in FINAL, timeout=seconds)

    # --- In the background thread

    def _work(self) -> None:
        try:
            self._check()
            with LINE.join(self, self.visitor) as place:
                self._place = place
                self._fetch()
                known = self._models.known(self.settings.checkpoint)
                for lane in self.lanes:
                    if known:
                        lane.arguments(known)  # so that an error is reported before waiting for other runs
                self._note_work(0)
                self._say("queued")
                place.take(self._check)
                self._compute(place)
            self._say("finished")
        except Stopped:
            self._say("stopped")
        except (ValueError, CheckpointError) as error:
            self._say("error", notices.sentence(error))
        except Exception as error:
            log.exception("a run failed")
            self._say("error", notices.unforeseen(error, self.settings.count))

    def _compute(self, place: Place) -> None:
        """Load the model and sample. It is the run's turn, so waiting runs do not fill the memory with their models."""
        self._check()
        ref = self.settings.checkpoint
        if self._models.loaded(ref) is None:
            self._say("loading", f"Loading {short_name(ref)}")
            self.loaded = True
        model, network = lend(self._models, ref)
        self._check()
        self.lanes = tuple(lane.resolved(model) for lane in self.lanes)
        self._sample(model, [lane.arguments(model) for lane in self.lanes], place, network)

    def _give_way(self, place: Place, network: LentNetwork) -> None:
        """Between two steps: let others have their turns, if this one is over."""
        if not place.must_yield():
            return
        network.give_back()
        place.take(self._check)
        if network.take():
            place.loaded()

    def _note_work(self, done: int) -> None:
        """Tell the line how much there is to do after so many steps."""
        left = self._seconds_left(done)
        if self._place and left is not None:
            self._place.work, self._place.step = left, left / max(1, self._total - done)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _fetch(self) -> None:
        """Download the checkpoint's files if need be. The lock is not held: other runs can compute meanwhile."""
        ref = self.settings.checkpoint
        if self._models.loaded(ref) is not None:
            return
        name = short_name(ref)
        self._say("loading", f"Loading {name}")
        reports: deque[tuple[float, int]] = deque(maxlen=30)  # of about three seconds

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
                text = f"Downloading {name}: {formats.download(done, total, speed)}"
                self._say("loading", text, done / total, (total - done) / speed if speed else None)

        self._models.fetch(ref, progress)

    def _sample(self, model: Model, lanes: list[dict[str, Any]], place: Place, network: LentNetwork) -> None:
        settings = self.settings
        shared = {name: lanes[0][name] for name in ("seeds", "clip", "labels", "guidance")}
        steps = ddpm_core.side_by_side(
            model, lanes=[{k: v for k, v in lane.items() if k not in shared} for lane in lanes], **shared
        )
        pictures = settings.count * len(lanes)
        kept = [kept_steps(lane.steps, model.image_size, pictures, model.channels) for lane in self.lanes]
        self.plan = make_plan(self.lanes, model)
        self.about = {
            "revision": revision(model),
            "engine": getattr(model.network, "description", None),
        }
        self._say("running")
        started, first = time.perf_counter(), 0.0  # started: moved on by the time in which others compute
        for done, (lane, step) in enumerate(steps, 1):
            now = time.perf_counter()
            with self._news:
                self._done = done
                if step.index in kept[lane]:
                    self._steps.append((lane, step))
                    self._news.notify_all()
            # The first step of each lane can be slower, as it prepares memory, kernels and threads: its time counts
            # only while there is no other.
            if done <= len(lanes):
                first, started = (now - started) / done if done == 1 else first, now
            pace = (now - started) / (done - len(lanes)) if done > len(lanes) else first
            PACE.note(settings.checkpoint, settings.batch, pace, len(lanes))
            self._note_work(done)
            if step.s == 0:
                self.x_0[lane] = step.x.float().cpu().numpy()
            if step.s > 0 or len(self.x_0) < len(lanes):
                self._check()
                before = time.perf_counter()
                self._give_way(place, network)
                started += time.perf_counter() - before

    def _say(self, state: str, text: str = "", progress: float | None = None, left: float | None = None) -> None:
        with self._news:
            if self._state.state in FINAL or (self._state.state == "stopping" and state not in FINAL):
                return
            if (state, text, progress) != (self._state.state, self._state.text, self._state.progress):
                self._state = Update(state, text, progress, left)
                self._news.notify_all()


def _frame(lane: int, step: ddpm_core.Step) -> Frame:
    sigma = float(step.sigma) if isinstance(step.sigma, int | float) else float(step.sigma.mean())
    return Frame(lane, step.index, sigma, to_uint8(step.x), to_uint8(step.x0_hat))
