"""The visitor of the current request: an open page or a script, and its address."""

from __future__ import annotations

import ipaddress
from contextvars import ContextVar
from typing import NamedTuple


class Visitor(NamedTuple):
    """An open page or a script that asks."""

    name: str | None
    """the name that it gives itself; None outside of requests"""
    address: str | None
    """the address of the request; None if it does not tell visitors apart"""


NOBODY = Visitor(None, None)
_visitor: ContextVar[Visitor] = ContextVar("visitor", default=NOBODY)


def asks(name: str | None, host: str | None) -> Visitor:
    """Note the visitor of this request, by the name and the host, and return it."""
    asking = Visitor(name, neighbourhood(host or ""))
    _visitor.set(asking)
    return asking


def visitor() -> Visitor:
    """Return the visitor of this request."""
    return _visitor.get()


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
