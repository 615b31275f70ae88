"""Make the data set from packages that npm has installed. The pictures are not part of the project."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ddpm_core.commands.reading import read
from train import TrainError
from train.emoji.make import read_held_out, write
from train.emoji.sets import read_concepts


@dataclass
class Options:
    """Make the emoji data set: pictures and metadata.jsonl, an image folder for `train fit --captions`."""

    node_modules: Annotated[Path, tyro.conf.Positional]
    """the folder where npm has installed emoji-datasource, emoji-datasource-google, emojilib and
    @iconify-json/fluent-emoji"""
    folder: Annotated[Path, tyro.conf.Positional]
    """the data set, a new folder"""


def main(arguments: list[str]) -> int:
    """Run the command and return the exit status."""
    try:
        options = read(Options, arguments, "python -m train.emoji")
        concepts = read_concepts(options.node_modules)
        count = write(concepts, read_held_out(), options.folder)
    except (TrainError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(concepts)} emoji, {count:,} captions: {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
