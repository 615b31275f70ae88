"""`python -m ddpm_core convert`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ddpm_core.commands.reading import Unset


@dataclass
class Convert:
    """Write OpenAI's file of weights (improved- and guided-diffusion, consistency_models) as a folder that loads."""

    file: Annotated[Path, tyro.conf.Positional]
    """the .pt file"""
    folder: Annotated[Path, tyro.conf.Positional]
    """the folder to write; if it already holds such a checkpoint, that is replaced, and other files stay"""
    like: Unset[str] = None
    """the model from which the schedule and the attention heads are taken, because the file does not say them:
    improved-diffusion, guided-diffusion, …; default: the published file with the same shapes"""

    def run(self) -> None:
        """Write the folder, and print a line about its model."""
        from ddpm_core.checkpoint.openai.convert import convert

        print(f"{self.folder}: {convert(self.file, self.folder, self.like)}")
