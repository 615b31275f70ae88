"""The app: one page of our own, and gradio behind it. `build` makes it, `launch` serves it, `close` ends it."""

# What is imported inside functions waits for a measured reason: the page is up after some seconds, diffusers takes
# another 2 s to import, which the warm-up does in the background, and gradio 1.3 s after that. So nothing in ui imports
# what needs diffusers at the start: ddpm_core's own names (`ddpm_core.load`) are fetched from their modules when they
# are first used, and ddpm_core.runs and ddpm_core.engines are imported inside the functions that need them.

from __future__ import annotations

from ui.serving.server import build, close, launch

__all__ = ["build", "close", "launch"]
