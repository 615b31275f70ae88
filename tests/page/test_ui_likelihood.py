"""What it costs in bits, without a browser: numbers are those of library and trainer; scripts."""

import csv
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import plans
import pytest
import torch
from PIL import Image
from toylab import Engine, Models, heard, results, saved, toy_services

import ddpm_core
from ddpm_core.likelihood import rechain
from ddpm_core.student import Student
from ui.machine.limits import Refused
from ui.parts import likelihood
from ui.parts.likelihood import Likelihood, LikelihoodPart
from ui.pictures import as_text
from ui.pictures.test_sets import PictureSet, sets
from ui.runs.asked import UNCLEAR
from ui.runs.words import page_words

STUDY = Path(__file__).parents[2] / "docs/study"
IMAGES = np.random.default_rng(3).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
SET = PictureSet("cifar10", IMAGES, (0, 1, 2, 0, 1), ("a", "b", "c"))
OF_PAGE = {"name": "cifar10", "count": 5, "size": 8, "channels": 3, "classes": list(SET.class_names)}
ASKED = {"checkpoint": "toy", "count": 3}
OWN = as_text.to_text(IMAGES[0])


@pytest.fixture(autouse=True)
def small_set(monkeypatch):
    monkeypatch.setattr(likelihood, "set_for", lambda model: SET)


@pytest.fixture
def models():
    return Models()


@pytest.fixture
def place(models):
    return LikelihoodPart(toy_services(models))


def described(place, asked=ASKED):
    return plans.described(place, "likelihood", asked, sets=[OF_PAGE])


def requested(place, asked=ASKED):
    return place.request(plans.planned(place, "likelihood", asked, sets=[OF_PAGE])["asked"])


def streamed(place, asked=ASKED, **options):
    return heard(place, requested(place, asked), values=asked, **options)


def value(bound):
    return bound.total.mean().item(), bound.total.std().item() / len(bound.total) ** 0.5


def test_a_student_is_refused_before_it_is_loaded(models, place):
    sentence, computation = "a student that has not learned t = 99, only 100, 20: measure its teacher", requested(place)
    models.model.student = Student("progressive", (100, 20))
    assert sentence in described(place)
    _, seen = heard(place, computation)
    assert sentence in seen[-1]["text"] and not models.is_loaded


def test_bits_per_dim_are_those_of_the_library(models, place):
    models.model.gamma = torch.ones(101, dtype=torch.float64)
    run, seen = streamed(place)
    assert seen[-1]["state"] == "finished"
    found = results(seen, "bits")
    assert [result["done"] for result in found] == [1, 2, 3]
    full = ddpm_core.bits_per_dim(models.model, IMAGES[:3], "beta_tilde")
    last = found[-1]
    assert torch.equal(run.recording.bound.terms, full.terms)
    assert last["chains"]["beta_tilde"]["100"][:2] == pytest.approx(value(full), rel=1e-12)
    for name in ("beta", "analytic"):
        bound = ddpm_core.bits_per_dim(models.model, IMAGES[:3], name)
        assert last["chains"][name]["100"][:2] == pytest.approx(value(bound))
        for i, t in enumerate(last["times"]):
            assert last["curves"][name]["rate"][i] == pytest.approx(bound.rate(t).mean().item(), abs=1e-9)
            assert last["curves"][name]["L"][i] == pytest.approx(bound.terms[:, t - 1].mean().item())
            assert last["rmse"][i] == pytest.approx(bound.distortion(t).mean().item())
    short = ddpm_core.bits_per_dim(models.model, IMAGES[:3], "beta", steps=10)
    assert last["chains"]["beta"]["10"][0] == pytest.approx(short.total.mean().item(), rel=0.05)  # other draws of x_t
    chains, curves = saved(place, "likelihood", run, "csv", sets=[OF_PAGE])["csv"][1].decode().split("\n\n")
    rows = {(row["variance"], row["steps"]): row for row in csv.DictReader(chains.splitlines())}
    assert [steps for name, steps in rows if name == "beta"] == ["10", "20", "50", "100"]
    assert float(rows["beta", "10"]["bits_per_dim"]) == last["chains"]["beta"]["10"][0]
    rows = list(csv.DictReader(curves.splitlines()))
    assert [int(row["t (of 100)"]) for row in rows] == last["times"]
    assert [float(row["rate analytic"]) for row in rows] == last["curves"]["analytic"]["rate"]
    exact = rechain(full, models.model, IMAGES[:3], "beta", 10, "linspace")
    assert last["chains"]["beta"]["10"][:2] == pytest.approx(value(exact), rel=1e-12)
    assert found[0]["chains"]["beta"]["10"][1] is None  # of one picture there is no error


def test_the_decoding_comes_first_and_ends_in_the_pictures(place):
    _, seen = streamed(place, ASKED | {"count": 2})
    kinds = [result["kind"] for result in results(seen)]
    assert kinds == ["plan", "decoding", "early", "early", "early", "decoding", "bits", "bits"]
    first, decoding = results(seen, "decoding")
    assert decoding["times"] == [100, 88, 75, 62, 50, 38, 25, 12, 1] and len(decoding["rows"]) == 2
    np.testing.assert_array_equal(first["rows"], decoding["rows"][:1])
    assert all(message["progress"] is None or message["progress"] <= 1 for message in seen)


def test_the_early_numbers_are_those_that_the_whole_chain_gives(place):
    _, seen = streamed(place, ASKED | {"count": 1})
    (found,) = results(seen, "bits")
    early = {str(result["steps"]): result["bits"] for result in results(seen, "early")}
    assert early.keys() == {"10", "20", "50"}
    for steps, bits in early.items():
        assert bits == pytest.approx(found["chains"]["beta_tilde"][steps][0], rel=1e-9)


def test_the_papers_table_4_is_beside_cifar10_alone(models, place):
    of_paper, asked = Models(T=1000).model, requested(place).request
    assert asked.is_cifar10(of_paper)
    assert not requested(place, ASKED | {"picture": OWN}).request.is_cifar10(of_paper)
    assert not asked.is_cifar10(models.model)


@pytest.mark.parametrize("own", [False, True])
def test_the_script_prints_what_the_page_shows(own, models, place, monkeypatch, capsys):
    models.model.source = ddpm_core.model.Source(ref="toy")
    asked = ASKED | ({"picture": OWN} if own else {})
    last = results(streamed(place, asked)[1], "bits")[-1]
    script = plans.answer("likelihood", asked, {"toy": models.model}, sets=[OF_PAGE])["python"]
    monkeypatch.setattr(ddpm_core, "load", lambda ref: models.model)
    if not own:  # the file of the set that stands in for the shipped one
        start, end = script.index("grid = "), script.index("full = ")
        script = script[:start] + "images = SHIPPED\n" + script[end:]
    exec(script, {"SHIPPED": IMAGES[:3]})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    printed = {(name, steps): list(map(float, values)) for name, steps, *values in lines}
    assert printed.keys() == {(name, steps) for name, row in last["chains"].items() for steps in row}
    for (name, steps), values in printed.items():
        assert last["chains"][name][steps][0] == pytest.approx(np.mean(values), rel=1e-12)


def test_the_script_reads_the_shipped_pictures(monkeypatch):
    monkeypatch.undo()
    model = replace(Models(size=28, T=4).model, channels=1, source=ddpm_core.model.Source(ref="toy"))
    asked = {"checkpoint": "toy", "count": 12}
    script = plans.answer("likelihood", asked, {"toy": model})["python"]
    start, end = script.index("grid = "), script.index("full = ")
    names = {"np": np, "Image": Image}
    exec(script[start:end].replace("ui/pictures/test_sets", str(STUDY.parents[1] / "ui/pictures/test_sets")), names)
    request = Likelihood(checkpoint="toy", picture="", count=12, labels=None)
    np.testing.assert_array_equal(names["images"], request.pictures(model))


def test_the_page_knows_the_shipped_pictures_as_they_are():
    for of_page, one in zip(page_words()["sets"], sets(), strict=True):
        assert one.images.shape == (of_page["count"], of_page["size"], of_page["size"], of_page["channels"])
        classes = of_page["classes"]
        assert (of_page["name"], classes) == (one.name, one.class_names)
        assert list(one.labels) == [i % len(classes) for i in range(of_page["count"])]  # as its plan has them


def test_labels_are_the_pictures_classes_or_none(models):
    seen = []

    def network(x, t, labels):
        seen.append(labels)
        return 0.3 * x

    classes = {"num_classes": 3, "null_label": 3, "class_names": ("a", "b", "c")}
    models.model = replace(models.model, network=Engine(network), **classes)

    def labels(**change):
        seen.clear()
        place = LikelihoodPart(toy_services(models))
        assert streamed(place, ASKED | change)[1][-1]["state"] == "finished"
        return set(torch.cat(seen).tolist())

    assert labels() == {0, 1, 2}
    assert labels(labels="none") == labels(picture=OWN) == {3}
    assert labels(picture=OWN, label="b") == {1}


def test_stop_ends_within_a_picture():
    def network(x, t, labels):
        time.sleep(0.03)
        return 0.3 * x

    place = LikelihoodPart(toy_services(Models(network)))
    _, seen = streamed(place, ASKED | {"count": 5}, watch=lambda run, message: message["results"] and run.stop())
    assert seen[-1]["state"] == "stopped" and len(results(seen, "bits")) < 5


WRONG = {
    "no pictures": ({"count": 0}, "pictures must be"),
    "words": ({"count": "all"}, "pictures must be"),
    "other labels": ({"labels": "mine"}, "no kind of labels"),
    "a class": ({"picture": OWN, "label": "cow"}, "no classes"),
    "another size": ({"picture": as_text.to_text(IMAGES[0, :7])}, "model's size"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said(wrong, place):
    change, sentence = WRONG[wrong]
    assert sentence in described(place, ASKED | change)


@pytest.mark.parametrize(
    "change",
    [
        {"count": 0},
        {"count": 65},
        {"count": True},
        {"labels": ["1"]},
        {"labels": 1},
        {"picture": None},
        {"label": "b"},
    ],
    ids=str,
)
def test_what_no_page_asks_is_refused(change, place):
    asked = {"checkpoint": "toy", "picture": "", "count": 3, "labels": None}
    assert place.request(asked)
    with pytest.raises(ValueError, match=UNCLEAR):
        place.request(asked | change)


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 3], [0, 1, -1]])
def test_labels_that_the_model_has_not_are_refused_by_the_server_too(labels, models):
    model = replace(models.model, num_classes=3)
    asked = {"checkpoint": "toy", "picture": "", "count": 3, "labels": labels}
    with pytest.raises(ValueError, match="label"):
        LikelihoodPart(toy_services(models)).request(asked).plan([model])


def test_a_model_without_pictures_of_its_size_asks_for_one(place, models, monkeypatch):
    computation = requested(place)
    monkeypatch.setattr(likelihood, "set_for", lambda model: None)
    with pytest.raises(ValueError, match=UNCLEAR):
        computation.plan([models.model])
    assert "choose one of your own" in plans.described(place, "likelihood", ASKED)
    own = plans.planned(place, "likelihood", ASKED | {"picture": OWN})["asked"]
    assert place.request(own).plan([models.model])


def test_a_measurement_over_the_limit_is_refused(models, monkeypatch):
    monkeypatch.setattr(models, "flop", lambda ref: 1e9, raising=False)
    place = LikelihoodPart(toy_services(models, run_tflop=0.5))  # of 1 GFLOP × (3 × 100 + 3 × 9 + 80) evaluations
    requested(place).checked_plan([models.model])
    with pytest.raises(Refused, match="limit: run_tflop"):
        requested(place, ASKED | {"count": 5}).checked_plan([models.model])
