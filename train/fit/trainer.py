"""The training loop, on one device or many, which can stop and resume at any step. It trains a `TrainingTask`."""

from __future__ import annotations

import contextlib
import copy
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ddpm_core import Model
from ddpm_core.engines.choose import wrap
from ddpm_core.engines.from_diffusers import UNet2DModel
from ddpm_core.imaging import from_uint8
from ddpm_core.names import Averaging, Engine
from ddpm_core.process import to_device
from train import TrainError
from train.common.command_line import user_path
from train.common.config import Config, from_dict, to_dict
from train.common.errors import enough_memory
from train.common.lock import locked
from train.data.batches import batches, read_ahead, torch_seed
from train.data.images import Images
from train.data.objects import StreamEnded
from train.fit.ema import EMA, Averages
from train.fit.flags.limits import check, check_resume
from train.fit.fused import fuse
from train.fit.inputs.identity import check_same, identity
from train.fit.inputs.init import check_init
from train.fit.inputs.processes import largest, make_accelerator, should_stop, total
from train.fit.inputs.words import unet_of
from train.fit.optimisers import make_optimizer, restore_optimizer
from train.fit.outputs.export import check_exportable, check_loadable, check_new, export
from train.fit.outputs.preview import Preview, PreviewTimer
from train.fit.outputs.progress import Point, Progress, Window
from train.fit.outputs.tracker import Tracker, tracker_of
from train.fit.recipe import learning_rate
from train.fit.signals import StopSignals
from train.fit.snapshots import drop_later, save_snapshot, snapshot_due
from train.fit.state import Writer, copy_to_cpu, fitting, last_good_checkpoint, save_checkpoint
from train.fit.task import Denoising, TrainingTask

ADVICE = "a smaller --batch, or more rounds (--accumulate)"  # advice for the user if the memory is full
Callback = Callable[[Point], bool | None]


class Trainer:
    """One run of `train fit`, in its folder.

    Raises TrainError with one sentence that names flags of the command line (--sample-every is the field
    `sample_every`), when it can't be set up or can't go on.

    Attributes:
        config: the configuration, after the data and the device have decided some fields, such as `channels`.
        out: the run's folder.
        step: the number of steps done.
        device, dtype: where the network is, and the type of its weights (float32, or float64 with fp64).
        accelerator: accelerate's object, which holds the precision and connects the processes.
        images: the images of the run: `len` (0 for a stream), `known` (also a stream's length, or None), `classes`,
            `shape` (C, H, W).
        task: the task that is learned; its `schedule` is the noise schedule.
        unet: the network with the latest weights.
        model: the same network, wrapped by accelerate for training.
        optimizer: the optimiser, wrapped in the same way.
        averages: the averages of the weights; its `named` has the moving averages "ema", and "ema2" if the run has it.
        pixels: the images on the device, uint8 (N, H, W, C), if they are kept in memory; else None.
    """

    config: Config
    accelerator: Accelerator
    out: Path
    step: int
    device: torch.device
    dtype: torch.dtype
    images: Images
    task: TrainingTask
    unet: UNet2DModel
    model: nn.Module
    optimizer: torch.optim.Optimizer
    averages: Averages[UNet2DModel]
    pixels: Tensor | None

    def __init__(
        self,
        config: Config,
        state: dict[str, Any] | None = None,
        task: type[TrainingTask] = Denoising,
    ):
        """Read the images, and make the network.

        Arguments:
            config: the configuration, as `train.preset` returns it.
            state: the checkpoint to continue from, as `state.load_latest` returns it; None for a new run.
            task: the class of the task that the run learns.
        """
        if state is None and config.init:
            check_init(config)
        check(config)
        task.check(config)
        if state is None:
            check_new(config)
        else:
            stored = from_dict(state["config"], type(config))
            config = replace(config, channels=config.channels or stored.channels)
            check_resume(stored, config, state["step"])
        self.out = user_path(config.out)
        if config.threads:
            torch.set_num_threads(config.threads)
        self._asked = config
        config, self.accelerator = make_accelerator(config, tracker_of(config))
        self.device = self.accelerator.device
        self.dtype = torch.float64 if config.precision == "fp64" else torch.float32
        processes = self.accelerator.num_processes
        if config.batch % (processes * config.accumulate):
            raise TrainError(
                f"--batch {config.batch} can't be shared evenly by {processes} processes of {config.accumulate} rounds."
            )
        classes = state["data"]["classes"] if state is not None else ()
        self.images = Images(config, quiet=not self.accelerator.is_main_process, classes=classes)
        self.config = config = replace(
            config, channels=self.images.channels
        )  # the images decide, if --channels does not
        for name in self.images.broken[:10]:
            self._say(f"Skipped, can't be read: {name}")
        if self.images.broken:
            self._say(f"Skipped {len(self.images.broken)} in all, {len(self.images)} images are left.")
        if stream := self.images.stream:
            done = 0 if state is None else state["step"]
            stream.check_enough(config.steps, config.batch, done)
            if state is not None:
                self._say(stream.continue_from(done * config.batch, state["data"].get("pass")))
        self.task = task(config, self.accelerator, self.images)
        self._build(state)

    def _build(self, state: dict[str, Any] | None) -> None:
        """Make the network, the moving averages and the optimiser, and load the checkpoint if there is one."""
        config = self.config
        torch.manual_seed(config.seed)
        unet: Any = self.task.network(state)
        if self.dtype == torch.float64:
            unet.double()
        if state is not None:
            check_same(state["data"], self.images)
            with fitting(state):
                unet.load_state_dict(state["model"])
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.unet = unet.to(self.device, memory_format=layout)
        self.averages = Averages(self.unet, config.ema, config.ema2, config.ema_snapshots > 0)
        if config.fused:
            if self.device.type != "cpu":
                raise TrainError(f"--fused is for a CPU, this run is on {self.device.type}: leave it out.")
            with (
                self.accelerator.local_main_process_first()
            ):  # the first process compiles the code, and the others find it
                fuse(unet_of(self.unet))
        if config.compile:
            self.unet.compile()
        self.model, self.optimizer = self.accelerator.prepare(self.unet, make_optimizer(self.unet, config))
        self._timer, self._previewed = PreviewTimer(config.sample_seconds), None
        self.step = 0
        if state is not None:
            with fitting(state):
                self._restore(state)
        self.pixels = self.images.pixels_near(self.device)

    def _restore(self, state: dict[str, Any]) -> None:
        """Load the step, the moving averages and the optimiser of a checkpoint."""
        self.step = state["step"]
        self.averages.restore(state)
        restore_optimizer(self.optimizer, state["optimizer"])
        if self.accelerator.scaler is not None and state.get("scaler"):
            self.accelerator.scaler.load_state_dict(state["scaler"])

    @property
    def ema(self) -> EMA[UNet2DModel]:
        """Return the moving average that is sampled, and published as the model."""
        return self.averages.named["ema"]

    def fit(self, callback: Callback | None = None) -> int | None:
        """Train to the last step, and write the files that the command line writes: see "A run's folder" in
        docs/training.md.

        Arguments:
            callback: a function that receives each `Point` of the curves, every `log_every` steps. If it returns True,
                the run saves and stops. Only the main process calls it.

        Returns:
            None when the last step is reached, or the number of the signal that stopped the run. If the callback stops
            the run, it is the number of Ctrl-C's signal.

        Raises:
            TrainError: also if another run holds the folder, or if there is not enough memory.
        """
        with locked(self.out), enough_memory(ADVICE):
            return self.run(callback)

    def run(self, callback: Callback | None = None) -> int | None:
        """Do the work of `fit`, for a caller that has locked the folder."""
        self._check_result()
        self._write = Writer(self.device)
        if self.averages.powers and self.accelerator.is_main_process:
            drop_later(self.out, self.step)
        if self.step == 0:
            self._save()  # so that every run can be resumed, and a bad --out fails at once
            self._write.wait()
        accelerator, progress = self.accelerator, None
        if accelerator.is_main_process:
            tracker = Tracker(accelerator, self.config, self.out, self.step)
            progress = Progress(self.config, self.out, self.step, self.images, tracker)
            self._say = progress.say
        rounds, window = self.rounds(), Window(self.device)  # the window is made last, because its time starts then
        try:
            with StopSignals() as signals:
                self._preview(window, progress, signals)
                while self.step < self.config.steps and not should_stop(accelerator, self.step, signals):
                    self.train_step(rounds, window)
                    self._after_step(window, progress, signals, callback)
                stopped = signals.received if self.step < self.config.steps else None
                if stopped:
                    self._check_finite(window)
                    self._save()
                self._export()
                self._write.wait()
                return stopped
        except StreamEnded:
            self._save()
            self._export()
            self._write.wait()
            raise
        finally:
            self._write.close()
            if progress:
                progress.close()

    def _check_result(self) -> None:
        """Raise TrainError if the result could not be written, or could not be loaded afterwards."""
        check_exportable(self.out)
        average = self.ema.network
        model = replace(self.task.model(self.network, "EMA", finished=False), **self.task.parts(average))
        check_loadable(model, unet_of(average))

    def end(self) -> None:
        """Leave the group of processes. The trainer can't be used afterwards."""
        # The wrapped network must not be the last object that refers to the group. Otherwise its deletion
        # would hold the GIL and wait for a thread of gloo, which needs the GIL.
        del self.model
        self.accelerator.free_memory()
        self.accelerator.end_training()

    def rounds(self) -> Iterator[dict[str, Tensor]]:
        """Return this process's share of each round from the current step on, for `train_step`."""
        share = self.accelerator.process_index, self.accelerator.num_processes, self.device.type == "cuda"
        task = self.task
        rounds = batches(self.config, self.images, task.times, self.step, *share, task.noises, task.examples)
        return read_ahead(rounds, self.device)

    def train_step(self, rounds: Iterator[dict[str, Tensor]], window: Window) -> None:
        """Take one optimiser step: loss and gradient in `accumulate` rounds, clipping, optimiser, moving averages."""
        config, accelerator = self.config, self.accelerator
        self.model.train()
        summed = torch.zeros((), device=self.device)
        for round in range(config.accumulate):
            batch = next(rounds)
            self._note_broken(batch)
            torch.manual_seed(torch_seed(config.seed, self.step, round, accelerator.process_index))
            last = round == config.accumulate - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(self.model):
                losses = self.task.losses(self.network, *self.examples(batch))
                loss = losses.mean() / config.accumulate
                accelerator.backward(loss)
            window.add(losses, batch["t"], config.T)
            summed = summed + loss.detach()
        norm = torch.as_tensor(accelerator.clip_grad_norm_(self.model.parameters(), config.clip))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step) * group.get("rate", 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.averages.update(self.unet)
        self.step += 1
        window.finish_step(self.step, summed, norm, overflow_expected=config.precision == "fp16")

    def examples(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor]:
        """Return the arguments of a task's `losses` for one round: (x_0, t, ε, labels, n)."""
        near = {name: to_device(batch[name], self.device) for name in ("mirror", "eps", "label") if name in batch}
        if self.images.latents is not None:
            x_0 = to_device(self.images.latents[batch["image"]], self.device, self.dtype)
        else:
            kept, image = self.pixels, batch["image"]
            pixels = batch["pixels"] if kept is None else kept[to_device(image, kept.device)]
            x_0 = from_uint8(to_device(pixels, self.device), self.dtype)
        x_0 = torch.where(near["mirror"][:, None, None, None], x_0.flip(-1), x_0)
        return x_0, batch["t"], near["eps"].to(self.dtype), near.get("label"), batch["n"]

    def network(self, x: Tensor, t_index: Tensor, labels: Tensor | None) -> Tensor:
        """Evaluate the network that is trained. Arguments and result are those of `Model.network`."""
        if self.config.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        with self._attention():
            return self.model(x, t_index, class_labels=labels, return_dict=False)[0]

    def _attention(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context in which attention over few pixels in bfloat16 on a CPU uses plain matrix products. Torch's
        own choice has a backward pass that is 2 to 7 times as slow there.
        """
        few = max(self.config.attention, default=0) ** 2 <= 64
        if few and self.device.type == "cpu" and self.config.precision == "bf16":
            return sdpa_kernel(SDPBackend.MATH)
        return contextlib.nullcontext()

    def _after_step(
        self, window: Window, progress: Progress | None, signals: StopSignals, callback: Callback | None
    ) -> None:
        """Do all that is due after this step: a check, a point of the curves, a checkpoint, samples, the model."""
        config, last = self.config, self.step == self.config.steps
        log, checkpoint, sample = (
            every > 0 and self.step % every == 0
            for every in (config.log_every, config.checkpoint_every, config.sample_every)
        )
        if log or checkpoint or sample or last or self.device.type == "cpu":
            self._check_finite(window)
        if log or last:
            point = self._log(window, progress)
            if point and callback and callback(point):
                signals.stop()
        with window.paused():
            if snapshot_due(config.ema_snapshots, config.steps, self.step):
                self._save_snapshot()
            if checkpoint or last:
                self._save()
                if not last or config.sample_every or config.sample_seconds:
                    self._export()  # before the samples, which can take minutes; `run` exports again after them
            if progress and (sample or (last and config.sample_every)):
                self._sample(progress, signals)
                if not last and signals.received is None:
                    self._export()  # so that the card shows these samples
        self._preview(window, progress, signals)
        if progress:
            progress.bar.update()

    def _check_finite(self, window: Window) -> None:
        """Raise TrainError if the loss or the gradient of a step was not finite in any process."""
        step = int(largest(self.accelerator, window.bad_step))
        if step >= 0:
            self._write.wait()
            last = last_good_checkpoint(self.out / "checkpoints")
            raise TrainError(
                f"The loss or its gradient stopped being finite at step {step}, learning rate "
                f"{learning_rate(self.config, step - 1):.3g}; the last good checkpoint is {last}: continue from it "
                "with --resume and a lower --lr."
            )

    def _log(self, window: Window, progress: Progress | None) -> Point | None:
        """Return the point of the curves in the main process, None in others, and start a new window."""
        seconds, point = window.seconds(), None
        loss, count = total(self.accelerator, torch.stack([window.loss, window.count])).tolist()
        if progress:
            quarters = {k: each / n for k, (each, n) in enumerate(zip(loss, count, strict=True), 1) if n}
            lr, speed = learning_rate(self.config, self.step - 1), window.steps * self.config.batch / seconds
            point = Point(self.step, sum(loss) / sum(count), quarters, window.mean_norm(), lr, speed)
            progress.point(point)
        window.reset()
        return point

    def _note_broken(self, batch: dict[str, Tensor]) -> None:
        """Print the names of the images that were skipped because they can't be read, and the news of a stream."""
        while self.images.stream and self.images.stream.news:
            self._say(self.images.stream.news.pop())
        for image, skipped in zip(batch["image"].tolist(), batch["skipped"].tolist(), strict=True):
            for name in self.images.note_broken(image, skipped):
                self._say(f"Skipped, can't be read: {name} ({len(self.images.broken)} so far)")

    def state(self) -> dict[str, Any]:
        """Return everything that the run needs to continue. Random draws need no state: they are functions of
        (seed, example or step).
        """
        scaler = self.accelerator.scaler
        return {
            "config": to_dict(replace(self._asked, channels=self.config.channels)),
            "started_in": os.getcwd(),
            "step": self.step,
            "network": self.task.architecture(self.unet),
            "model": self.unet.state_dict(),
            **self.averages.state(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else None,
            "data": identity(self.images),
            "processes": self.accelerator.num_processes,
            "torch": str(torch.__version__),
        }

    def _save(self) -> None:
        """Write a checkpoint in the main process. All processes wait for each other here."""
        if self.accelerator.is_main_process:
            state = self.state() if self.device.type == "cpu" else copy_to_cpu(self.state())
            self._write(partial(save_checkpoint, state, self.out / "checkpoints", self.step))
        self.accelerator.wait_for_everyone()

    def _save_snapshot(self) -> None:
        """Write the power-function averages of this step, beside those of earlier steps."""
        if self.accelerator.is_main_process:
            networks = {length: average.network for length, average in self.averages.powers.items()}
            weights = {length: dict(network.named_parameters()) for length, network in networks.items()}
            weights = weights if self.device.type == "cpu" else copy_to_cpu(weights)
            self._write(partial(save_snapshot, weights, self.out, self.step))

    def snapshot(self, network: UNet2DModel, weights: Averaging, engine: Engine = "auto") -> Model:
        """Return a copy of a network's weights as a Model, in float32."""
        plain = copy.deepcopy(self.ema.network).float()  # neither compiled nor fused, so that other engines can read it
        plain.load_state_dict(network.state_dict())
        wrapped = wrap(unet_of(plain), str(self.device), "fp32", engine)
        model = self.task.model(wrapped, weights, finished=self.step == self.config.steps)
        return replace(model, **self.task.parts(plain))

    def _sample(self, progress: Progress, signals: StopSignals, quick: bool = False) -> None:
        """Draw sample grids of the moving average and of the weights. quick: use a `Preview`, which is ready at once.

        On a GPU, the samples are computed in half precision, as in training.
        """
        model = self.snapshot
        if quick or self.device.type != "cpu":
            self._previewed = self._previewed or Preview(self.ema.network, self.config, self.device)
            model = self._previewed.model(self.task)
        networks: tuple[tuple[UNet2DModel, Averaging, str], ...]
        networks = (self.ema.network, "EMA", "ema"), (self.unet, "not EMA", "raw")
        for network, weights, name in networks:
            if signals.received is not None:
                return
            progress.grid(model(network, weights), name, self.step, stopped=lambda: signals.received is not None)

    def _preview(self, window: Window, progress: Progress | None, signals: StopSignals) -> None:
        """Draw the samples of --sample-seconds and write the model, if due, in the main process only."""
        last = self.step == self.config.steps and self.config.sample_seconds > 0
        if progress is None or signals.received is not None or not (self._timer.is_due() or last):
            return
        with window.paused(), self._timer.measure():
            self._sample(progress, signals, quick=True)
            if signals.received is None and self.step < self.config.steps:
                self._export()

    def _export(self) -> None:
        """Write the moving averages to OUT/model and OUT/model-ema2, with their cards."""
        if self.accelerator.is_main_process:
            for name, average in self.averages.named.items():
                model = self.snapshot(average.network, "EMA", engine="torch")  # this model is saved, not run
                about = self.out, self.config, self.step, self.images, self.task.card(), name
                self._write(partial(export, model, *about))

    def _say(self, text: str) -> None:
        """Print a line on stderr, in the main process only."""
        if self.accelerator.is_main_process:
            print(text, file=sys.stderr)
