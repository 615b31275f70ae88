"""Command line: `python -m ddpm_core sample`, `reconstruct`, `interpolate`, `restore`, `info`, `export` and
`convert`."""

from __future__ import annotations

import ddpm_core.python_versions  # noqa: F401  # first, because an older Python may fail at the other imports

# isort: split

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol

import tyro

from ddpm_core.commands import allow_any_text, defaults, one_line
from ddpm_core.commands.chain import Where, check_output, open_checkpoint
from ddpm_core.commands.convert import Convert
from ddpm_core.commands.latents import Interpolate, Reconstruct
from ddpm_core.commands.reading import Unset, find, read
from ddpm_core.commands.restore import Restore
from ddpm_core.commands.sample import Sample
from ddpm_core.errors import UserError

# Importing torch takes seconds. So each command imports torch only when it runs, and --help is fast.


@dataclass
class Info:
    """Print what a checkpoint is: weights, architecture, schedule, variance, revision."""

    checkpoint: Annotated[str, tyro.conf.Positional] = defaults.CHECKPOINT
    """embedded name, local folder, or Hub id (owner/name, owner/name@revision)"""
    where: tyro.conf.OmitArgPrefixes[Where] = field(default_factory=Where)

    def run(self) -> None:
        """Load the checkpoint and print its description."""
        from ddpm_core.checkpoint.describe import describe

        rows = describe(open_checkpoint(self.checkpoint, self.where))
        width = max(map(len, rows))
        for name, value in rows.items():
            print(f"{name:<{width}}  {value}")


@dataclass
class Export:
    """Write a checkpoint to a folder in the Hub's layout, weights as safetensors; or its networks as ONNX files."""

    checkpoint: Annotated[str, tyro.conf.Positional]
    """embedded name, local folder, or Hub id (owner/name, owner/name@revision)"""
    folder: Annotated[Unset[Path], tyro.conf.Positional] = None
    """the folder to write; if it already holds such a checkpoint, that is replaced, and other files stay"""
    onnx: Unset[Path] = None
    """instead of the folder, an ONNX file of the network, whose name ends in .onnx; for a latent model, files of its
    decoder and its text encoder lie beside it. It needs the package onnx"""
    half: bool = False
    """store the weights as float16, half the size; the folder must not be the checkpoint's own"""
    int8: bool = False
    """store the network's kernels and matrices in 8 bits, a quarter of the size; only this project reads such a file"""
    schedule: Unset[str] = None
    """another noise schedule for the network, as for sample; the folder keeps both schedules"""

    def run(self) -> None:
        """Load the checkpoint and write the folder or the ONNX files."""
        from ddpm_core import export_onnx, save

        if (self.folder is None) == (self.onnx is None):
            raise ValueError("give a folder to write, or --onnx FILE.onnx, and not both")
        if self.onnx is not None and (self.half or self.int8):
            raise ValueError("--half and --int8 belong to a folder: an ONNX file has float32 weights")
        if self.onnx is not None:
            check_output("--onnx", self.onnx, ".onnx")
        model = open_checkpoint(self.checkpoint, Where("cpu", "fp32", "torch"), schedule=self.schedule)
        if self.folder is not None:
            save(model, self.folder, self.half, int8=self.int8)
            print(self.folder)
        if self.onnx is not None:
            for file in export_onnx(model, self.onnx):
                print(file)


class Command(Protocol):
    """A parsed command line."""

    def run(self) -> None:
        """Run the command."""
        ...


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. For an error in the user's input, print one sentence to stderr and exit with status 1."""
    commands: dict[str, type[Command]] = {
        "sample": Sample,
        "reconstruct": Reconstruct,
        "interpolate": Interpolate,
        "restore": Restore,
        "info": Info,
        "export": Export,
        "convert": Convert,
    }
    allow_any_text()
    prog, words = "python -m ddpm_core", sys.argv[1:] if arguments is None else list(arguments)
    if words and words[0].startswith("-"):
        tyro.extras.subcommand_cli_from_dict({**commands}, prog=prog, description=__doc__, args=words)
    name = find(commands, words, prog)
    command = read(commands[name], words[1:], f"{prog} {name}")
    try:
        command.run()
    # Torch raises RuntimeError if memory is full.
    except (ValueError, UserError, OSError, RuntimeError, MemoryError) as error:
        sys.exit(f"error: {one_line(error)}")
    except KeyboardInterrupt:
        sys.exit("stopped")


if __name__ == "__main__":
    main()
