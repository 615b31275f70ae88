"""`python -m train distill`: read the command line, and train a student through all stages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpm_core.commands.reading import HELP, read_known
from train import TrainError
from train.common.command_line import user_path
from train.common.errors import enough_memory
from train.distill.config import DistillConfig
from train.fit.start import read_flags, report

if TYPE_CHECKING:
    from train.fit.trainer import Trainer

PROGRAM = "python -m train distill"
STAGE = "-steps"  # end of the name of a stage's folder, such as 4-steps


@dataclass(frozen=True)
class DistillStart:
    """The flags that decide the defaults of the other flags."""

    out: str = DistillConfig.out
    resume: bool = False


def distill(arguments: list[str]) -> int:
    """Make a student and return the exit status. Raises TrainError for a run that can't start or go on."""
    if HELP & set(arguments):
        parse_distill(arguments)  # prints the help and exits
    out = user_path(_parse_start(arguments).out)
    # These imports come late: torch and accelerate take seconds, and --help does not need them.
    from train.common.lock import locked
    from train.fit.trainer import ADVICE

    with locked(out):
        config = parse_distill(arguments)
        with enough_memory(ADVICE):
            trainer, stopped = _run(config, out)
    return report(trainer, stopped, f"the student is in {trainer.out / 'model'}")


def parse_distill(arguments: list[str]) -> DistillConfig:
    """Return the configuration. With --resume, return that of the run's newest stage, changed by the flags.

    Raises TrainError if there is no run to resume, if a new run would replace an older run, if the folder is one stage
    of a run, and for flags that a resumed run can't change.
    """
    start = _parse_start(arguments)
    folder, default = user_path(start.out), DistillConfig()
    if not HELP & set(arguments):
        begun = _stage_folders(folder)
        if begun and not start.resume:
            raise TrainError(f"{folder} already holds a run: add --resume to continue it, or choose another --out.")
        if start.resume:
            from train.fit.state import restore_config

            default = replace(restore_config(_latest(begun[0] if begun else folder), DistillConfig), out=start.out)
            if default.stage and begun[0] == folder:
                raise TrainError(f"{folder} is one stage of a run: continue that with --resume --out {folder.parent}.")
    description = "Make a student that needs few steps from a model. With --resume the defaults are those of the run."
    config = read_flags(arguments, default, PROGRAM, description)
    if config.resume:
        from train.fit.flags.limits import check_resume

        check_resume(default, config, step=0)  # raises TrainError for flags that would change the stages
    return config


def stages(config: DistillConfig) -> Iterator[DistillConfig]:
    """Yield the configuration of each run of a distillation, in order: a single run, or one run for each halving."""
    if config.method != "progressive":
        yield replace(config, stage=0)
        return
    steps = config.teacher_steps // 2
    while steps >= max(1, config.student_steps or 1):
        yield replace(config, stage=steps, out=str(Path(config.out) / f"{steps}{STAGE}"))
        steps //= 2


def _run(config: DistillConfig, out: Path) -> tuple[Trainer, int | None]:
    """Train all stages that are not finished. Return the last trainer, and the signal that stopped it or None."""
    from train.distill.end_to_end import EndToEnd
    from train.distill.task import Distilling
    from train.distill.teacher import complete
    from train.fit.outputs.export import check_exportable, check_new
    from train.fit.trainer import Trainer

    begun = _stage_folders(out)
    task = EndToEnd if config.method == "end-to-end" else Distilling
    todo = list(stages(config if config.resume else complete(config)))
    if config.resume:
        todo = [stage for stage in todo if stage.stage <= config.stage]  # earlier stages, with more steps, are finished
    for stage in todo:  # check all stages first, because the first stage trains for hours
        check_exportable(user_path(stage.out))
        if user_path(stage.out) not in begun:
            check_new(stage)
    trainer = stopped = None
    try:
        for stage in todo:
            folder = user_path(stage.out)
            trainer = Trainer(stage, _latest(folder) if folder in begun else None, task)
            if trainer.accelerator.is_main_process and stage.stage:
                print(f"Halving {2 * stage.stage} steps to {stage.stage}: {folder}", file=sys.stderr)
            stopped = trainer.run()
            trainer.accelerator.wait_for_everyone()  # the next stage reads what the first process has written
            if stopped:
                break
    finally:
        if trainer is not None:
            trainer.end()
    assert trainer is not None  # there is at least one stage
    return trainer, stopped


def _stage_folders(out: Path) -> list[Path]:
    """Return the folders in which a distillation has checkpoints, that of the newest stage first."""
    from train.fit.state import find_checkpoints

    names = [path.name.removesuffix(STAGE) for path in out.glob(f"*{STAGE}")]
    folders = [out, *(out / f"{n}{STAGE}" for n in sorted(int(name) for name in names if name.isdecimal()))]
    return [folder for folder in folders if find_checkpoints(folder / "checkpoints")]


def _latest(folder: Path) -> dict[str, Any]:
    """Return the newest checkpoint of a stage. Raises TrainError if there is none."""
    from train.fit.state import load_latest

    state, complaints = load_latest(folder / "checkpoints")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return state


def _parse_start(arguments: list[str]) -> DistillStart:
    """Read only the flags of `DistillStart`, and ignore all other flags."""
    return read_known(DistillStart, arguments, PROGRAM)
