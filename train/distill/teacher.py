"""The teacher of a distillation: which models can be a teacher, the fields that the teacher decides, and the times of
its chain.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ddpm_core import CheckpointError, Model, load
from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.config import fields
from ddpm_core.engines.latent import ClipText, LatentDecoder
from ddpm_core.engines.torch import TorchNetwork
from ddpm_core.names import LEARNED
from train import TrainError
from train.common.command_line import check_range
from train.common.config import Config
from train.distill.config import DistillConfig
from train.fit.fused import check_fusable
from train.fit.inputs.init import copy_to_train, of_network, of_process, schedule_name
from train.fit.inputs.latents import digest_of, identity_of
from train.fit.outputs.card import command
from train.fit.recipe import architecture, of_latents

CONSISTENCY_TIMES = 8  # default number of times t that a consistency student learns
LIMITS = {"teacher_steps": (1, 1024), "student_steps": (1, 1024), "pairs": (0, 10**7)}


def open_teacher(ref: str) -> Model:
    """Load a teacher on the CPU in float32. Raises TrainError for a checkpoint that can't be loaded."""
    if not ref:
        raise TrainError("Say what to distil: python -m train distill TEACHER --data DATA --out OUT.")
    try:
        return load(ref, device="cpu", precision="fp32", engine="torch")
    except CheckpointError as error:
        raise TrainError(f"The teacher: {error}.") from error


def chain_of(teacher: Model, config: DistillConfig) -> list[int]:
    """Return the times of the chain that the student learns, falling from T: --student-times, or the teacher's times.

    Raises TrainError if two of the teacher's times are equal.
    """
    return list(config.student_times) or teacher_times(teacher, config)


def teacher_times(teacher: Model, config: DistillConfig) -> list[int]:
    """Return the times at which the teacher is evaluated, from T down to at least 1.

    They are --teacher-times, if given; else the own times of a teacher that is a student; else, in an end-to-end run,
    optimised times, if the teacher has any; else T (k/n)^power, rounded, for k = n..1. Raises TrainError if two of
    these would be equal.
    """
    if config.teacher_times:
        return list(config.teacher_times)
    if teacher.student is not None:
        return list(teacher.student.times)
    T, n = teacher.schedule.T, config.teacher_steps
    optimised = (teacher.optimised or {}).get("unipc", {})
    if config.method == "end-to-end" and n in optimised:
        return list(optimised[n])
    times = [max(1, round(T * (k / n) ** config.spacing_power)) for k in range(n, 0, -1)]
    if len(set(times)) < n:
        raise TrainError(
            f"--teacher-steps {n} with --spacing-power {config.spacing_power:g} visit one time twice: take fewer steps "
            "or a smaller power."
        )
    return times


def complete(config: DistillConfig) -> DistillConfig:
    """Return the configuration with all fields that the teacher decides. Reads only the teacher, and --student.

    Raises TrainError for a teacher that can't be distilled, and for settings that don't fit it.
    """
    teacher = open_teacher(config.teacher)
    config = dataclasses.replace(config, **_fields_of_teacher(teacher, config), teacher_digest=digest(teacher))
    _check_teacher(teacher, config)
    for name in ("student", "distance", "pairs", "student_times"):
        if config.method != "end-to-end" and getattr(config, name) != getattr(DistillConfig, name):
            raise TrainError(f"--{name.replace('_', '-')} needs --method end-to-end.")
    if config.student is not None:
        config = dataclasses.replace(config, **_fields_of_student(teacher, config))
    elif config.student_times:
        config = dataclasses.replace(config, **_every_nth_time(config.student_times, config))
    elif config.student_steps is None and config.method == "end-to-end":
        raise TrainError("--method end-to-end needs --student, or --student-steps for a new student.")
    elif config.student_steps is None:
        steps = 1 if config.method == "progressive" else min(CONSISTENCY_TIMES, config.teacher_steps)
        config = dataclasses.replace(config, student_steps=steps)
    _check(teacher, config)
    _check_times(teacher, config)
    if config.method == "end-to-end":  # the run keeps these times, even if a later search finds others
        config = dataclasses.replace(config, teacher_times=tuple(teacher_times(teacher, config)))
    return config


def open_student(ref: str) -> Model:
    """Load --student as `open_teacher` does.

    Also raises TrainError for a model that is not a finished student of progressive distillation.
    """
    model = open_teacher(ref)
    if model.student is None or model.student.method != "progressive" or not model.student.finished:
        raise TrainError(f"--student {ref} must be a finished student of progressive distillation.")
    return model


def _fields_of_student(teacher: Model, config: DistillConfig) -> dict[str, Any]:
    """Return the fields that --student decides. Raises TrainError if it does not fit the teacher or the flags."""
    ref, default = config.student or "", DistillConfig()
    for name in ("teacher_order", "guidance"):
        if getattr(config, name) != getattr(default, name):
            raise TrainError(f"--{name.replace('_', '-')} was decided when --student was made: leave it out.")
    model = open_student(ref)
    assert model.student is not None
    chosen = _every_nth_time(config.student_times or model.student.times, config)
    for name in ("image_size", "channels", "num_classes", "null_label", "class_names", "latent"):
        if getattr(model, name) != getattr(teacher, name):
            raise TrainError(f"--student {ref} and {config.teacher} do not have the same {name.replace('_', ' ')}.")
    shapes = [{n: p.shape for n, p in unet_of(m).named_parameters()} for m in (model, teacher)]
    if shapes[0] != shapes[1] or not torch.equal(model.schedule.alpha_bar, teacher.schedule.alpha_bar):
        raise TrainError(f"--student {ref} and {config.teacher} do not have the same network and noise schedule.")
    return chosen | {"guidance": model.student.guidance}


def _every_nth_time(times: tuple[int, ...], config: DistillConfig) -> dict[str, Any]:
    """Return the fields of a student that takes every n-th of these times. Raises TrainError if n is not whole."""
    steps = config.student_steps or len(times)
    if steps < 1 or len(times) % steps:
        raise TrainError(f"--student-steps must divide the {len(times)} times of the student, got {steps}.")
    return {"student_times": times[:: len(times) // steps], "student_steps": steps}


def unet_of(model: Model) -> nn.Module:
    """Return the U-Net of a model that `open_teacher` loaded."""
    assert isinstance(model.network, TorchNetwork)
    return model.network.unet


def digest(teacher: Model) -> str:
    """Return the SHA-256 of all of a teacher's weights, in hexadecimal; "" for a model without a file."""
    path = teacher.source and teacher.source.weights_path
    if path is None:
        return ""
    decoder = teacher.decoder
    autoencoder = json.dumps(identity_of(decoder)) if isinstance(decoder, LatentDecoder) else ""
    text = digest_of(teacher.text.encoder) if isinstance(teacher.text, ClipText) else ""
    return hashlib.sha256(path.read_bytes() + autoencoder.encode() + text.encode()).hexdigest()


def check_same_teacher(teacher: Model, config: DistillConfig) -> None:
    """Raise TrainError if the teacher's weights are not those with which the run was started."""
    if digest(teacher) != config.teacher_digest:
        raise TrainError(
            f"The teacher {config.teacher} has other weights than when this run was started: restore it, or start a "
            "new run in another --out."
        )


def _check_teacher(teacher: Model, config: DistillConfig) -> None:
    """Raise TrainError for a model that can't be the teacher in this distillation."""
    ref, student = config.teacher, teacher.student
    if student is not None and not student.finished:
        raise TrainError(
            f"{ref} is a student whose training is not finished: continue it first, with "
            "`python -m train distill --resume --out OUT`, where OUT is the folder of its run."
        )
    if student is not None and "consistency" in (student.method, config.method):
        raise TrainError(
            f"{ref} is itself a student, of {student.method} distillation: distil its teacher"
            f"{f' {student.teacher}' if student.teacher else ''} instead."
        )
    if student is not None and config.method == "end-to-end":
        raise TrainError(f"{ref} is itself a student: give the model that it was made from as TEACHER.")
    if teacher.variance in LEARNED:
        raise TrainError(f"{ref} has a learned variance, which few steps do not use: choose a teacher without one.")
    if teacher.prediction != "v":  # at t = T, ε is nearly x_T: one step could not make x_0 from it
        lack = ", which at t = T says nothing about x_0" if teacher.prediction == "epsilon" else ""
        raise TrainError(
            f"{ref} predicts {teacher.prediction}{lack}, and a teacher must predict v. {_how_to_tune(teacher, config)}"
        )


def _how_to_tune(teacher: Model, config: DistillConfig) -> str:
    """Return a sentence with the command that makes a model that predicts v from a checkpoint, or why there is none."""
    assert isinstance(teacher.network, TorchNetwork)
    tuned = {field.name: getattr(config, field.name) for field in dataclasses.fields(Config)}
    tuned |= {"config": "cifar10-tiny", "init": config.teacher, "prediction": "v", "out": "runs/v-teacher"}
    tuning = shaped = Config(**tuned)
    try:
        if schedule_name(teacher.schedule) != tuning.schedule:
            raise TrainError(f"its noise schedule is {teacher.schedule.name}.")
        if teacher.latent:
            tuning = dataclasses.replace(tuning, decoder=str(_autoencoder(teacher)))
            shaped = of_latents(tuning, teacher.channels, teacher.image_size)
        copy_to_train(teacher.network.unet, shaped, teacher.num_classes)
    except TrainError as error:
        return f"`train fit` can't make such a model from it: {error}"
    return f"This command makes such a model from it: {command(tuning)}"


def _autoencoder(teacher: Model) -> Path:
    """Return the folder of a latent teacher's autoencoder."""
    assert teacher.source and teacher.source.folder
    found = refs.in_folder(teacher.source.folder, teacher.source.ref)
    assert found.layout.decoder
    return found.file(found.layout.decoder[0]).parent


def _check(teacher: Model, config: DistillConfig) -> None:
    """Raise TrainError for numbers of steps and other settings that don't fit the teacher or each other."""
    check_range(config, LIMITS)
    n, k = config.teacher_steps, config.student_steps or 1
    if teacher.student is not None and n != len(teacher.student.times):
        raise TrainError(f"--teacher-steps must be {len(teacher.student.times)}, which this teacher was made for.")
    if config.fused:
        assert isinstance(teacher.network, TorchNetwork)
        check_fusable(teacher.network.unet)
    if n > teacher.schedule.T:
        raise TrainError(f"--teacher-steps {n} is more than the {teacher.schedule.T} times of the teacher.")
    halvings = math.log2(n / k)
    if config.method == "progressive" and (halvings < 1 or halvings % 1):
        raise TrainError(
            f"Halving {n} steps does not lead to {k}: --teacher-steps must be 2, 4, 8, ... times --student-steps."
        )
    if not config.student_times and n % k:
        raise TrainError(f"--student-steps must divide --teacher-steps {n}, got {k}.")
    if config.teacher_order == 2 and (config.method != "progressive" or teacher.student is not None):
        raise TrainError("--teacher-order 2 goes with --method progressive and a teacher that is no student.")
    if not 0 < config.spacing_power <= 4:
        raise TrainError(f"--spacing-power must be above 0 and at most 4, got {config.spacing_power}.")
    if config.guidance is not None:
        check_range(config, {"guidance": fields.LIMITS["guidance"]})
    if config.guidance is not None and teacher.student is not None:
        raise TrainError("--guidance is for a teacher that is no student: this one has learned its own.")
    if config.guidance is not None and teacher.null_label is None and not teacher.takes_words:
        raise TrainError("--guidance needs a teacher with words, or classes and a label that means none: leave it out.")


def _check_times(teacher: Model, config: DistillConfig) -> None:
    """Raise TrainError unless the times of teacher and student fall from T and have the right number."""
    times, n, T = teacher_times(teacher, config), config.teacher_steps, teacher.schedule.T
    if teacher.student is not None and times != list(teacher.student.times):
        raise TrainError("--teacher-times is for a teacher that is no student: this one has its own times.")
    # Without --student-times, the student takes the teacher's times, so these must fall from T.
    begin = range(1, T + 1) if config.student_times else [T]
    other = ", or give --student-times" if config.method == "end-to-end" and not config.student_times else ""
    if len(times) != n or not _fall(times, begin):
        raise TrainError(
            f"The teacher needs {n} times that fall from T = {T}{' or below' if config.student_times else ''}, got "
            f"{', '.join(map(str, times))}: change --teacher-times or --teacher-steps{other}."
        )
    if config.student_times and not _fall(config.student_times, [T]):
        raise TrainError(f"--student-times must fall from T = {T}, got {', '.join(map(str, config.student_times))}.")


def _fall(times: Sequence[int], begin: Collection[int]) -> bool:
    """Return whether the times fall from one of `begin` to at least 1."""
    return times[0] in begin and times[-1] >= 1 and all(t > s for t, s in pairwise(times))


def _fields_of_teacher(teacher: Model, config: DistillConfig) -> dict[str, Any]:
    """Return the fields of a configuration that describe the teacher, as far as `fit` has flags for them."""
    assert isinstance(teacher.network, TorchNetwork)
    unet = teacher.network.unet
    shape = dict(unet.config) if teacher.takes_words else architecture(unet)
    return {
        **of_network(shape, teacher.image_size),
        **of_process(teacher),
        "image_size": teacher.picture_size,
        "channels": teacher.picture_channels,
        "decoder": config.teacher if teacher.latent else None,  # any value means that the run is in latents
        "conditional": teacher.num_classes > 0,
        "captions": teacher.takes_words,
        "label_dropout": 0.1 if teacher.takes_words or teacher.null_label is not None else 0.0,
    }
