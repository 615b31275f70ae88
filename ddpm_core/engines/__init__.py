"""The engines that evaluate a network: torch, torch.compile and OpenVINO."""

import sys
from typing import Any

# OpenVINO sends usage statistics when it is imported, and keeps an id of the user under the home folder. Where the
# package that does this is not installed, it does without: so in this process it is not.
_modules: dict[str, Any] = sys.modules
_modules.setdefault("openvino_telemetry", None)
