"""Start DDPM Lab in the browser: `python app.py`."""

from __future__ import annotations

# This import must come first: it exits with a clear message if this version of Python is too old.
import ddpm_core.python_versions  # noqa: F401

# isort: split

import atexit
import gc
import ipaddress
import os
import signal
import socket
import sys
import time
import webbrowser
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ddpm_core.commands.reading import Unset, read
from ddpm_core.imports import collector_off

if TYPE_CHECKING:
    from ui.machine.limits import ServerLimits
    from ui.serving.server import App


@dataclass
class Flags:
    """Serve DDPM Lab: watch a diffusion model turn noise into a picture, step by step."""

    host: Unset[str] = None
    """address to listen on: 127.0.0.1 unless GRADIO_SERVER_NAME is set; 0.0.0.0 for the whole network"""
    port: Unset[int] = None
    """port to listen on, 0 for any free one; default: the first free one from 7860 on"""
    share: bool = False
    """also make a public address, through gradio's tunnel"""
    auth: Unset[str] = None
    """user:password that visitors have to enter"""
    trust_network: bool = False
    """give all who can reach --host your rights on this machine; without this and --auth, such a page is public"""
    root_path: Unset[str] = None
    """the path of the page behind a proxy, such as /lab, or its whole address"""
    allow_hub: bool = False
    """visitors of a public page may load any checkpoint of the Hub, not only those of the list"""
    limit: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """NAME=VALUE changes a limit on visitors' requests; may be given several times (see docs/online.md)"""
    embed: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """an origin such as https://blog.example whose pages may show this page in a frame; may be given several times"""
    log_json: bool = False
    """log runs, refusals and errors to stderr, a line of JSON for each"""
    sampler: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """module:sampler adds your own sampler to those of the page; may be given several times"""
    checkpoint: str = "mnist-tiny"
    """the model to start with: an embedded name, a folder, or a Hub id (owner/name)"""
    device: str = "auto"
    """where models are evaluated: auto, cpu, cuda, cuda:1 or mps"""
    browser: Annotated[bool, tyro.conf.arg(help_behavior_hint="(default: on a desktop)")] = True
    """open the page in a browser, if this is a desktop"""


class Terminated(KeyboardInterrupt):
    """The process received SIGTERM and must end in an orderly way."""


NO_ADDRESS = "There is no public address: gradio's tunnel could not be reached. The page is served here only."


class Mistake(Exception):
    """An error that the user can correct. Its text says how."""


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and serve the page until Ctrl-C or SIGTERM."""
    flags = read(Flags, arguments, "python app.py")
    try:
        serve(flags)
    except Mistake as mistake:
        sys.exit(f"error: {mistake}")
    except KeyboardInterrupt:
        sys.exit(0)


def serve(flags: Flags) -> None:
    """Serve the page until Ctrl-C or SIGTERM. Raises Mistake if a flag is wrong or the address can't be used."""
    login = _login(flags.auth)
    host, listening = _listen(flags.host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1", flags.port)
    space = "SPACE_ID" in os.environ

    # These imports take seconds, so they come after the check of --auth, --host and --port.
    with collector_off():
        import ui
        from ddpm_core.checkpoint.refs import CheckpointError
        from ui.machine import event_log
        from ui.machine.limits import ServerLimits

        gc.freeze()
    # without a password, everybody who can reach this machine can open the page
    is_open = not (_is_here(host) or login or flags.trust_network)
    public = flags.share or space or is_open
    if flags.log_json:
        event_log.log_as_json()
    try:
        limits = ServerLimits.choose(public, flags.limit)
        demo = _build(flags, public, limits)
    except (CheckpointError, ValueError) as error:
        raise Mistake(error) from None
    share, browser = flags.share and not space, flags.browser and _desktop()

    def opened() -> None:
        """Print the page's address, and open a browser if wanted. `ui.launch` calls this function when it serves the
        page.
        """
        print(f"DDPM Lab: {demo.local_url}", flush=True)
        if is_open and not (space or flags.share):
            print("This page is public. With --auth or --trust-network, visitors have your rights on this machine.")
        event_log.log_event("started", public=public)
        if browser and not share:
            webbrowser.open(demo.local_url)

    patience = 0
    try:
        ui.launch(
            demo,
            listening,
            host,
            opened=opened,
            share=share,
            auth=login,
            root_path=flags.root_path,
            inbrowser=browser and share,
        )
        if share:
            print(f"Public address: {demo.share_url}" if demo.share_url else NO_ADDRESS, flush=True)
        _wait()
    except OSError as error:
        ui.close(demo)
        raise Mistake(f"cannot serve the page: {error}") from None
    except Terminated:
        patience = limits.shutdown_seconds
    except KeyboardInterrupt:
        pass
    event_log.log_event("stopping", patience_s=patience)
    try:
        ui.close(demo, patience, 1 if patience else 5)
    except KeyboardInterrupt:  # a second Ctrl-C closes the app at once
        ui.close(demo, seconds=1)
    event_log.log_event("stopped")


def _build(flags: Flags, public: bool, limits: ServerLimits) -> App:
    """Build the app for these flags. Raises CheckpointError or ValueError, with one sentence, if that is impossible."""
    import ui

    samplers = {text: _own_sampler(text) for text in flags.sampler}
    demo = ui.build(flags.checkpoint, flags.device, public, limits, flags.allow_hub, samplers)
    if flags.embed:
        demo.origins.allow_frames(*flags.embed)
    return demo


def leave() -> None:
    """End the process without Python's shutdown. That shutdown takes seconds to free the models, and aborts with an
    error message if a thread still computes a step.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _wait() -> None:
    """Wait until Ctrl-C raises KeyboardInterrupt or SIGTERM raises Terminated."""
    while True:
        time.sleep(1)


def _terminate(*_: object) -> None:
    """Handle SIGTERM: raise Terminated in the main thread."""
    raise Terminated


def _own_sampler(text: str) -> Any:
    """Return the sampler that --sampler names. Raises ValueError if the text is not module:sampler or the sampler can't
    be imported.
    """
    from ddpm_core.samplers import find

    if ":" not in text:
        raise ValueError(f"--sampler takes your own sampler as module:sampler, got {text!r}")
    return find(text)


def _login(text: str | None) -> tuple[str, str] | None:
    """Split the value of --auth into user and password; return None without --auth. Raises Mistake for
    another format.
    """
    if text is None:
        return None
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise Mistake("--auth takes user:password")
    return user, password


def _listen(host: str, port: int | None) -> tuple[str, socket.socket]:
    """Open a socket that listens on an address. Return the host as it stands in a URL, and the socket.

    If port is None, take the first free port from GRADIO_SERVER_PORT (default 7860) on. Raises Mistake if no port can
    be used.
    """
    if port is not None and not 0 <= port <= 65535:
        raise Mistake(f"--port takes a number from 0 to 65535, got {port}")
    address = host.removeprefix("[").removesuffix("]")
    is_v6 = ":" in address
    shown, family = f"[{address}]" if is_v6 else address, socket.AF_INET6 if is_v6 else socket.AF_INET
    try:
        listening = socket.create_server((address, port or 0), family=family)
    except OSError as error:
        # Errors of name resolution have negative numbers, for which os.strerror has no text.
        code = error.errno if error.errno and error.errno > 0 else None
        reason = os.strerror(code).lower() if code else "there is no such address"
        if not (code and port):
            raise Mistake(f"cannot listen on {address!r}: {reason}") from None
        raise Mistake(f"cannot use port {port} ({reason}): choose another --port, or 0 for any free one") from None
    if port is not None:
        return shown, listening
    listening.close()
    first = int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
    last = first + int(os.environ.get("GRADIO_NUM_PORTS", "100")) - 1
    for number in range(first, last + 1):
        with suppress(OSError):
            return shown, socket.create_server((address, number), family=family)
    raise Mistake(f"no port from {first} to {last} is free: choose one with --port")


def _is_here(host: str) -> bool:
    """Return whether only this machine can reach a host. The host has the form that `_listen` returns."""
    found = socket.getaddrinfo(host.strip("[]"), None)
    return all(ipaddress.ip_address(address).is_loopback for *_, (address, *_) in found)


def _desktop() -> bool:
    """Return whether this machine has a screen, and a user in front of it."""
    if any(name in os.environ for name in ("SPACE_ID", "SSH_CONNECTION", "SSH_TTY", "CI")):
        return False
    screen = "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return screen or sys.platform in ("darwin", "win32")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)
    main()
    leave()
