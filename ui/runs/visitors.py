"""Who causes the event of gradio that is under way. To be called in the event's own function."""

from __future__ import annotations

import ipaddress

from gradio.context import LocalContext

from ui.runs.listeners import StreamListener, Streams
from ui.runs.pages import Number


def visitor() -> str | None:
    """An open page, or a script's client, as it calls itself; None outside of events.

    Each run of a page is a session of gradio's, PAGE.LOAD.NUMBER: streams of one session take each other's messages,
    and one that closes ends them all.
    """
    session = _session()
    return session and session.partition(".")[0]


def run_number() -> Number | None:
    """Which run of its page it is, as the page counts; None where it does not say so."""
    _, load, number = [*(_session() or "").split("."), "", ""][:3]
    return (load, int(number)) if number.isdecimal() and len(number) < 16 else None


def address() -> str | None:
    """Where the request comes from, also where it names no page."""
    request = LocalContext.request.get(None)
    return neighbourhood(request.client.host) if request and request.client else None


def far_address() -> str | None:
    """`address` where it tells visitors apart, else None."""
    found = address()
    return None if is_here(found) else found


def neighbourhood(address: str) -> str:
    """What counts as one address: of version 6 the first half, as every household has so many of the other."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4 or found.is_loopback:
        return address
    mapped = found.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))


def is_here(address: str | None) -> bool:
    """Whether an address is this machine's own: its user's, or that of a proxy which does not say for whom it asks."""
    try:
        return not address or ipaddress.ip_network(address).is_loopback
    except ValueError:
        return False


def listener(streams: Streams) -> StreamListener:
    """Whoever listens to the event."""
    return StreamListener(streams, LocalContext.event_id.get(None), _session())


def _session() -> str | None:
    request = LocalContext.request.get(None)
    return request and request.session_hash
