"""Command line: python -m train fit | autoencoder | distill | average | push | gamma | schedule | readers | evaluate"""

from __future__ import annotations

import ddpm_core.python_versions  # noqa: F401  # checks the version of Python before other imports fail

# isort: split

import dataclasses
import sys
from typing import Annotated

import tyro

from ddpm_core.commands import allow_any_text, one_line
from ddpm_core.commands.reading import HELP, find, read
from ddpm_core.errors import UserError
from train.common.command_line import user_path
from train.common.errors import enough_memory

USAGE = """usage: python -m train COMMAND [--help]

  fit   train a model:          python -m train fit --config cifar10-tiny --data FOLDER --out runs/tiny
        go on where it stopped: python -m train fit --resume --out runs/tiny
  autoencoder   train one, for models in its latents: python -m train autoencoder --data FOLDER --out runs/autoencoder
  distill   make a student that needs few steps: python -m train distill CHECKPOINT --data FOLDER --out runs/student
  average   average the weights anew, over any length: python -m train average RUN --length 0.15
  push  send a result to the Hub: python -m train push --out runs/tiny --repo OWNER/NAME
  gamma     estimate what the analytic variance needs: python -m train gamma CHECKPOINT --data FOLDER
  schedule  find the time steps that suit a model best:  python -m train schedule FOLDER
  readers   fit what reads x̂_0 from a network's blocks:   python -m train readers CHECKPOINT
  evaluate  FID, KID, IS, bits/dim by steps and variance: python -m train evaluate CHECKPOINT --data FOLDER --out study
"""


@dataclasses.dataclass
class Push:
    """Send the model of a run to the Hugging Face Hub (log in first: hf auth login)."""

    out: str
    """Folder of the run."""
    repo: Annotated[str, tyro.conf.arg(metavar="OWNER/NAME")]
    """Repository; it is created if it does not exist."""
    private: bool = False
    """Make it private, if it is created."""


# Each command parses its flags before it imports torch and similar packages: the import takes seconds, and --help must
# be quick.


def fit(arguments: list[str]) -> int:
    """Run `train fit`, which trains a model, and return the exit status."""
    from train.fit import start

    return start.fit(arguments)


def autoencoder(arguments: list[str]) -> int:
    """Run `train autoencoder`, which trains an autoencoder, and return the exit status."""
    from train.autoencoder import start

    return start.autoencoder(arguments)


def distill(arguments: list[str]) -> int:
    """Run `train distill`, which makes a student of few steps, and return the exit status."""
    from train.distill import start

    return start.distill(arguments)


def average(arguments: list[str]) -> int:
    """Run `train average`, which averages the weights of a run, and return the exit status."""
    from train.fit import average

    with enough_memory("a smaller model"):
        return average.main(arguments)


def push(arguments: list[str]) -> int:
    """Run `train push`: send the model of a run to the Hub, print its address, and return the exit status."""
    options = read(Push, arguments, "python -m train push")
    from train.fit.outputs import export

    print(export.push(user_path(options.out), options.repo, options.private))
    return 0


def gamma(arguments: list[str]) -> int:
    """Run `train gamma`, which estimates Γ_t of a checkpoint, and return the exit status."""
    from train.tuning import gamma

    with enough_memory("fewer --images"):
        return gamma.main(arguments)


def schedule(arguments: list[str]) -> int:
    """Run `train schedule`, which finds a checkpoint's optimised time steps, and return the exit status."""
    from train.tuning import schedule

    with enough_memory("fewer --images"):
        return schedule.main(arguments)


def readers(arguments: list[str]) -> int:
    """Run `train readers`, which fits readers of x̂_0 to a checkpoint's blocks, and return the exit status."""
    from train.tuning import readers

    with enough_memory("fewer --seeds"):
        return readers.main(arguments)


def evaluate(arguments: list[str]) -> int:
    """Run `train evaluate`, which measures a checkpoint, and return the exit status."""
    from train.evaluate.options import Options

    options = read(Options, arguments, "python -m train evaluate")
    from train.evaluate.run import run

    with enough_memory("a smaller --batch"):
        run(options)
    return 0


def main(arguments: list[str]) -> int:
    """Run one command and return the exit status. If the user made an error, print one sentence and return 2."""
    allow_any_text()
    commands = {
        "fit": fit,
        "autoencoder": autoencoder,
        "distill": distill,
        "average": average,
        "push": push,
        "gamma": gamma,
        "schedule": schedule,
        "readers": readers,
        "evaluate": evaluate,
    }
    if not arguments or arguments[0] in HELP:
        print(USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    try:
        return commands[find(commands, arguments, "python -m train")](arguments[1:])
    except (UserError, ValueError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is missing: pip install -r requirements-dev.txt", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
