"""The forms of the page: their fields, and when they are shown."""

import re
from dataclasses import replace

import plans
import pytest
import toylab
from parts import FORMS
from toy import toy_model

import ddpm_core
from ddpm_core.names import SAMPLERS
from ddpm_core.samplers import DEFAULTS, OPTIONS
from ui.models.loaded import Models
from ui.recorded import page
from ui.web import text

GENERIC = ("form/form", "form/controls", "form/link", "form/source", "run/panel")


def fields(name):
    """The fields of a form, by their names."""
    return {field["name"]: field for field in page.ask({"forms": name})["fields"]}


def test_the_help_of_steps_names_the_samplers_that_run_the_network_more_often():
    model, times = toy_model(), []
    counting = replace(model, network=lambda x, t, labels: times.append(t) or model.network(x, t, labels))
    for name in SAMPLERS:
        times.clear()
        ddpm_core.sample(counting, [0], 3, sampler=name, variance="beta" if name in ("ddpm", "langevin") else None)
        title = fields("watch")["sampler"]["titles"][name]
        assert (title in fields("watch")["steps"]["help"]) == (len(times) > 3), name


@pytest.mark.parametrize("name", FORMS)
def test_an_option_of_samplers_is_shown_for_those_that_have_it(name):
    """In each lane, and with the sampler's default where the page starts with no other."""
    form = fields(name)
    for lane, option in [(lane, option) for lane in ("", "_b") for option in DEFAULTS if option + lane in form]:
        if name == "grid":  # has no field of one sampler
            continue
        offered = form["sampler" + lane]["names"]
        owners = [sampler for sampler in offered if option in OPTIONS[sampler]]
        assert form[option + lane]["shown_if"] == [{"sampler" + lane: sampler} for sampler in owners]


@pytest.mark.parametrize("name", FORMS)
def test_a_field_is_shown_by_what_there_is(name):
    """Conditions name fields with their values, and what is known of a model; lane B's fields are second ones."""
    form = fields(name)
    about = plans.offered(toylab.toy_services(Models()), "cifar10-tiny")
    assert {field["follows"] for field in form.values()} <= {"", *about} and "model" not in form
    for name, wanted in [pair for field in form.values() for one in field["shown_if"] or () for pair in one.items()]:
        if name == "model":
            assert isinstance(about[wanted], list | tuple)
        else:
            assert isinstance(wanted, bool) or wanted in form[name]["names"]
    second = {name for name, field in form.items() if field["lane"] == "b"}
    assert {f"{name}_b" for name, field in form.items() if field["lane"] == "a"} == second


# Words that are also kinds of fields, what a field says of itself, or of an element, a list or a file.
ORDINARY = {"label", "seed", "prompt", "picture", "hidden", "length", "path", "width"}


@pytest.mark.parametrize("module", ["app.js", *(f"{name}.js" for name in GENERIC)])
def test_the_pages_form_knows_no_field_by_its_name(module):
    """What it does with one, the field says itself: see `FieldForm`."""
    code = re.sub(r"/\*.*?\*/|(?<![:\w])//[^\n]*", "", text(module), flags=re.S)
    # Without sentences, paths and names of attributes
    code = re.sub(r""""[^"\n]*"|`[^`]*`""", lambda found: "" if re.search("[ /-]", found[0]) else found[0], code)
    names = {name for part in FORMS if part not in ("between", "network") for name in fields(part)} - ORDINARY
    assert names & set(re.findall(r"\w+", code)) == set()
