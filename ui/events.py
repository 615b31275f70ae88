"""Options that gradio's events share, and who listens to one."""

from __future__ import annotations

from typing import Any

from gradio.context import LocalContext

from ui.runs.listeners import StreamListener

NETWORK: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": None}  # line.LINE limits and orders them
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# Past the queue, with the values as they are in the page, so that our sentence says what is wrong, not gradio's.
QUICK: dict[str, Any] = {**QUIET, "queue": False, "preprocess": False}


def listener() -> StreamListener:
    """Whoever listens to the event under way. To be called in the event's own function."""
    return StreamListener(LocalContext.event_id.get(None), visitor())


def address() -> str | None:
    """Where the request under way comes from, also one past gradio's events, which names no page."""
    request = LocalContext.request.get(None)
    return request.client.host if request and request.client else None


def visitor() -> str | None:
    """Who caused the event under way: an open page, or a script's client. To be called as `listener` is."""
    request = LocalContext.request.get(None)
    return request and request.session_hash
