"""`python -m train fit`: from the command line to a trainer that runs, fresh or resumed, alone in its folder."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from train import TrainError
from train.common.command_line import HELP, check_arguments, user_path
from train.common.config import PRESETS, Config, Kind, PresetName
from train.common.memory import enough_memory

if TYPE_CHECKING:
    from train.fit.trainer import Trainer

PROGRAM = "python -m train fit"
ADVICE = "a smaller --batch, or more rounds (--accumulate)"  # where the memory is full


@dataclass(frozen=True)
class FitStart:
    """The flags that decide the defaults of the others."""

    config: PresetName = "cifar10"
    out: str | None = None
    resume: bool = False

    @property
    def folder(self) -> str:
        """The run's folder."""
        return PRESETS[self.config].out if self.out is None else self.out


def fit(arguments: list[str]) -> int:
    """Train a model; returns the exit status. Raises TrainError for a run that can't be started or can't go on."""
    return run(arguments, user_path(_parse_start(arguments).folder), parse_fit, _trainer)


def run(
    arguments: list[str],
    out: Path,
    parse: Callable[[list[str]], tuple[Kind, dict[str, Any] | None]],
    make: Callable[[Kind, dict[str, Any] | None], Trainer],
) -> int:
    """A run in its folder `out`: of what `parse` reads, by the trainer that `make` makes of it; as `fit`."""
    if HELP & set(arguments):
        parse(arguments)  # shows it and leaves
    # Imported here: torch and accelerate take seconds, and --help does without them.
    from train.common.lock import locked
    from train.fit.outputs.export import check_new
    from train.fit.state import find_checkpoints

    with locked(out):
        config, state = parse(arguments)
        if state is None and find_checkpoints(out / "checkpoints"):
            raise TrainError(f"{out} already holds a run: add --resume to continue it, or choose another --out.")
        if state is None:
            check_new(out, config)
        with enough_memory(ADVICE):
            trainer = make(config, state)
            try:
                stopped = trainer.fit()
            finally:
                trainer.end()
    if trainer.accelerator.is_main_process:
        if stopped:
            print(f"Stopped and saved at step {trainer.step}: add --resume to continue.", file=sys.stderr)
        else:
            print(f"Done: the model is in {out / 'model'}", file=sys.stderr)
    return 128 + stopped if stopped else 0


def _trainer(config: Config, state: dict[str, Any] | None) -> Trainer:
    from train.fit.trainer import Trainer

    return Trainer(config, state)


def parse_fit(arguments: list[str]) -> tuple[Config, dict[str, Any] | None]:
    """The configuration and, for --resume, the checkpoint to continue from. Raises TrainError where there is none."""
    start = _parse_start(arguments)
    description = "Train a model. The defaults shown are those of --config; with --resume, those of the run in --out."
    return parse_run(arguments, PRESETS[start.config], start.folder, start.resume, PROGRAM, description)


def parse_run(
    arguments: list[str], default: Kind, out: str, resume: bool, program: str, description: str
) -> tuple[Kind, dict[str, Any] | None]:
    """The configuration of a command, and for --resume the checkpoint to continue from. Raises TrainError."""
    folder, state = user_path(out), None
    if resume and not HELP & set(arguments):
        from train.fit.state import load_latest, resumed

        state, complaints = load_latest(folder / "checkpoints")
        for complaint in complaints:
            print(complaint, file=sys.stderr)
        # The folder may have been moved since: the run goes on where it was found.
        default = replace(resumed(state, type(default)), out=str(folder))
    try:
        return read_flags(arguments, default, program, description), state
    except TypeError as error:  # older versions of tyro stop here at a checkpoint's configuration that is not ours
        raise TrainError(f"The configuration holds a value of the wrong kind: {error}.") from error


def read_flags(arguments: list[str], default: Kind, program: str, description: str) -> Kind:
    """The configuration with what a command line changes in it. Raises SystemExit, after a message, as tyro does."""
    kind = default.flags()
    shown = kind(**{field.name: getattr(default, field.name) for field in fields(kind)})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The field", UserWarning)  # of a checkpoint's wrong value: `check` refuses it
        given = tyro.cli(kind, args=arguments, default=shown, prog=program, description=description)
    return replace(default, **vars(given))


def _parse_start(arguments: list[str]) -> FitStart:
    check_arguments(arguments)
    words = [word for word in arguments if word not in HELP]  # parse_fit shows the help, with the right defaults
    return tyro.cli(FitStart, args=words, return_unknown_args=True, prog=PROGRAM)[0]
