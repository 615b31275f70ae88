"""The programs in examples/: they are short, and do what they say."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ddpm_core

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))

pytestmark = pytest.mark.usefixtures("torch_engine")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, tmp_path, monkeypatch, capsys):
    """With few seeds and steps, where it draws digits; what it trains on is what its network predicts."""
    if path.stem == "lora":
        pytest.importorskip("peft")
    monkeypatch.chdir(tmp_path)
    trajectory, sample = ddpm_core.trajectory, ddpm_core.sample

    def few(call):
        def shorter(model, seeds, steps=50, **options):
            own_number = model.image_size == 1 or path.stem == "edm_steps"
            return call(model, seeds, steps if own_number else 10 if "cut" in path.stem else 4, **options)

        return shorter

    monkeypatch.setattr(ddpm_core, "trajectory", few(trajectory), raising=False)
    monkeypatch.setattr(ddpm_core, "sample", few(sample), raising=False)
    l_simple, trained = ddpm_core.l_simple, set()

    def noted(model, *arguments):
        trained.add(model.prediction)
        return l_simple(model, *arguments)

    monkeypatch.setattr(ddpm_core, "l_simple", noted, raising=False)
    if path.stem == "cut_and_continued":  # its stops are those of 50 steps
        pairs = ddpm_core.timestep_pairs
        monkeypatch.setattr(ddpm_core, "timestep_pairs", lambda T, n: pairs(T, 10), raising=False)
    code = path.read_text(encoding="utf-8").replace("range(2000)", "range(20)").replace("range(200)", "range(20)")
    code = code.replace("range(8)", "range(2)").replace("[0, 1, 3, 8] * 2", "[3, 8]").replace("steps=50", "steps=10")
    exec(compile(code, path, "exec"), {"__name__": "__main__"})
    assert trained == {"lora": {"v"}, "own_schedule_and_network": {"epsilon"}}.get(path.stem, set())
    if path.stem == "own_schedule_and_network":
        numbers = capsys.readouterr().out
        assert numbers.startswith("tensor")
    else:
        assert np.asarray(Image.open(tmp_path / f"{path.stem}.png")).std() > 20
