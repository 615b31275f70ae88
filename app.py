"""DDPM Lab in the browser: `python app.py`."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass
class Flags:
    """Serve DDPM Lab: watch a diffusion model turn noise into a picture, step by step."""

    host: str | None = None
    """address to listen on: 127.0.0.1 unless GRADIO_SERVER_NAME says otherwise; 0.0.0.0 for the whole network"""
    port: int | None = None
    """port to listen on, 0 for any free one; without it the first free one from 7860 on"""
    share: bool = False
    """also make a public address, through gradio's tunnel"""
    auth: str | None = None
    """user:password that visitors have to enter"""
    checkpoint: str = "cifar10-tiny"
    """the model to start with: an embedded name, a folder, or a Hub id (owner/name)"""
    device: str = "auto"
    """what computes: auto, cpu, cuda, cuda:1, mps"""
    browser: Annotated[bool, tyro.conf.arg(help_behavior_hint="(default: on a desktop)")] = True
    """open the page in a browser, if this is a desktop"""


class Mistake(Exception):
    """Something the user can put right; str(mistake) says what."""


def main(arguments: list[str] | None = None) -> None:
    flags = tyro.cli(Flags, args=arguments, prog="python app.py")
    try:
        serve(flags)
    except Mistake as mistake:
        sys.exit(f"error: {mistake}")
    except KeyboardInterrupt:
        sys.exit(0)


def serve(flags: Flags) -> None:
    login = _login(flags.auth)
    port = _port(flags.host, flags.port)
    space = "SPACE_ID" in os.environ

    import ui
    from ddpm_core.checkpoint.refs import CheckpointError

    try:
        demo = ui.build(flags.checkpoint, flags.device, public=flags.share or space)
    except (CheckpointError, ValueError) as error:
        raise Mistake(error) from None
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # a page of advice where the tunnel fails
            ui.launch(
                demo,
                server_name=flags.host,
                server_port=port,
                share=flags.share and not space,
                auth=login,
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
    _wait()
    if not ui.close(demo):
        os._exit(0)  # a step takes long: ending in the usual way would abort in the middle of it


def _wait() -> None:
    """Until Ctrl-C, or SIGTERM."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)


def _login(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise Mistake("--auth takes user:password")
    return user, password


def _port(host: str | None, port: int | None) -> int | None:
    """A free port for --port; None leaves the choice to gradio, which starts at 7860."""
    if port is not None and not 0 <= port <= 65535:
        raise Mistake(f"--port takes a number from 0 to 65535, got {port}")
    address = host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    try:
        with socket.create_server((address, port or 0)) as server:
            return None if port is None else server.getsockname()[1]
    except OSError as error:
        no_such_name = error.errno is None or error.errno < 0  # from the resolver, not the system
        reason = "there is no such address" if no_such_name else os.strerror(error.errno).lower()
        if no_such_name or not port:
            raise Mistake(f"cannot listen on {address!r}: {reason}") from None
        raise Mistake(f"cannot use port {port} ({reason}): choose another --port, or 0 for any free one") from None


def _desktop() -> bool:
    """Whether somebody sits in front of this machine."""
    if any(name in os.environ for name in ("SPACE_ID", "SSH_CONNECTION", "SSH_TTY", "CI")):
        return False
    screen = "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return screen or sys.platform in ("darwin", "win32")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asked to end: the same as Ctrl-C
    main()
