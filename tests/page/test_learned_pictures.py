"""What a network learns in the browser: digits, drawings and their variants. One run of node answers all questions."""

import base64
import itertools
import json
import shutil
import subprocess
from pathlib import Path

import drawings_by_pillow
import numpy as np
import pytest

from ui import web

SCRIPT = Path(__file__).parents[2] / "ui/web/tests/local/learned.mjs"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


def star(rng):
    """One stroke of a star, as the pad gives it: a point about every pixel."""
    angles = np.arange(6) * 0.8 * np.pi + rng.normal(0, 0.08, 6)
    corners = 140 + rng.normal(0, 8, 2) + rng.uniform(70, 110) * np.stack([np.sin(angles), -np.cos(angles)], 1)
    points = np.concatenate([np.linspace(a, b, 15) for a, b in itertools.pairwise(corners)])
    return [int(value) for value in points.round().clip(0, 280).ravel()]


def face(rng):
    """A circle, two dots and a mouth."""
    middle, radius = 140 + rng.normal(0, 8, 2), rng.uniform(70, 100)
    around = np.linspace(0, 2 * np.pi, 50)
    circle = middle + radius * np.stack([np.sin(around), np.cos(around)], 1)
    smile = middle + 0.6 * radius * np.stack([np.sin(around[-12:] + 0.7), np.cos(around[-12:] + 0.7)], 1)
    eyes = [middle + radius * np.array([[x, -0.3], [x + 0.01, -0.3]]) for x in (-0.35, 0.35)]
    return [[int(value) for value in line.round().clip(0, 280).ravel()] for line in (circle, smile, *eyes)]


RNG = np.random.default_rng(0)
DRAWINGS = [[star(RNG)] for _ in range(5)] + [face(RNG) for _ in range(5)]
UNIFORM = [("uniform", {"seed": str(seed), "stream": stream, "n": 40}) for seed in (0, 2**63 - 1) for stream in (0, 7)]
SHEET = ("sheet", {})
DRAWN = ("drawings", {"drawings": DRAWINGS})
FEW = ("drawings", {"drawings": DRAWINGS[:4]})
MANY = ("drawings", {"drawings": DRAWINGS * 3})
DIGITS = ("digits", {"file": str(web.list_files()["digits.npz"])})


def likeness(kind, originals, samples):
    shape = {"kind": kind, "side": originals.shape[1], "channels": originals[0, 0, 0].size}
    texts = [base64.b64encode(pictures.tobytes()).decode() for pictures in (originals, samples)]
    return "likeness", shape | dict(zip(("originals", "samples"), texts, strict=True))


def by_pillow(drawing):
    """A drawing, white on black."""
    return drawings_by_pillow.drawn([np.reshape(line, (-1, 2)) / drawings_by_pillow.UNITS for line in drawing])


ORIGINALS = np.stack([by_pillow([star(RNG)]) for _ in range(20)])
SAMPLES = {
    "copies": ORIGINALS[:7],
    "moved copies": np.roll(ORIGINALS[3:15], (2, -1), (1, 2)),
    "other stars": np.stack([by_pillow([star(RNG)]) for _ in range(24)]),
    "faces": np.stack([by_pillow(face(RNG)) for _ in range(24)]),
    "noise, and nothing": np.concatenate(
        [RNG.integers(0, 256, (4, 28, 28), np.uint8), np.zeros((1, 28, 28), np.uint8)]
    ),
}
LIKENESS = {name: likeness("drawings", ORIGINALS, samples) for name, samples in SAMPLES.items()}
COLOURS = RNG.integers(0, 256, (130, 32, 32, 3), np.uint8)
OWN = likeness("own", COLOURS, np.concatenate([COLOURS[[129, 3]], RNG.integers(0, 256, (5, 32, 32, 3), np.uint8)]))
QUESTIONS = [*UNIFORM, *LIKENESS.values(), OWN, SHEET, DRAWN, FEW, MANY, DIGITS]


def unpacked(answer):
    return np.frombuffer(base64.b64decode(answer["base64"]), np.uint8) if "base64" in answer else answer


def answers(folder, questions):
    """What the page's code answers to each question."""
    asked, answered = folder / "asked.json", folder / "answered.json"
    asked.write_text(json.dumps(questions))
    subprocess.run(["node", SCRIPT, asked, answered], check=True, timeout=120)
    return json.loads(answered.read_text(), object_hook=unpacked)


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    """The answer to one of QUESTIONS."""
    found = answers(tmp_path_factory.mktemp("pictures"), QUESTIONS)
    found = dict(zip(map(id, QUESTIONS), found, strict=True))
    return lambda question: found[id(question)]


def test_random_numbers_are_numpys(answer):
    for question in UNIFORM:
        _, asked = question
        expected = np.random.Generator(np.random.Philox(key=[int(asked["seed"]), asked["stream"]])).random(
            40, np.float32
        )
        assert (answer(question).view(np.float32) == expected).all()


def test_the_digits_are_those_of_the_trainer(answer):
    found = answer(DIGITS)
    with np.load(DIGITS[1]["file"]) as arrays:
        assert found["images"].reshape(-1, 28, 28).tobytes() == arrays["images"].tobytes()
        assert found["labels"].view(np.uint16).tolist() == arrays["labels"].tolist()
        assert found["classes"] == arrays["classes"].tolist()
    assert [found[name] for name in ("kind", "count", "side", "channels")] == ["digits", 3000, 28, 1]


def test_a_drawing_is_drawn_as_pillow_does_it(answer):
    """To a few grey levels: Pillow's pen of 8 fine pixels is drawn 8 to 9 wide, and ours is 8."""
    found = answer(DRAWN)["originals"].reshape(-1, 28, 28).astype(int)
    expected = np.stack(list(map(by_pillow, DRAWINGS)))
    off = found - expected
    assert abs(off).mean() < 4 and abs(off.mean()) < 3.5
    assert expected.mean() > 20 and found.max() == 255


def test_variants_are_the_drawing_moved_a_little(answer):
    """Their ink has its middle up to 2 pixels away, and is up to 15 % longer or shorter."""
    found, about = answer(DRAWN), answer(SHEET)
    assert [about[name] for name in ("side", "count", "shift", "stretch")] == [28, 150, 2, 0.15]
    variants = found["images"].reshape(len(DRAWINGS), 150, 28, 28).astype(float)
    assert found["count"] == 150 * len(DRAWINGS)
    assert len({one.tobytes() for one in variants.reshape(-1, 784)}) == found["count"]
    originals = found["originals"].reshape(-1, 28, 28).astype(float)
    shift = np.array(
        [[middle(one) - middle(original) for one in of] for of, original in zip(variants, originals, strict=True)]
    )
    # Turning and stretching about the middle of the sheet move the ink, too.
    assert abs(shift).max() < 4 and 1 < shift.std() < 1.6 and abs(shift.mean()) < 0.2
    longer = variants.sum((2, 3)) / originals.sum((1, 2))[:, None]
    assert 0.7 < longer.min() < 0.9 and 1.1 < longer.max() < 1.3


def middle(picture):
    return np.array([(picture.sum(1 - axis) * np.arange(28)).sum() / picture.sum() for axis in (0, 1)])


def test_five_to_twenty_drawings_are_enough(answer):
    assert answer(FEW) == {"error": "Draw 5 to 20 small pictures. There are 4 now."}
    assert answer(MANY) == {"error": "Draw 5 to 20 small pictures. There are 30 now."}


def test_likeness_is_what_pillow_and_numpy_compute(answer):
    known = drawings_by_pillow.Likeness(ORIGINALS)
    numbers = {}
    for name, samples in SAMPLES.items():
        found, (nearest, numbers[name]) = answer(LIKENESS[name]), known.compare(samples)
        assert found["nearest"] == nearest.tolist(), name
        assert found["likeness"] == pytest.approx(numbers[name], rel=1e-6), name  # float32 there
        assert found["seconds"] < 0.5, name
    assert numbers["copies"] == 0 and numbers["moved copies"] < 0.3
    assert 0.6 < numbers["other stars"] < 1.6 < numbers["faces"]


def test_other_pictures_are_compared_where_they_are(answer):
    found = answer(OWN)
    pixels, samples = (np.frombuffer(base64.b64decode(OWN[1][name]), np.uint8) for name in ("originals", "samples"))
    pixels, samples = (array.reshape(-1, 32 * 32 * 3).astype(float) for array in (pixels, samples))
    apart = np.sqrt(((samples[:, None] - pixels) ** 2).mean(2))
    probes = [k * len(pixels) // 50 for k in range(50)]
    others = np.sqrt(((pixels[probes, None] - pixels) ** 2).mean(2))
    others[range(50), probes] = np.inf
    assert found["nearest"] == apart.argmin(1).tolist() and found["nearest"][:2] == [129, 3]
    assert found["likeness"] == pytest.approx(np.median(apart.min(1)) / np.median(others.min(1)), rel=1e-9)
