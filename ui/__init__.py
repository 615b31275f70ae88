"""The app: our own page, and gradio's API behind it. `build` creates the app, `launch` serves it, `close` ends it."""

# Some imports are inside functions to let the page start quickly. The server needs a few seconds; diffusers would add 2
# s, and gradio 1.3 s (measured). So modules of ui must not import anything at the top that needs diffusers:
# ddpm_core.runs and ddpm_core.engines are imported inside functions. Names of ddpm_core itself, such as
# `ddpm_core.load`, are safe: ddpm_core imports their modules at the first use. The warm-up imports diffusers in the
# background.

from __future__ import annotations

from ui.serving.server import build, close, launch

__all__ = ["build", "close", "launch"]
