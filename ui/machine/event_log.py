"""What the app does for its visitors, counted and logged: runs, waits, durations, refusals, errors.

Nothing personal is kept: no address, no session, no seed, and of a checkpoint only a name that the page offers.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime

from ui.machine.limits import Refused

log = logging.getLogger("ddpm_lab")

# finished; stopped by its visitor; gone: nobody listened any more; refused: over a limit; wrong: settings or a
# checkpoint that can't be; failed: for a reason that nobody foresaw
OUTCOMES = ("finished", "stopped", "gone", "refused", "wrong", "failed")


class EventLog:
    """How many runs are here, and how the others ended. closing: seconds that they have to finish once the app is
    about to stop, None before. Thread-safe.
    """

    def __init__(self) -> None:
        self.closing: float | None = None
        self._lock = threading.Lock()
        self._here = 0
        self._ended: Counter[str] = Counter()
        self._started = time.monotonic()

    @property
    def here(self) -> int:
        """Runs that compute or wait."""
        return self._here

    def close(self, patience: float) -> None:
        """From here on new runs are refused. patience: seconds that the others have to finish."""
        self.closing = patience

    def read(self) -> dict[str, object]:
        """Return the counts that /health answers with."""
        with self._lock:
            ended = {outcome: self._ended[outcome] for outcome in OUTCOMES}
            status = "ok" if self.closing is None else "stopping"
            return {"status": status, "seconds": round(time.monotonic() - self._started), "here": self._here, **ended}

    def begin(self) -> None:
        """A run comes. Raises Refused where the app is about to stop."""
        with self._lock:
            if self.closing is not None:
                raise Refused("The app is about to stop: try again in a minute", "shutdown_seconds")
            self._here += 1

    def leave(self) -> None:
        """A run that has come is over."""
        with self._lock:
            self._here -= 1

    def end(self, outcome: str, **values: object) -> None:
        """Count how a run has ended, also one that was refused, and log it with these values."""
        with self._lock:
            self._ended[outcome] += 1
        log_event("run", outcome=outcome, **values)


def log_event(event: str, **values: object) -> None:
    """Log an event with its values; those that are None are left out."""
    said = {name: value for name, value in values.items() if value is not None}
    log.info("%s %s", event, said, extra={"event": event, "values": said})


class Lines(logging.Formatter):
    """Each record as one line of JSON: time, level, event or logger and message, and the event's values."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"time": when, "level": record.levelname.lower()}
        event = getattr(record, "event", None)
        if event is None:
            line |= {"event": "message", "logger": record.name, "message": record.getMessage()}
        else:
            line |= {"event": event, **getattr(record, "values", {})}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class Printed(io.TextIOBase):
    """In the place of stderr: what libraries print there becomes warnings, a line each."""

    def __init__(self) -> None:
        self._rest = threading.local()  # what a thread has begun a line with

    def write(self, text: str) -> int:
        *lines, self._rest.text = (getattr(self._rest, "text", "") + text).split("\n")
        for line in filter(str.strip, lines):
            logging.getLogger("stderr").warning("%s", line)
        return len(text)

    def writable(self) -> bool:
        return True


def log_as_json() -> None:
    """Write what is logged to stderr, our events and everybody's warnings, each as one line of JSON, nothing else."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.stderr = Printed()
