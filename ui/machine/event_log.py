"""Count and log runs: their waiting times, durations, refusals and errors.

Nothing personal is stored: no address, no session, no seed. A checkpoint is named only if the page offers it.
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

# How a run can end. stopped: its visitor stopped it. gone: nobody read its messages. refused: it exceeded a limit.
# wrong: its settings or checkpoint are invalid. failed: an unforeseen error.
OUTCOMES = ("finished", "stopped", "gone", "refused", "wrong", "failed")


class EventLog:
    """Counts the current runs, and the ended runs by their outcome. Thread-safe.

    closing: seconds that runs have to finish because the app is about to stop; None before that.
    """

    def __init__(self) -> None:
        self.closing: float | None = None
        self._lock = threading.Lock()
        self._here = 0
        self._ended: Counter[str] = Counter()
        self._started = time.monotonic()

    @property
    def here(self) -> int:
        """The number of runs that compute or wait."""
        return self._here

    def close(self, patience: float) -> None:
        """Refuse new runs from now on. patience: seconds that current runs have to finish."""
        self.closing = patience

    def read(self) -> dict[str, object]:
        """Return the numbers of current and ended runs, as /health sends them."""
        with self._lock:
            ended = {outcome: self._ended[outcome] for outcome in OUTCOMES}
            status = "ok" if self.closing is None else "stopping"
            return {"status": status, "seconds": round(time.monotonic() - self._started), "here": self._here, **ended}

    def begin(self) -> None:
        """Add a run to the number of current runs. Raises Refused if the app is about to stop."""
        with self._lock:
            if self.closing is not None:
                raise Refused("The app is about to stop: try again in a minute", "shutdown_seconds")
            self._here += 1

    def leave(self) -> None:
        """Subtract a run from the number of current runs."""
        with self._lock:
            self._here -= 1

    def end(self, outcome: str, **values: object) -> None:
        """Count and log how a run has ended. Refused runs count, too. values: more data for the log."""
        with self._lock:
            self._ended[outcome] += 1
        log_event("run", outcome=outcome, **values)


def log_event(event: str, **values: object) -> None:
    """Log an event. Values that are None are left out."""
    said = {name: value for name, value in values.items() if value is not None}
    log.info("%s %s", event, said, extra={"event": event, "values": said})


class Lines(logging.Formatter):
    """Formats a log record as one line of JSON: the time, the level, and either the event with its values or the logger
    with its message.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
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
    """Replaces stderr and logs each line that a library prints there as a warning."""

    def __init__(self) -> None:
        self._rest = threading.local()  # the unfinished line of each thread

    def write(self, text: str) -> int:
        """Log each complete line of the text as a warning. Return the number of characters."""
        *lines, self._rest.text = (getattr(self._rest, "text", "") + text).split("\n")
        for line in filter(str.strip, lines):
            logging.getLogger("stderr").warning("%s", line)
        return len(text)

    def writable(self) -> bool:
        """Return True: libraries may write here."""
        return True


def log_as_json() -> None:
    """Write all events and warnings to stderr, each as one line of JSON, and nothing else."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.stderr = Printed()
