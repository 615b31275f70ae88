"""Spacings: exactly n pairs for every n, at the times of their formulas, the last ending at s = 0."""

import numpy as np
import oracle
import pytest
import torch
from diffusers import DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_core.model import ModelSpec
from ddpm_core.names import SPACINGS
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.timesteps import FORMULAS, model_pairs, suited_spacing, timestep_pairs


def assert_chain(pairs, T, n):
    """n integer pairs, descending inside 1..T, each starting where the one before ended, the last at s = 0."""
    ts, ss = [t for t, _ in pairs], [s for _, s in pairs]
    assert len(pairs) == n
    assert set(map(type, ts)) == {int}
    assert ts == sorted(set(ts), reverse=True) and ts[-1] >= 1 and ts[0] <= T
    assert ss == [*ts[1:], 0]


def test_the_spacings():
    assert (
        set(FORMULAS)
        == {"linspace", "quadratic", "quadratic_T", "leading", "trailing"}
        == set(SPACINGS) - {"optimised"}
    )


@pytest.mark.parametrize("spacing", FORMULAS)
def test_the_papers_chain_in_any_number_of_steps(spacing):
    for n in (*range(1, 101), *range(107, 1001, 7), 1000):
        pairs = timestep_pairs(1000, n, spacing)
        assert_chain(pairs, 1000, n)
        assert pairs == oracle.pairs(1000, n, spacing), n


@settings(max_examples=60)
@given(st.data(), st.sampled_from(FORMULAS), st.integers(1, 4000))
def test_any_length(data, spacing, T):
    n = data.draw(st.integers(1, T))
    pairs = timestep_pairs(T, n, spacing)
    assert_chain(pairs, T, n)
    assert pairs == oracle.pairs(T, n, spacing)


@pytest.mark.parametrize("spacing", FORMULAS)
@pytest.mark.parametrize("T", [1, 2, 3, 50, 1000])
def test_one_step_and_the_whole_chain(spacing, T):
    assert timestep_pairs(T, 1, spacing) == [(T, 0)]
    assert timestep_pairs(T, T, spacing) == [(t, t - 1) for t in range(T, 0, -1)]


@pytest.mark.parametrize(
    "spacing, ts",
    [
        ("linspace", [1000, 889, 778, 667, 556, 445, 334, 223, 112, 1]),
        ("leading", [901, 801, 701, 601, 501, 401, 301, 201, 101, 1]),
        ("trailing", [1000, 900, 800, 700, 600, 500, 400, 300, 200, 100]),
        ("quadratic", [801, 633, 484, 356, 247, 159, 89, 40, 10, 1]),
        ("quadratic_T", [1000, 790, 605, 445, 309, 198, 112, 50, 13, 1]),
    ],
)
def test_ten_steps_by_hand(spacing, ts):
    assert [t for t, _ in timestep_pairs(1000, 10, spacing)] == ts


def test_halves_round_to_even():
    assert [t for t, _ in timestep_pairs(4, 3, "linspace")] == [4, 3, 1]  # 1 + round(1.5)
    assert [t for t, _ in timestep_pairs(6, 3, "linspace")] == [6, 3, 1]  # 1 + round(2.5)
    assert [t for t, _ in timestep_pairs(5, 2, "trailing")] == [5, 2]  # round(2.5)
    assert [t for t, _ in timestep_pairs(7, 2, "trailing")] == [7, 4]  # round(3.5)


@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
def test_the_timesteps_of_diffusers_where_it_is_right(spacing):
    """Not at n = 1, where only trailing starts at T; nor where trailing yields n + 1 steps (62 values of n).

    Nor where trailing meets an exact half: diffusers subtracts n times, and the rounding errors decide.
    """
    scheduler = DDPMScheduler(timestep_spacing=spacing)
    wrong = 0
    for n in range(2, 1001):
        scheduler.set_timesteps(n)
        theirs = [t + 1 for t in scheduler.timesteps.tolist()]
        if len(theirs) != n:
            wrong += 1
            continue
        if n > 300:  # more are compared with the oracle above; here the rest would only take time
            continue
        for k, ((t, _), their_t) in enumerate(zip(timestep_pairs(1000, n, spacing), theirs, strict=True)):
            assert t == their_t or (spacing == "trailing" and 2 * k * 1000 % (2 * n) == n), (n, k)
    assert wrong == (62 if spacing == "trailing" else 0)


def test_quadratic_is_the_ddim_authors_list():
    """Up to rounding errors, which decide where a square is whole; for n so small that no two squares share a floor."""
    for n in (5, 10, 15, 20):
        theirs = [1 + int(root) for root in np.linspace(0, np.sqrt(1000 * 0.8), n) ** 2]
        ours = [t for t, _ in timestep_pairs(1000, n, "quadratic")][::-1]
        whole = [k * k * 800 % (n - 1) ** 2 == 0 for k in range(n)]
        assert all(a == b or (w and abs(a - b) == 1) for a, b, w in zip(ours, theirs, whole, strict=True)), n


@pytest.mark.parametrize("n", [0, -1, 1001, 2.5, "10", None, True])
def test_bad_step_counts(n):
    with pytest.raises(ValueError, match=r"^[^\n]*1000[^\n]*$"):
        timestep_pairs(1000, n, "linspace")


@pytest.mark.parametrize("times", [[999, 500, 1], (999, 500, 1), np.array([999, 500, 1]), torch.tensor([999, 500, 1])])
def test_times_of_ones_own(times):
    assert timestep_pairs(1000, times) == [(999, 500), (500, 1), (1, 0)]
    assert timestep_pairs(1000, range(1000, 0, -500)) == [(1000, 500), (500, 0)]
    assert timestep_pairs(1000, times, start=999) == timestep_pairs(1000, times)
    real = timestep_pairs(1000, [999.5, np.float32(500), 0.25])  # a whole number is an int, whatever it was
    assert real == [(999.5, 500), (500, 0.25), (0.25, 0)] and type(real[1][0]) is int
    assert timestep_pairs(1000, 3, "linspace", 812.5) == [(812.5, 407), (407, 1), (1, 0)]
    with pytest.raises(ValueError, match="starts at t = 800 must have it as its first time, got 999"):
        timestep_pairs(1000, times, start=800)
    model = ModelSpec(schedule=NoiseSchedule.linear(), image_size=8, prediction="epsilon")
    assert model_pairs(model, times, None, "ddpm") == timestep_pairs(1000, times)
    with pytest.raises(ValueError, match="replace the spacing: leave the spacing out"):
        model_pairs(model, times, "linspace", "ddpm")


@pytest.mark.parametrize(
    "times",
    [
        [],
        [1, 500],
        [500, 500],
        [1000.5, 1],
        [5, 0],
        [5, -0.1],
        [5, float("nan")],
        [True],
        ["5"],
        [[5, 1]],
        np.zeros((0, 2)),
    ],
)
def test_what_are_no_times(times):
    with pytest.raises(ValueError, match=r"^your own times must be falling numbers, at most 1000 and above 0[^\n]*$"):
        timestep_pairs(1000, times)


def test_bad_spacing_names_the_known_ones():
    with pytest.raises(ValueError, match="cubic") as error:
        timestep_pairs(1000, 10, "cubic")
    assert all(name in str(error.value) for name in SPACINGS)


@pytest.mark.parametrize(
    ("sampler", "steps", "T", "spacing"),
    [
        ("ddpm", 10, 1000, "linspace"),
        ("ddim", 10, 1000, "linspace"),  # as the page has always done: a seed keeps its pictures
        ("unipc", 10, 1000, "quadratic"),
        ("dpm++", 20, 1000, "quadratic"),
        ("unipc", 100, 1000, "linspace"),
        ("unipc", 10, 10, "linspace"),  # the whole chain
    ],
)
def test_the_spacing_that_nobody_has_chosen_suits_the_sampler(sampler, steps, T, spacing):
    model = ModelSpec(schedule=NoiseSchedule.linear(T), image_size=8, prediction="epsilon")
    assert suited_spacing(model, sampler, steps) == spacing
