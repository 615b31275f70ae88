"""Make pictures of emoji with captions, as an image folder: single emoji, in other colours, on backgrounds, in pairs.

The colours and pairs in train/emoji/held_out.json are never made, because a trained model is judged on them. The lists
in held_out.json were drawn once, with a seed, from the same packages.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from train import TrainError
from train.emoji.colours import COLOURS, main_hue, name_of, recolour
from train.emoji.sets import SIZE, STYLES, Concept

HELD_OUT = Path(__file__).with_name("held_out.json")
METADATA = "metadata.jsonl"
_PAIRED = {"animal-mammal", "animal-bird", "cat-face", "heart", "food-fruit", "food-sweet", "plant-flower", "clothing"}
_CAPTIONS = 6  # number of captions of a picture of one emoji; each caption is a line of the metadata
_RECOLOURED, _ON_GROUNDS, _TOGETHER = 3, 1, 6  # pictures per concept and style: recoloured, on grounds, in pairs


@dataclass(frozen=True)
class Example:
    """One picture, RGB, and its captions. Each caption is a separate example."""

    name: str
    picture: Image.Image
    captions: Sequence[str]


@dataclass(frozen=True)
class HeldOut:
    """The lists on which a trained model is judged."""

    names: tuple[str, ...]  # names that a classifier should recognise
    colours: frozenset[tuple[str, str]]  # (colour, name); no picture of the data shows this pair
    pairs: frozenset[frozenset[str]]  # two names; no picture of the data shows both
    moods: tuple[str, ...]  # prompts that consist of a mood and a name
    # Keywords that are not names, each with the names of its emoji. The classifier should recognise one of these names.
    keywords: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read_held_out() -> HeldOut:
    """Return the lists in held_out.json."""
    lists = json.loads(HELD_OUT.read_text(encoding="utf-8"))
    return HeldOut(
        tuple(lists["names"]),
        frozenset((colour, name) for colour, name in lists["colours"]),
        frozenset(map(frozenset, lists["pairs"])),
        tuple(lists["moods"]),
        lists["keywords"],
    )


def examples(concepts: Sequence[Concept], held_out: HeldOut, seed: int = 0) -> Iterator[Example]:
    """Yield every picture of the data set. Concepts, `held_out` and the seed decide the pictures and their order."""
    rng = random.Random(seed)
    paired = [concept for concept in concepts if concept.kind in _PAIRED]
    for concept in concepts:
        for style, picture in concept.pictures.items():
            yield Example(_file(style, concept.name), on_ground(picture), _captions(concept, style, rng))
            yield from _in_colours(concept, style, held_out, rng)
            for ground in rng.sample(list(COLOURS), _ON_GROUNDS):
                caption = f"{concept.name} on a {ground} background"
                yield Example(
                    _file(style, caption), on_ground(picture, _light_shade(ground)), [_styled(caption, style, rng)]
                )
    for concept in paired:
        for style in STYLES:
            others = [c for c in paired if c is not concept and frozenset((c.name, concept.name)) not in held_out.pairs]
            for number, other in enumerate(rng.sample(others, min(_TOGETHER, len(others)))):
                yield _pair(concept, other, style, beside=number % 2 == 0, rng=rng)


def write(concepts: Sequence[Concept], held_out: HeldOut, folder: Path, seed: int = 0) -> int:
    """Write the data set to a folder, and return the number of captions. Raises TrainError if the folder is not
    empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise TrainError(f"{folder} is not empty: choose another folder.")
    lines = []
    for example in examples(concepts, held_out, seed):
        example.picture.save(folder / example.name)
        lines += [json.dumps({"file_name": example.name, "text": caption}) for caption in example.captions]
    (folder / METADATA).write_text("\n".join(lines) + "\n", encoding="utf-8")
    sources = "\n".join(f"- {style}: {source}" for style, source in STYLES.items())
    (folder / "LICENSES.md").write_text(f"Made of pictures from\n{sources}\n", encoding="utf-8")
    return len(lines)


def _captions(concept: Concept, style: str, rng: random.Random) -> list[str]:
    """Return the captions of a single emoji: its name with and without the style, other names, and some keywords."""
    words = list(concept.words)
    others = [
        f"{concept.name} {word}" if rng.random() < 0.7 else word for word in rng.sample(words, min(2, len(words)))
    ]
    captions = [concept.name, f"{concept.name} {style}", *others]
    while len(captions) < _CAPTIONS:
        captions.append(_styled(concept.name, style, rng))
    return captions


def _styled(caption: str, style: str, rng: random.Random) -> str:
    """Return a caption, with the style after it, before it, or not at all."""
    return rng.choice([caption, f"{caption} {style}", f"{style} {caption}"])


def _in_colours(concept: Concept, style: str, held_out: HeldOut, rng: random.Random) -> Iterator[Example]:
    """Yield a concept in other colours, except those of `held_out`. Yield nothing for a picture without a main
    colour.
    """
    main = _hues(concept).get(style)
    if main is None:
        return
    possible = [c for c in COLOURS if c != name_of(main) and (c, concept.name) not in held_out.colours]
    possible = [c for c in possible if c not in concept.name.split()]
    plain = " ".join(word for word in concept.name.split() if word not in COLOURS)
    for colour in rng.sample(possible, min(_RECOLOURED, len(possible))):
        if (colour, plain) in held_out.colours:
            continue
        picture = Image.fromarray(recolour(np.array(concept.pictures[style]), main, colour))
        caption = f"{colour} {plain}"
        yield Example(_file(style, f"{colour} {concept.name}"), on_ground(picture), [_styled(caption, style, rng)])


def _hues(concept: Concept) -> dict[str, float]:
    """Return the main hue of each style, in degrees; empty unless every style's picture has one."""
    found = {style: main_hue(np.array(picture)) for style, picture in concept.pictures.items()}
    return {} if None in found.values() else {style: hue for style, hue in found.items() if hue is not None}


def _pair(first: Concept, second: Concept, style: str, beside: bool, rng: random.Random) -> Example:
    """Return a picture of two emoji: side by side if `beside`, else the second emoji small in front of the first."""
    large, small = first.pictures[style], second.pictures[style]
    canvas = Image.new("RGBA", (SIZE, SIZE))
    if beside:
        caption, half = f"{first.name} and {second.name}", SIZE // 2
        for picture, x in ((large, 0), (small, half)):
            canvas.alpha_composite(picture.resize((half, half), Image.Resampling.LANCZOS), (x, SIZE // 4))
    else:
        caption, side = f"{first.name} with {second.name}", SIZE * 7 // 16
        canvas.alpha_composite(large.resize((SIZE * 7 // 8, SIZE * 7 // 8), Image.Resampling.LANCZOS))
        canvas.alpha_composite(small.resize((side, side), Image.Resampling.LANCZOS), (SIZE - side, SIZE - side))
    return Example(_file(style, caption), on_ground(canvas), [_styled(caption, style, rng)])


def _light_shade(colour: str) -> tuple[int, int, int]:
    """Return a light shade of a colour, RGB from 0 to 255."""
    pure = recolour(np.full((1, 1, 4), (255, 0, 0, 255), np.uint8), 0.0, colour)[0, 0, :3]
    r, g, b = (int(value) for value in 255 - (255 - pure.astype(float)) * 0.6)
    return r, g, b


def on_ground(picture: Image.Image, ground: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """Return a picture as RGB, on a background of one colour."""
    canvas = Image.new("RGBA", picture.size, (*ground, 255))
    canvas.alpha_composite(picture)
    return canvas.convert("RGB")


def _file(style: str, caption: str) -> str:
    """Return the file name of a picture."""
    return f"{style}-{caption.replace(' ', '-')}.png".replace("'", "")
