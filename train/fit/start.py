"""Start or resume a run of `train fit`, from the command line or from Python."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, get_type_hints

from ddpm_core.commands.reading import HELP, read, read_known
from ddpm_core.commands.values import near
from train import TrainError
from train.common.changes import Changes, PresetChanges
from train.common.command_line import user_path
from train.common.config import PRESETS, Config, Kind, PresetName, convert_fields
from train.common.errors import enough_memory

if TYPE_CHECKING:
    from train.fit.trainer import Trainer

PROGRAM = "python -m train fit"
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class FitStart:
    """The flags that decide the defaults of the other flags."""

    config: PresetName = "cifar10"
    out: str | None = None
    resume: bool = False
    init: str | None = None
    image_size: int | None = None

    @property
    def folder(self) -> str:
        """Return the run's folder."""
        return PRESETS[self.config].out if self.out is None else self.out


def _with_parameters(changes: type) -> Callable[[Function], Function]:
    """Return a decorator that adds the fields of `changes` to a function's signature, for completion in IPython."""

    def listed(function: Function) -> Function:
        """Set the signature of a function, and return the function."""
        signature, kind = inspect.signature(function), inspect.Parameter.KEYWORD_ONLY
        first, *_ = signature.parameters.values()
        names = [inspect.Parameter(name, kind, annotation=hint) for name, hint in get_type_hints(changes).items()]
        vars(function)["__signature__"] = signature.replace(parameters=[first, *names])
        return function

    return listed


@_with_parameters(PresetChanges)
def preset(name: PresetName, **changes: Unpack[PresetChanges]) -> Config:
    """Return a preset's configuration with changes. A checkpoint given as `init` also decides some fields.

    Arguments:
        name: one of the presets of `train fit --config`.
        changes: fields of `Config`. Each means the same as the flag of `train fit` with its name
            (sample_every is --sample-every). `data` may also be an array, a list, a data set of PyTorch or Hugging
            Face, or a stream: see "Your own data" in docs/training.md.

    Raises:
        TrainError: for an unknown name or field, for a value of another type, and for a checkpoint that can't be
            trained.
    """
    if name not in PRESETS:
        meant = near(str(name), PRESETS)
        end = f"did you mean {meant}?" if meant else f"choose from {', '.join(PRESETS)}."
        raise TrainError(f"There is no preset {name!r}: {end}")
    plain = convert_fields(Config, changes)
    return replace(apply_checkpoint(PRESETS[name], plain.get("init"), plain.get("image_size")), **plain)


@_with_parameters(Changes)
def resume(out: str | Path, **changes: Unpack[Changes]) -> Trainer:
    """Return the trainer of a run that was stopped, or that should take more steps.

    Arguments:
        out: folder of the run.
        changes: as for `preset`; some fields can't change any more. Data that were an object must be passed again.

    Raises:
        TrainError: if there is no run, and for changes that a run can't take once it has begun.
    """
    from train.fit.trainer import Trainer

    config, state = _latest(user_path(out), Config)
    return Trainer(replace(config, **convert_fields(Config, changes)), state)


def apply_checkpoint(config: Config, init: str | None, image_size: int | None) -> Config:
    """Return a preset with the fields that the checkpoint `init` decides. image_size: None for the checkpoint's."""
    if init is None:
        return config
    from train.fit.inputs.init import apply_init

    return apply_init(replace(config, init=init, image_size=image_size or 0))


def fit(arguments: list[str]) -> int:
    """Train a model and return the exit status. Raises TrainError for a run that can't start or go on."""
    return run(arguments, user_path(_parse_start(arguments).folder), parse_fit, _trainer)


def run(
    arguments: list[str],
    out: Path,
    parse: Callable[[list[str]], tuple[Kind, dict[str, Any] | None]],
    make: Callable[[Kind, dict[str, Any] | None], Trainer],
) -> int:
    """Run a training in its folder `out`, which is locked, and return the exit status. Raises TrainError as `fit` does.

    parse: a function that reads the configuration and the checkpoint, or None, from the arguments. make: a function
        that makes a trainer of these two.
    """
    if HELP & set(arguments):
        parse(arguments)  # prints the help and exits
    # These imports come late: torch and accelerate take seconds, and --help does not need them.
    from train.common.lock import locked
    from train.fit.trainer import ADVICE

    with locked(out):
        config, state = parse(arguments)
        with enough_memory(ADVICE):
            trainer = make(config, state)
            try:
                stopped = trainer.run()
            finally:
                trainer.end()
    return report(trainer, stopped, f"the model is in {out / 'model'}")


def report(trainer: Trainer, stopped: int | None, result: str) -> int:
    """Print how a run ended, by a signal or with its result, and return the exit status."""
    if trainer.accelerator.is_main_process:
        end = f"Stopped and saved at step {trainer.step}: add --resume to continue." if stopped else f"Done: {result}"
        print(end, file=sys.stderr)
    return 128 + stopped if stopped else 0


def _trainer(config: Config, state: dict[str, Any] | None) -> Trainer:
    """Return the trainer. It is imported late because it imports torch, which takes seconds."""
    from train.fit.trainer import Trainer

    return Trainer(config, state)


def parse_fit(arguments: list[str]) -> tuple[Config, dict[str, Any] | None]:
    """Return the configuration, and with --resume the checkpoint to continue from. Raises TrainError if none exists."""
    start = _parse_start(arguments)
    default = PRESETS[start.config]
    if not start.resume and not HELP & set(arguments):
        default = apply_checkpoint(default, start.init, start.image_size)
    description = "Train a model. The defaults shown are those of --config; with --resume, those of the run in --out."
    return parse_run(arguments, default, start.folder, start.resume, PROGRAM, description)


def parse_run(
    arguments: list[str], default: Kind, out: str, resume: bool, program: str, description: str
) -> tuple[Kind, dict[str, Any] | None]:
    """Return a command's configuration, and with --resume the checkpoint to continue from. Raises TrainError if none
    exists.

    default: the configuration of a new run without flags. program, description: for the help.
    """
    state = None
    if resume and not HELP & set(arguments):
        default, state = _latest(user_path(out), type(default))
    return read_flags(arguments, default, program, description), state


def _latest(folder: Path, kind: type[Kind]) -> tuple[Kind, dict[str, Any]]:
    """Return the configuration and the newest checkpoint of a run. Raises TrainError if there is none."""
    from train.fit.state import load_latest, restore_config

    state, complaints = load_latest(folder / "checkpoints")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    # The folder may have been moved. The run continues in the folder where it was found.
    return replace(restore_config(state, kind), out=str(folder)), state


def read_flags(arguments: list[str], default: Kind, program: str, description: str) -> Kind:
    """Return the default configuration with the changes of a command line. For wrong flags, print a message and raise
    SystemExit.
    """
    kind = default.flags()
    shown = kind(**{field.name: getattr(default, field.name) for field in fields(kind)})
    given = read(kind, arguments, program, default=shown, description=description)
    return replace(default, **vars(given))


def _parse_start(arguments: list[str]) -> FitStart:
    """Read only the flags of `FitStart`, and ignore all other flags."""
    return read_known(FitStart, arguments, PROGRAM)
