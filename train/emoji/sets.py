"""Read emoji and their names from installed npm packages."""

from __future__ import annotations

import io
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ddpm_core.imaging.image_files import open_picture
from train import TrainError

SIZE = 64
PACKAGES = (
    *("emoji-datasource", "emoji-datasource-google", "emojilib", "@iconify-json/fluent-emoji"),
    "cldr-annotations-full",
)
_CLDR = "cldr-annotations-full/annotations/en/annotations.json"
_MOST = 24  # a keyword with more emoji than this is too general, such as "animal" or "face"
STYLES = {"noto": "Noto Emoji (Google, Apache-2.0)", "fluent": "Fluent Emoji (Microsoft, MIT)"}
# Emoji of these kinds are clear at 64 pixels and have no letters. People, flags and signs are left out.
KINDS = {
    *("face-smiling", "face-tongue", "face-sleepy", "face-affection", "face-glasses", "face-neutral-skeptical"),
    *("face-concerned", "face-unwell", "face-negative", "face-costume", "face-hat", "cat-face", "monkey-face"),
    *("heart", "animal-mammal", "animal-bird", "animal-marine", "animal-bug", "animal-reptile", "animal-amphibian"),
    *("plant-flower", "plant-other", "food-fruit", "food-vegetable", "food-prepared", "food-asian", "food-sweet"),
    *("drink", "dishware", "sky & weather", "transport-ground", "transport-air", "transport-water"),
    *("place-building", "place-geographic", "sport", "game", "musical-instrument", "clothing"),
}
_LEFT_OUT = re.compile("clock|keycap|flag|button|quarter|gibbous|waxing|waning|oncoming")


@dataclass(frozen=True)
class Concept:
    """An emoji with its names and pictures."""

    name: str
    words: tuple[str, ...]  # other names and keywords
    kind: str
    pictures: dict[str, Image.Image]  # for each style, an RGBA picture of SIZE×SIZE pixels
    keywords: tuple[str, ...] = ()  # single words that Unicode's CLDR lists for the emoji


def clean_name(text: str) -> str:
    """Return a name in lower case, without punctuation, with single spaces."""
    words = text.lower().replace("’", "'").replace("_s_", "'s ")
    return " ".join(re.sub(r"[^a-z0-9' ]+", " ", words).split())


def read_concepts(node_modules: Path) -> list[Concept]:
    """Return the emoji of KINDS that all STYLES have, in the order of the Unicode list. Each name occurs once.

    Raises TrainError if a package is missing.
    """
    for package in PACKAGES:
        if not (node_modules / package).is_dir():
            raise TrainError(f"{node_modules} has no {package}: run npm install {' '.join(PACKAGES)} beside it.")
    listed = json.loads((node_modules / "emoji-datasource/emoji.json").read_text(encoding="utf-8"))
    keywords = json.loads((node_modules / "emojilib/dist/emoji-en-US.json").read_text(encoding="utf-8"))
    of_cldr = json.loads((node_modules / _CLDR).read_text(encoding="utf-8"))["annotations"]["annotations"]
    icons = json.loads((node_modules / "@iconify-json/fluent-emoji/icons.json").read_text(encoding="utf-8"))
    found: dict[str, Concept] = {}
    for emoji in sorted(listed, key=lambda emoji: emoji["sort_order"]):
        if emoji["subcategory"] not in KINDS or not emoji.get("has_img_google"):
            continue
        character = "".join(chr(int(code, 16)) for code in emoji["unified"].split("-"))
        names = [clean_name(word) for word in keywords.get(character, [emoji["name"]])]
        names += [clean_name(emoji["name"]), clean_name(emoji["short_name"])]
        name, *others = dict.fromkeys(word for word in names if re.fullmatch(r"[a-z][a-z' ]{1,30}", word))
        if _LEFT_OUT.search(name) or name in found:
            continue
        fluent = _icon(icons, [word.replace("'", "").replace(" ", "-") for word in (name, *names)])
        if fluent is None:
            continue
        noto = open_picture(node_modules / "emoji-datasource-google/img/google/64" / emoji["image"]).convert("RGBA")
        pictures = {"noto": noto.resize((SIZE, SIZE), Image.Resampling.LANCZOS), "fluent": fluent}
        tags = of_cldr.get(character, of_cldr.get(character.replace("\ufe0f", ""), {})).get("default", ())
        single = tuple(word for word in map(clean_name, tags) if re.fullmatch(r"[a-z]{2,}", word))
        found[name] = Concept(name, tuple(others), emoji["subcategory"], pictures, single)
    return list(found.values())


def meanings(concepts: Sequence[Concept]) -> dict[str, list[str]]:
    """Return the keywords that are not names, each with the names of its emoji, the best one first.

    An emoji is better if other lists give it this keyword, too; then, if its name has fewer words; then, if it has
    fewer keywords.
    """
    names = {concept.name for concept in concepts}
    found: dict[str, list[Concept]] = defaultdict(list)
    for concept in concepts:
        for word in set(concept.keywords) - names:
            found[word].append(concept)
    return {
        word: [c.name for c in sorted(those, key=lambda c: (word not in c.words, len(c.name.split()), len(c.keywords)))]
        for word, those in sorted(found.items())
        if len(those) <= _MOST
    }


def _icon(icons: dict[str, Any], names: list[str]) -> Image.Image | None:
    """Return a picture of the first of these names that has an icon, or None. Raises TrainError without resvg_py."""
    name = next((name for name in names if name in icons["icons"]), None)
    if name is None:
        return None
    try:
        import resvg_py  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise TrainError("Drawing Fluent's emoji needs one more package: pip install resvg_py.") from error
    icon = icons["icons"][name]
    side = icon.get("width", icons.get("width", 32))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{side}" '
        f'height="{side}" viewBox="0 0 {side} {side}">{icon["body"]}</svg>'
    )
    drawn = resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE, skip_system_fonts=True)
    return open_picture(io.BytesIO(bytes(drawn))).convert("RGBA")
