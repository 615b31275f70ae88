"""What has to be done before gradio is imported. Importing this module does it."""

from __future__ import annotations

import os

from ui import temporary, zero

# Without this gradio sends usage statistics, already when it is imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# gradio sums up its last 10,000 events after each one, for an address that is closed here (/monitoring).
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(1 << 62))
temporary.use_private_folder()
zero.prepare()
