"""Agreements between the processes of a run that share its batches."""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState
from accelerate.state import AcceleratorState
from torch import Tensor

from ddpm_core.engines.choose import choose_device
from ddpm_core.engines.common import forbid_tf32
from train import TrainError
from train.common.command_line import user_path
from train.common.machine import on_cpu
from train.fit.flags.quickest import Kind, on_device
from train.fit.signals import StopSignals

PATIENCE = timedelta(hours=12)  # others wait while the first draws samples or writes; torchrun notices a dead process
STOP_CHECK = 10  # steps between two agreements on whether to stop


def accelerated(config: Kind, tracker: str | None) -> tuple[Kind, Accelerator]:
    """The configuration as it is on this process's device, and what shares the work with the others, if there are any.

    tracker: accelerate's name of the program that gets curves and grids; None: there is none.

    Raises TrainError for a device that this machine lacks, and for a precision that the device lacks.
    """
    cpu = on_cpu(config.device)
    try:
        if config.device not in ("auto", "cpu"):
            choose_device(config.device)
        device = PartialState(cpu=cpu, timeout=PATIENCE).device
        assert device is not None
        config = on_device(config, device)
        AcceleratorState._reset_state()  # an earlier run of this process may have set another precision
        half = config.precision if config.precision in ("bf16", "fp16") else "no"
        sharing = DistributedDataParallelKwargs(gradient_as_bucket_view=True)  # no second copy of the gradients
        accelerator = Accelerator(
            mixed_precision=half,
            cpu=cpu,
            log_with=tracker,
            project_dir=str(user_path(config.out)),  # the folder of the tracker's files
            kwargs_handlers=[sharing],
        )
    except ValueError as error:  # the library or accelerate raised it
        raise TrainError(f"{str(error).removesuffix('.')}.") from None
    if config.precision == "fp32":
        forbid_tf32()
    return config, accelerator


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
