"""`python -m ddpm_core convert`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass
class Convert:
    """Write OpenAI's file of weights (improved- and guided-diffusion, consistency_models) as a folder that loads."""

    file: Annotated[Path, tyro.conf.Positional]
    """the .pt file"""
    folder: Annotated[Path, tyro.conf.Positional]
    """where to; a folder that already holds such a checkpoint is replaced, other files in it stay"""
    like: str | None = None
    """what the file does not say (schedule, heads of attention) is as in improved-diffusion, guided-diffusion, …;
    default: as in the published file of the same shapes"""

    def run(self) -> None:
        from ddpm_core.checkpoint.openai.convert import convert

        print(f"{self.folder}: {convert(self.file, self.folder, self.like)}")
