"""python -m train fit | push | gamma | evaluate"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from ddpm_core import CheckpointError
from train import TrainError, checkpoints
from train.config import PRESETS, Config, from_dict

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


def _value(arguments: list[str], flag: str) -> str | None:
    """The value of a flag, looked up before the defaults of the others are known."""
    for i, word in enumerate(arguments):
        if word == flag and i + 1 < len(arguments):
            return arguments[i + 1]
        if word.startswith(f"{flag}="):
            return word[len(flag) + 1 :]
    return None


def parse_fit(arguments: list[str]) -> tuple[Config, dict[str, Any] | None]:
    """The configuration and, for --resume, the checkpoint it continues from."""
    name = _value(arguments, "--config")
    default, state = PRESETS.get(name or "cifar10", PRESETS["cifar10"]), None
    asks_for_help = "-h" in arguments or "--help" in arguments
    if "--resume" in arguments and not asks_for_help:
        folder = Path(_value(arguments, "--out") or default.out).expanduser() / "checkpoints"
        state, complaints = checkpoints.load_latest(folder)
        for complaint in complaints:
            print(complaint, file=sys.stderr)
        default = from_dict(state["config"])
    config = tyro.cli(Config, args=arguments, default=default, prog="python -m train fit", description=fit.__doc__)
    return config, state


def fit(arguments: list[str]) -> int:
    """Train a model. The defaults shown are those of --config; with --resume, those of the run in --out."""
    config, state = parse_fit(arguments)
    from train.trainer import Trainer  # slow to import, and not needed to show --help

    out = Path(config.out).expanduser()
    if state is None and checkpoints.found(out / "checkpoints"):
        raise TrainError(f"{out} already holds a run: add --resume to continue it, or choose another --out.")
    trainer = Trainer(config, state)
    stopped = trainer.fit()
    if trainer.accelerator.is_main_process:
        if stopped:
            print(f"Stopped and saved at step {trainer.step}: add --resume to continue.", file=sys.stderr)
        else:
            print(f"Done: the model is in {out / 'model'}", file=sys.stderr)
    return 128 + stopped if stopped else 0


def push(arguments: list[str]) -> int:
    options = tyro.cli(Push, args=arguments, prog="python -m train push")
    from train.card import push as send

    print(send(Path(options.out).expanduser(), options.repo, options.private))
    return 0


def gamma(arguments: list[str]) -> int:
    from train.gamma import main as run

    return run(arguments)


def evaluate(arguments: list[str]) -> int:
    from train.evaluate import main as run

    return run(arguments)


def main(arguments: list[str]) -> int:
    commands = {"fit": fit, "push": push, "gamma": gamma, "evaluate": evaluate}
    if not arguments or arguments[0] not in commands:
        asked = bool(arguments) and arguments[0] in ("-h", "--help")
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
