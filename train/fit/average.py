"""python -m train average: average a run's weights over any length, from the snapshots that the run kept."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from torch import nn

from ddpm_core.commands.reading import read
from train import TrainError
from train.common.command_line import user_path
from train.common.lock import locked
from train.fit.power import Profile, combine, exponent

if TYPE_CHECKING:
    from ddpm_core import Model

# Print a warning if a larger share of the average comes from other steps than wanted (the distance of power.combine).
FAR = 0.05


@dataclass(frozen=True)
class AverageOptions:
    """Average the weights of a run of `train fit --ema-snapshots` anew, over any length of the training."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of the run."""
    length: tuple[float, ...]
    """σ_rel of the average, 0.01 to 0.28: the standard deviation of the steps that it averages, as a share of the
    training (Karras et al. 2024). Each length gets its own folder in RUN, such as model-0.15/."""


def average(out: str | Path, length: float) -> Model:
    """Return a run's model with the power-function average of its weights over this length.

    The average ends at the run's last snapshot. It is approximated by a weighted sum of all snapshots, see
    `train.fit.power.combine`. A warning says if the approximation is poor.

    Arguments:
        out: folder of a run of `train fit` or `train distill` with `ema_snapshots`.
        length: σ_rel, 0.01 to 0.28: the standard deviation of the averaged steps, as a share of the training
            (Karras et al. 2024, Eq. 123).

    Returns:
        A model in PyTorch and float32, for `ddpm_core.sample`, `save` and all other functions.

    Raises:
        ValueError: for a length outside these limits.
        TrainError: for a folder without snapshots or without a model, and for snapshots that can't be read.
        CheckpointError: for a model that can't be loaded.
    """
    model, distance, _ = _make_average(user_path(out), length)
    if distance > FAR:
        print(_warning(length, distance), file=sys.stderr)
    return model


def main(arguments: list[str]) -> int:
    """Run the command and return the exit status. Raises TrainError, ValueError or CheckpointError."""
    options = read(AverageOptions, arguments, "python -m train average")
    out, lengths = user_path(options.run), list(dict.fromkeys(options.length))
    for length in lengths:
        exponent(length)  # raises ValueError for a wrong length before any work
    from ddpm_core import save
    from ddpm_core.checkpoint.save import check_replaceable

    folders = {length: out / f"model-{length:g}" for length in lengths}
    for folder in folders.values():
        check_replaceable(folder)
    with locked(out):
        for length, folder in folders.items():
            model, distance, about = _make_average(out, length)
            save(model, folder, extra={"README.md": _card(out / "model" / "README.md", about), "samples.png": None})
            print(f"{folder}: {distance:.2%} of the average belong to other steps than wanted")
            if distance > FAR:
                print(_warning(length, distance), file=sys.stderr)
    return 0


def _make_average(out: Path, length: float) -> tuple[Model, float, str]:
    """Return the averaged model, the distance of `combine`, and a line about the weights for a model card."""
    power = exponent(length)
    from ddpm_core import load, module
    from train.fit.snapshots import find_snapshots, profiles, weighted_sum

    snapshots = find_snapshots(out)
    if not snapshots:
        raise TrainError(
            f"There are no snapshots in {out / 'snapshots'}: train with --ema-snapshots, or give the folder of such a "
            "run."
        )
    last = max(step for step, _ in snapshots.values())
    factors, distance = combine(profiles(snapshots), Profile(last, power))
    weights = weighted_sum(list(snapshots), factors.tolist())
    model = load(out / "model", device="cpu", engine="torch", precision="fp32")
    text: Any = getattr(model.text, "encoder", None)
    prompted = any(name.startswith("unet.") for name in weights)
    parts: dict[str, nn.Module | None] = {"unet.": module(model), "text.": text} if prompted else {"": module(model)}
    for start, network in parts.items():
        own = {name.removeprefix(start): value for name, value in weights.items() if name.startswith(start)}
        if own:
            _replace_parameters(network, own, out)
    about = f"power-function average of length σ_rel = {length:g} over steps 1 to {last:,}, float32"
    return model, distance, about


def _replace_parameters(network: nn.Module | None, weights: dict[str, Any], out: Path) -> None:
    """Replace a network's parameters. Raises TrainError if their names or shapes differ."""
    own = dict(network.named_parameters()) if network is not None else {}
    if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in weights.items()}:
        raise TrainError(f"The snapshots in {out / 'snapshots'} belong to another network than {out / 'model'}.")
    for name, parameter in own.items():
        parameter.data.copy_(weights[name])


def _card(path: Path, about: str) -> bytes:
    """Return the card of the run's model for these weights, without its samples."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        text = "| | |\n|---|---|\n| Weights | |\n"
    text = re.sub(r"!\[samples\].*\n\n.*\n\n", "", text)
    return re.sub(r"^\| Weights \|.*$", f"| Weights | {about} |", text, flags=re.MULTILINE).encode()


def _warning(length: float, distance: float) -> str:
    """Return the warning that the snapshots approximate this length poorly."""
    return (
        f"The snapshots can't give length {length:g} well: {distance:.0%} of the average belong to other steps than "
        "wanted. Train with more --ema-snapshots, or choose a length nearer to 0.05 to 0.1."
    )
