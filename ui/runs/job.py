"""A run: samples in a background thread; the caller polls for new frames about ten times a second."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from contextvars import copy_context
from typing import Any

import numpy as np

import ddpm_core
from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.model import Model, ModelSpec
from ui.runs import formats, notices, zero
from ui.runs.closing import CLOSING
from ui.runs.forecast import Outlook
from ui.runs.lent import LentNetwork, lend
from ui.runs.line import LINE, Place
from ui.runs.models import Loading, revision
from ui.runs.offered import short_name
from ui.runs.pace import PACE, Stopwatch
from ui.runs.plan import Plan, kept_steps, make_plan
from ui.runs.settings import Settings, arguments, resolved
from ui.runs.source import ModelSource
from ui.runs.updates import FINAL, Frame, Update, frame

INTERVAL = 0.1  # least seconds between two updates: each costs the server and the browser about 15 ms of a core
HEARTBEAT = 0.5  # most seconds between two updates, so that a closed page is noticed in time

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The run was asked to stop."""


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
        self.about: list[dict[str, str | None]] = []  # of each lane: the weights' revision, the engine
        self.notice = ""  # for the visitor, while the run goes on
        self.failure: Exception | None = None  # why the run ended with an error
        self.x_0: dict[int, np.ndarray] = {}  # of each finished lane, float32 (N, C, H, W)
        self._models = models
        self._place: Place | None = None  # in the line
        self._steps: deque[tuple[int, ddpm_core.Step]] = deque()  # (lane, step): kept, and not yet in an update
        self._done = [0] * len(self.lanes)  # steps of each lane
        self._state = Update("queued")
        self._news = threading.Condition()
        self._stop = threading.Event()

    # --- For the caller

    def updates(self) -> Iterator[Update]:
        """Run, and yield the state of the run, INTERVAL to HEARTBEAT seconds apart. Never raises.

        The state of the last update is one of FINAL. Closing the iterator stops the run.
        """
        # In the context of the request, from which ZeroGPU takes whose quota a run uses.
        threading.Thread(target=copy_context().run, args=(self._work,), daemon=True, name="run").start()
        try:
            planned, said = False, None
            while True:
                with self._news:
                    self._news.wait_for(lambda: self._steps or self._state is not said, timeout=HEARTBEAT)  # noqa: B023
                    said, steps, done, plan = self._state, list(self._steps), list(self._done), self.plan
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
            self._say("stopped", self._remark())

    @property
    def settings(self) -> Settings:
        """Those of the first lane, for what the lanes share."""
        return self.lanes[0]

    @property
    def computed(self) -> float:
        """Seconds of its turns so far: not those in which it waited while others had theirs."""
        return self._place.seconds() if self._place else 0.0

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def _update(
        self, said: Update, kept: list[tuple[int, ddpm_core.Step]], done: list[int], plan: Plan | None
    ) -> Update:
        frames = self._frames(kept)
        outlook = self._place.outlook() if self._place else None
        if said.state == "queued" and outlook and not outlook.begun:
            said = self._queued(outlook)
        if said.state != "running":
            return Update(said.state, said.text, said.progress, said.left, plan, frames)
        left, text = self._seconds_left(done), "" if any(done) else "Running: the first step"
        if outlook and outlook.sharers:
            left, text = outlook.end, notices.shared(outlook.sharers)
        return Update("running", self._remark() or text, sum(done) / self._total, left, plan, frames)

    def _frames(self, kept: list[tuple[int, ddpm_core.Step]]) -> list[Frame]:
        """What an update shows of these steps."""
        return [frame(lane, step) for lane, step in kept]

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

    def _seconds_left(self, done: Sequence[int]) -> float | None:
        """Of computing, after so many steps of each lane; None when it is not known."""
        return PACE.left(self.lanes, done)

    def _until_final(self, seconds: float) -> None:
        with self._news:
            self._news.wait_for(lambda: self._state.state in FINAL, timeout=seconds)

    # --- In the background thread

    def _work(self) -> None:
        try:
            self._check()
            with LINE.join(self, self.visitor) as place:
                self._place = place
                for ref in self._refs:
                    self._fetch(ref)
                known = [spec for lane in self.lanes if (spec := self._models.known(lane.checkpoint))]
                if len(known) == len(self.lanes):
                    self._check_models(known)  # so that an error is reported before waiting for other runs
                self._models.admit(self.lanes)
                self._note_work()
                self._say("queued")
                place.take(self._check)
                self._compute(place)
            self._say("finished")
        except Stopped:
            self._say("stopped", self._remark())
        except (ValueError, CheckpointError) as error:
            self.failure = error
            self._say("error", notices.sentence(error))
        except Exception as error:
            self.failure = error
            log.exception("a run failed")
            self._say("error", notices.unforeseen(error, self.settings.count))

    def _check_models(self, models: Sequence[ModelSpec]) -> None:
        """ValueError for what these models, one for each lane, can't do."""
        arguments(self.lanes, models)

    def _compute(self, place: Place) -> None:
        """Load the models and sample. In the run's turn, so waiting runs do not fill the memory with models."""
        found: dict[str, tuple[Model, LentNetwork]] = {}
        for ref in self._refs:
            self._check()
            if self._models.loaded(ref) is None:
                self._say("loading", f"Loading {short_name(ref)}")
                self.loaded = True
            found[ref] = lend(self._models, ref)
        self._check()
        models = [found[lane.checkpoint][0] for lane in self.lanes]
        self.lanes = resolved(self.lanes, models)
        networks = [network for _, network in found.values()]
        self._sample(models, arguments(self.lanes, models), place, networks)

    @property
    def _refs(self) -> list[str]:
        """The checkpoints of the lanes, each once."""
        return list(dict.fromkeys(lane.checkpoint for lane in self.lanes))

    def _between_steps(self, place: Place, networks: Sequence[LentNetwork]) -> None:
        """End here if the run was stopped or has had its time, and let others have their turns, if this one is over."""
        self._check()
        self._models.limits.check_time(self.computed)
        if not place.must_yield():
            return
        for network in networks:
            network.give_back()
        place.take(self._check)
        if any([network.take() for network in networks]):  # a list: each is taken
            place.loaded()

    def _note_work(self) -> None:
        """Tell the line how much there is to do."""
        left = self._seconds_left(self._done)
        if self._place and left is not None:
            self._place.work, self._place.step = left, left / max(1, self._total - sum(self._done))

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _fetch(self, ref: str) -> None:
        """Download a checkpoint's files if need be. The lock is not held: other runs can compute meanwhile."""
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

    def _sample(
        self, models: list[Model], lanes: list[dict[str, Any]], place: Place, networks: Sequence[LentNetwork]
    ) -> None:
        shared = {name: lanes[0][name] for name in ("seeds", "clip", "guidance")}
        own = [{name: value for name, value in lane.items() if name not in shared} for lane in lanes]
        flop = max(self._models.flop(ref) or 0 for ref in self._refs) if zero.is_here() else 0.0
        steps = zero.side_by_side(models, own, shared, flop, self._notify)
        size, channels = models[0].image_size, models[0].channels
        kept = [kept_steps(lane.steps, size, self.settings.count * len(lanes), channels) for lane in self.lanes]
        self.plan = make_plan(self.lanes, models)
        self.about = [
            {"revision": revision(model), "engine": getattr(model.network, "description", None)} for model in models
        ]
        self._say("running")
        refs = [lane.checkpoint for lane in self.lanes]
        watches = {ref: Stopwatch(PACE, self.lanes[refs.index(ref)], refs.count(ref)) for ref in self._refs}
        before = time.perf_counter()
        for lane, step in steps:
            now = time.perf_counter()
            with self._news:
                self._done[lane] = step.index + 1
                if step.index in kept[lane]:
                    self._steps.append((lane, step))
                    self._news.notify_all()
            watches[refs[lane]].note(now - before)
            self._note_work()
            if step.s == 0:
                self.x_0[lane] = step.x.float().cpu().numpy()
            if step.s > 0 or len(self.x_0) < len(lanes):
                self._between_steps(place, networks)
            before = time.perf_counter()  # others may have computed meanwhile

    def _remark(self) -> str:
        """What the visitor has to know while the run goes on."""
        return CLOSING.sentence or self.notice

    def _notify(self, sentence: str) -> None:
        self.notice = sentence

    def _say(self, state: str, text: str = "", progress: float | None = None, left: float | None = None) -> None:
        with self._news:
            if self._state.state in FINAL or (self._state.state == "stopping" and state not in FINAL):
                return
            if (state, text, progress) != (self._state.state, self._state.text, self._state.progress):
                self._state = Update(state, text, progress, left)
                self._news.notify_all()
