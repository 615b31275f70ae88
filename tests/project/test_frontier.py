"""The benchmark of scores against times, with contenders that are quick and known."""

import numpy as np
import pytest

from benchmarks.frontier import Frontier, draw, plan, table
from benchmarks.frontier.contenders import Ours
from ddpm_core.model import ModelSpec
from ddpm_core.schedule import NoiseSchedule
from train import TrainError

WHAT = {"samples": 60}


class Known:
    """A contender whose pictures are all as grey as it has steps, and whose time is a millisecond a step."""

    def __init__(self):
        self.sampled, self.timed = [], []

    def sample(self, cell, first, count):
        self.sampled.append((cell, first, count))
        return np.full((count, 2, 2, 1), cell.steps, np.uint8)

    def seconds(self, cell, images):
        self.timed.append(cell)
        return 0.001 * cell.steps * images


def darkness(images):
    """A score: the more steps, the better."""
    assert images.shape == (60, 2, 2, 1)
    return 255 - float(images.mean())


@pytest.fixture
def cells():
    return plan(["teacher", "student"], ["ddim", "unipc"], ["linspace", "quadratic"], [2, 4], ["ddim"])


def contenders(cells):
    known = Known()
    return known, {(cell.library, cell.checkpoint): known for cell in cells}


def test_scores_and_times_are_kept_and_a_second_run_adds_what_is_missing(cells, tmp_path):
    known, each = contenders(cells)
    first = Frontier(tmp_path, WHAT)
    first.time(cells[:3], each, images=4, rounds=2)
    first.score(cells[:3], each, darkness, 60)
    assert len(known.sampled) == 6  # in two batches
    known.sampled.clear(), known.timed.clear()
    again = Frontier(tmp_path, WHAT)
    again.time(cells[:3], each, images=4, rounds=2)
    again.score(cells, each, darkness, 60)
    assert not known.timed and {cell for cell, *_ in known.sampled} == {*cells[3:]}
    assert [file.name for file in tmp_path.iterdir()] == ["frontier.json"]  # images of scored cells are gone
    again.time(cells, each, images=4, rounds=2)  # other cells: they take turns anew
    assert len(known.timed) == 3 * len({cell.timed for cell in cells})  # once to warm up
    with pytest.raises(TrainError, match="another --out"):
        Frontier(tmp_path, {"samples": 61})


def test_rows_say_times_ratios_and_what_no_quicker_one_beats(cells, tmp_path):
    _, each = contenders(cells)
    frontier = Frontier(tmp_path, WHAT)
    frontier.time(cells, each, images=4, rounds=2)
    quadratic = [cell for cell in cells if cell.spacing != "linspace"]
    frontier.score(quadratic, each, lambda images: 10 - float(images.mean()) / 10, 60)
    frontier.score(cells, each, lambda images: 11 - float(images.mean()) / 10, 60)
    rows = frontier.rows(cells)
    for row in rows:
        assert row["ms"] == pytest.approx(row["cell"].steps)
        assert row["quicker"]["median"] == pytest.approx(50 / row["cell"].steps)
        assert row["best"] == (row["cell"].spacing != "linspace")
    lines = table(rows, "Fréchet distance").splitlines()
    assert len(lines) == 2 + len(cells) and "**5.00**" in lines[-1] and "diffusers, teacher" in lines[-1]
    draw(tmp_path / "frontier.png", rows, "Fréchet distance")
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_scored_are_pictures_also_of_a_latent_model():
    contender = Ours.__new__(Ours)
    contender.model = ModelSpec(
        schedule=NoiseSchedule.linear(), image_size=8, prediction="epsilon", channels=4, latent=True, factor=2
    )
    assert contender.about() == {"picture_size": 16, "picture_channels": 3}
