"""What the processes of a run have to agree on, when several share its batches."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import Tensor

from train.fit.signals import StopSignals

STOP_CHECK = 10  # they agree on whether to stop every so many steps


def largest(accelerator: Accelerator, value: Tensor) -> Tensor:
    """The largest of one number from each process."""
    gathered = accelerator.gather(value.reshape(1))
    assert isinstance(gathered, Tensor)
    return gathered.max()


def total(accelerator: Accelerator, values: Tensor) -> Tensor:
    """The sum of the processes' tensors of one shape."""
    reduced = accelerator.reduce(values, "sum")
    assert isinstance(reduced, Tensor)
    return reduced


def should_stop(accelerator: Accelerator, step: int, signals: StopSignals) -> bool:
    """Whether any process was asked to stop: all must leave the loop at the same step."""
    if accelerator.num_processes == 1:
        return signals.received is not None
    if step % STOP_CHECK:
        return False
    asked = torch.tensor(float(signals.received or 0), device=accelerator.device)
    signals.received = int(largest(accelerator, asked)) or None
    return signals.received is not None
