"""A computation in a thread of its own: its turns, its progress and how it ends, but nothing of what is computed."""

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
    """A computation in a background thread of its own, from `start` on; its `log` has the messages.

    visitor: whose it is, who shares the machine with others; None is nobody else's. address: from where they ask.
    patience: seconds that it goes on while nobody reads the log.
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
        self.give = self.log.give  # the computation calls it to send results to the listeners
        self.loaded = False  # whether it had to load a model
        self.plan: Plan | None = None  # None until its models are known
        # Its computation names the class, and only the computation reads more than `Recording` declares.
        self.recording: Any = Recording(None)
        self.about: list[dict[str, str | None]] = []  # for each of refs, the revision of its weights and its engine
        self.notice = ""  # a sentence for the visitor while the run goes on
        self.done: defaultdict[StepKind, float] = defaultdict(float)  # the steps done, for each kind
        self.since: float | None = None  # when the step under way began, by the clock of the turns
        self._services = services
        self._seat: Seat | None = None  # in the line
        self._networks: list[BorrowedNetwork] = []
        self._holds = False  # whether it holds them: in its turns
        self._watches: dict[StepKind, Stopwatch] = {}
        self._begun = threading.Lock()  # held from the start on
        self._counted = threading.Lock()  # held once its end is counted
        self._asked = 0.0  # when it was started, as time.monotonic(); 0 before, and where it was refused
        self._began: float | None = None  # to compute
        self._gone = False  # whoever it was for has left

    # --- For the caller

    def start(self) -> None:
        """Begin, unless it has begun."""
        if not self._begun.acquire(blocking=False):
            return
        try:
            self._services.events.begin()
        except Refused as refused:
            self._services.events.end("refused", **self.computation.log(self.plan), limit=refused.name)
            return self.log.say(Message("error", str(refused)))
        self._asked = time.monotonic()
        # In the context of the request, from which ZeroGPU takes whose quota a run uses.
        threading.Thread(target=copy_context().run, args=(self._run,), daemon=True, name="run").start()

    def updates(self) -> Generator[Message, None, None]:
        """Start, and read the log. Never raises. Closing the iterator stops the job."""
        self.start()
        try:
            yield from self.log.read()
        finally:
            self.leave()

    def messages(self) -> Iterator[RunMessage[object]]:
        """Start, and return all messages for a page, also those to come; the state of the last one is final."""
        self.start()
        for message in self.log.read():
            yield message.of(self.id)

    def stop(self) -> None:
        """Stop as soon as possible: after the current step, or at once when none is being computed."""
        self.log.stop(self._stopped)
        if self._seat:
            self._seat.wake()
        if self._asked and self.log.ended:
            self._count("gone" if self._gone else "stopped")

    def leave(self) -> None:
        """Stop, as nobody is there any more who wants to know."""
        self._gone |= not self.log.ended
        self.stop()

    def kept(self) -> Values:
        """Return what files are made of: `about`, and `Recording.kept`, which raises ValueError before there is any."""
        return {"about": self.about, **self.recording.kept()}

    @property
    def goes_on(self) -> bool:
        return self._begun.locked() and not self.log.ended

    @property
    def failed(self) -> bool:
        """Whether it has ended without computing anything."""
        return self.log.state == "error" and not self.computed

    @property
    def stopping(self) -> bool:
        return self.log.stopping

    @property
    def loads(self) -> bool:
        """Whether it has to have a model before it computes."""
        return self.log.state == "loading"

    @property
    def computed(self) -> float:
        """Return the seconds that the run has computed. Waiting for the turns of other runs does not count."""
        return self._seat.seconds() if self._seat else 0.0

    # --- What the computation of the run calls

    def count(self, kind: StepKind, steps: float = 1, timed: bool = True) -> None:
        """Count the steps since the last call, and let other runs have their turn. timed: these steps tell the pace.

        Raises Stopped when the job was asked to stop, and Refused when it has had its time.
        """
        services, seat = self._services, self._seat
        assert seat
        self.done[kind] += steps
        if timed:
            watch = self._watches.setdefault(kind, Stopwatch(services.step_times, kind))
            watch.note(services.turns.clock() - (self.since or 0.0), steps)
        if self._note_work(seat) > 1e-6:  # else it is over, and its result counts
            self.log.check()
            services.limits.check_time(seat.seconds())
            if seat.must_yield():
                self._give_back()
                seat.wait_for_turn(self.log.check)
                self._holds = True
                if any([network.hold() for network in self._networks]):  # a list: each is held
                    seat.loaded()
        self.since = services.turns.clock()

    def counter(self, kind: StepKind) -> Callable[[int, int], None]:
        """A `progress(done, total)` of ddpm_core, of evaluations on single images, that counts."""
        before = 0

        def progress(done: int, _total: int) -> None:
            nonlocal before
            self.count(kind, (done - before) / kind.batch)
            before = done

        return progress

    def notify(self, sentence: str) -> None:
        """Tell the visitor something while the job goes on."""
        self.notice = sentence

    # --- What its messages say

    def complete(self, said: Message) -> Message:
        """What was said last, with what is known now."""
        services, outlook = self._services, self._seat.outlook() if self._seat else None
        if said.state == "queued" and outlook and not outlook.begun:
            return waiting(outlook)
        if said.state != "running" or self.plan is None:
            return said
        left, steps = self.plan.left(services.step_times, self.done), self.plan.steps
        if left is not None and self.since is not None:
            one = left / max(1, sum(self.plan.rest(self.done).values()))
            left -= min(services.turns.clock() - self.since, one)
            left = left if left > 1e-6 else None  # as in a last step that takes longer than the others
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
        """The end of a run that was asked to stop. The next start of the app does not know this one's runs."""
        if self._services.events.closing is None:
            return Message("stopped", self.notice)
        return Message("lost", status={"kind": "closed"})

    # --- In the background thread

    def _run(self) -> None:
        """Compute, and count and log how that ended before it is said.

        The error of one that failed is not kept: its traceback holds whatever the run had in memory, models too.
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
        except Exception as error:  # nobody else sees what fails in this thread, and the listener waits for an end
            log.exception("a run failed")
            end = Message("error", unforeseen(error, self.computation.images))
            outcome, why = "failed", {"error": type(error).__name__}
        self._count(outcome or ("gone" if self._gone else end.state), **why)
        self.log.say(end)

    def _count(self, outcome: str, **why: str) -> None:
        """Count and log how it has ended, once: where it was stopped at once its thread may take seconds to end."""
        if not self._counted.acquire(blocking=False):
            return
        waited = (self._began or time.monotonic()) - self._asked
        times = {"waited_s": round(waited, 2), "computed_s": round(self.computed, 2)}
        self._services.events.end(outcome, **self.computation.log(self.plan), **why, **times)
        self._services.events.leave()

    def _work(self) -> None:
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
                seat.step = math.inf  # its first turn has to load a model
            self.log.say(Message("queued"))
            seat.wait_for_turn(self.log.check)
            self._compute(plan)

    def _fetch(self, ref: str) -> None:
        """Download a checkpoint's files if need be, while others compute."""
        self.log.say(loading(ref))
        reports: deque[tuple[float, int]] = deque(maxlen=30)  # reports of about the last three seconds

        def progress(done: int, total: int) -> None:
            self.log.check()
            now = self._services.turns.clock()
            reports.append((now, done))
            since, before = reports[0]
            seconds = now - since
            speed = (done - before) / seconds if seconds > 0.5 else None
            if done >= total:
                return self.log.say(loading(ref))
            status: RunStatus = {"kind": "download", "ref": ref, "done": done, "total": total, "speed": speed}
            left = (total - done) / speed if speed else None
            self.log.say(Message("loading", status=status, progress=done / total, left=left))

        self._services.models.fetch(ref, progress)

    def _compute(self, plan: Plan) -> None:
        """Load the models and compute. In the job's turn, so waiting jobs do not fill the memory with models."""
        models, held = [], self._services.models
        self._holds = True
        try:
            for ref in self.computation.refs:
                self.log.check()
                if held.loaded(ref) is None:
                    self.log.say(loading(ref))
                    self.loaded = True
                model, network = held.lend(ref)
                models.append(model)
                self._networks.append(network)
                self.about.append({"revision": model.source and model.source.revision, "engine": network.description})
            self.log.check()
            self._began = time.monotonic()
            self.log.say(Message("running"))
            self.since = self._services.turns.clock()
            self.computation.compute(plan, models, self)
        finally:
            self._give_back()
        for ref in self.computation.refs:
            with suppress(Refused):  # the run is done; the next one that needs this model says so
                held.make_room(ref)

    def _give_back(self) -> None:
        """Let go of the networks, if it holds them: whoever has the turn now may hold the same ones."""
        if self._holds:
            self._holds = False
            for network in self._networks:
                network.give_back()

    def _note_work(self, seat: Seat) -> float:
        """Tell the line how much there is to do. Returns how many steps are left."""
        assert self.plan
        left, steps = self.plan.left(self._services.step_times, self.done), sum(self.plan.rest(self.done).values())
        if left is not None:
            seat.work, seat.step = left, left / max(1, steps)
        return steps


def loading(ref: str) -> Message:
    """What there is to say while a checkpoint is loaded."""
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
    """An error that does not say itself what was wrong."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate" in str(error):
        what = f"{images} images" if images > 1 else "this model"
        return f"There is not enough memory for {what}: try {'fewer' if images > 1 else 'a smaller one'}"
    return f"The run failed unexpectedly ({type(error).__name__}); the details are in the terminal of the app"
