"""The processes of a run: how they share its batches, and when they stop."""

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

PATIENCE = timedelta(
    hours=12
)  # longest wait of the other processes while the first draws samples; torchrun notices dead processes
STOP_CHECK = 10  # number of steps after which the processes check again whether to stop


def make_accelerator(config: Kind, tracker: str | None) -> tuple[Kind, Accelerator]:
    """Return the configuration for this process's device, and accelerate's object, which shares the work among
    processes.

    tracker: accelerate's name of the program that receives curves and grids, or None.

    Raises TrainError for a device that this machine lacks, and for a precision that the device lacks.
    """
    cpu = on_cpu(config.device)
    try:
        if config.device not in ("auto", "cpu"):
            choose_device(config.device)
        device = PartialState(cpu=cpu, timeout=PATIENCE).device
        assert device is not None
        config = on_device(config, device)
        AcceleratorState._reset_state()  # an earlier run in this process may have set another precision
        half = config.precision if config.precision in ("bf16", "fp16") else "no"
        sharing = DistributedDataParallelKwargs(gradient_as_bucket_view=True)  # avoids a second copy of the gradients
        accelerator = Accelerator(
            mixed_precision=half,
            cpu=cpu,
            log_with=tracker,
            project_dir=str(user_path(config.out)),  # folder of the tracker's files
            kwargs_handlers=[sharing],
        )
    except ValueError as error:  # raised by ddpm_core or accelerate
        raise TrainError(f"{str(error).removesuffix('.')}.") from None
    if config.precision == "fp32":
        forbid_tf32()
    return config, accelerator


def largest(accelerator: Accelerator, value: Tensor) -> Tensor:
    """Return the largest number of all processes. value: the number of this process."""
    gathered = accelerator.gather(value.reshape(1))
    assert isinstance(gathered, Tensor)
    return gathered.max()


def total(accelerator: Accelerator, values: Tensor) -> Tensor:
    """Return the sum of the processes' tensors, which all have the same shape."""
    reduced = accelerator.reduce(values, "sum")
    assert isinstance(reduced, Tensor)
    return reduced


def should_stop(accelerator: Accelerator, step: int, signals: StopSignals) -> bool:
    """Return whether any process was asked to stop. All get the same answer, so they stop at the same step."""
    if accelerator.num_processes == 1:
        return signals.received is not None
    if step % STOP_CHECK:
        return False
    asked = torch.tensor(float(signals.received or 0), device=accelerator.device)
    signals.received = int(largest(accelerator, asked)) or None
    return signals.received is not None
