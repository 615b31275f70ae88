"""Who asks: an open page or a script, and from where."""

from __future__ import annotations

import ipaddress
from contextvars import ContextVar

_asks: ContextVar[tuple[str | None, str | None]] = ContextVar("asks", default=(None, None))


def asks(name: str | None, host: str | None) -> None:
    """From here on, in this request, these are the visitor, as they call themselves, and where they are."""
    _asks.set((name, neighbourhood(host or "")))


def visitor() -> str | None:
    """An open page, or a script's client, as it calls itself; None outside of requests."""
    return _asks.get()[0]


def address() -> str | None:
    """Where the request comes from; None where that tells no visitors apart."""
    return _asks.get()[1]


def neighbourhood(host: str) -> str | None:
    """What counts as one address: of version 6 the first half, as every household has so many of the other. None for
    this machine's own: its user's, or that of a proxy which does not say for whom it asks.
    """
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host or None
    if found.version == 6:
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return None
    return str(found) if found.version == 4 else str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
