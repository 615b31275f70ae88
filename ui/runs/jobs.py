"""A computation in a background thread, which gives results; the caller polls for them about ten times a second.

A job knows threads, turns, progress and the ways to end, and nothing of what is computed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ddpm_core.checkpoint.refs import CheckpointError
from ui.forms import units
from ui.machine.limits import Refused
from ui.machine.step_times import StepKind, Stopwatch
from ui.machine.turns import Outlook, Seat
from ui.models.catalogue import named, short_name
from ui.models.loaded import Loading, revision
from ui.runs.borrowed import BorrowedNetwork, lend

if TYPE_CHECKING:
    from ddpm_core.model import Model, ModelSpec
    from ui.models.lab import Lab

ENDED = ("stopped", "finished", "error")  # states of a job
INTERVAL = 0.1  # least seconds between two updates: each costs the server and the browser about 15 ms of a core
HEARTBEAT = 0.5  # most seconds between two updates, so that a closed page is noticed in time

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The job was asked to stop."""


class Computation:
    """What a job computes: a request of a part. `prepare` and `compute` are called in the job's thread, in this order.

    refs: the checkpoints that it needs, each once. images: how many are evaluated at once, about. steps: how many it
    takes of each kind, once it is prepared. kinds: of files that can be saved of it. summary: its settings in a line.
    """

    kinds: ClassVar[Sequence[str]] = ()
    summary = ""
    bytes = 0  # of memory, for what can be saved

    def __init__(self, lab: Lab, request: Any, refs: Iterable[str], images: int):
        self.lab, self.request = lab, request
        self.refs, self.images = tuple(refs), images
        self.steps: dict[StepKind, float] = {}
        self.prepared = False

    def resolve(self, models: Sequence[ModelSpec]) -> list[tuple[StepKind, float]]:
        """Resolve what is open, for these models, one for each of refs, whose files are here. Returns how many steps
        it takes of which kind.

        Raises ValueError, one sentence, for what they can't do.
        """
        raise NotImplementedError

    def compute(self, models: Sequence[Model], work: Work) -> None:
        """Compute, and call `work` meanwhile. The models' networks are lent: they may be others' between two calls."""
        raise NotImplementedError

    def about(self) -> dict[str, Any]:
        """What its settings mean, once it is prepared: {python, ...}."""
        return {}

    def shown(self, result: Any) -> dict[str, Any]:
        """A result as the page gets it."""
        return result

    def save(self, kind: str, about: Sequence[Mapping[str, Any]]) -> tuple[str, bytes]:
        """A file: its name and its content. about: see `Job`. Raises ValueError where there is none of this kind."""
        raise ValueError("There is no file of this run")

    def forget(self) -> None:
        """Keep nothing to save."""

    def prepare(self, models: Sequence[ModelSpec]) -> None:
        """`resolve`. Raises Refused, too, for what would cost too much."""
        found: dict[StepKind, float] = {}
        for kind, steps in self.resolve(models):
            if steps:
                found[kind] = found.get(kind, 0) + steps
        self.steps, self.prepared = found, True
        if found:
            steps, images = sum(found.values()), evaluations(found)
            flop = sum(n * kind.batch * self.flop(kind.ref) for kind, n in found.items())
            self.lab.limits.check_run(steps, images / steps, flop / images)

    def flop(self, ref: str) -> float:
        """Of one evaluation for one image, 0 where it is not known."""
        return self.lab.models.flop(ref) or 0.0

    def rest(self, done: Mapping[StepKind, float]) -> dict[StepKind, float]:
        """The steps that are left after so many, by their kinds."""
        return {kind: max(0.0, n - done.get(kind, 0.0)) for kind, n in self.steps.items()}

    def left(self, done: Mapping[StepKind, float]) -> float | None:
        """Seconds of computing after so many steps; None where that is not known."""
        paces = {kind: self.lab.step_times.seconds(kind) for kind in self.steps}
        if not self.prepared or None in paces.values():
            return None
        return sum((paces[kind] or 0) * n for kind, n in self.rest(done).items())

    def log(self) -> dict[str, Any]:
        """What a line of the log says of it, nothing personal."""
        return {
            "checkpoint": named(self.refs[0]) if self.refs else None,
            "sampler": getattr(self.request, "sampler", None),
            "steps": round(sum(self.steps.values())),
            "images": self.images,
        }


def evaluations(steps: Mapping[StepKind, float]) -> float:
    """Of the network on single images."""
    return sum(n * kind.batch for kind, n in steps.items())


@dataclass(frozen=True)
class Update:
    """The state of a job, and its results since the last update.

    state: queued, loading, waiting, running, stopping, or one of ENDED. text: in words, "" for the usual ones.
    progress: 0 to 1. left: seconds.
    """

    state: str
    text: str = ""
    progress: float | None = None
    left: float | None = None
    results: list[Any] = field(default_factory=list)


class Job:
    """`updates` starts it and yields its state; `stop` ends it at the next `count` of its computation.

    visitor: whose it is, who shares the machine with others; None is nobody else's. address: from where they ask.
    """

    def __init__(self, computation: Computation, lab: Lab, visitor: Hashable = None, address: str | None = None):
        self.computation = computation
        self.visitor, self.address = visitor, address
        self.loaded = False  # whether it had to load a model
        self.about: list[dict[str, str | None]] = []  # of each of refs: the weights' revision, the engine
        self.notice = ""  # for the visitor, while it goes on
        self.failure: dict[str, str] = {}  # what is logged of why it ended with an error
        self._lab = lab
        self._seat: Seat | None = None  # in the line
        self._results: deque[Any] = deque()  # not yet in an update
        self.done: defaultdict[StepKind, float] = defaultdict(float)  # steps of each kind
        self._state = Update("queued")
        self._news = threading.Condition()
        self._stop = threading.Event()

    # --- For the caller

    def updates(self) -> Generator[Update, None, None]:
        """Run, and yield the state, INTERVAL to HEARTBEAT seconds apart. Never raises.

        The state of the last update is one of ENDED. Closing the iterator stops the job. The run is counted and logged.
        """
        counts, asked, began, state = self._lab.events, time.monotonic(), None, ""
        try:
            counts.begin()
        except Refused as refused:
            counts.end("refused", **self.computation.log(), limit=refused.name)
            self._say("error", str(refused))
            yield self._state
            return
        try:
            for update in self._updates():
                state = update.state
                began = began or (time.monotonic() if state == "running" else None)
                yield update
        finally:
            self.stop()
            counts.leave()
            ended = {"outcome": state if state in ENDED else "gone"} | (self.failure if state == "error" else {})
            counts.end(
                **self.computation.log(),
                **ended,
                waited_s=round((began or time.monotonic()) - asked, 2),
                computed_s=round(self.computed, 2),
            )

    def _updates(self) -> Iterator[Update]:
        # In the context of the request, from which ZeroGPU takes whose quota a run uses.
        threading.Thread(target=copy_context().run, args=(self._run,), daemon=True, name="run").start()
        said = None
        while True:
            with self._news:
                self._news.wait_for(lambda: self._results or self._state is not said, timeout=HEARTBEAT)  # noqa: B023
                said, results = self._state, list(self._results)
                self._results.clear()
            yield self._update(said, results)
            if said.state in ENDED:
                return
            if results or said.state == "loading":  # other changes are rare, and reported at once
                with self._news:
                    self._news.wait_for(lambda: self._state.state in ENDED, timeout=INTERVAL)

    def stop(self) -> None:
        """Stop as soon as possible: after the current step, or at once when none is being computed."""
        self._stop.set()
        if self._seat:
            self._seat.wake()
        if self._state.state == "running":
            self._say("stopping")
        elif self._state.state != "stopping":
            self._say("stopped", self._remark)

    @property
    def computed(self) -> float:
        """Seconds of its turns so far: not those in which it waited while others had theirs."""
        return self._seat.seconds() if self._seat else 0.0

    @property
    def ended(self) -> bool:
        return self._state.state in ENDED

    @property
    def loads(self) -> bool:
        """Whether it has to have a model before it computes."""
        return self._state.state == "loading"

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def _update(self, said: Update, results: list[Any]) -> Update:
        outlook = self._seat.outlook() if self._seat else None
        if said.state == "queued" and outlook and not outlook.begun:
            said = self._queued(outlook)
        if said.state != "running":
            return Update(said.state, said.text, said.progress, said.left, results)
        left, text = self.computation.left(self.done), "" if self.done else "Running: the first step"
        if outlook and outlook.sharers:
            left, text = outlook.end, f"Running, shared with {outlook.sharers} other{'s' * (outlook.sharers > 1)}"
        steps = self.computation.steps
        progress = evaluations({kind: self.done.get(kind, 0) for kind in steps}) / max(evaluations(steps), 1)
        return Update("running", self._remark or text, progress, left, results)

    def _queued(self, outlook: Outlook) -> Update:
        """What there is to say before the first turn."""
        alone, holder = not outlook.before and outlook.sharers == 1, outlook.holder
        if alone and isinstance(holder, Loading):
            return Update("loading", f"Loading {short_name(holder.ref)}")
        if alone and getattr(holder, "stopping", True):
            return Update("waiting", "Finishing the previous step")
        text = f"Number {outlook.before + 1} in the queue"
        if isinstance(holder, Loading) or getattr(holder, "loads", False):  # nobody knows how long that takes
            text += " · a model is loading"
        elif outlook.start is not None:
            text += f" · starts in {'' if outlook.start < 1 else 'about '}{units.duration(outlook.start)}"
        return Update("queued", text)

    @property
    def _remark(self) -> str:
        """What the visitor has to know while it goes on."""
        return self._lab.events.closing or self.notice

    # --- In the background thread

    def _run(self) -> None:
        try:
            self._check()
            with self._lab.turns.join(self, self.visitor, self.address) as seat:
                self._seat = seat
                for ref in self.computation.refs:
                    self._fetch(ref)
                specs = [self._lab.models.known(ref) for ref in self.computation.refs]
                self.computation.prepare([spec for spec in specs if spec])
                self._note_work()
                self._say("queued")
                seat.take(self._check)
                self._compute(seat)
            self._say("finished")
        except Stopped:
            self._say("stopped", self._remark)
        except (ValueError, CheckpointError) as error:
            self.failure = _logged(error)
            self._say("error", units.sentence(error))
        except Exception as error:
            self.failure = _logged(error)
            log.exception("a run failed")
            self._say("error", unforeseen(error, self.computation.images))

    def _fetch(self, ref: str) -> None:
        """Download a checkpoint's files if need be, while others compute."""
        if self._lab.models.loaded(ref) is not None:
            return
        name = short_name(ref)
        self._say("loading", f"Loading {name}")
        reports: deque[tuple[float, int]] = deque(maxlen=30)  # of about three seconds

        def progress(done: int, total: int) -> None:
            self._check()
            now = self._lab.turns.clock()
            reports.append((now, done))
            since, before = reports[0]
            seconds = now - since
            speed = (done - before) / seconds if seconds > 0.5 else None
            if done >= total:
                self._say("loading", f"Loading {name}")
            else:
                text = f"Downloading {name}: {units.download(done, total, speed)}"
                self._say("loading", text, done / total, (total - done) / speed if speed else None)

        self._lab.models.fetch(ref, progress)

    def _compute(self, seat: Seat) -> None:
        """Load the models and compute. In the job's turn, so waiting jobs do not fill the memory with models."""
        models, networks = [], []
        for ref in self.computation.refs:
            self._check()
            if self._lab.models.loaded(ref) is None:
                self._say("loading", f"Loading {short_name(ref)}")
                self.loaded = True
            model, network = lend(self._lab.models, ref)
            models.append(model)
            networks.append(network)
        self._check()
        self.about = [
            {"revision": revision(model), "engine": getattr(model.network, "description", None)} for model in models
        ]
        self._say("running")
        self.computation.compute(models, Work(self, seat, networks))

    def _note_work(self) -> float:
        """Tell the line how much there is to do. Returns how many steps are left."""
        left = self.computation.left(self.done)
        steps = sum(self.computation.rest(self.done).values())
        if self._seat and left is not None:
            self._seat.work, self._seat.step = left, left / max(1, steps)
        return steps

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _say(self, state: str, text: str = "", progress: float | None = None, left: float | None = None) -> None:
        with self._news:
            if self._state.state in ENDED or (self._state.state == "stopping" and state not in ENDED):
                return
            if (state, text, progress) != (self._state.state, self._state.text, self._state.progress):
                self._state = Update(state, text, progress, left)
                self._news.notify_all()


class Work:
    """What a computation says to its job while it computes."""

    def __init__(self, job: Job, seat: Seat, networks: Sequence[BorrowedNetwork]):
        self._job, self._seat, self._networks = job, seat, networks
        self._watches: dict[StepKind, Stopwatch] = {}
        self._clock = job._lab.turns.clock
        self._since = self._clock()  # when the step under way began

    def give(self, result: Any) -> None:
        """Send a result to the caller, with the next update."""
        with self._job._news:
            self._job._results.append(result)
            self._job._news.notify_all()

    def count(self, kind: StepKind, steps: float = 1, timed: bool = True) -> None:
        """So many have been done since the last call. Others may have their turn now. timed: they tell the pace.

        Raises Stopped when the job was asked to stop, and Refused when it has had its time.
        """
        job = self._job
        job.done[kind] += steps
        if timed:
            watch = self._watches.setdefault(kind, Stopwatch(job._lab.step_times, kind))
            watch.note(self._clock() - self._since, steps)
        if job._note_work() > 1e-6:  # else it is over, and its result counts
            job._check()
            job._lab.limits.check_time(job.computed)
            if self._seat.must_yield():
                for network in self._networks:
                    network.give_back()
                self._seat.take(job._check)
                if any([network.take() for network in self._networks]):  # a list: each is taken
                    self._seat.loaded()
        self._since = self._clock()

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
        self._job.notice = sentence


def _logged(failure: Exception) -> dict[str, str]:
    """What is counted and logged of a job that ended with this error.

    The error itself is not kept: its traceback holds whatever the run had in memory, models too.
    """
    if isinstance(failure, Refused):
        return {"outcome": "refused", "limit": failure.name}
    wrong = isinstance(failure, (ValueError, CheckpointError))
    return {"outcome": "wrong" if wrong else "failed", "error": type(failure).__name__}


def unforeseen(error: Exception, images: int) -> str:
    """An error that does not say itself what was wrong."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate" in str(error):
        what = f"{images} images" if images > 1 else "this model"
        return f"There is not enough memory for {what}: try {'fewer' if images > 1 else 'a smaller one'}"
    return f"The run failed unexpectedly ({type(error).__name__}); the details are in the terminal of the app"
