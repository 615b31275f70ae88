"""The result of a run: OUT/model in the Hub's layout with its model card, and how it gets to the Hub."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError

from ddpm_core import CheckpointError, Model, files, save
from ddpm_core.checkpoint.save import check_replaceable
from train import TrainError
from train.data.batches import Images
from train.fit.config import PRESETS, Config

SCORES = "scores.jsonl"  # in OUT, one JSON object a line: measured scores, which the card shows as a table


def check(out: Path) -> None:
    """Raise TrainError, before a run begins, where `export` could not write its results."""
    try:
        for average in ("ema", "ema2"):
            check_replaceable(_folder(out, average))
    except CheckpointError as error:
        raise TrainError(f"{error}.") from error


def export(model: Model, out: Path, config: Config, step: int, images: Images, average: str = "ema") -> None:
    """Write OUT/model, whole, with this step's sample grid and the card in it; what a user keeps there stays.

    average: which moving average the weights are, "ema", or "ema2", which goes to OUT/model-ema2.
    """
    grid = out / "samples" / f"step-{step:09d}-{average}.png"
    text = describe(model, out, config, step, images, grid.is_file(), getattr(config, average))
    shown = grid.read_bytes() if grid.is_file() else None
    try:
        save(model, _folder(out, average), extra={"README.md": text.encode(), "samples.png": shown})
    except (CheckpointError, ValueError) as error:
        raise TrainError(f"The model could not be written: {error}.") from error


def _folder(out: Path, average: str) -> Path:
    return out / ("model" if average == "ema" else f"model-{average}")


def command(config: Config) -> str:
    """The command line that repeats the run, with every flag that differs from its preset."""
    words = ["python", "-m", "train", "fit", "--config", config.config]
    preset = PRESETS[config.config]
    for field in dataclasses.fields(config):
        value, flag = getattr(config, field.name), f"--{field.name.replace('_', '-')}"
        if value == getattr(preset, field.name) or field.name == "resume":
            continue
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, *map(str, value if isinstance(value, tuple) else [value])]
    return shlex.join(words)


def describe(model: Model, out: Path, config: Config, step: int, images: Images, grid: bool, decay: float) -> str:
    """The model card, Markdown. grid: whether there are samples to show; decay: of the moving average."""
    parameters = sum(p.numel() for p in model.network.unet.parameters())
    classes = "none"
    if model.num_classes:
        null = "always needed" if model.null_label is None else f"{model.null_label} means no label"
        classes = f"{', '.join(model.class_names)}; label {null}"
    facts = {
        "Images": f"{len(images):,} of {images.description}, {config.image_size}×{config.image_size}, "
        f"{model.channels} channel{'s' if model.channels > 1 else ''}",
        "Classes": classes,
        "Network": f"UNet2DModel, {parameters:,} parameters, widths {config.widths}, attention at {config.attention}",
        "Process": f"T = {config.T}, {config.schedule} schedule, variance {config.variance}",
        "Prediction": config.prediction,
        "Loss": f"L_{config.loss}" + (f", min-SNR weighting {config.min_snr}" if config.min_snr else ""),
        "Times": "each t alike"
        if config.times == "uniform"
        else f"log σ_t normal, mean {config.log_sigma_mean:g}, standard deviation {config.log_sigma_std:g}",
        "Optimiser": f"{config.optimizer}, learning rate {config.lr:g}, warm-up {config.warmup} steps, "
        f"decay {config.lr_decay}, gradient clip {config.clip:g}",
        "Start": f"the weights of {config.init}" if config.init else "random weights",
        "Trained": f"{step:,} steps of {config.batch} images, {step * config.batch:,} images seen",
        "Weights": f"exponential moving average, decay {decay:g}, float32",
    }
    lines = ["---", "library_name: diffusers", "pipeline_tag: unconditional-image-generation", "tags:"]
    lines += ["- ddpm", "- diffusers", "---", "", f"# {config.config}", ""]
    lines += ["A denoising diffusion model (Ho, Jain & Abbeel 2020), trained with DDPM Lab.", ""]
    if grid:
        caption = f"{config.sample_steps} DDIM steps, seeds 0 to {config.sample_count - 1}, not selected"
        lines += ["![samples](samples.png)", "", f"{caption}.", ""]
    lines += ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in facts.items()), ""]
    lines += _scores(out / SCORES)
    lines += ["The command:", "", "```", command(config), "```", ""]
    return "\n".join(lines)


def _scores(path: Path) -> list[str]:
    """The measured scores as a table: a column for each key."""
    if not path.is_file():
        return []
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        columns = list(dict.fromkeys(key for row in rows for key in row))
    except (ValueError, TypeError) as error:
        raise TrainError(f"{path} must hold one JSON object a line ({error}).") from error
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(str(row.get(column, '')) for column in columns)} |" for row in rows]
    return ["Measured:", "", *lines, ""]


def push(out: Path, repo: str, private: bool = False) -> str:
    """Send OUT/model to the Hub repository `repo`, made if need be. Returns its address.

    Raises TrainError, in one sentence, when there is no finished model, no permission or no connection.
    """
    folder = out / "model"
    files.restore(folder)
    if not (folder / "config.json").is_file():
        raise TrainError(f"There is no model in {folder} yet: it comes with the first checkpoint after the start.")
    api = HfApi()
    try:
        address = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message="Upload a model trained with DDPM Lab")
    except HFValidationError as error:
        raise TrainError(f"{repo!r} is no repository id: it has the form owner/name.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            raise TrainError(f"The Hub refused {repo}: run `hf auth login` with a token that may write.") from error
        raise TrainError(f"The Hub answered {str(error).splitlines()[0]}") from error
    except (HTTPError, OSError, RuntimeError) as error:
        raise TrainError(f"The Hub could not be reached: {str(error).splitlines()[0]}") from error
    return str(address)
