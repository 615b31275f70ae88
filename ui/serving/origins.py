"""Decide which web pages may send requests: only those that this app serves.

A foreign page can't read the app's responses, but its requests would be executed, for example to start a training or to
find out whether a folder exists. By DNS rebinding, where the foreign site's name leads to this machine, that page could
also read the responses, because the browser then treats both as one site. Browsers send the page's origin (Origin) and
the name of the server (Host). Scripts send no Origin.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request

from ui.machine.limits import Refused

USUAL = {"http": 80, "https": 443}


class Foreign(Refused):
    """A request of another site, or of a page under an unknown name."""


FOREIGN = Foreign("Only the app's own page may ask this, and scripts: this request comes from another site", "origin")


class Origins:
    """The names and addresses of this app.

    any_host: whether any host name is allowed, because strangers may open the page. frames: the sites whose pages may
    embed this page.
    """

    def __init__(self, any_host: bool):
        self.any_host = any_host
        self.frames: list[str] = []
        self._names: set[str] = {"localhost"}  # names of this machine
        self._pages: set[tuple[str, int | None]] = set()  # names and ports of proxies in front of the app

    def serve(self, *addresses: str | None) -> None:
        """Allow addresses of the page: names of this machine, or whole URLs (https://…). Paths are ignored."""
        for address in filter(None, addresses):
            if "://" in address:
                host, port = _split(address)
                self._pages.add((host, port))
                self._names.add(host)
            elif not address.startswith("/"):
                self._names.add(address.lower().strip("[]"))

    def serve_this_machine(self) -> None:
        """Allow the names of this machine, and on a Space the names of the Space."""
        name = socket.gethostname().lower()
        self.serve(name, name.partition(".")[0] + ".local")
        self.serve(*(f"https://{host.strip()}" for host in os.environ.get("SPACE_HOST", "").split(",") if host))

    def allow_frames(self, *sites: str) -> None:
        """Allow pages of these sites to embed this page. Raises ValueError for anything but an origin."""
        for site in sites:
            if not re.fullmatch(r"https?://[\w.-]+(:\d{1,5})?", site):
                raise ValueError(f"--embed takes an origin such as https://blog.example, not {site!r}")
        self.frames += sites

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise Foreign if a page of another website sent this request."""
        host = headers.get(b"host", b"").decode("latin-1")
        name, port = _split(f"//{host}")
        if not self.any_host and name not in self._names and not self._is_own(name):
            advice = f"if it is meant to be, start the app with --root-path https://{name}, its whole address there"
            raise Foreign(f"This page is not served as {name or 'a page without a name'}: {advice}", "host")
        origin = headers.get(b"origin")
        if origin is None:
            embeds = headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site")
            if embeds and headers.get(b"sec-fetch-mode") != b"navigate" and not self.any_host:
                raise FOREIGN  # the page of another site embeds a file of the app
            return
        page = _split(origin.decode("latin-1"))
        # A foreign page can't set X-Forwarded-Host: the browser would first request the app's permission, which it
        # would not get.
        near = {(name, port), *self._pages}
        if forwarded := headers.get(b"x-forwarded-host"):
            near.add(_split(f"//{_first(forwarded.decode('latin-1'))}"))
        # A browser leaves out the scheme's usual port.
        if page[0] and any(page[0] == host and page[1] in ((port,) if port else USUAL.values()) for host, port in near):
            return
        raise FOREIGN

    def _is_own(self, name: str) -> bool:
        """Return whether no foreign site can use the name for DNS rebinding: nobody can redirect a numeric address, or
        register a name without a dot or a name under .localhost.
        """
        if name.endswith(".localhost") or (name and "." not in name):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _split(address: str) -> tuple[str, int | None]:
    """Return the host of an address ("" if there is none) and its port (the scheme's usual port if the address names no
    port; None if unknown).
    """
    try:
        parts = urlsplit(address)
        return (parts.hostname or "").rstrip("."), parts.port or USUAL.get(parts.scheme)
    except ValueError:
        return "", None


def page_address(request: Request, root_path: str) -> str:
    """Return the URL of the page as the visitor sees it, without a slash at the end. Proxies pass it on in headers."""
    if "://" in root_path:
        return root_path.rstrip("/")
    host, scheme = (_first(request.headers.get(f"x-forwarded-{name}", "")) for name in ("host", "proto"))
    secure = "https" in (scheme, request.url.scheme)
    return f"{'https' if secure else 'http'}://{host or request.url.netloc}{root_path}".rstrip("/")


def _first(header: str) -> str:
    """Return the first value of a header to which several proxies added values."""
    return header.partition(",")[0].strip()
