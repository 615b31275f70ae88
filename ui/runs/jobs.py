"""Run a computation in a background thread, with its turns, progress and end. Other modules define the computation."""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from ddpm_core.checkpoint.refs import CheckpointError
from ui.forms.fields import sentence
from ui.machine.limits import Refused
from ui.machine.step_times import StepKind, Stopwatch
from ui.machine.turns import Outlook, Seat
from ui.models.borrowed import BorrowedNetwork
from ui.models.loaded import Loading
from ui.protocol import RunMessage, RunStatus
from ui.runs.listeners import NobodyListens
from ui.runs.log import Gone, Message, RunLog, Stopped, Values
from ui.runs.plans import Computation, Plan, Recording, evaluations

if TYPE_CHECKING:
    from ui.models.services import Services

log = logging.getLogger(__name__)


class Job:
    """A computation that runs in its own background thread after `start`. Its `log` contains the messages.

    visitor: the visitor to whom it belongs; None if it shares no turns with other runs. address: the visitor's address.
    patience: seconds for which it continues while nobody reads the log.
    """

    def __init__(
        self,
        computation: Computation,
        services: Services,
        visitor: Hashable = None,
        address: str | None = None,
        patience: float = math.inf,
    ):
        self.id = secrets.token_hex(8)
        self.computation = computation
        self.visitor, self.address = visitor, address
        self.log = RunLog(self.complete, patience)
        self.add_results = self.log.add_results  # sends results to the client
        self.loaded = False  # whether this job had to load a model
        self.plan: Plan | None = None  # None until its models are known
        # `Any`, because each computation uses its own subclass of `Recording`
        self.recording: Any = Recording(None)
        self.about: list[dict[str, str | None]] = []  # for each checkpoint: the revision of its weights, and its engine
        self.notice = ""  # a sentence for the visitor during the run
        self.done: defaultdict[StepKind, float] = defaultdict(float)  # number of finished steps of each kind
        # when the current step began, in seconds of `Turns.clock`; None before the first step
        self.since: float | None = None
        self._services = services
        self._seat: Seat | None = None  # the job's place in the line of `Turns`; None before it joins the line
        self._networks: list[BorrowedNetwork] = []
        self._holds = False  # whether it holds the networks now, during its turn
        self._watches: dict[StepKind, Stopwatch] = {}
        self._begun = threading.Lock()  # held after the start, so that a second start does nothing
        self._counted = threading.Lock()  # held after the end was counted, so that a job counts once
        self._asked = 0.0  # time.monotonic() of the start; 0 before the start, and if the job was refused
        self._began: float | None = None  # time.monotonic() when computing began
        self._gone = False  # whether its client has left

    # --- For the caller

    def start(self) -> None:
        """Start the thread, unless it was started before."""
        if not self._begun.acquire(blocking=False):
            return
        try:
            self._services.events.begin()
        except Refused as refused:
            self._services.events.end("refused", **self.computation.log(self.plan), limit=refused.name)
            return self.log.set_state(Message("error", str(refused)))
        self._asked = time.monotonic()
        # copies the request's context, from which ZeroGPU learns whose quota the run uses
        threading.Thread(target=copy_context().run, args=(self._run,), daemon=True, name="run").start()

    def updates(self) -> Generator[Message, None, None]:
        """Start the job and yield its messages. This method never raises. Closing the iterator stops the job."""
        self.start()
        try:
            yield from self.log.read()
        finally:
            self.leave()

    def messages(self) -> Iterator[RunMessage[object]]:
        """Start the job and yield all its messages for a page, until the last one."""
        self.start()
        for message in self.log.read():
            yield message.of(self.id)

    def stop(self) -> None:
        """Stop as soon as possible: after the current step, or at once if no step is being computed."""
        self.log.stop(self._stopped)
        if self._seat:
            self._seat.wake()
        if self._asked and self.log.ended:
            self._log_end("gone" if self._gone else "stopped")

    def leave(self) -> None:
        """Stop, because the client has left."""
        self._gone |= not self.log.ended
        self.stop()

    def kept(self) -> Values:
        """Return the data from which the page makes files: `about`, and the data of `Recording.kept`. Raises ValueError
        if there is none yet.
        """
        return {"about": self.about, **self.recording.kept()}

    @property
    def goes_on(self) -> bool:
        """Whether the job has started and not ended."""
        return self._begun.locked() and not self.log.ended

    @property
    def failed(self) -> bool:
        """Whether the job has ended with an error before it computed anything."""
        return self.log.state == "error" and not self.computed

    @property
    def stopping(self) -> bool:
        """Whether the job is stopping or has ended."""
        return self.log.stopping

    @property
    def loads(self) -> bool:
        """Whether the job is downloading or loading a model."""
        return self.log.state == "loading"

    @property
    def computed(self) -> float:
        """The seconds that the run has computed, without waiting for turns."""
        return self._seat.seconds() if self._seat else 0.0

    # --- For the computation

    def count(self, kind: StepKind, steps: float = 1, timed: bool = True) -> None:
        """Count the steps since the last call, and give way to other runs if the turn is over. timed: whether the time
        of these steps is typical for the kind.

        Raises Stopped if the job must stop, and Refused if it has used up its time.
        """
        services, seat = self._services, self._seat
        assert seat
        self.done[kind] += steps
        if timed:
            watch = self._watches.setdefault(kind, Stopwatch(services.step_times, kind))
            watch.note(services.turns.clock() - (self.since or 0.0), steps)
        # if no steps are left, the run is finished, and its result counts even after a stop
        if self._note_work(seat) > 1e-6:
            self.log.check()
            services.limits.check_time(seat.seconds())
            if seat.must_yield():
                self._give_back()
                seat.wait_for_turn(self.log.check)
                self._holds = True
                # uses a list, so that any() does not end before all networks are held
                if any([network.hold() for network in self._networks]):
                    seat.extend_turn()
        self.since = services.turns.clock()

    def counter(self, kind: StepKind) -> Callable[[int, int], None]:
        """Return a `progress(done, total)` function for ddpm_core that counts evaluations of single images as steps."""
        before = 0

        def progress(done: int, _total: int) -> None:
            """Count the evaluations since the last call."""
            nonlocal before
            self.count(kind, (done - before) / kind.batch)
            before = done

        return progress

    def notify(self, sentence: str) -> None:
        """Show the visitor a sentence while the job continues."""
        self.notice = sentence

    # --- Messages

    def complete(self, said: Message) -> Message:
        """Return a message with the run's current progress, waiting time and status added. said: the latest state."""
        services, outlook = self._services, self._seat.outlook() if self._seat else None
        if said.state == "queued" and outlook and not outlook.begun:
            return waiting(outlook)
        if said.state != "running" or self.plan is None:
            return said
        left, steps = self.plan.left(services.step_times, self.done), self.plan.steps
        if left is not None and self.since is not None:
            one = left / max(1, sum(self.plan.rest(self.done).values()))
            left -= min(services.turns.clock() - self.since, one)
            left = left if left > 1e-6 else None  # None (unknown) if the step takes longer than expected
        text = self.notice
        status: RunStatus | None = None if self.done else {"kind": "first"}
        if outlook and outlook.sharers:
            left = outlook.end
            status = {"kind": "shared", "others": outlook.sharers}
        if (seconds := services.events.closing) is not None:
            text = ""
            status = {"kind": "closing", "seconds": seconds}
        progress = evaluations({kind: self.done.get(kind, 0) for kind in steps}) / max(evaluations(steps), 1)
        return Message("running", text, status, progress, left)

    @property
    def _stopped(self) -> Message:
        """The last message of a stopped run. If the app is closing, the run is lost, because the next start of the app
        does not know it.
        """
        if self._services.events.closing is None:
            return Message("stopped", self.notice)
        return Message("lost", status={"kind": "closed"})

    # --- The background thread

    def _run(self) -> None:
        """Compute, then count and log the end, then send the last message.

        The exception of a failed run is not kept: its traceback refers to all objects of the run, even models.
        """
        end, outcome, why = Message("finished"), "", {}
        try:
            self._work()
        except Stopped:
            end, outcome = self._stopped, "gone" if self._gone else "stopped"
        except NobodyListens:
            end, outcome = Message("stopped", status={"kind": "unheard"}), "gone"
        except Refused as refused:
            end, outcome, why = Message("error", sentence(refused)), "refused", {"limit": refused.name}
        except (ValueError, CheckpointError) as error:
            end = error.end if isinstance(error, Gone) else Message("error", sentence(error))
            outcome, why = "wrong", {"error": type(error).__name__}
        # this thread must report every error, because the reader of the log waits for an end
        except Exception as error:
            log.exception("a run failed")
            end = Message("error", unforeseen(error, self.computation.images))
            outcome, why = "failed", {"error": type(error).__name__}
        self._log_end(outcome or ("gone" if self._gone else end.state), **why)
        self.log.set_state(end)

    def _log_end(self, outcome: str, **why: str) -> None:
        """Count and log the end, only once: if a run is stopped at once, its thread may end seconds later. why: more
        data for the log.
        """
        if not self._counted.acquire(blocking=False):
            return
        waited = (self._began or time.monotonic()) - self._asked
        times = {"waited_s": round(waited, 2), "computed_s": round(self.computed, 2)}
        self._services.events.end(outcome, **self.computation.log(self.plan), **why, **times)
        self._services.events.leave()

    def _work(self) -> None:
        """Get a place in the line, fetch models, make the plan, wait for a turn, and compute."""
        models, refs = self._services.models, self.computation.refs
        self.log.check()
        with self._services.turns.join(self, self.visitor, self.address) as seat:
            self._seat = seat
            for ref in refs:
                if models.loaded(ref) is None:
                    self._fetch(ref)
            specs = [models.known(ref) for ref in refs]
            self.plan = plan = self.computation.checked_plan([spec for spec in specs if spec])
            self.recording = self.computation.recording(plan)
            self._note_work(seat)
            if any(models.loaded(ref) is None for ref in refs):
                seat.step = math.inf  # the first turn must load a model
            self.log.set_state(Message("queued"))
            seat.wait_for_turn(self.log.check)
            self._compute(plan)

    def _fetch(self, ref: str) -> None:
        """Download a checkpoint's missing files, while others compute."""
        self.log.set_state(loading(ref))
        reports: deque[tuple[float, int]] = deque(maxlen=30)  # (time, bytes) of about the last three seconds

        def progress(done: int, total: int) -> None:
            """Report the downloaded bytes as a message."""
            self.log.check()
            now = self._services.turns.clock()
            reports.append((now, done))
            since, before = reports[0]
            seconds = now - since
            speed = (done - before) / seconds if seconds > 0.5 else None
            if done >= total:
                return self.log.set_state(loading(ref))
            status: RunStatus = {"kind": "download", "ref": ref, "done": done, "total": total, "speed": speed}
            left = (total - done) / speed if speed else None
            self.log.set_state(Message("loading", status=status, progress=done / total, left=left))

        self._services.models.fetch(ref, progress)

    def _compute(self, plan: Plan) -> None:
        """Load the models and compute, during the job's turns, so that waiting jobs don't fill the memory
        with models.
        """
        models, held = [], self._services.models
        self._holds = True
        try:
            for ref in self.computation.refs:
                self.log.check()
                if held.loaded(ref) is None:
                    self.log.set_state(loading(ref))
                    self.loaded = True
                model, network = held.lend(ref)
                models.append(model)
                self._networks.append(network)
                self.about.append({"revision": model.source and model.source.revision, "engine": network.description})
            self.log.check()
            self._began = time.monotonic()
            self.log.set_state(Message("running"))
            self.since = self._services.turns.clock()
            self.computation.compute(plan, models, self)
        finally:
            self._give_back()
        for ref in self.computation.refs:
            with suppress(Refused):  # this run is finished; the next run with this model reports the error
                held.make_room(ref)

    def _give_back(self) -> None:
        """Give back the networks if this job holds them, because the next holder of the turn may use the same
        networks.
        """
        if self._holds:
            self._holds = False
            for network in self._networks:
                network.give_back()

    def _note_work(self, seat: Seat) -> float:
        """Update the work and step time of the seat. Return the number of steps that are left."""
        assert self.plan
        left, steps = self.plan.left(self._services.step_times, self.done), sum(self.plan.rest(self.done).values())
        if left is not None:
            seat.work, seat.step = left, left / max(1, steps)
        return steps


def loading(ref: str) -> Message:
    """Return the message that a checkpoint is being loaded."""
    return Message("loading", status={"kind": "load", "ref": ref})


def waiting(outlook: Outlook) -> Message:
    """Return the message for a run that waits for its first turn."""
    alone, holder = not outlook.before and outlook.sharers == 1, outlook.holder
    if alone and isinstance(holder, Loading):
        return loading(holder.ref)
    if alone and getattr(holder, "stopping", True):
        return Message("queued", status={"kind": "previous"})
    loads = isinstance(holder, Loading) or getattr(holder, "loads", False)
    status: RunStatus = {"kind": "line", "before": outlook.before, "loads": loads, "seconds": outlook.start}
    return Message("queued", status=status)


def unforeseen(error: Exception, images: int) -> str:
    """Return a sentence about an unforeseen error, with advice if memory is short."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate" in str(error):
        what = f"{images} images" if images > 1 else "this model"
        return f"There is not enough memory for {what}: try {'fewer' if images > 1 else 'a smaller one'}"
    return f"The run failed unexpectedly ({type(error).__name__}); the details are in the terminal of the app"
