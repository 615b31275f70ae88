"""`train fit`: from the command line, or from Python, to a trainer that runs, fresh or resumed, alone in its folder."""

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
from train.common.config import PRESETS, Config, Kind, PresetName, converted
from train.common.errors import enough_memory

if TYPE_CHECKING:
    from train.fit.trainer import Trainer

PROGRAM = "python -m train fit"
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class FitStart:
    """The flags that decide the defaults of the others."""

    config: PresetName = "cifar10"
    out: str | None = None
    resume: bool = False
    init: str | None = None
    image_size: int | None = None

    @property
    def folder(self) -> str:
        """The run's folder."""
        return PRESETS[self.config].out if self.out is None else self.out


def _lists(changes: type) -> Callable[[Function], Function]:
    """Let `inspect.signature` list the changes by name, as editors know them, so that IPython completes them, too."""

    def listed(function: Function) -> Function:
        signature, kind = inspect.signature(function), inspect.Parameter.KEYWORD_ONLY
        first, *_ = signature.parameters.values()
        names = [inspect.Parameter(name, kind, annotation=hint) for name, hint in get_type_hints(changes).items()]
        vars(function)["__signature__"] = signature.replace(parameters=[first, *names])
        return function

    return listed


@_lists(PresetChanges)
def preset(name: PresetName, **changes: Unpack[PresetChanges]) -> Config:
    """Return a preset's configuration, with what a checkpoint given as `init` decides in it, and with changes.

    Arguments:
        name: one of the presets of `train fit --config`.
        changes: fields of `Config`; each is a flag of `train fit` too, with - for _, and means the same. `data` may
            also be an array, a list, a data set of PyTorch or Hugging Face, or a stream: see "Your own data" in
            docs/training.md.

    Raises:
        TrainError: for another name or field, for a value of another type, and for a checkpoint that can't be trained
            on.
    """
    if name not in PRESETS:
        meant = near(str(name), PRESETS)
        end = f"did you mean {meant}?" if meant else f"choose from {', '.join(PRESETS)}."
        raise TrainError(f"There is no preset {name!r}: {end}")
    plain = converted(Config, changes)
    return replace(begin(PRESETS[name], plain.get("init"), plain.get("image_size")), **plain)


@_lists(Changes)
def resume(out: str | Path, **changes: Unpack[Changes]) -> Trainer:
    """Return the trainer of a run that was stopped, or that shall take more steps.

    Arguments:
        out: folder of the run.
        changes: as for `preset`; not all can change any more. Data that were given as an object are given again.

    Raises:
        TrainError: where there is no run, and for changes that a run can't take once it has begun.
    """
    from train.fit.trainer import Trainer

    config, state = _latest(user_path(out), Config)
    return Trainer(replace(config, **converted(Config, changes)), state)


def begin(config: Config, init: str | None, image_size: int | None) -> Config:
    """A preset with what the checkpoint of --init decides. image_size: None is the checkpoint's own."""
    if init is None:
        return config
    from train.fit.inputs.init import begun

    return begun(replace(config, init=init, image_size=image_size or 0))


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
    """Say how a run ended, by the signal that stopped it or with its result; returns the exit status."""
    if trainer.accelerator.is_main_process:
        end = f"Stopped and saved at step {trainer.step}: add --resume to continue." if stopped else f"Done: {result}"
        print(end, file=sys.stderr)
    return 128 + stopped if stopped else 0


def _trainer(config: Config, state: dict[str, Any] | None) -> Trainer:
    from train.fit.trainer import Trainer

    return Trainer(config, state)


def parse_fit(arguments: list[str]) -> tuple[Config, dict[str, Any] | None]:
    """The configuration and, for --resume, the checkpoint to continue from. Raises TrainError where there is none."""
    start = _parse_start(arguments)
    default = PRESETS[start.config]
    if not start.resume and not HELP & set(arguments):
        default = begin(default, start.init, start.image_size)
    description = "Train a model. The defaults shown are those of --config; with --resume, those of the run in --out."
    return parse_run(arguments, default, start.folder, start.resume, PROGRAM, description)


def parse_run(
    arguments: list[str], default: Kind, out: str, resume: bool, program: str, description: str
) -> tuple[Kind, dict[str, Any] | None]:
    """The configuration of a command, and for --resume the checkpoint to continue from. Raises TrainError."""
    state = None
    if resume and not HELP & set(arguments):
        default, state = _latest(user_path(out), type(default))
    return read_flags(arguments, default, program, description), state


def _latest(folder: Path, kind: type[Kind]) -> tuple[Kind, dict[str, Any]]:
    """The configuration and the newest checkpoint of a run. Raises TrainError where there is none."""
    from train.fit.state import load_latest, resumed

    state, complaints = load_latest(folder / "checkpoints")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    # The folder may have been moved since: the run goes on where it was found.
    return replace(resumed(state, kind), out=str(folder)), state


def read_flags(arguments: list[str], default: Kind, program: str, description: str) -> Kind:
    """The configuration with what a command line changes in it. Raises SystemExit, after a message, as tyro does."""
    kind = default.flags()
    shown = kind(**{field.name: getattr(default, field.name) for field in fields(kind)})
    given = read(kind, arguments, program, default=shown, description=description)
    return replace(default, **vars(given))


def _parse_start(arguments: list[str]) -> FitStart:
    return read_known(FitStart, arguments, PROGRAM)
