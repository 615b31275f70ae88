"""The emoji data set: what is asked of a model afterwards is never in it."""

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from ddpm_core import load
from ddpm_core.imaging import from_uint8
from train import TrainError
from train.emoji import judge, teach
from train.emoji.colours import COLOURS, main_hue, name_of, recolour
from train.emoji.make import HeldOut, on_ground, read_held_out, write
from train.emoji.sets import SIZE, STYLES, Concept, clean_name, meanings, read_concepts


def disc(colour):
    picture = Image.new("RGBA", (SIZE, SIZE))
    ImageDraw.Draw(picture).ellipse((8, 8, 56, 56), fill=colour)
    return picture


def concept(name, kind, colour):
    return Concept(name, ("word", "other"), kind, {style: disc(colour) for style in STYLES})


CONCEPTS = [
    concept("fox", "animal-mammal", (250, 120, 20, 255)),
    concept("cat", "cat-face", (250, 200, 30, 255)),
    concept("red heart", "heart", (230, 30, 40, 255)),
    concept("cloud", "sky & weather", (240, 240, 240, 255)),
]


def test_what_is_held_out_is_not_in_the_data(tmp_path):
    held_out = HeldOut(("fox",), frozenset({("green", "fox")}), frozenset({frozenset({"cat", "fox"})}), ())
    count = write(CONCEPTS, held_out, tmp_path / "data")
    lines = [json.loads(line) for line in (tmp_path / "data" / "metadata.jsonl").read_text().splitlines()]
    assert len(lines) == count and all((tmp_path / "data" / line["file_name"]).is_file() for line in lines)
    captions = [line["text"] for line in lines]
    assert any("blue fox" in text or "purple fox" in text or "red fox" in text for text in captions)
    assert not any("green fox" in text for text in captions)
    together = [text for text in captions if " and " in text or " with " in text]
    assert together and not any("fox" in text and "cat" in text for text in together)
    assert any("on a" in text for text in captions)
    with pytest.raises(TrainError, match="not empty"):
        write(CONCEPTS, held_out, tmp_path / "data")


def test_the_same_emoji_give_the_same_data(tmp_path):
    for name in ("a", "b"):
        write(CONCEPTS, read_held_out(), tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_is_the_one_that_was_asked_for(colour):
    picture = np.array(disc((250, 200, 30, 255)))
    main = main_hue(picture)
    found = recolour(picture, main, colour)
    if colour != "brown":  # a dark orange
        assert name_of(main_hue(found)) == colour
    assert np.array_equal(found[..., 3], picture[..., 3])


def test_grey_has_no_hue_and_two_colours_have_no_main_one():
    assert main_hue(np.array(disc((128, 128, 128, 255)))) is None
    half = np.array(disc((250, 20, 20, 255)))
    half[:, 32:, :3] = (20, 20, 250)
    assert main_hue(half) is None


def test_names_are_plain_words_and_missing_packages_are_named(tmp_path):
    assert clean_name("T-Rex") == "t rex" and clean_name("woman_s_hat") == "woman's hat"
    with pytest.raises(TrainError, match=r"npm install emoji-datasource"):
        read_concepts(tmp_path)


def test_a_keyword_means_the_emoji_that_is_called_so_and_by_few_words():
    def named(name, *keywords, words=()):
        return Concept(name, words, "face-smiling", {}, keywords)

    faces = [named(f"face {i}", "face") for i in range(30)]
    dogs = [
        named("dog face", "pet", "dog", "puppy"),
        named("dog", "pet", "puppy", words=("puppy",)),
        named("cat", "pet"),
    ]
    assert meanings([*faces, *dogs]) == {"pet": ["cat", "dog", "dog face"], "puppy": ["dog", "dog face"]}


def test_a_word_is_taught_and_nothing_else_changes(tmp_path):
    model = load("emoji-tiny", device="cpu", engine="torch", precision="fp32")
    options = teach.Options(tmp_path, "", tmp_path, steps=1, batch=2)
    meant = {"zzbike": "bicycle", "zzpup": "dog face", "happy": "grinning face"}
    text = teach.teach(model, meant, ["fox", "red heart"], options).text
    assert text is not None and not text.unknown("zzpup and zzbike") and text.unknown("zzcar") == ["zzcar"]
    prompts = ["a red apple", "dog face with bicycle", "grinning face", ""]
    assert torch.equal(text(prompts), model.text(prompts))
    assert torch.equal(text(["a red zzbike"]), model.text(["a red bicycle"]))
    before, (after,) = model.text(["happy", "grinning face"]), text(["happy"])
    assert not torch.equal(after, before[0]) and (after - before[1]).norm() < (before[0] - before[1]).norm()


def test_the_judge_recognises_what_it_has_learned_and_finds_what_is_nearest():
    pictures = np.stack([np.array(on_ground(c.pictures["noto"])) for c in CONCEPTS])
    x, y = from_uint8(pictures), torch.arange(len(CONCEPTS))
    network = judge.train_classifier(x, y, steps=25)
    test = judge.distort(x, torch.Generator().manual_seed(5))
    assert test.shape == x.shape and test.abs().max() <= 1 and not torch.equal(test, x)
    assert judge.recognised(network, test, y.tolist()).all()
    assert not judge.recognised(network, x, [1, 2, 3, 0]).any()
    assert judge.recognised(network, x[:1], [3], among=[3]).all()  # no other choice
    sure = judge.certainty(network, torch.cat([x, x]))
    assert torch.equal(sure[:4], sure[4:]) and 1 / 4 < sure.min() <= sure.max() <= 1
    other = pictures.copy()
    other[:, 0, 0] = 0
    assert judge.nearest(other, pictures, count=2)[:, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "model, flags, says",
    [
        ("mnist-tiny", [], "takes no words"),
        ("nowhere/at/all", [], "nowhere/at/all"),
        ("emoji-tiny", [], "held_out.json was drawn from other packages"),
        ("emoji-tiny", ["--steps", "0"], "--steps"),
    ],
)
def test_what_can_not_be_judged_or_taught_is_said(model, flags, says, tmp_path, capsys, monkeypatch, torch_engine):
    monkeypatch.setattr(judge, "read_concepts", lambda folder: CONCEPTS)
    assert judge.main([str(tmp_path), str(tmp_path), model, str(tmp_path / "out"), *flags]) == 2
    assert says in capsys.readouterr().err
    if model != "emoji-tiny" or flags:
        assert teach.main([str(tmp_path), model, str(tmp_path / "out"), *flags]) == 2
        assert says in capsys.readouterr().err
