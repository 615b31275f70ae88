"""Options that gradio's events share, and who listens to one."""

from __future__ import annotations

from typing import Any

from gradio.context import LocalContext

from ui.runs.listeners import RUNS, StreamListener

NETWORK: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": RUNS}  # line.LINE makes it one at a time
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# Past the queue, with the values as they are in the page, so that our sentence says what is wrong, not gradio's.
QUICK: dict[str, Any] = {**QUIET, "queue": False, "preprocess": False}


def listener() -> StreamListener:
    """Whoever listens to the event under way. To be called in the event's own function."""
    request = LocalContext.request.get(None)
    return StreamListener(LocalContext.event_id.get(None), request and request.session_hash)
