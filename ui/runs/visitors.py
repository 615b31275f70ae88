"""Who causes the event of gradio that is under way. To be called in the event's own function."""

from __future__ import annotations

from gradio.context import LocalContext

from ui.runs.listeners import StreamListener, Streams


def visitor() -> str | None:
    """An open page, or a script's client; None outside of events.

    Each run of a page is a session of gradio's, PAGE.NUMBER: streams of one session take each other's messages, and one
    that closes ends them all.
    """
    session = _session()
    return session and session.partition(".")[0]


def address() -> str | None:
    """Where the request comes from, also where it names no page."""
    request = LocalContext.request.get(None)
    return request.client.host if request and request.client else None


def listener(streams: Streams) -> StreamListener:
    """Whoever listens to the event."""
    return StreamListener(streams, LocalContext.event_id.get(None), _session())


def _session() -> str | None:
    request = LocalContext.request.get(None)
    return request and request.session_hash
