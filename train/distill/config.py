"""The configuration of a distillation: the flags of `python -m train distill`, and fields that the teacher decides."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro

from ddpm_core.commands.reading import Unset
from ddpm_core.names import Distillation, Prediction
from train.common.config import Config, Data, OfDenoisers, Optimiser, Output, Run, to_dict

Method = Literal[Distillation, "end-to-end"]


@dataclass(frozen=True)
class DistillFlags(OfDenoisers, Output, Optimiser, Data, Run):
    """The flags of `python -m train distill`."""

    teacher: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TEACHER")] = ""
    """The teacher, a checkpoint that predicts v: embedded name, folder (also a run's) or Hub id."""
    method: Method = "progressive"
    """progressive: a student of half the steps, then one of a quarter and so on; each is kept in its own folder.
    consistency: one student that predicts x_0 directly from several times. end-to-end: one student that learns all its
    steps at once; from one noise, it learns the picture that TEACHER draws."""
    student: str | None = None
    """end-to-end: the student of progressive distillation to train further: embedded name, folder (also a run's) or Hub
    id. None: a new student begins with TEACHER's weights."""
    distance: Literal["perceptual", "squared"] = "perceptual"
    """end-to-end: how the loss compares both pictures. perceptual: by the states of TEACHER's encoder. squared: by
    the mean square of their difference; the x̂_0 of earlier steps count too. Use it for latents."""
    pairs: int = 0
    """end-to-end: how many noises the run learns from, each with TEACHER's picture. They are drawn once and repeated,
    each time in another order. 0: every example has a new noise."""
    teacher_steps: int = 16
    """DDIM steps of the teacher's chain, from which the student learns. end-to-end: steps of UniPC; they are optimised
    if the teacher has such steps, as an embedded model has for 8."""
    teacher_times: tuple[int, ...] = ()
    """The times of these steps, which fall from T; end-to-end: or from a lower time. If you give none, they are
    optimised, or --spacing-power decides."""
    teacher_order: Literal[1, 2] = 1
    """progressive: how the first halving takes two of these steps. 1: as they are (Salimans & Ho). 2: as one step of
    second order, DPM-Solver++(2S), which comes closer to the teacher's result with many steps."""
    student_steps: int | None = None
    """progressive: the halving ends with a student of this many steps; None: 1. consistency: the student learns this
    many times, and can take at most as many steps; None: 8, or --teacher-steps if that is less. end-to-end without
    --student: the student takes this many steps, evenly among the teacher's times; with it, among its own."""
    student_times: tuple[int, ...] = ()
    """end-to-end: the times of the student's steps, which fall from T. If you give none, they are those of --student or
    of the teacher."""
    spacing_power: float = 2.0
    """The chain's times are T (k/n)^this, k = n..1. 1 spaces them evenly; a larger number puts more of them near the
    image."""
    guidance: Unset[float] = None
    """Guide the teacher with this scale (for teachers with classes or words). The student then needs no guidance."""

    out: str = "runs/student"
    """Folder of the run. consistency: a folder as for `fit`, with the student in model/. progressive: a folder for each
    stage; for example, the student of 4 steps is in 4-steps/model/."""
    steps: int = 1000
    """Optimiser steps; with progressive distillation, of each stage."""


@dataclass(frozen=True)
class DistillConfig(DistillFlags, Config):
    """A run of `train distill`. `teacher.complete` fills in the other fields of `fit` from the teacher."""

    command: ClassVar[str] = "distill"

    # Defaults that differ from those of `fit`. The base classes explain the fields.
    flip: bool = False
    batch: int = 64
    optimizer: Literal["adam", "adamw", "muon"] = "muon"
    lr: float = 1e-3
    warmup: int = 20
    lr_decay: Literal["none", "cosine", "linear"] = "cosine"
    ema: float = 0.99
    checkpoint_every: int = 250
    sample_every: int = 0

    stage: int = 0  # number of steps of this run's student; 0 unless the distillation is progressive
    teacher_digest: str = ""  # SHA-256 of the teacher's weights
    prediction: Prediction = "v"
    dropout: float = 0.0
    sample_steps: int = 1

    @classmethod
    def flags(cls) -> type[DistillFlags]:
        """Return the class whose fields are the flags of the command."""
        return DistillFlags

    def origin(self) -> tuple[list[str], dict[str, Any]]:
        """Return the first words of the command that starts such a run, and the field values that they imply."""
        words, out = ["distill", self.teacher], self.out
        if self.stage:
            words += ["--out", str(Path(out).parent)]
        flags = {field.name for field in fields(DistillFlags)}
        defaults: dict[str, Any] = {field.name: field.default for field in fields(self) if field.name in flags}
        if self.student is not None:  # --student also gives the default of --guidance
            defaults |= {"guidance": self.guidance}
        own = {"teacher": self.teacher} | ({"out": out} if self.stage else {})
        return words, to_dict(self) | defaults | own
