"""The page without a server: what `python -m ui.static` writes, in node and in a browser whose other connections are cut."""

import base64
import json
import random
import re
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from browser import _missing
from ui.formats import sentence
from ui.server import build
from ui.static.folder import write

MODELS = ["mnist-tiny", "cifar10-tiny", "mnist-tiny-consistency", "mnist-tiny-2-steps", "emoji-tiny"]
LOCAL = Path(__file__).parents[1] / "ui/web/tests/local"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "a" / "lab"
    assert write(out, MODELS) == []
    return out


@pytest.fixture(scope="module")
def app():
    return build("mnist-tiny", device="cpu", warm=False)


def node(script, *arguments):
    if not shutil.which("node"):
        _missing("node is not installed")
    done = subprocess.run(["node", LOCAL / script, *map(str, arguments)], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return json.loads(done.stdout)


def settings(draw):
    """Values of a part as its form has them; some are wrong."""
    ref = draw.choice(MODELS)
    one = {
        "checkpoint": ref,
        "steps": draw.choice([1, 2, 4, 8, 10, 20, 50, 100, 1000, 1001, "x"]),
        "sampler": draw.choice(["ddpm", "ddpm", "ddim", "dpm++", "unipc", "consistency", "euler"]),
        "variance": draw.choice(["beta", "beta_tilde", "analytic", "learned"]),
        "spacing": draw.choice(["auto", "auto", "linspace", "trailing", "leading", "quadratic", "optimised"]),
        "eta": draw.choice([0, 0.5, "1", 0.123456789, 2]),
        "seed": draw.choice([0, 13, 2**32 - 1, -1, "7"]),
        "label": draw.choice(["any", "any", "3", "cat", "red"]),
        "guidance": draw.choice(["", None, 1, 2.5, "3", 11]),
        "prompt": draw.choice(["", "", "red apple", "l'été \"x\"  y"]),
        "negative": draw.choice(["", "", "blurred"]),
        "count": draw.choice([1, 2, 4, 16, 17]),
        "clip": draw.choice([None, True, False]),
    }
    part = draw.choice(["watch", "compare", "grid", "latents", "repair", "plane"])
    if part == "compare":
        one |= {f"{name}_b": value for name, value in settings(draw)[1].items() if name in PAIR and draw.random() < 0.5}
        one["checkpoint_b"] = draw.choice(["same", *MODELS])
    one |= {
        "rows": draw.choice(["variance", "sampler"]),
        "columns": draw.choice(["5, 10", "2 4 50", "", "10, x"]),
        "mode": draw.choice(["reconstruct", "interpolate"]),
        "times": draw.choice(["", "500", "1000, 562, 62", "2000"]),
        "task": draw.choice(["mask", "downsample", "grey", "blur"]),
        "method": draw.choice(["ddnm", "replacement", "repaint"]),
        "method_b": draw.choice(["none", "ddnm", "repaint"]),
        "shape": draw.choice(["ring", "moons", "drawing"]),
        "drawing": draw.choice(["", "1,2 3,-40", "x"]),
        "steps_b": draw.choice([1, 10, 50]),
        "width": draw.choice([0.06, "0.1", 3]),
    }
    wanted = draw.sample(sorted(one), draw.randint(1, len(one)))
    return part, {name: one[name] for name in wanted}


PAIR = ("prompt", "steps", "variance", "sampler", "spacing", "eta", "guidance")


def said(app, part, values):
    try:
        place = app.places[part]
        return place.describe(place.request(part, values))
    except Exception as error:
        return {"error": sentence(error)}


def normal(answer):
    """Without what depends on the machine, and with packed pixels unpacked."""
    answer = {name: value for name, value in answer.items() if name not in ("estimate", "seconds", "auto")}
    answer = json.loads(json.dumps(answer))
    script = answer.get("python", "")
    for packed in re.findall(r'b64decode\("([\w=-]+)"\)', script):
        script = script.replace(packed, zlib.decompress(base64.urlsafe_b64decode(packed)).hex())
    return answer | ({"python": script} if "python" in answer else {})


def test_texts_and_errors_are_pythons_own(folder, app, tmp_path):
    draw = random.Random(4)
    asked = [("watch", {}), ("compare", {}), ("grid", {}), ("latents", {}), ("repair", {}), ("plane", {})]
    asked += [settings(draw) for _ in range(300)]
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    answers = node("texts.mjs", folder, tmp_path / "asked.json")
    for (part, values), answer in zip(asked, answers, strict=True):
        assert normal(answer) == normal(said(app, part, values)), (part, values)
