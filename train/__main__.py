"""python -m train fit | push | gamma | evaluate"""

from __future__ import annotations

import dataclasses
import sys
from typing import Annotated, Any

import tyro

from ddpm_core import CheckpointError
from train import TrainError
from train.fit import state as checkpoints
from train.fit.config import PRESETS, Config, Start, from_dict
from train.flags import check_words, parse, place

HELP = {"-h", "--help"}

USAGE = """usage: python -m train COMMAND [--help]

  fit   train a model:          python -m train fit --config cifar10-tiny --data FOLDER --out runs/tiny
        go on where it stopped: python -m train fit --resume --out runs/tiny
  push  send a result to the Hub: python -m train push --out runs/tiny --repo OWNER/NAME
  gamma     estimate what the analytic variance needs: python -m train gamma CHECKPOINT --data FOLDER
  evaluate  FID, KID, IS, bits/dim by steps and variance: python -m train evaluate CHECKPOINT --data FOLDER --out study
"""


@dataclasses.dataclass
class Push:
    """Send the model of a run to the Hugging Face Hub (log in first: hf auth login)."""

    out: str
    """Folder of the run."""
    repo: Annotated[str, tyro.conf.arg(metavar="OWNER/NAME")]
    """Repository, made if it does not exist."""
    private: bool = False
    """Make it private, where it is made."""


def _parse_start(arguments: list[str]) -> Start:
    check_words(arguments)
    words = [word for word in arguments if word not in HELP]  # shown by the second pass, with the right defaults
    return tyro.cli(Start, args=words, return_unknown_args=True, prog="python -m train fit")[0]


def parse_fit(arguments: list[str]) -> tuple[Config, dict[str, Any] | None]:
    """The configuration and, for --resume, the checkpoint it continues from. Raises TrainError where there is none."""
    start = _parse_start(arguments)
    folder = place(start.folder)
    default, state = PRESETS[start.config], None
    if start.resume and not HELP & set(arguments):
        state, complaints = checkpoints.load_latest(folder / "checkpoints")
        for complaint in complaints:
            print(complaint, file=sys.stderr)
        # The folder may have been moved since: the run goes on where it was found.
        default = dataclasses.replace(from_dict(state["config"]), out=str(folder))
    description = "Train a model. The defaults shown are those of --config; with --resume, those of the run in --out."
    config = tyro.cli(Config, args=arguments, default=default, prog="python -m train fit", description=description)
    return config, state


def fit(arguments: list[str]) -> int:
    """Train a model, alone in its folder."""
    if HELP & set(arguments):
        parse_fit(arguments)  # shows it and leaves
    out = place(_parse_start(arguments).folder)
    from train.fit.trainer import Trainer
    from train.lock import locked  # slow to import, and not needed to show --help

    with locked(out):
        config, state = parse_fit(arguments)
        if state is None and checkpoints.found(out / "checkpoints"):
            raise TrainError(f"{out} already holds a run: add --resume to continue it, or choose another --out.")
        try:
            trainer = Trainer(config, state)
            stopped = trainer.fit()
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            raise TrainError(
                "There is not enough memory: try a smaller --batch, or more rounds (--accumulate)."
            ) from error
    if trainer.accelerator.is_main_process:
        if stopped:
            print(f"Stopped and saved at step {trainer.step}: add --resume to continue.", file=sys.stderr)
        else:
            print(f"Done: the model is in {out / 'model'}", file=sys.stderr)
    return 128 + stopped if stopped else 0


def _out_of_memory(error: Exception) -> bool:
    """Whether Python, or torch on any device, says that there is no memory left."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in ("out of memory", "allocate memory"))


def push(arguments: list[str]) -> int:
    options = parse(Push, arguments, prog="python -m train push")
    from train.fit.card import push as send

    print(send(place(options.out), options.repo, options.private))
    return 0


def gamma(arguments: list[str]) -> int:
    from train.gamma import main as run

    return run(arguments)


def evaluate(arguments: list[str]) -> int:
    from train.evaluate.study import main as run

    return run(arguments)


def main(arguments: list[str]) -> int:
    commands = {"fit": fit, "push": push, "gamma": gamma, "evaluate": evaluate}
    if not arguments or arguments[0] not in commands:
        asked = bool(arguments) and arguments[0] in HELP
        print(USAGE, end="", file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    try:
        return commands[arguments[0]](arguments[1:])
    except (TrainError, CheckpointError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is missing: pip install -r requirements-dev.txt", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
