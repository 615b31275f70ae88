"""The page's address for the people in the room, as text and as a QR code."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

MAX_ADDRESS = 500  # characters; a longer one makes a code that no phone reads off a wall


def invitation(page: str) -> dict:
    """{address, code}, where others reach the page; or {why}, a sentence, where they don't.

    page: the address that the asking browser has. code: the QR code, an SVG as data-URI. Anybody can call this.
    """
    parts = urlsplit(str(page)) if len(str(page)) <= MAX_ADDRESS else urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return {"why": "This page has no address that others could open"}
    address = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if _is_loopback(parts.hostname):
        host, port = _own_address(), parts.port or (443 if parts.scheme == "https" else 80)
        if host is None or not _answers(host, port):
            return {"why": "Only this machine reaches the page: start the app with --host 0.0.0.0 to let the room in"}
        address = f"{parts.scheme}://{host}:{port}{parts.path}"
    import segno

    code = segno.make(address, micro=False).svg_data_uri(scale=4, border=2, light="white")
    return {"address": address, "code": code}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _own_address() -> str | None:
    """This machine's on its network. Nothing is sent: connecting a datagram socket only chooses a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address of nobody, RFC 5737
        except OSError:
            return None
        return probe.getsockname()[0]


def _answers(host: str, port: int) -> bool:
    """Whether the page is served there, and not to this machine alone."""
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False
