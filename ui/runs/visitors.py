"""Identify the visitor of the current request: an open page or a script, and its address."""

from __future__ import annotations

import ipaddress
from contextvars import ContextVar
from typing import NamedTuple


class Visitor(NamedTuple):
    """An open page, or a script, that sends requests."""

    name: str | None
    """the name that the client chose for itself; None outside of requests"""
    address: str | None
    """the address of the request; None if it can't distinguish visitors"""


NOBODY = Visitor(None, None)
_visitor: ContextVar[Visitor] = ContextVar("visitor", default=NOBODY)


def note_visitor(name: str | None, host: str | None) -> Visitor:
    """Store the visitor of the current request, from the client's name and host, and return it."""
    asking = Visitor(name, neighbourhood(host or ""))
    _visitor.set(asking)
    return asking


def visitor() -> Visitor:
    """Return the visitor of the current request."""
    return _visitor.get()


def neighbourhood(host: str) -> str | None:
    """Return the address under which a host counts. For IPv6 this is the first half, because a household usually has a
    whole block. None for an address of this machine: the client is then its own user, or a proxy that does not pass on
    the visitor's address.
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
