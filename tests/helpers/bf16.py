"""Skip tests of OpenVINO's bf16 on a CPU without bf16, where the engine warns and computes in float32."""

from contextlib import suppress

import pytest

NATIVE = False
with suppress(ImportError):  # OpenVINO is not available for every platform
    from ddpm_core.engines.openvino import CORE

    NATIVE = "BF16" in CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
needs_bf16 = pytest.mark.skipif(not NATIVE, reason="this CPU has no bf16 arithmetic")
