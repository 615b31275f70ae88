"""Time steps refined by data: on a made-up distance, on a model whose exact denoiser is known, and by the command."""

import json
import sys
import types
from dataclasses import replace

import checkpoint_folders
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_optimised import mixture
from torch_fidelity.metric_fid import fid_features_to_statistics

from ddpm_core import NoiseSchedule, load, sample
from train.__main__ import main
from train.evaluate.features import Extractor, Reference
from train.tuning.refine import SEEDS_FROM, Judge, most_chains, refine

LINEAR = NoiseSchedule.linear()


class MadeUp:
    """How far the logarithms of the times lie from those of a goal. It keeps every chain that it judges."""

    def __init__(self, goal):
        self.goal, self.judged = goal, {}

    def __call__(self, sampler, chain):
        self.judged[chain] = float(np.square(np.log(chain) - np.log(self.goal)).sum())
        return self.judged[chain]


times = st.lists(st.integers(1, 1000), min_size=5, max_size=5, unique=True).map(lambda t: tuple(sorted(t)[::-1]))


@settings(max_examples=50, deadline=None)
@given(times, st.lists(times, min_size=1, max_size=3))
def test_the_best_chain_that_was_judged_is_taken(goal, starts):
    judge = MadeUp(goal)
    chain, distance = refine(judge, LINEAR, "unipc", starts)
    assert distance == judge.judged[chain] == min(judge.judged.values())
    assert len(judge.judged) <= most_chains(5, len(starts))
    assert all(list(one) == sorted(set(one))[::-1] and 1 <= one[-1] <= one[0] <= 1000 for one in judge.judged)


def test_times_move_towards_the_goal():
    judge = MadeUp(goal=(900, 500, 250, 60, 4))
    start = (700, 300, 100, 30, 1)
    assert refine(judge, LINEAR, "unipc", [start])[1] < 0.5 * judge("unipc", start)


def test_no_step_starts_from_noise_alone():
    judge, schedule = MadeUp(goal=(1000, 1)), NoiseSchedule.from_betas([0.01] * 999 + [1.0])
    (first, _), _ = refine(judge, schedule, "unipc", [(998, 2)])
    assert first == 999 and all(chain[0] < 1000 for chain in judge.judged)


def pixels(images):
    """Features: a few pixels, so that their distribution is that of the model's own mixture."""
    return {"features": images[:, ::2, ::2].reshape(len(images), -1) / 64.0}


def test_the_distance_is_that_of_the_pictures_that_the_steps_draw():
    evaluations = []
    model, extractor = mixture(), Extractor("pixels", pixels)
    data = extractor(sample(model, range(400), 100, sampler="dpm++"))["features"]
    judge = Judge(model, extractor, Reference({}, data, len(data), "", []), "kid", 150, evaluations.append)
    good, bad = (900, 600, 300, 100, 30), (900, 890, 880, 870, 860)
    assert judge("ddim", good) < 0.5 * judge("ddim", bad)
    assert sum(evaluations) == 2 * 5 * 150
    assert judge("ddim", good) != judge("unipc", good)
    judge("ddim", good)
    assert sum(evaluations) == 3 * 5 * 150  # a chain is drawn once
    assert refine(judge, LINEAR, "ddim", [bad])[1] < judge("ddim", bad)


def test_the_distance_can_be_frechets():
    """Of one feature that varies: (difference of the means)² + (difference of the standard deviations)²."""
    extractor = Extractor("mean", lambda images: {"features": images.mean((1, 2, 3))[:, None] / 64 * [1, 0]})
    model, chain = replace(mixture(), optimised={"ddim": {2: (900, 300)}}), (900, 300)
    images = sample(model, range(SEEDS_FROM, SEEDS_FROM + 40), 2, sampler="ddim", spacing="optimised")
    ours, data = extractor(images)["features"], np.array([[0.5, 0], [1.5, 0]], np.float32)
    other = Reference(fid_features_to_statistics(torch.from_numpy(data)), data, 2, "", [])
    distance = Judge(model, extractor, other, "fid", 40, lambda n: None)("ddim", chain)
    expected = (ours[:, 0].mean() - 1) ** 2 + (ours[:, 0].std(ddof=1) - 0.5**0.5) ** 2
    assert distance == pytest.approx(expected, rel=1e-3)


def test_the_pictures_have_all_classes_in_turn_and_seeds_of_their_own():
    asked = []

    def network(x, t_index, labels):
        asked.append(labels.tolist())
        return 0.1 * x

    model = replace(mixture(), network=network, num_classes=3, schedule=NoiseSchedule.linear(9, 0.1, 0.5))
    seen = []
    extractor = Extractor("pixels", lambda images: seen.append(images) or pixels(images))
    judge = Judge(model, extractor, Reference({}, np.ones((4, 12), np.float32), 4, "", []), "kid", 5, lambda n: None)
    judge("ddim", (9, 2))
    labels = [seed % 3 for seed in range(SEEDS_FROM, SEEDS_FROM + 5)]
    assert asked == [labels, labels]
    same = sample(
        replace(model, optimised={"ddim": {2: (9, 2)}}),
        range(SEEDS_FROM, SEEDS_FROM + 5),
        2,
        sampler="ddim",
        spacing="optimised",
        labels=labels,
    )
    np.testing.assert_array_equal(seen[0], same)


# python -m train schedule --data


def status(words):
    try:
        return main(words)
    except SystemExit as error:  # what tyro refuses
        return error.code


@pytest.fixture
def words(tmp_path, monkeypatch):
    """The command for a small checkpoint and a folder of images, without --steps."""
    checkpoint_folders.write(tmp_path / "model", **checkpoint_folders.SMALLEST)
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / "data" / f"{i}.png")
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path / "cache"))
    extractor = types.SimpleNamespace(features=lambda images: pixels(images)["features"])
    monkeypatch.setitem(sys.modules, "toy_extractor", extractor)
    where = ["--device", "cpu", "--engine", "torch", "--images", "2", "--points", "4"]
    data = ["--data", str(tmp_path / "data"), "--extractor", "toy_extractor:features", "--samples", "4"]
    return ["schedule", str(tmp_path / "model"), *where, *data]


def test_the_command_refines_them_and_says_by_what(words, tmp_path, capsys):
    assert main([*words, "--steps", "2", "--samplers", "unipc,ddim"]) == 0
    content = json.loads((tmp_path / "model" / "optimised_steps.json").read_text())
    assert [content[name] for name in ("extractor", "metric", "samples")] == ["toy_extractor:features", "kid", 4]
    assert content["errors"] == {} and set(content["distances"]) == {"unipc", "ddim"}
    model = load(tmp_path / "model", engine="torch")
    assert model.optimised and {name: set(chains) for name, chains in model.optimised.items()} == {
        "ddim": {2},
        "unipc": {2},
    }
    assert "ddim, 2 steps: 100%" in capsys.readouterr().err


def test_what_the_command_refuses_before_any_work(words, tmp_path, capsys):
    for flag, value, told in (
        ("--samplers", "ddpm", "--samplers can't be 'ddpm': choose from ddim, dpm++, unipc"),
        ("--samples", "1", "--samples must be 2 to"),
        ("--metric", "fid,kid", "schedule --help"),  # which older versions of tyro say of another option
        ("--extractor", "nowhere:features", "nowhere:features can't be imported"),
        ("--data", str(tmp_path / "away"), f"{tmp_path / 'away'}"),
    ):
        at = words.index(flag) if flag in words else len(words)
        assert status([*words[:at], flag, value, *words[at + 2 :]]) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "model" / "optimised_steps.json").exists()
