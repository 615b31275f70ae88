"""Who asks: an open page or a script, and from where."""

from __future__ import annotations

import ipaddress
from contextvars import ContextVar

_asks: ContextVar[tuple[str | None, str | None]] = ContextVar("asks", default=(None, None))


def asks(name: str | None, host: str | None) -> None:
    """From here on, in this request, these are the visitor, as they call themselves, and the address."""
    _asks.set((name, neighbourhood(host) if host else None))


def visitor() -> str | None:
    """An open page, or a script's client, as it calls itself; None outside of requests."""
    return _asks.get()[0]


def address() -> str | None:
    """Where the request comes from, also where it names no page."""
    return _asks.get()[1]


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
