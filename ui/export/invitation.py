"""The page's address for the people in the room, as text and QR code."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import segno

from ui.protocol import Invitation

MAX_ADDRESS = 500  # characters; no phone can read a longer one as a code on a wall


@dataclass(frozen=True)
class Served:
    """How a page is served. host, port: where the server listens; here: whether a browser of this machine asks; share:
    the address of gradio's tunnel, if there is one."""

    host: str
    port: int
    here: bool = True
    share: str | None = None


def invitation(page: object, served: Served) -> Invitation:
    """{address, code} where others can reach the page as it is now, else {why}.

    page: its address in the browser that asks. code: the QR code, an SVG as data-URI. Anybody can call this, so it
    looks at nothing that `page` names, and tells strangers nothing of this machine.
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
    """Those of a page's address. Raises ValueError for anything else."""
    text = str(page)
    text.encode()  # half a surrogate pair is in no address
    parts = urlsplit(text)
    _ = parts.port  # raises ValueError for what is none
    too_long = len(text.partition("?")[0].partition("#")[0]) > MAX_ADDRESS
    if too_long or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not of a page")
    return parts


def _is(host: str | None, what: str) -> bool:
    """what: a property of IP addresses, such as is_loopback."""
    try:
        return getattr(ipaddress.ip_address((host or "").strip("[]")), what)
    except ValueError:
        return host == "localhost" and what == "is_loopback"


def own_address() -> str | None:
    """This machine's address on its network. Nothing is sent: connecting a datagram socket only chooses a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nobody has this address: RFC 5737
        except OSError:
            return None
        return probe.getsockname()[0]
