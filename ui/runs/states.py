"""The life of a run: its states, and which follows which.

It waits (queued), also for a model (loading), computes (running), and ends: finished, stopped, refused or failed
(error), or lost with the app. A run that is stopped in the middle of a step ends after it (stopping). The page has the
same table in web/run/stream.js. Listeners may miss states that are short.
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
