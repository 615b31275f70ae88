"""DDPM Lab in the browser: `python app.py`."""

from __future__ import annotations

import ddpm_core.python_versions  # noqa: F401  # before anything that another version of Python may lack

# isort: split

import contextlib
import gc
import io
import ipaddress
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from ddpm_core.commands.reading import Unset, read
from ddpm_core.imports import collector_off


@dataclass
class Flags:
    """Serve DDPM Lab: watch a diffusion model turn noise into a picture, step by step."""

    host: Unset[str] = None
    """address to listen on: 127.0.0.1 unless GRADIO_SERVER_NAME says otherwise; 0.0.0.0 for the whole network"""
    port: Unset[int] = None
    """port to listen on, 0 for any free one; without it the first free one from 7860 on"""
    share: bool = False
    """also make a public address, through gradio's tunnel"""
    auth: Unset[str] = None
    """user:password that visitors have to enter"""
    trust_network: bool = False
    """everybody who reaches --host has your rights on this machine; without it and --auth, such a page is public"""
    allow_training: bool = False
    """visitors of a public page may train models on this machine; on a page of one's own they may anyway"""
    root_path: Unset[str] = None
    """the path of the page behind a proxy, such as /lab, or its whole address"""
    allow_hub: bool = False
    """visitors of a public page may load any checkpoint of the Hub, not only those of the list"""
    limit: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    """NAME=VALUE changes a limit of what visitors may ask for; may be given several times (see docs/online.md)"""
    log_json: bool = False
    """log runs, refusals and errors to stderr, a line of JSON for each"""
    checkpoint: str = "mnist-tiny"
    """the model to start with: an embedded name, a folder, or a Hub id (owner/name)"""
    device: str = "auto"
    """where models are evaluated: auto, cpu, cuda, cuda:1, mps"""
    browser: Annotated[bool, tyro.conf.arg(help_behavior_hint="(default: on a desktop)")] = True
    """open the page in a browser, if this is a desktop"""


class Terminated(KeyboardInterrupt):
    """SIGTERM: the app is to stop, in order."""


class Mistake(Exception):
    """An error that the user can correct; str(mistake) says how."""


def main(arguments: list[str] | None = None) -> None:
    flags = read(Flags, arguments, "python app.py")
    try:
        serve(flags)
    except Mistake as mistake:
        sys.exit(f"error: {mistake}")
    except KeyboardInterrupt:
        sys.exit(0)


def serve(flags: Flags) -> None:
    login = _login(flags.auth)
    host, port = _listen(flags.host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1", flags.port)
    space = "SPACE_ID" in os.environ

    # They take seconds, which neither --help nor a wrong flag has to wait for.
    with collector_off():
        import ui
        from ddpm_core.checkpoint.refs import CheckpointError
        from ui.machine import event_log, temporary_files
        from ui.machine.limits import ServerLimits

        gc.freeze()
    is_open = not (_is_here(host) or login or flags.trust_network)  # to whoever reaches this machine
    public = flags.share or space or is_open
    if flags.log_json:
        event_log.log_as_json()
    try:
        limits = ServerLimits.choose(public, flags.limit)
        demo = ui.build(flags.checkpoint, flags.device, public, limits, flags.allow_hub, flags.allow_training)
    except (CheckpointError, ValueError) as error:
        raise Mistake(error) from None
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # gradio's page of advice when the tunnel fails
            ui.launch(
                demo,
                server_name=host,
                server_port=port,
                share=flags.share and not space,
                auth=login,
                root_path=flags.root_path,
                inbrowser=flags.browser and _desktop(),
                prevent_thread_lock=True,
            )
    except OSError as error:
        raise Mistake(f"cannot serve the page: {error}") from None
    print(f"DDPM Lab: {demo.local_url}", flush=True)
    if flags.share and not space:
        if demo.share_url:
            print(f"Public address: {demo.share_url}", flush=True)
        else:
            print("There is no public address: gradio's tunnel could not be reached. The page is served here only.")
    elif is_open and not space:
        print("This page is public. With --auth or --trust-network, visitors have your rights on this machine.")
    event_log.log_event("started", public=public)
    patience = limits.shutdown_seconds if _wait() else 0
    event_log.log_event("stopping", patience_s=patience)
    try:
        stopped = ui.close(demo, patience, 1 if patience else 5)
    except KeyboardInterrupt:  # once more: at once
        stopped = ui.close(demo, seconds=1)
    event_log.log_event("stopped")
    if not stopped:
        temporary_files.remove_folder()
        os._exit(0)  # a long step still computes: the usual exit would abort Python, with an error message


def _wait() -> bool:
    """Wait for Ctrl-C or SIGTERM; returns whether it was the latter, which lets runs finish."""
    try:
        while True:
            time.sleep(1)
    except Terminated:
        return True
    except KeyboardInterrupt:
        return False


def _terminate(*_: object) -> None:
    raise Terminated


def _login(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise Mistake("--auth takes user:password")
    return user, password


def _listen(host: str, port: int | None) -> tuple[str, int | None]:
    """Host and port, for gradio, which writes an IPv6 address as in an address of a page. A port of None lets it choose
    the first free one from 7860 on.
    """
    if port is not None and not 0 <= port <= 65535:
        raise Mistake(f"--port takes a number from 0 to 65535, got {port}")
    address = host.removeprefix("[").removesuffix("]")
    is_v6 = ":" in address
    try:
        with socket.create_server((address, port or 0), family=socket.AF_INET6 if is_v6 else socket.AF_INET) as server:
            free = None if port is None else server.getsockname()[1]
        return f"[{address}]" if is_v6 else address, free
    except OSError as error:
        code = error.errno if error.errno and error.errno > 0 else None  # of the system; not of the resolver of names
        reason = os.strerror(code).lower() if code else "there is no such address"
        if not (code and port):
            raise Mistake(f"cannot listen on {address!r}: {reason}") from None
        raise Mistake(f"cannot use port {port} ({reason}): choose another --port, or 0 for any free one") from None


def _is_here(host: str) -> bool:
    """Whether only this machine reaches a host, as `_listen` returns it."""
    found = socket.getaddrinfo(host.strip("[]"), None)
    return all(ipaddress.ip_address(address).is_loopback for *_, (address, *_) in found)


def _desktop() -> bool:
    """Whether this machine has a screen with a user in front of it."""
    if any(name in os.environ for name in ("SPACE_ID", "SSH_CONNECTION", "SSH_TTY", "CI")):
        return False
    screen = "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return screen or sys.platform in ("darwin", "win32")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)
    main()
