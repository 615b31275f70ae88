"""The flags that make a run quick on this machine, for who starts it without choosing them: the page's Train tab."""

from __future__ import annotations

import torch

from ddpm_core.engines.choose import choose_device, torch_precision
from train.fit.fused import is_compiled

THREADS = 4  # at most: the page has other visitors to serve


def quickest_flags(device: str) -> list[str]:
    """Words for `train fit`. device: as for `ddpm_core.load`; only a CPU needs any. Raises ValueError as it does."""
    chosen = choose_device(device)
    if chosen.type != "cpu":
        return []
    words = ["--device", "cpu", "--threads", str(max(1, min(THREADS, torch.get_num_threads())))]
    words += ["--precision", torch_precision("auto", chosen), "--channels-last"]
    return [*words, "--fused"] if is_compiled() else words
