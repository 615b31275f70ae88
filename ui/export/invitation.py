"""Create the invitation: the URL at which other people can open the page, as text and QR code."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import segno

from ui.protocol import Invitation

MAX_ADDRESS = 500  # maximum characters of the URL; the QR code of a longer URL has too many dots for a phone's camera


@dataclass(frozen=True)
class Served:
    """Where a page is served.

    host, port: the address of the server. here: whether the visitor uses this machine. share: the URL of gradio's
    tunnel, if there is one.
    """

    host: str
    port: int
    here: bool = True
    share: str | None = None


def invitation(page: object, served: Served) -> Invitation:
    """Return {address, code} if others can open the page at some URL, else {why}.

    page: the URL in the visitor's browser. code: the QR code as an SVG data URI. Anybody can call this function, so it
    opens no connection to the host in `page`, and it does not reveal addresses of this machine to strangers.
    """
    try:
        at = _parts(page)
        query = at.query
        if _is(at.hostname, "is_loopback") and served.share:
            at = _parts(served.share)
    except ValueError:
        return {"why": "nowhere"}
    host, port = at.hostname or "", at.port
    if _is(at.hostname, "is_loopback"):
        own = own_address() if _is(served.host, "is_unspecified") and served.here else None
        if own is None:
            return {"why": "alone" if served.here else "nowhere"}
        host, port = own, served.port
    place = f"[{host}]" if ":" in host else host
    address = f"{at.scheme}://{place}{f':{port}' if port else ''}{at.path}"
    if query and len(address) + len(query) < MAX_ADDRESS:
        address += f"?{query}"
    code = segno.make(address, micro=False).svg_data_uri(scale=4, border=2, light="white")
    return {"address": address, "code": code}


def _parts(page: object) -> SplitResult:
    """Split the URL of a page. Raises ValueError for anything else."""
    text = str(page)
    text.encode()  # raises ValueError for half a surrogate pair, which no URL contains
    parts = urlsplit(text)
    _ = parts.port  # raises ValueError if the port is not a number
    too_long = len(text.partition("?")[0].partition("#")[0]) > MAX_ADDRESS
    if too_long or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not of a page")
    return parts


def _is(host: str | None, what: str) -> bool:
    """Return whether a host has a property of IP addresses. what: the property, such as "is_loopback"."""
    try:
        return getattr(ipaddress.ip_address((host or "").strip("[]")), what)
    except ValueError:
        return host == "localhost" and what == "is_loopback"


def own_address() -> str | None:
    """Return this machine's address on its network, or None. This sends nothing: connecting a UDP socket only selects a
    route.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation, which no machine has (RFC 5737)
        except OSError:
            return None
        return probe.getsockname()[0]
