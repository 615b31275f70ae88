"""The visitor of the current request: an open page or a script, and its address."""

from __future__ import annotations

import ipaddress
from contextvars import ContextVar

_asks: ContextVar[tuple[str | None, str | None]] = ContextVar("asks", default=(None, None))


def asks(name: str | None, host: str | None) -> None:
    """Note the visitor of this request: the name that the page or script gives itself, and its host."""
    _asks.set((name, neighbourhood(host or "")))


def visitor() -> str | None:
    """Return the name that the page or script gives itself; None outside of requests."""
    return _asks.get()[0]


def address() -> str | None:
    """Return the address of the request; None if it does not tell visitors apart."""
    return _asks.get()[1]


def neighbourhood(host: str) -> str | None:
    """Return what counts as one address. Of an IPv6 address that is the first half, as every household has a whole
    block. None for this machine's own address: its user, or a proxy that does not say for whom it asks, has it.
    """
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host or None
    if ip.version == 6:
        ip = ip.ipv4_mapped or ip
    if ip.is_loopback:
        return None
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((int(ip) >> 64 << 64, 64)))
