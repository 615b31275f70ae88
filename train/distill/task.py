"""The task of a distillation: the teacher, the times of the teacher's and the student's chain, the loss, and the
student as a model.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ddpm_core import Model
from ddpm_core.engines.from_diffusers import UNet2DModel
from ddpm_core.engines.latent import ClipText, LatentDecoder
from ddpm_core.engines.torch import TorchNetwork
from ddpm_core.model import Network, Source
from ddpm_core.names import Averaging
from ddpm_core.prediction import evaluation, label_tensor
from ddpm_core.process import q_sample, to_device, to_x0_eps
from ddpm_core.student import Student
from train import TrainError
from train.common.command_line import user_path
from train.common.config import Config
from train.data.images import Images
from train.distill.config import DistillConfig
from train.distill.losses import consistency_loss, progressive_loss
from train.distill.teacher import chain_of, check_same_teacher, open_teacher
from train.fit.fused import fuse
from train.fit.inputs.latents import encode
from train.fit.inputs.words import PromptedUNet
from train.fit.outputs.card import ModelCard, run_name, shorten_paths
from train.fit.task import TrainingTask

PAPERS = {
    "end-to-end": "end-to-end distillation (Luhman & Luhman 2021)",
    "consistency": "consistency distillation (Song et al. 2023)",
    "progressive": "progressive distillation (Salimans & Ho 2022)",
}


class Distilling(TrainingTask):
    """A student that learns from a teacher. One step of the student covers `width` steps of the teacher's chain."""

    @classmethod
    def check(cls, config: Config) -> None:
        """Check nothing: `teacher.complete` has checked the configuration."""

    def __init__(self, config: Config, accelerator: Accelerator, images: Images):
        assert isinstance(config, DistillConfig)
        self._config, self._accelerator = config, accelerator
        ref, steps = config.teacher, config.student_steps
        first = open_teacher(ref)
        check_same_teacher(first, config)
        if first.latent and config.decoder is None:
            raise TrainError(
                "This run was started by a version that did not encode the images of a latent teacher: start it anew "
                "in another --out."
            )
        chain = chain_of(first, config)
        # Whether the teacher is the user's model, not the previous stage's student. Stage 0 means that the run has no
        # stages.
        self._is_first = 2 * config.stage in (0, config.teacher_steps)
        if config.stage:
            steps = config.stage
            chain = chain[:: config.teacher_steps // (2 * steps)]
            if not self._is_first:
                ref = str(user_path(config.out).parent / f"{2 * steps}-steps" / "model")
        assert steps is not None
        self._teacher = open_teacher(ref)
        self._guidance = None if self._teacher.student else config.guidance
        self.schedule = self._teacher.schedule
        self._width = len(chain) // steps
        teacher, guidance = run_name(config.teacher), config.guidance
        if first.student is not None:
            teacher, guidance = first.student.teacher, first.student.guidance
        method = "progressive" if config.method == "end-to-end" else config.method
        self._student = Student(method, tuple(chain[:: self._width]), teacher, guidance)
        self._chain = torch.tensor([*chain, 0])
        order = config.teacher_order if self._is_first else 1
        self._loss = partial(progressive_loss, order=order) if config.method == "progressive" else consistency_loss
        drawn = np.zeros(self.schedule.T)
        drawn[np.array(self._student.times) - 1] = 1 / steps
        self.times = drawn.cumsum()
        self._check_classes(images)
        if isinstance(self._teacher.decoder, LatentDecoder):
            self._encode(self._teacher.decoder, images)
        self._captions = images.captions
        if images.captions is not None:
            assert isinstance(self._teacher.text, ClipText)
            near = ClipText(self._teacher.text.tokenizer, self._teacher.text.encoder, accelerator.device)
            self._teacher = replace(self._teacher, text=near)
            images.number_captions()

    def _encode(self, decoder: LatentDecoder, images: Images) -> None:
        """Set the latents of the images, which all stages of a run share."""
        own = user_path(self._config.out)
        near = LatentDecoder(decoder.autoencoder, self._accelerator.device, decoder.scale, decoder.shift)
        self._teacher = replace(self._teacher, decoder=near)
        encode(images, near, own.parent if self._config.stage else own, not self._accelerator.is_main_process)

    def _check_classes(self, images: Images) -> None:
        """Raise TrainError if the images do not have the teacher's classes."""
        teacher = self._teacher
        known = teacher.class_names or tuple(map(str, range(teacher.num_classes)))
        same = images.classes == teacher.class_names if teacher.class_names else images.num_classes == len(known)
        if teacher.num_classes and not same:
            raise TrainError(
                f"The teacher has the classes {', '.join(known)}, and the images {', '.join(images.classes or ())}: "
                "give --data with the teacher's classes, in their order."
            )

    def network(self, state: Mapping[str, Any] | None) -> nn.Module:
        """Return a copy of the teacher's network, without dropout, because a student learns a deterministic
        function.
        """
        assert isinstance(self._teacher.network, TorchNetwork)
        unet: Any = self._teacher.network.unet
        config = self._config
        student = copy.deepcopy(unet).train().requires_grad_(True)
        for module in student.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        dtype = torch.float64 if config.precision == "fp64" else torch.float32
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        moved: Any = nn.Module.to  # the method `to` of diffusers would print a warning
        frozen = moved(unet, self._accelerator.device, dtype, memory_format=layout)
        if config.fused:
            fuse(frozen)
        self._frozen = frozen
        self._teacher = self._teacher.evaluated_by(self._teacher_network(frozen))
        return student if self._captions is None else PromptedUNet(student, nn.Identity())

    def architecture(self, network: nn.Module) -> dict[str, Any]:
        """Return no facts for a network with prompts, because a resumed run takes the teacher's network again."""
        return {} if isinstance(network, PromptedUNet) else super().architecture(network)

    def _teacher_network(self, unet: UNet2DModel) -> Network:
        """Return the teacher's network as a function like `Model.network`, in the run's precision, without
        gradients.
        """

        def network(x: Tensor, t_index: Tensor, labels: Tensor | None) -> Tensor:
            """Return the U-Net's output."""
            if self._config.channels_last:
                x = x.contiguous(memory_format=torch.channels_last)
            with torch.no_grad(), self._accelerator.autocast():
                return unet(x, t_index, labels, return_dict=False)[0]

        return network

    def losses(self, network: Network, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None, n: Tensor) -> Tensor:
        """Return the loss of each image, (N,), of progressive or consistency distillation."""
        condition = self._condition(labels, x_0)

        def teacher(x: Tensor, t: Tensor) -> Tensor:
            """Return the teacher's x̂_0."""
            return evaluation(self._teacher, x, t, condition, self._guidance).x0

        x_t = q_sample(self.schedule, x_0, t, eps)
        return self._loss(self.schedule, partial(self._student_x0, network, condition), teacher, x_t, self._path(t))

    def _prompts(self, labels: Tensor) -> list[str]:
        """Return the captions with these indices. An index of −1 means no caption."""
        assert self._captions is not None
        return ["" if i < 0 else self._captions[i] for i in labels.tolist()]

    def _condition(self, labels: Tensor | None, x: Tensor) -> Tensor | None:
        """Return the condition of a batch, as `evaluation` takes it: its labels, or the hidden states of its captions.

        Hidden states have the dtype and the device of x.
        """
        if labels is None or self._captions is None:
            return labels
        states = label_tensor(self._teacher, self._prompts(labels), len(labels), self._guidance)
        assert states is not None
        return states.to(x)

    def _student_x0(self, network: Network, condition: Tensor | None, x: Tensor, t: Tensor) -> Tensor:
        """Return the student's x̂_0, like x. condition: the result of `_condition`."""
        if condition is not None and self._captions is not None:
            condition = condition[:, 0]  # the second condition, for no words, is only for guidance
        output = network(x, to_device(t - 1, x.device), condition).to(x.dtype)
        return to_x0_eps(self.schedule, "v", output, x, t)[0]

    def _path(self, t: Tensor) -> Sequence[Tensor]:
        """Return the teacher's times that one step of the student from t covers, [t, ..., s]."""
        place = (self._chain[None] == t[:, None]).long().argmax(1)
        return [self._chain[place + i] for i in range(self._width + 1)]

    def model(self, network: Network, weights: Averaging, finished: bool) -> Model:
        """Return the network as a model that is a student. finished: whether all steps are done."""
        student = replace(self._student, finished=finished)
        return replace(self._teacher, network=network, student=student, source=Source(weights=weights))

    def card(self) -> ModelCard:
        """Return the parts of the model card that describe a distillation."""
        config, student = shorten_paths(self._config), self._student
        n, times = len(student.times), ", ".join(map(str, student.times))
        one_of = f"1 to {n} steps" if student.method == "consistency" else _steps(n)
        chain = "DDIM steps" if config.teacher_order == 1 else "evaluations, two a step of DPM-Solver++(2S)"
        guided = "" if student.guidance is None else f", with guidance {student.guidance:g}"
        first = f"{PAPERS['progressive']}, then " if config.student is not None else ""
        return ModelCard(
            title=f"{student.teacher}: a student for {one_of}",
            summary=f"A student of `{student.teacher}` by {first}{PAPERS[config.method]}, made with DDPM Lab.",
            caption=f"{_steps(student.steps)} of the sampler {student.sampler}",
            facts={
                "Teacher": f"`{config.teacher}`, {config.teacher_steps} {chain}{guided}",
                "Steps": f"{one_of} of the sampler {student.sampler}, at t = {times}",
                "Loss": f"of {PAPERS[config.method]}",
                "Times": "each of the student's times alike",
                "Start": "the weights of the teacher" if self._is_first else f"the student of {2 * n} steps",
            },
        )


def _steps(n: int) -> str:
    """Return "1 step", "2 steps" and so on."""
    return f"{n} step{'s' if n > 1 else ''}"
