"""A student that learns all its steps at once. It maps a noise x_T to the picture that its teacher draws from the same
noise in many steps.

This is Luhman & Luhman 2021, "Knowledge Distillation in Iterative Generative Models", with one of two distances:

perceptual: the self-perceptual loss of Lin & Yang 2024, "Diffusion Model with Perceptual Loss". The student's and the
    teacher's pictures are noised to a few times, and the states of the teacher's encoder are compared. A comparison of
    pixels would make pictures smooth. The noise hides grain of one grey level, so the loss also compares how much noise
    the teacher finds at t = 1.

squared: the mean square difference of x_0, as in Luhman & Luhman, plus a share of the same error for the x̂_0 of the
    earlier steps. This distance needs no encoder. It suits latents, because their decoder draws the edges.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ddpm_core import Model, NoiseSchedule, q_sample, trajectory
from ddpm_core.model import Network
from ddpm_core.prediction import evaluation, label_tensor
from ddpm_core.process import to_device
from train.common.config import Config
from train.data.images import Images
from train.distill.config import DistillConfig
from train.distill.losses import ddim_step
from train.distill.task import Distilling
from train.distill.teacher import open_student, teacher_times, unet_of
from train.fit.inputs.words import unet_of as unet_in
from train.fit.outputs.card import ModelCard, shorten_paths

TIMES = 20, 100  # times, if T is 1000, to which pictures are noised before the encoder compares them
GRAIN = 300  # weight of `grain` in the loss; its gradient is then 0.6 to 1.1 times that of `difference`
EARLIER = 0.25  # weight of the mean error of the earlier x̂_0 in `squared_loss`; the last x̂_0 has weight 1


class EndToEnd(Distilling):
    """The task of an end-to-end distillation. It uses only the data's labels or captions, because its pictures begin
    with noise.
    """

    def __init__(self, config: Config, accelerator: Accelerator, images: Images):
        assert isinstance(config, DistillConfig)
        super().__init__(config, accelerator, images)
        self._times = teacher_times(self._teacher, config)
        self._squared = config.distance == "squared"
        self.examples = config.pairs or None
        self._pictures: dict[int, Tensor] = {}  # the teacher's x_0 for each example, on the CPU
        self.noises = 1 if self._squared else 1 + len(TIMES)  # x_T, and one ε for each time of the encoder

    def network(self, state: Mapping[str, Any] | None) -> nn.Module:
        """Return the initial student: a copy of the teacher, or --student. Also make the teacher's encoder."""
        network = super().network(state)
        if state is None and self._config.student is not None:
            unet_in(network).load_state_dict(unet_of(open_student(self._config.student)).state_dict())
        times = [max(1, round(t * self.schedule.T / 1000)) for t in TIMES]
        none = label_tensor(self._teacher, None, 1, None)
        if none is not None and self._teacher.takes_words:
            none = none[:, 0].to(next(self._frozen.parameters()))
        self._encoder = Encoder(self._frozen, self.schedule, times, none, self._accelerator.autocast)
        return network

    def losses(self, network: Network, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None, n: Tensor) -> Tensor:
        """Return the loss of each image, (N,): how the student's x_0 from x_T differs from the teacher's.

        n: the example numbers, int64 (N,). With --pairs, examples repeat, and the teacher draws each only once. x_0 is
        ignored, and eps holds x_T and the noise for the encoder.
        """
        x_T, *noise = eps.chunk(self.noises, dim=1)
        x, condition, found = x_T, self._condition(labels, x_T), []
        for s, following in pairwise(torch.full_like(t, time) for time in (*self._student.times, 0)):
            predicted = self._student_x0(network, condition, x, s)
            found.append(predicted.clamp(-1, 1) if self._teacher.clip else predicted)
            x = ddim_step(self.schedule, x, found[-1], s, following)
        drawn = self._draw_once(x_T, labels, n) if self.examples else self._draw(x_T, labels)
        if self._squared:
            return squared_loss(found, drawn)
        with torch.no_grad():
            wanted = self._encoder(drawn, noise)
        return difference(self._encoder(x, noise), wanted) + GRAIN * grain(self._teacher, x, drawn, condition)

    def _draw_once(self, x_T: Tensor, labels: Tensor | None, n: Tensor) -> Tensor:
        """Return the pictures of `_draw`, which are drawn only once for each example number in n, (N,).

        A resumed run draws them again.
        """
        new = torch.tensor([number not in self._pictures for number in n.tolist()])
        if new.any():
            drawn = self._draw(x_T[new], None if labels is None else labels[new]).cpu()
            self._pictures.update(zip(n[new].tolist(), drawn, strict=True))
        return torch.stack([self._pictures[number] for number in n.tolist()]).to(x_T)

    def _draw(self, x_T: Tensor, labels: Tensor | None) -> Tensor:
        """Return the x_0 that the teacher draws from x_T, with guidance if there is a label or caption."""
        teacher, ids = self._teacher, None if labels is None else labels.cpu()
        guided = torch.zeros(len(x_T), dtype=torch.bool)
        if ids is not None and self._guidance is not None:
            guided = ids != (-1 if teacher.takes_words else teacher.null_label)
        drawn = torch.empty_like(x_T)
        for some, guidance in ((guided, self._guidance), (~guided, None)):
            if some.any():
                own: dict[str, Any] = {}
                if ids is not None:
                    own = {"prompts": self._prompts(ids[some])} if teacher.takes_words else {"labels": ids[some]}
                own |= {"x_T": x_T[some], "guidance": guidance}
                chain = trajectory(teacher, range(int(some.sum())), self._times, "unipc", **own)
                drawn[some] = deque(chain, maxlen=1)[0].x
        return drawn

    def card(self) -> ModelCard:
        """Return the parts of the model card that describe an end-to-end distillation."""
        card, config = super().card(), shorten_paths(self._config)
        guided = "" if self._guidance is None else f", with guidance {self._guidance:g}"
        if self._squared:
            loss = f"mean square of the difference from the teacher's x_0, and {EARLIER} of it for the earlier steps"
        else:
            seen = " and ".join(map(str, self._encoder.times))
            loss = f"how the teacher's encoder tells pictures from its own at t = {seen}, and how much it removes at 1"
        facts = {
            "Teacher": f"`{config.teacher}`, {config.teacher_steps} steps of UniPC{guided}",
            "Loss": loss,
            "Times": "all steps at once, from noise",
        }
        if config.student is not None:
            facts["Start"] = f"the student `{config.student}`"
        return replace(card, facts={**card.facts, **facts})


class Encoder:
    """The first half of a U-Net, down to its middle, for pictures that are noised to some times.

    Arguments:
        unet: the teacher's U-Net.
        schedule: its noise schedule.
        times: the times, 1..T, to which x_0 is noised.
        none: the condition for no class, int64 (1,), or for no words, (1, L, D); None if the model has neither.
        context: a function that makes the context in which the U-Net is evaluated, such as accelerate's autocast.
    """

    def __init__(
        self,
        unet: nn.Module,
        schedule: NoiseSchedule,
        times: Sequence[int],
        none: Tensor | None,
        context: Callable[..., AbstractContextManager[Any]],
    ):
        self._unet: Any = unet.requires_grad_(False)
        self._schedule, self._none, self._context, self.times = schedule, none, context, times

    def __call__(self, x_0: Tensor, noise: Sequence[Tensor]) -> list[Tensor]:
        """Return the states of all blocks at all times, (N, C, H, W) each, with the dtype of x_0.

        Arguments:
            x_0: pictures or latents in [−1, 1], (N, C, H, W).
            noise: one ε like x_0 for each time.
        """
        unet, found, own = self._unet, [], {}
        none = None if self._none is None else self._none.expand(len(x_0), *self._none.shape[1:]).to(x_0.device)
        if none is not None and none.is_floating_point():
            own = {"encoder_hidden_states": none}
        for time, eps in zip(self.times, noise, strict=True):
            t = torch.full((len(x_0),), time)
            x = q_sample(self._schedule, x_0, t, eps).contiguous(memory_format=torch.channels_last)
            with self._context():
                temb = unet.time_embedding(unet.time_proj(to_device(t - 1, x.device)).to(x.dtype))
                embedding = getattr(unet, "add_embedding" if own else "class_embedding", None)
                if none is not None and embedding is not None:
                    temb = temb + embedding(none)
                h = unet.conv_in(x)
                found.append(h)
                for block in unet.down_blocks:
                    attends = getattr(block, "has_cross_attention", False)
                    h, states = block(hidden_states=h, temb=temb, **(own if attends else {}))
                    found += states
                found.append(unet.mid_block(h, temb, **own))
        return [state.to(x_0.dtype) for state in found]


def grain(teacher: Model, x_0: Tensor, wanted: Tensor, condition: Tensor | None) -> Tensor:
    """Return how much the grain of two sets of pictures differs, (N,).

    The grain of a picture is the root mean square of what the teacher removes at t = 1. The result is the squared
    difference of the two grains.

    Arguments:
        teacher: the model whose x̂_0 at t = 1 is used; no gradient flows through it.
        x_0, wanted: (N, C, H, W).
        condition: the condition of x_0 and of wanted, as `evaluation` takes it.
    """

    def grain_of(pictures: Tensor) -> Tensor:
        """Return the grain of pictures, (N,)."""
        with torch.no_grad():
            clean = evaluation(teacher, pictures, torch.ones(len(pictures), dtype=torch.int64), condition).x0
        taken = (pictures - clean).flatten(1)
        # vector_norm has gradient 0 for a picture without grain, where a square root would have no finite gradient.
        return torch.linalg.vector_norm(taken, dim=1) / taken.shape[1] ** 0.5

    return (grain_of(x_0) - grain_of(wanted)).square()


def squared_loss(found: Sequence[Tensor], wanted: Tensor) -> Tensor:
    """Return the loss of each picture, (N,): the error of the last x̂_0, and EARLIER times the mean error of the
    earlier x̂_0.

    An error is a mean square. found: the x̂_0 of all steps, (N, C, H, W) each. wanted: the x_0 of the teacher, of the
    same shape.
    """
    *earlier, last = ((x_0 - wanted).square().flatten(1).mean(1) for x_0 in found)
    return last + EARLIER * torch.stack(earlier).mean(0) if earlier else last


def difference(states: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Return how much two batches of pictures differ, (N,).

    states, wanted: the encoder's states of the two batches, (N, C, H, W) each. The result is the mean over all states
        of the squared difference, divided by the square of the wanted state.
    """
    found = [
        (ours - theirs).square().flatten(1).mean(1) / theirs.square().flatten(1).mean(1)
        for ours, theirs in zip(states, wanted, strict=True)
    ]
    return torch.stack(found).mean(0)
