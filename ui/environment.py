"""What has to be done before gradio is imported. Importing this module does it."""

from __future__ import annotations

import os

from ui import temporary
from ui.runs import zero

# Without this gradio sends usage statistics, already when it is imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
temporary.use_private_folder()
zero.prepare()
