"""Write the result of a run to OUT/model, in the Hub's layout and with a model card. Send it to the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError

from ddpm_core import CheckpointError, Model, save
from ddpm_core.checkpoint.refs import holds_model
from ddpm_core.checkpoint.save import check_replaceable, json_contents
from ddpm_core.disk import files
from ddpm_core.engines.from_diffusers import UNet2DModel
from ddpm_core.errors import first_line
from train import TrainError
from train.common import lock
from train.common.command_line import user_path
from train.common.config import Config
from train.data.images import Images
from train.fit.ema import Average
from train.fit.outputs.card import ModelCard, describe
from train.fit.state import find_checkpoints


def check_loadable(model: Model, network: UNet2DModel) -> None:
    """Raise TrainError, before a run begins, if nobody could load the resulting model.

    network: the model's network, without a wrapper.
    """
    try:
        json_contents(model, network)
    except ValueError as error:
        raise TrainError(f"{error}.") from error


def check_exportable(out: Path) -> None:
    """Raise TrainError, before a run begins, if `export` could not write its results."""
    try:
        for average in get_args(Average):
            check_replaceable(_folder(out, average))
    except CheckpointError as error:
        raise TrainError(f"{error}.") from error


def check_new(config: Config) -> None:
    """Raise TrainError if a new run would replace another run or a model."""
    out = user_path(config.out)
    if find_checkpoints(out / "checkpoints"):
        raise TrainError(f"{out} already holds a run: add --resume to continue it, or choose another --out.")
    for average in get_args(Average):
        folder = _folder(out, average)
        if getattr(config, average) is not None and holds_model(folder):
            raise TrainError(f"{folder} holds a model, which this run would replace: move it, or choose another --out.")


def export(
    model: Model, out: Path, config: Config, step: int, images: Images, card: ModelCard, average: Average = "ema"
) -> None:
    """Write OUT/model, with this step's sample grid and the card. A user's own files in that folder stay.

    average: which moving average the weights are: "ema", or "ema2", which goes to OUT/model-ema2. Raises TrainError
        if the model can't be written.
    """
    grid = out / "samples" / f"step-{step:09d}-{average}.png"
    text = describe(model, out, config, step, images, card, grid.is_file(), getattr(config, average))
    shown = grid.read_bytes() if grid.is_file() else None
    try:
        save(model, _folder(out, average), extra={"README.md": text.encode(), "samples.png": shown})
    except (CheckpointError, ValueError) as error:
        raise TrainError(f"The model could not be written: {error}.") from error


def _folder(out: Path, average: Average) -> Path:
    """Return the folder of the model with this moving average."""
    return out / ("model" if average == "ema" else f"model-{average}")


def push(out: Path, repo: str, private: bool = False) -> str:
    """Send OUT/model to the Hub repository `repo`, which is created if it does not exist. Return its address.

    Raises TrainError when there is no finished model, no permission or no connection.
    """
    folder = out / "model"
    files.restore(folder)
    if not holds_model(folder):
        raise TrainError(f"There is no model in {folder} yet: it comes with the first checkpoint after the start.")
    api = HfApi()
    try:
        address = api.create_repo(repo, private=private, exist_ok=True)
        message = "Upload a model trained with DDPM Lab"
        api.upload_folder(repo_id=repo, folder_path=folder, ignore_patterns=[lock.NAME], commit_message=message)
    except HFValidationError as error:
        raise TrainError(f"{repo!r} is no repository id: it has the form owner/name.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            raise TrainError(f"The Hub refused {repo}: run `hf auth login` with a token that may write.") from error
        raise TrainError(f"The Hub answered {first_line(error)}") from error
    except (HTTPError, OSError, RuntimeError) as error:
        raise TrainError(f"The Hub could not be reached: {first_line(error)}") from error
    return str(address)
