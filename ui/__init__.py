"""The app: one page of our own, served by gradio. `build` makes it, `launch` serves it, `close` ends it."""

# What is imported inside functions waits for a measured reason: the page is up after some seconds, and diffusers takes
# another 2 s to import, which the warm-up does in the background. So nothing in ui imports what needs diffusers at the
# start: ddpm_core's own names (`ddpm_core.load`) are fetched from their modules when they are first used, and
# ddpm_core.runs and ddpm_core.engines are imported inside the functions that need them.

from __future__ import annotations

from ui.serving.server import build, close, launch

__all__ = ["build", "close", "launch"]
