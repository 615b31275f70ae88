"""Define the states of a run and the allowed transitions.

A run waits for its turn (queued) or for a model (loading), then computes (running). It ends as finished, stopped, error
(refused or failed) or lost (because the app ended). If it is stopped during a step, it is stopping until that step
ends. The page has the same table in web/run/stream.js. A client may not see short states.
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
