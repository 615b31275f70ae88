"""The processes that torchrun or `accelerate launch` has started: together they are one run."""

from __future__ import annotations

import torch
from accelerate.utils import get_int_from_env, is_xpu_available

_RANK = ["RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK"]  # of each launcher
_SIZE = ["WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"]


def is_first_process() -> bool:
    """Whether this is the one that writes what all have computed; one that is alone is."""
    return get_int_from_env(_RANK, 0) == 0


def on_cpu(device: str) -> bool:
    """Whether the processes work on the CPU: as the user asked, or as they are several and there is no GPU to share.

    accelerate would not bring such processes together: each would do all of the work, in one folder.
    """
    several = get_int_from_env(_SIZE, 1) > 1
    return device == "cpu" or (several and not torch.cuda.is_available() and not is_xpu_available())
