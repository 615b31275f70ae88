"""The engines that evaluate a network: torch, torch.compile and OpenVINO."""

import sys
from typing import Any

# When OpenVINO is imported, it sends usage statistics with an id of the user from the home folder, unless the package
# openvino_telemetry is missing. The None below makes an import of this package fail, as if it were missing.
_modules: dict[str, Any] = sys.modules
_modules.setdefault("openvino_telemetry", None)
