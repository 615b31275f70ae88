"""The states of a run, and which may follow which.

A run waits for its turn (queued) or for a model (loading), computes (running), and ends: finished, stopped, refused or
failed (error), or lost with the app. A run that is stopped in the middle of a step ends after that step (stopping). The
page has the same table in web/run/stream.js. Listeners may miss short states.
"""

from __future__ import annotations

from ui.protocol import State

NEXT: dict[State, tuple[State, ...]] = {
    "queued": ("queued", "loading", "running", "stopping", "stopped", "error", "lost"),
    "loading": ("queued", "loading", "running", "stopping", "stopped", "error", "lost"),
    "running": ("running", "stopping", "finished", "stopped", "error", "lost"),
    "stopping": ("stopping", "finished", "stopped", "error", "lost"),
    "finished": (),
    "stopped": (),
    "error": (),
    "lost": (),
}
ENDED = tuple(state for state, following in NEXT.items() if not following)
