"""Requests: what values of a page, a script or an address are taken, and what is said of others."""

import dataclasses
import math
import re

import plans
import pytest
import toylab
from hypothesis import given
from hypothesis import strategies as st
from toy import toy_model

import ddpm_core
from ddpm_core.names import SAMPLERS
from ddpm_core.samplers import DEFAULTS, OPTIONS
from ui.forms import units
from ui.forms.fields import MODEL
from ui.models.loaded import Models
from ui.parts.forward import Forward
from ui.parts.latents import Latents
from ui.parts.likelihood import Likelihood
from ui.parts.plane import Plane
from ui.parts.repair import Repair
from ui.parts.sampling import REQUESTS, Pair
from ui.runs.settings import STEPS, Settings
from ui.training.choices import Recipe
from ui.web import text

FORMS = {**REQUESTS, **{kind.__name__: kind for kind in (Latents, Repair, Likelihood, Plane, Forward, Recipe)}}
GENERIC = ("form/form", "form/controls", "form/link", "form/source", "run/panel")
MAX_SEED = 2**32 - 1


def check(**changes) -> Settings:
    return Settings.check({**dataclasses.asdict(Settings()), **changes})


def arguments(own, **changes):
    return check(**changes).resolved(own).arguments(own)


def model(**fields) -> ddpm_core.Model:
    schedule = ddpm_core.NoiseSchedule.linear(100)
    return ddpm_core.Model(
        network=lambda x, t, labels: x, schedule=schedule, image_size=8, **{"prediction": "epsilon", **fields}
    )


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
    assert arguments(model(), steps=100)["steps"] == 100
    with pytest.raises(ValueError, match="1 to 100 for this checkpoint, got 101"):
        arguments(model(), steps=101)


@pytest.mark.parametrize(
    ("label", "number"), [("any", None), (None, None), ("", None), ("dog", 1), ("1", 1), (0, 0), (" dog ", 1)]
)
def test_a_class_is_given_by_name_or_number(label, number):
    assert arguments(model(**NAMED), label=label)["labels"] == number


@pytest.mark.parametrize("label", ["fish", "2", "-1", "DOG"])
def test_classes_the_model_does_not_have_are_refused_with_those_it_has(label):
    with pytest.raises(ValueError, match="choose from any, cat, dog"):
        arguments(model(**NAMED), label=label)


def test_the_longest_name_of_imagenets_is_a_class():
    machines = "automated teller machine, automatic teller machine, automated teller, automatic teller, ATM"
    name = f"cash machine, cash dispenser, {machines}"
    assert arguments(model(num_classes=2, class_names=("cat", name)), label=name)["labels"] == 1


def test_a_class_called_by_a_number_is_meant_before_the_class_of_that_number():
    digits = model(num_classes=3, class_names=("1", "2", "3"))
    assert [arguments(digits, label=label)["labels"] for label in ("1", "3", "0")] == [0, 2, 0]


def test_clip_left_open_is_the_models_own():
    for own in (True, False):
        assert arguments(model(clip=own), clip=None)["clip"] is own
        assert arguments(model(clip=own), clip=True)["clip"] is True


def test_a_model_without_classes_takes_any_only():
    with pytest.raises(ValueError, match="no classes"):
        arguments(model(), label="cat")


def test_guidance_and_corrections_count_in_a_batch():
    spec = model(corrections=2)
    assert check(count=3).batch(spec) == 3
    assert check(count=3, guidance=2).batch(spec) == 6
    assert check(count=3, guidance=2, sampler="langevin").batch(spec) == 18


def test_the_help_of_steps_names_the_samplers_that_run_the_network_more_often():
    model, times = toy_model(), []
    counting = dataclasses.replace(model, network=lambda x, t, labels: times.append(t) or model.network(x, t, labels))
    for name in SAMPLERS:
        times.clear()
        ddpm_core.sample(counting, [0], 3, sampler=name, variance="beta" if name in ("ddpm", "langevin") else None)
        assert (units.SAMPLER[name] in STEPS.help) == (len(times) > 3), name


def test_spacing_left_open_suits_the_sampler_and_a_chosen_one_stays():
    assert arguments(model(), sampler="unipc", steps=10)["spacing"] == "quadratic"
    assert arguments(model(), sampler="unipc", steps=10, spacing="linspace")["spacing"] == "linspace"
    assert arguments(model(), steps=10)["spacing"] == "linspace"


def asked(**changes):
    return Pair.check(changes).lanes()


def test_lane_b_follows_lane_a_where_it_says_same():
    first, second = asked(checkpoint="a", spacing="trailing")
    assert (second.checkpoint, second.spacing) == ("a", "trailing")
    first, second = asked(checkpoint="a", checkpoint_b="b", spacing="trailing", spacing_b="auto")
    assert (first.checkpoint, second.checkpoint, first.spacing, second.spacing) == ("a", "b", "trailing", "auto")


def test_an_old_link_keeps_its_meaning():
    """Texts, and keys that are none of this request's."""
    old = {"compare": "true", "spacing": "quadratic", "sampler_b": "ddim", "steps_b": "20", "clip": "true", "tab": "x"}
    first, second = asked(**old)
    assert (first.spacing, second.spacing, second.sampler, second.steps) == ("quadratic", "quadratic", "ddim", 20)
    assert first.clip is True


def test_what_a_sampler_or_a_missing_class_makes_useless_is_left_out():
    first, second = asked(eta=0.5, guidance=3, sampler_b="ddim", eta_b=0.5)
    assert (first.eta, first.guidance, second.eta) == (0, None, 0.5)
    assert asked(label="cat", guidance=3)[0].guidance == 3


@pytest.mark.parametrize("name", FORMS)
def test_an_option_of_samplers_is_shown_for_those_that_have_it(name):
    """In each lane, and with the sampler's default where the page starts with no other."""
    form = {field["name"]: field for field in FORMS[name].form()}
    for lane, option in [(lane, option) for lane in ("", "_b") for option in DEFAULTS if option + lane in form]:
        if name in ("grid", "Likelihood"):  # has no field of one sampler
            continue
        offered = form["sampler" + lane]["names"]
        owners = [sampler for sampler in offered if option in OPTIONS[sampler]]
        assert form[option + lane]["shown_if"] == [{"sampler" + lane: sampler} for sampler in owners]


def test_a_run_has_the_options_of_its_sampler_and_no_others():
    for name, own in OPTIONS.items():
        said = {option for option, usual in own.items() if not isinstance(usual, bool)} & Settings.kinds().keys()
        assert {*check(sampler=name).sampling} == {"steps", "sampler", "spacing", *said}


@pytest.mark.parametrize("name", FORMS)
def test_the_defaults_as_the_page_has_them_are_the_requests(name):
    request = FORMS[name]
    assert request.check({field["name"]: field["default"] for field in request.form()}) == request()


@pytest.mark.parametrize("name", FORMS)
def test_a_field_is_shown_by_what_there_is(name):
    """Conditions name fields with their values, and what is known of a model; lane B's fields are second ones."""
    form = {field["name"]: field for field in FORMS[name].form()}
    about = plans.offered(toylab.toy_services(Models()), "cifar10-tiny")
    assert {field["follows"] for field in form.values()} <= {"", *about} and MODEL not in form
    for name, wanted in [pair for field in form.values() for one in field["shown_if"] or () for pair in one.items()]:
        if name == MODEL:
            assert isinstance(about[wanted], list | tuple)
        else:
            assert isinstance(wanted, bool) or wanted in form[name]["names"]
    second = {name for name, field in form.items() if field["lane"] == "b"}
    assert {f"{name}_b" for name, field in form.items() if field["lane"] == "a"} == second


# Words that are also kinds of fields, what a field says of itself, or of an element, a list or a file.
ORDINARY = {"label", "seed", "prompt", "picture", "hidden", "length", "path"}


@pytest.mark.parametrize("module", ["app.js", *(f"{name}.js" for name in GENERIC)])
def test_the_pages_form_knows_no_field_by_its_name(module):
    """What it does with one, the field says itself: `declare`, and `follows` of its kind."""
    code = re.sub(r"/\*.*?\*/|(?<![:\w])//[^\n]*", "", text(module), flags=re.S)
    # Without sentences, paths and names of attributes
    code = re.sub(r""""[^"\n]*"|`[^`]*`""", lambda found: "" if re.search("[ /-]", found[0]) else found[0], code)
    names = {name for request in FORMS.values() for name in request.kinds()} - ORDINARY
    assert names & set(re.findall(r"\w+", code)) == set()
