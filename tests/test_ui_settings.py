"""The settings that a run can have, from the page and from scripts."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ddpm_core
from ui.export.link import from_address
from ui.runs.settings import DEFAULTS, MAX_SEED, Settings, lanes, resolved


def check(**changes) -> Settings:
    return Settings.check({**dataclasses.asdict(Settings()), **changes})


def model(**fields) -> ddpm_core.Model:
    schedule = ddpm_core.NoiseSchedule.linear(100)
    return ddpm_core.Model(network=lambda x, t, labels: x, schedule=schedule, image_size=8, **fields)


NAMED = {"num_classes": 2, "null_label": 2, "class_names": ("cat", "dog")}


def test_the_defaults_are_allowed():
    assert check() == Settings()


@given(st.integers(0, MAX_SEED), st.sampled_from([int, str, float]))
def test_every_seed_of_the_page_is_taken_exactly_in_any_spelling(seed, spelling):
    assert check(seed=spelling(seed)).seed == seed


@pytest.mark.parametrize(
    "seed", [-1, MAX_SEED + 1, 2**63, "abc", "", None, "1.5", 1.5, True, "٣", "9" * 5000, math.nan, []]
)
def test_other_seeds_are_refused_with_the_range(seed):
    with pytest.raises(ValueError, match=r"from 0 to 4,294,967,295 \(2³² − 1\), got "):
        check(seed=seed)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 0},
        {"steps": -3},
        {"steps": None},
        {"steps": 1.5},
        {"count": 0},
        {"count": 17},
        {"count": "many"},
        {"eta": -0.1},
        {"eta": 1.01},
        {"eta": math.nan},
        {"eta": None},
        {"guidance": math.inf},
        {"guidance": "strong"},
        {"clip": "yes"},
        {"eta": 10**400},
        {"guidance": {}},
        {"sampler": "euler"},
        {"variance": "wide"},
        {"variance": None},
        {"variance": ["beta"]},
        {"spacing": "random"},
        {"checkpoint": ""},
        {"checkpoint": None},
        {"checkpoint": "x" * 5000},
    ],
    ids=str,
)
def test_values_out_of_their_limits_are_refused_with_one_sentence(changes):
    with pytest.raises(ValueError) as refusal:
        check(**changes)
    text = str(refusal.value)
    assert 20 < len(text) < 200
    assert "\n" not in text


def test_image_i_has_seed_plus_i():
    assert list(check(seed=MAX_SEED, count=3).seeds) == [MAX_SEED, MAX_SEED + 1, MAX_SEED + 2]


def test_steps_end_at_the_models_T():
    assert check(steps=100).arguments(model())["steps"] == 100
    with pytest.raises(ValueError, match="1 to 100 for this checkpoint, got 101"):
        check(steps=101).arguments(model())


@pytest.mark.parametrize(
    ("label", "number"), [("any", None), (None, None), ("", None), ("dog", 1), ("1", 1), (0, 0), (" dog ", 1)]
)
def test_a_class_is_given_by_name_or_number(label, number):
    assert check(label=label).arguments(model(**NAMED))["labels"] == number


@pytest.mark.parametrize("label", ["fish", "2", "-1", "DOG"])
def test_classes_the_model_does_not_have_are_refused_with_those_it_has(label):
    with pytest.raises(ValueError, match="choose from any, cat, dog"):
        check(label=label).arguments(model(**NAMED))


def test_a_class_called_by_a_number_is_meant_before_the_class_of_that_number():
    digits = model(num_classes=3, class_names=("1", "2", "3"))
    assert [check(label=label).arguments(digits)["labels"] for label in ("1", "3", "0")] == [0, 2, 0]


def test_clip_left_open_is_the_models_own():
    for own in (True, False):
        assert check(clip=None).arguments(model(clip=own))["clip"] is own
        assert check(clip=True).arguments(model(clip=own))["clip"] is True


def test_a_model_without_classes_takes_any_only():
    with pytest.raises(ValueError, match="no classes"):
        check(label="cat").arguments(model())


def test_guidance_counts_twice_in_a_batch():
    assert check(count=3).batch == 3
    assert check(count=3, guidance=2).batch == 6


def test_spacing_left_open_suits_the_sampler_and_a_chosen_one_stays():
    assert check(sampler="unipc", steps=10).arguments(model())["spacing"] == "quadratic"
    assert check(sampler="unipc", steps=10, spacing="linspace").arguments(model())["spacing"] == "linspace"
    assert check(steps=10).arguments(model())["spacing"] == "linspace"


def asked(**changes):
    return lanes(list((DEFAULTS | {"compare": True} | changes).values()))


def test_lane_b_follows_lane_a_where_it_says_same():
    first, second = asked(checkpoint="a", spacing="trailing")
    assert (second.checkpoint, second.spacing) == ("a", "trailing")
    first, second = asked(checkpoint="a", checkpoint_b="b", spacing="trailing", spacing_b="auto")
    assert (first.checkpoint, second.checkpoint, first.spacing, second.spacing) == ("a", "b", "trailing", "auto")


def test_an_old_link_with_one_spacing_for_both_lanes_keeps_its_meaning():
    old = {"compare": "true", "spacing": "quadratic", "sampler_b": "ddim", "steps_b": "20", "variance_b": "beta"}
    values, refused = from_address(old)
    assert not refused
    assert [lane.spacing for lane in asked(**values)] == ["quadratic", "quadratic"]


def test_clip_left_open_is_the_first_models_own_in_both_lanes():
    both = [check(clip=None), check(clip=None)]
    assert [lane.clip for lane in resolved(both, [model(clip=False), model(clip=True)])] == [False, False]
