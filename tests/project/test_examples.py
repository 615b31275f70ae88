"""The programs in examples/: they are short, and do what they say."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ddpm_core

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
# Those that train a network of digits, which predicts v: how far 30 steps of 200 lower their number at least. The
# measured shares are 0.2, 0.75 and 0.9.
TRAINED = {"lora": 0.5, "super_resolution": 0.9, "distillation": 0.95}

pytestmark = pytest.mark.usefixtures("torch_engine")


@pytest.fixture
def losses(monkeypatch):
    """The predictions of the models whose loss an example computes."""
    loss, found = ddpm_core.loss, set()

    def noted(model, *arguments, **options):
        found.add(model.prediction)
        return loss(model, *arguments, **options)

    monkeypatch.setattr(ddpm_core, "loss", noted, raising=False)
    return found


def run(path, **changes):
    """Run a program in which some words are replaced."""
    code = path.read_text(encoding="utf-8")
    for before, after in changes.items():
        assert before in code
        code = code.replace(before, after)
    exec(compile(code, path, "exec"), {"__name__": "__main__"})


@pytest.mark.long
@pytest.mark.parametrize("path", [p for p in EXAMPLES if p.stem in TRAINED], ids=lambda path: path.stem)
def test_an_example_lowers_the_number_that_it_prints(path, tmp_path, monkeypatch, capsys, losses):
    """In few of its steps, with fewer pictures drawn in fewer steps."""
    if path.stem == "lora":
        pytest.importorskip("peft")
    monkeypatch.chdir(tmp_path)
    changes = {"range(200)": "range(30)", "steps=20": "steps=5"}
    run(path, **changes, **({"steps=50": "steps=5"} if path.stem == "lora" else {"range(128)": "range(16)"}))
    before, after = map(float, re.findall(r"([\d.]+)(?: grey levels)? (?:before|after)", capsys.readouterr().out))
    assert losses == {"v"} and 0 < after < TRAINED[path.stem] * before
    assert np.asarray(Image.open(tmp_path / f"{path.stem}.png")).std() > 20


@pytest.mark.parametrize("path", [p for p in EXAMPLES if p.stem not in TRAINED], ids=lambda path: path.stem)
def test_an_example_runs(path, tmp_path, monkeypatch, capsys, losses):
    """With few seeds and steps, where it draws digits; what it trains on is what its network predicts."""
    monkeypatch.chdir(tmp_path)
    trajectory, sample = ddpm_core.trajectory, ddpm_core.sample

    def few(call):
        def shorter(model, seeds, steps=50, **options):
            own_number = model.image_size == 1 or path.stem == "edm_steps"
            return call(model, seeds, steps if own_number else 10 if "cut" in path.stem else 4, **options)

        return shorter

    monkeypatch.setattr(ddpm_core, "trajectory", few(trajectory), raising=False)
    monkeypatch.setattr(ddpm_core, "sample", few(sample), raising=False)
    if path.stem == "cut_and_continued":  # its stops are those of 50 steps
        pairs = ddpm_core.timestep_pairs
        monkeypatch.setattr(ddpm_core, "timestep_pairs", lambda T, n: pairs(T, 10), raising=False)
    code = path.read_text(encoding="utf-8").replace("range(2000)", "range(20)").replace("range(200)", "range(20)")
    code = code.replace("range(8)", "range(2)").replace("[0, 1, 3, 8] * 2", "[3, 8]").replace("steps=50", "steps=10")
    exec(compile(code, path, "exec"), {"__name__": "__main__"})
    assert losses == ({"epsilon"} if path.stem == "own_schedule_and_network" else set())
    if path.stem == "own_schedule_and_network":
        numbers = capsys.readouterr().out
        assert numbers.startswith("tensor")
    else:
        assert np.asarray(Image.open(tmp_path / f"{path.stem}.png")).std() > 20
