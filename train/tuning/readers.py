"""python -m train readers: fit readers, which predict x̂_0 from a block of a U-Net, and colours for its activity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from ddpm_core.commands.chain import Where, open_checkpoint
from ddpm_core.commands.reading import Unset, read
from train import TrainError
from train.common.command_line import check_range, user_path


@dataclass
class ReadersOptions:
    """Fit what reads x̂_0 from each block of a U-Net, and keep it beside the weights (Hub: in the user's cache). The
    model's own runs are enough: it needs no data."""

    checkpoint: Annotated[str, tyro.conf.Positional]
    """local folder, or Hub id (owner/name, owner/name@revision)"""
    seeds: int = 200
    """the number of runs to which the readers are fitted"""
    held_out: int = 50
    """the number of other runs on which they are measured"""
    prompts: Unset[Path] = None
    """for a model that takes words: a text file with a prompt on each line; the runs take them in turn"""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps"""


def main(arguments: list[str]) -> int:
    """Run the command and return the exit status. Raises TrainError, ValueError or CheckpointError before any work."""
    options = read(ReadersOptions, arguments, "python -m train readers")
    check_range(options, {"seeds": (2, 10**5), "held_out": (2, 10**5)})
    from ddpm_core.checkpoint import refs
    from ddpm_core.checkpoint.sidecars import readers_file
    from ddpm_core.engines.readers import fit_readers

    ref = refs.parse(options.checkpoint)
    name = refs.shipped(ref)
    if name and ref.folder and (ref.folder / refs.READERS).is_file():
        raise TrainError(
            f"{name} comes with its own readers, which stay as they are: copy the checkpoint with "
            f"`python -m ddpm_core export {name} FOLDER` and give that folder."
        )
    prompts = None
    if options.prompts is not None:
        lines = user_path(options.prompts).read_text(encoding="utf-8").splitlines()
        prompts = [line.strip() for line in lines if line.strip()]
    model = open_checkpoint(options.checkpoint, Where(options.device, "fp32", "torch"), batched=True)
    readers_file.place(model)  # raises, before any work, if the result can't be written
    with tqdm(total=options.seeds + options.held_out, unit="run", smoothing=0) as bar:
        found = fit_readers(
            model, options.seeds, options.held_out, prompts, lambda done, total: bar.update(done - bar.n)
        )
    print(readers_file.write(model, found))
    print(f"R² of x̂_0 on {options.held_out} other runs, at t = {found.measured[-1]} and {found.measured[0]}:")
    for block, shares in found.shares.items():
        print(f"{block:8} {shares[-1]:6.3f} {shares[0]:6.3f}")
    return 0
