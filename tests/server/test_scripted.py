"""Scripts and links: what values they may have, what is said of others, and the lanes that they mean."""

import dataclasses
import math

import pytest
import toylab
from hypothesis import given
from hypothesis import strategies as st
from toylab import Models, toy_services

import ddpm_core
from ddpm_core.samplers import OPTIONS
from ui.forms import emoji
from ui.recorded import page
from ui.serving.scripted import COLUMNS, OF_FORMS, OF_LANE_B, Script, Scripted, run_of_link

MAX_SEED = 2**32 - 1


def check(**changes) -> Script:
    return Script.check({**dataclasses.asdict(Script()), **changes})


def arguments(own, **changes):
    return check(**changes).lane(own).arguments()


def planned(*scripts, **models):
    """The lanes and the seeds that scripts mean."""
    lab = toy_services(Models())
    plan = Scripted(lab, scripts).plan([models.get(script.checkpoint, lab.models.model) for script in scripts][:1])
    return plan.request


def model(**fields) -> ddpm_core.Model:
    schedule = ddpm_core.NoiseSchedule.linear(100)
    return ddpm_core.Model(
        network=lambda x, t, labels: x, schedule=schedule, image_size=8, **{"prediction": "epsilon", **fields}
    )


NAMED = {"num_classes": 2, "null_label": 2, "class_names": ("cat", "dog")}


@given(st.integers(0, MAX_SEED), st.sampled_from([int, str, float]))
def test_every_seed_of_the_page_is_taken_exactly_in_any_spelling(seed, spelling):
    assert check(seed=spelling(seed)).seed == seed


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 2**63, "abc", "", "1.5", 1.5, True, "٣", "9" * 5000, math.nan, []])
def test_other_seeds_are_refused_with_the_range(seed):
    with pytest.raises(ValueError, match=r"from 0 to 4,294,967,295 \(2³² − 1\), got "):
        check(seed=seed)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 0},
        {"steps": 1.5},
        {"count": 17},
        {"count": "many"},
        {"eta": 1.01},
        {"eta": math.nan},
        {"guidance": math.inf},
        {"clip": "yes"},
        {"eta": 10**400},
        {"prompt": "x" * 301},
        {"variance": "wide"},
        {"variance": ["beta"]},
        {"spacing": "random"},
        {"checkpoint": ""},
        {"checkpoint": "x" * 5000},
        {"checkpoint": "\ud800"},
        {"checkpoint": "a\0b"},
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
    assert planned(check(checkpoint="toy", seed=MAX_SEED, count=3)).seeds == [MAX_SEED, MAX_SEED + 1, MAX_SEED + 2]


def test_steps_end_at_the_models_T():
    assert arguments(model(), steps=100)["steps"] == 100
    with pytest.raises(ValueError, match="1 to 100 for this checkpoint, got 101"):
        arguments(model(), steps=101)


@pytest.mark.parametrize(
    ("label", "number"), [("any", None), (None, None), ("", None), ("dog", 1), ("1", 1), (0, 0), (" dog ", 1)]
)
def test_a_class_is_given_by_name_or_number(label, number):
    assert arguments(model(**NAMED), label=label).get("labels") == number


@pytest.mark.parametrize("label", ["fish", "2", "-1", "DOG"])
def test_classes_the_model_does_not_have_are_refused_with_those_it_has(label):
    with pytest.raises(ValueError, match="choose from any, cat, dog"):
        arguments(model(**NAMED), label=label)


def test_the_longest_name_of_imagenets_is_a_class():
    machines = "automated teller machine, automatic teller machine, automated teller, automatic teller, ATM"
    name = f"cash machine, cash dispenser, {machines}"
    assert arguments(model(num_classes=2, class_names=("cat", name)), label=name).get("labels") == 1


def test_a_class_called_by_a_number_is_meant_before_the_class_of_that_number():
    digits = model(num_classes=3, class_names=("1", "2", "3"))
    assert [arguments(digits, label=label).get("labels") for label in ("1", "3", "0")] == [0, 2, 0]


def test_clip_left_open_is_the_models_own():
    own = Models().model
    for clip in (True, False):
        own.clip = clip
        assert planned(check(checkpoint="toy", count=1), toy=own).clip is clip
        assert planned(check(checkpoint="toy", count=1, clip=True), toy=own).clip is True


def test_a_model_without_classes_takes_any_only():
    with pytest.raises(ValueError, match="no classes"):
        arguments(model(), label="cat")


def test_what_is_left_open_is_what_the_page_begins_with():
    assert (arguments(model())["sampler"], arguments(model())["steps"]) == ("ddpm", 50)
    student = ddpm_core.load("mnist-tiny-2-steps").spec
    assert (arguments(student)["sampler"], arguments(student)["steps"]) == (student.student.sampler, 2)


def test_a_prompt_of_emoji_is_their_names():
    own, longest = model(**NAMED), max(emoji.NAMES, key=lambda letter: len(emoji.NAMES[letter]))
    own.takes_words = True
    found = arguments(own, checkpoint="emoji-tiny", prompt=longest * 300)["prompts"]
    assert found == " ".join([emoji.NAMES[longest]] * 300)


def test_spacing_left_open_suits_the_sampler_and_a_chosen_one_stays():
    assert arguments(model(), sampler="unipc", steps=10)["spacing"] == "quadratic"
    assert arguments(model(), sampler="unipc", steps=10, spacing="linspace")["spacing"] == "linspace"
    assert arguments(model(), steps=10)["spacing"] == "linspace"


def test_what_a_sampler_or_a_missing_class_makes_useless_is_left_out():
    for name, own in OPTIONS.items():
        usual = {"steps", "sampler", "spacing"}
        assert {*arguments(model(), sampler=name, eta=0.5, steps=10)} == usual | {"variance", "eta"} & {*own}
    assert arguments(model(**NAMED), label="cat", guidance=3)["guidance"] == 3
    assert "guidance" not in arguments(model(**NAMED), label="cat", guidance=1)


# --- Links, whose pictures other sites show


def page_defaults(part):
    """What the page's form of a part begins with."""
    return {field["name"]: field["default"] for field in page.ask({"forms": part})["fields"]}


@pytest.mark.parametrize("part", OF_FORMS)
def test_a_link_that_says_nothing_means_what_the_page_begins_with(part):
    usual, script = page_defaults(part), dataclasses.asdict(Script.check(OF_FORMS[part]))
    if part == "grid":  # has no row of heun
        script = {name: value for name, value in script.items() if name not in OPTIONS["heun"]}
    open_ones = {name: value for name, value in usual.items() if value in (None, "") and name in script}
    assert {name: usual[name] for name in script if name not in open_ones} == {
        name: value for name, value in script.items() if name not in open_ones
    }
    if part == "compare":
        second = {name: usual[f"{name}_b"] for name in OF_LANE_B}
        assert second == OF_LANE_B and usual["spacing_b"] == usual["checkpoint_b"] == "same"
    if part == "grid":
        assert usual["columns"] == COLUMNS and usual["rows"] == "variance"


def linked(part, **values):
    lab = dataclasses.replace(toy_services(Models()), first="toy")
    run = run_of_link(lab, part, values)
    return run.plan([lab.models.model]).request


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("watch", {"steps": "5", "sampler": "ddim", "eta": "0.5", "seed": "7", "count": "2"}),
        ("compare", {"steps_b": "20", "sampler_b": "unipc", "spacing": "trailing"}),
        ("compare", {"spacing_b": "quadratic", "variance": "beta_tilde", "eta_b": "0.5", "sampler_b": "ddim"}),
        ("grid", {"columns": "2, 4 50", "rows": "sampler", "seed": "3"}),
        ("grid", {"columns": "2,200", "variance": "beta"}),
        ("watch", {"guidance": "3"}),
    ],
)
def test_a_link_means_for_its_picture_what_it_means_in_the_page(part, values):
    place = toylab.toy_services(Models())
    asked = toylab.requested_of(place, part, values | {"checkpoint": "toy"})
    mine = linked(part, **values).model_dump(exclude={"start"})
    for lane in (*asked["lanes"], *mine["lanes"]):
        lane.pop("facts")
        for name in [name for name, value in lane.items() if value is None]:
            lane.pop(name)
    assert mine == asked


@pytest.mark.parametrize("columns", ["0", "x", "5000000", ", ", "1 2 3 4 5 6 7 8 9"])
def test_a_link_to_an_impossible_grid_is_refused(columns):
    with pytest.raises(ValueError):
        linked("grid", columns=columns, rows="sampler")
