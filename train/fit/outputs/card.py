"""The model card of a run: what was trained, how, and the command that repeats the run."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ddpm_core import Model
from ddpm_core.engines.torch import TorchNetwork
from train import TrainError
from train.common.command_line import flag, user_path
from train.common.config import Config, Kind, OwnData, to_dict
from train.data.images import Images
from train.fit.recipe import grid_count

SCORES = "scores.jsonl"  # file in OUT with measured scores, one JSON object a line; the card shows a table of them


@dataclass(frozen=True)
class ModelCard:
    """The parts of a model card that differ between tasks."""

    title: str  # the first line of the card
    summary: str  # the second line of the card
    caption: str  # how the samples were drawn
    facts: Mapping[str, str]  # rows of the card's table


def command(config: Config) -> str:
    """Return the command line that repeats the run, with every flag that differs from the command's defaults.

    If the data are a Python object, return a line of Python instead.
    """
    first, known = config.origin()
    if isinstance(config.data, OwnData):
        changed = {name: value for name, value in to_dict(config).items() if value != known.get(name)}
        words = [f"{name}={'...' if name == 'data' else repr(value)}" for name, value in changed.items()]
        return f"train.Trainer(train.preset({', '.join([repr(config.config), *words])})).fit()"
    words = ["python", "-m", "train", *first]
    for field, value in to_dict(config).items():
        name = flag(field)
        if value == known.get(field) or field == "resume":
            continue
        if isinstance(value, bool):
            words.append(name if value else f"--no-{name[2:]}")
        else:
            words += [name, *map(str, value if isinstance(value, tuple) else [value])]
    return shlex.join(words)


def run_name(ref: str) -> str:
    """Return the name of a run or a model for people: the name of its folder; for a run's model/ or stage, the name of
    the run's folder.
    """
    path = user_path(ref)
    parts = Path(os.path.abspath(path)).parts if path.is_dir() else path.parts
    named = [part for part in parts if not re.fullmatch(r"model(-ema2|-0\.\d+)?|.*-steps", part)]
    return named[-1] if named else ref


_PLACES = ("data", "data_cache", "decoder", "init", "out", "teacher", "text")


def shorten_paths(config: Kind) -> Kind:
    """Return the configuration as a card may show it: absolute paths lose all that is specific to this machine."""
    texts = {name: getattr(config, name, None) for name in _PLACES}
    paths = {name: user_path(text) for name, text in texts.items() if text and isinstance(text, str)}
    return dataclasses.replace(
        config, **{name: _short_name(path) for name, path in paths.items() if path.is_absolute()}
    )


def _short_name(path: Path) -> str:
    """Return the last part of a path; for a run's model or stage the last two parts, such as run/model."""
    return str(Path(*path.parts[-2:])) if path.name.endswith(("model", "-steps")) else path.name


def describe(
    model: Model, out: Path, config: Config, step: int, images: Images, card: ModelCard, grid: bool, decay: float
) -> str:
    """Return the model card as Markdown. grid: whether there are samples to show; decay: the moving average's."""
    assert isinstance(model.network, TorchNetwork)
    parameters = sum(p.numel() for p in model.network.unet.parameters())
    classes = "none"
    if model.num_classes:
        null = "always needed" if model.null_label is None else f"{model.null_label} means no label"
        classes = f"{', '.join(model.class_names or ())}; label {null}"
    facts = {
        "Images": f"{images.about}, {config.image_size}×{config.image_size}, "
        f"{model.picture_channels} channel{'s' if model.picture_channels > 1 else ''}",
        "Classes": classes,
        "Network": f"{type(model.network.unet).__name__}, {parameters:,} parameters, widths {config.widths}, "
        f"attention at {config.attention}",
        "Process": f"T = {model.schedule.T}, {model.schedule.name} schedule, variance {model.variance}",
        **({"Latents": f"{model.channels} channels, {model.image_size}×{model.image_size}"} if model.latent else {}),
        "Prediction": model.prediction,
        **card.facts,
        "Optimiser": f"{config.optimizer}, learning rate {config.lr:g}, warm-up {config.warmup} steps, "
        f"decay {config.lr_decay}, gradient clip {config.clip:g}",
        "Trained": f"{step:,} steps of {config.batch} images, {step * config.batch:,} images seen",
        "Weights": f"exponential moving average, decay {decay:g}, float32",
    }
    kind = "text-to-image" if model.takes_words else "unconditional-image-generation"
    lines = ["---", "library_name: diffusers", f"pipeline_tag: {kind}", "tags:"]
    lines += ["- ddpm", "- diffusers", "---", "", f"# {card.title}", "", card.summary, ""]
    if grid:
        caption = f"{card.caption}, seeds 0 to {grid_count(config) - 1}, not selected"
        lines += ["![samples](samples.png)", "", f"{caption}.", ""]
    lines += ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in facts.items()), ""]
    lines += _scores(out / SCORES)
    what = "program, where ... stands for its own data" if isinstance(config.data, OwnData) else "command"
    lines += [f"The {what}:", "", "```", command(shorten_paths(config)), "```", ""]
    return "\n".join(lines)


def _scores(path: Path) -> list[str]:
    """Return the measured scores as lines of a Markdown table. Raises TrainError for a damaged file."""
    if not path.is_file():
        return []
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("there is something else in a line")
    except (ValueError, RecursionError) as error:
        raise TrainError(f"{path} must hold one JSON object a line ({error}).") from error
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(str(row.get(column, '')) for column in columns)} |" for row in rows]
    return ["Measured:", "", *lines, ""]
