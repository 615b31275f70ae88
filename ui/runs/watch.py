"""What the app does for its visitors, counted and logged: runs, waits, durations, refusals, errors.

Nothing personal is kept: no address, no session, no seed, and of a checkpoint only a name that the page offers.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from ddpm_core.checkpoint.refs import CheckpointError
from ui.runs.closing import CLOSING
from ui.runs.job import Job
from ui.runs.limits import Refused
from ui.runs.offered import named
from ui.runs.updates import FINAL, Update

log = logging.getLogger("ddpm_lab")


class Counts:
    """How many runs are here, and how the others ended. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._here = 0
        self._ended: Counter[str] = Counter()
        self._started = time.monotonic()

    @property
    def here(self) -> int:
        """Runs that compute or wait."""
        return self._here

    def enter(self) -> None:
        """Count a run. Raises Refused where the app is about to stop."""
        with self._lock:
            if CLOSING.sentence:
                raise Refused("The app is about to stop: try again in a minute", "shutdown_seconds")
            self._here += 1

    def leave(self) -> None:
        with self._lock:
            self._here -= 1

    def ended(self, outcome: str) -> None:
        with self._lock:
            self._ended[outcome] += 1

    def read(self) -> dict[str, Any]:
        """What /health says."""
        with self._lock:
            ended = {outcome: self._ended[outcome] for outcome in OUTCOMES}
            status = "stopping" if CLOSING.sentence else "ok"
            return {"status": status, "seconds": round(time.monotonic() - self._started), "here": self._here} | ended


# finished; stopped by its visitor; gone: nobody listened any more; refused: over a limit; wrong: settings or a
# checkpoint that can't be; failed: for a reason that nobody foresaw
OUTCOMES = ("finished", "stopped", "gone", "refused", "wrong", "failed")

COUNTS = Counts()


def watched(job: Job) -> Iterator[Update]:
    """The updates of a run, which is counted, and logged when it ends."""
    asked = time.monotonic()
    try:
        COUNTS.enter()
    except Refused as refused:
        COUNTS.ended("refused")
        _log_run(job, "refused", limit=refused.name)
        yield Update("error", str(refused))
        return
    state, first_step = "", None
    try:
        for update in job.updates():
            state = update.state
            if state == "running" and first_step is None:
                first_step = time.monotonic()
            yield update
    finally:
        job.stop()  # where nobody listens any more
        COUNTS.leave()
        outcome = _outcome(state, job.failure)
        COUNTS.ended(outcome)
        failure = job.failure if outcome in ("refused", "wrong", "failed") else None
        limit = getattr(failure, "name", None) if outcome == "refused" else None
        error = type(failure).__name__ if outcome in ("wrong", "failed") else None
        waited = (first_step or time.monotonic()) - asked
        _log_run(job, outcome, waited, job.computed, limit, error)


def _outcome(state: str, failure: Exception | None) -> str:
    if state not in FINAL:
        return "gone"
    if state != "error":
        return state
    if isinstance(failure, Refused):
        return "refused"
    return "wrong" if isinstance(failure, (ValueError, CheckpointError)) else "failed"


def _log_run(
    job: Job,
    outcome: str,
    waited: float = 0.0,
    computed: float = 0.0,
    limit: str | None = None,
    error: str | None = None,
) -> None:
    first = job.settings
    note(
        "run",
        outcome=outcome,
        checkpoint=named(first.checkpoint),
        sampler=first.sampler,
        steps=sum(lane.steps for lane in job.lanes),
        images=first.count,
        lanes=len(job.lanes),
        waited_s=round(waited, 2),
        computed_s=round(computed, 2),
        limit=limit,
        error=error,
    )


def note(event: str, **values: Any) -> None:
    """Log an event with its values; those that are None are left out."""
    said = {name: value for name, value in values.items() if value is not None}
    log.info("%s %s", event, said, extra={"event": event, "values": said})


class Lines(logging.Formatter):
    """Each record as one line of JSON: time, level, event or logger and message, and the event's values."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": when, "level": record.levelname.lower()}
        event = getattr(record, "event", None)
        if event is None:
            line |= {"event": "message", "logger": record.name, "message": record.getMessage()}
        else:
            line |= {"event": event, **getattr(record, "values", {})}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_as_json() -> None:
    """Write what is logged to stderr, our events and everybody's warnings, each as one line of JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log.setLevel(logging.INFO)
