"""Measure what a model has learned from emoji: `python -m train.emoji.judge NODE_MODULES DATA MODEL OUT`.

The model draws the prompts in held_out.json. A classifier, trained here on the emoji themselves, should recognise the
100 names. In the picture of each of the 100 keywords, it should see an emoji to which Unicode gives the keyword. The
colours and compositions were never in the data, and a person judges their pictures. Sheets also show the nearest
pictures of the data, to reveal whether the model only remembers. The model also draws squares of prompts blended from
four texts, and the sharp pictures in them are counted. A picture is sharp if its `certainty` is above the lowest 5 % of
the certainties of the emoji themselves.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated

import numpy as np
import torch
import tyro
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import trange

from ddpm_core import Model, load, sample, word_square
from ddpm_core.commands.reading import read
from ddpm_core.errors import UserError
from ddpm_core.imaging import from_uint8, grid
from ddpm_core.imaging.image_files import open_picture
from ddpm_core.prediction import Prompts
from train import TrainError
from train.autoencoder.config import AutoencoderConfig
from train.common.command_line import check_range
from train.emoji.make import HeldOut, on_ground, read_held_out
from train.emoji.sets import SIZE, Concept, read_concepts

_BATCH = 96
SQUARES = {
    "between things": ("red apple", "green frog", "yellow sun", "blue whale"),  # the page shows this square first
    "between colours": ("red heart", "blue heart", "yellow star", "green circle"),
}
# A picture is sharp if its `certainty` is at least the 5 % quantile of the certainties of the emoji.
SURE = 0.05


@dataclass
class Options:
    """Judge a model that was trained on emoji: count recognised names, and draw sheets of things that it never saw."""

    node_modules: Annotated[Path, tyro.conf.Positional]
    """the folder where npm has installed the emoji"""
    data: Annotated[Path, tyro.conf.Positional]
    """the data set that `python -m train.emoji` made from them"""
    model: Annotated[str, tyro.conf.Positional]
    """checkpoint: embedded name, folder or Hub id"""
    out: Annotated[Path, tyro.conf.Positional]
    """folder for judged.json and the sheets; an existing classifier is used again"""
    steps: int = 20
    """DDIM steps of a picture"""
    guidance: float = 3.0
    """classifier-free guidance"""
    seed: int = 0
    """seed of the first picture; each following picture has the next seed"""
    training: int = 800
    """steps of the classifier's training"""


def make_classifier(classes: int) -> nn.Sequential:
    """Return a new convolutional network that classifies pictures (N, 3, SIZE, SIZE)."""

    def layer(inputs: int, outputs: int) -> list[nn.Module]:
        """Return a convolution that halves the side, with a norm and an activation."""
        return [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.GroupNorm(8, outputs), nn.ReLU()]

    head = [nn.Flatten(), nn.Dropout(0.2), nn.Linear(256 * (SIZE // 16) ** 2, classes)]
    return nn.Sequential(*layer(3, 48), *layer(48, 96), *layer(96, 192), *layer(192, 256), *head)


def distort(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return pictures (N, 3, H, W) in [−1, 1], turned, enlarged, moved, tinted and made noisy at random, on white."""

    def uniform(*shape: int, low: float, high: float) -> Tensor:
        """Draw a number for each picture, evenly from low to high."""
        return low + (high - low) * torch.rand(len(x), *shape, generator=generator)

    angle, size = uniform(low=-0.2, high=0.2), uniform(low=0.9, high=1.25)
    turn = torch.stack([size * angle.cos(), -size * angle.sin(), size * angle.sin(), size * angle.cos()], 1)
    affine = torch.cat([turn.view(-1, 2, 2), uniform(2, 1, low=-0.12, high=0.12)], 2)
    grid = F.affine_grid(affine, list(x.shape), align_corners=False)
    moved = 1 + F.grid_sample(x - 1, grid, align_corners=False)
    tinted = moved * uniform(3, 1, 1, low=0.85, high=1.1)
    return (tinted + 0.05 * torch.randn(x.shape, generator=generator)).clamp(-1, 1)


def train_classifier(x: Tensor, y: Tensor, steps: int, seed: int = 0) -> nn.Sequential:
    """Return a classifier that is trained on pictures.

    x: pictures in [−1, 1], (N, 3, SIZE, SIZE). y: their classes, int64 (N,); each class occurs at least once.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = make_classifier(int(y.max()) + 1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        generator = torch.Generator().manual_seed(seed)
        optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
        decay = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
        for _ in trange(steps, desc="training the classifier", unit="step", leave=False):
            rows = torch.randint(len(x), (min(_BATCH, len(x)),), generator=generator)
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(network(distort(x[rows], generator)), y[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            decay.step()
    return network.eval()


@torch.no_grad()
def certainty(network: nn.Module, x: Tensor) -> Tensor:
    """Return the probability of the most probable class of each picture, (N,)."""
    return torch.cat([network(part).softmax(1).amax(1) for part in x.split(_BATCH)])


@torch.no_grad()
def classify(network: nn.Module, x: Tensor, among: Sequence[int] | None = None) -> list[int]:
    """Return the most probable class of each picture. among: the classes that may be chosen; None for all."""
    logits = torch.cat([network(part) for part in x.split(_BATCH)])
    if among is not None:
        allowed = torch.full_like(logits, -torch.inf)
        allowed[:, list(among)] = 0
        logits = logits + allowed
    return logits.argmax(1).tolist()


def recognised(network: nn.Module, x: Tensor, y: Sequence[int], among: Sequence[int] | None = None) -> np.ndarray:
    """Return whether the most probable class of each picture is y, bool (N,). among: as for `classify`."""
    return np.equal(classify(network, x, among), y)


def nearest(pictures: np.ndarray, data: np.ndarray, count: int = 3) -> np.ndarray:
    """Return the rows of the data, (N, count), nearest to each picture by mean squared difference. pictures, data:
    uint8 (N or M, H, W, C).
    """
    x, known = from_uint8(pictures).flatten(1), from_uint8(data).flatten(1)
    return torch.cdist(x, known).topk(count, largest=False).indices.numpy()


def _sheet(prompts: Sequence[str], pictures: np.ndarray, neighbours: np.ndarray, columns: int = 4) -> Image.Image:
    """Return a sheet of all prompts. Below each prompt are its picture and, smaller, the nearest pictures of the data.

    pictures: uint8 (N, H, W, C). neighbours: uint8 (N, K, H, W, C).
    """
    small, gap, line = SIZE // 2, 6, 14
    width = SIZE + neighbours.shape[1] * small + 4 * gap
    rows = -(-len(prompts) // columns)
    sheet = Image.new("RGB", (columns * width, rows * (SIZE + line + gap)), "white")
    draw = ImageDraw.Draw(sheet)
    for i, prompt in enumerate(prompts):
        x, y = i % columns * width, i // columns * (SIZE + line + gap)
        draw.text((x + 2, y + 1), prompt, "black")
        sheet.paste(Image.fromarray(pictures[i]), (x, y + line))
        for k, other in enumerate(neighbours[i]):
            here = (x + SIZE + gap + k * small, y + line + SIZE - small)
            sheet.paste(Image.fromarray(other).resize((small, small), Image.Resampling.LANCZOS), here)
    return sheet


def make_training_set(concepts: Sequence[Concept], model: Model) -> tuple[Tensor, Tensor]:
    """Return pictures to train the classifier on, (N, 3, SIZE, SIZE), and the index of each picture's concept.

    Every picture occurs twice: as it is, and as the model's decoder restores it from noisy latents.
    """
    assert model.decoder is not None
    found = [np.array(on_ground(picture)) for concept in concepts for picture in concept.pictures.values()]
    y = torch.tensor([i for i, concept in enumerate(concepts) for _ in concept.pictures])
    x = from_uint8(np.stack(found))
    latents = torch.cat([model.decoder.encode(part) for part in x.split(64)])
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    noisy = latents + AutoencoderConfig.latent_noise * latents.std() * noise
    back = torch.cat([model.decoder.decode(part) for part in noisy.split(64)]).clamp(-1, 1)
    return torch.cat([x, back]), torch.cat([y, y])


def _draw(model: Model, seeds: Sequence[int], prompts: Prompts, options: Options) -> np.ndarray:
    """Return the model's pictures of the prompts, uint8 (N, H, W, C)."""
    way: dict = {"sampler": "ddim", "spacing": "trailing", "guidance": options.guidance}
    return sample(model, seeds, options.steps, prompts=prompts, **way)


def judge(options: Options, concepts: Sequence[Concept], held_out: HeldOut) -> dict[str, float]:
    """Write the sheets to the folder, and return the shares of recognised or sharp pictures, by what was drawn. Raises
    TrainError and CheckpointError for options, data or a model that can't be used.
    """
    check_range(options, {"steps": (1, 1000), "seed": (0, 2**62), "guidance": (0, 100), "training": (1, 10**6)})
    model = load(options.model)
    if model.text is None or model.decoder is None:
        raise TrainError(f"{options.model} takes no words: give a model that was trained with --captions.")
    names = [concept.name for concept in concepts]
    missing = [name for name in held_out.names if name not in names]
    if missing:
        raise TrainError(f"{options.node_modules} has no {missing[0]}: held_out.json was drawn from other packages.")
    files = sorted(options.data.glob("*.png"))
    if not files:
        raise TrainError(f"{options.data} has no pictures: make it with python -m train.emoji.")
    data = np.stack([np.array(open_picture(path).convert("RGB")) for path in files])
    x, y = make_training_set(concepts, model)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "classifier.pt"
    network = make_classifier(len(concepts)).eval()
    if path.is_file():
        try:
            network.load_state_dict(torch.load(path, weights_only=True))
        except (RuntimeError, UnpicklingError, EOFError):
            raise TrainError(f"{path} is not a classifier of these emoji: remove it.") from None
    else:
        network = train_classifier(x, y, options.training)
        torch.save(network.state_dict(), path)
    test = distort(x, torch.Generator().manual_seed(1))  # distortions that the classifier has not seen
    found: dict[str, float] = {"classifier": float(recognised(network, test, y.tolist()).mean())}

    sharp = certainty(network, test).quantile(SURE)
    for name, corners in SQUARES.items():
        square = word_square(corners)
        seeds = [options.seed] * len(square)
        pictures = _draw(model, seeds, square, options)
        Image.fromarray(grid(pictures, 7)).save(options.out / f"{name.replace(' ', '-')}.png")
        found[name] = float((certainty(network, from_uint8(pictures)) >= sharp).float().mean())

    lists = {
        "names": list(held_out.names),
        "keywords": list(held_out.keywords),
        "colours": sorted(" ".join(pair) for pair in held_out.colours),
        "compositions": sorted(" and ".join(sorted(pair)) for pair in held_out.pairs) + list(held_out.moods),
    }
    for name, prompts in lists.items():
        seeds = range(options.seed, options.seed + len(prompts))
        pictures = _draw(model, seeds, prompts, options)
        _sheet(prompts, pictures, data[nearest(pictures, data)]).save(options.out / f"{name}.png")
        if name == "names":
            classes = [names.index(prompt) for prompt in prompts]
            known = recognised(network, from_uint8(pictures), classes)
            found["among all"] = float(known.mean())
            found["among the 100"] = float(recognised(network, from_uint8(pictures), classes, classes).mean())
        elif name == "keywords":
            taken = [names[k] for k in classify(network, from_uint8(pictures))]
            right = [one in allowed for one, allowed in zip(taken, held_out.keywords.values(), strict=True)]
            found["keywords"] = float(np.mean(right))
    (options.out / "judged.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def main(arguments: list[str]) -> int:
    """Run the command and return the exit status."""
    try:
        options = read(Options, arguments, "python -m train.emoji.judge")
        found = judge(options, read_concepts(options.node_modules), read_held_out())
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for what, share in found.items():
        print(f"{what}: {share:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
