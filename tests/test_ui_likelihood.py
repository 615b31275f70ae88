"""The Likelihood tab without a browser: its numbers are the library's and the trainer's; scripts; results folders."""

import asyncio
import itertools
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import checkpoint_folders
import numpy as np
import pytest
import torch
from PIL import Image
from test_ui_jobs import Gate
from test_ui_latents import Offered, event, request, results, streamed, text

import ddpm_core
from ddpm_core.checkpoint import refs
from ddpm_core.files import sha256
from ddpm_core.likelihood import rechain
from ddpm_core.student import Student
from ui.export.link import from_address
from ui.runs.line import LINE
from ui.runs.listeners import Streams
from ui.runs.models import Models as RealModels
from ui.sets import PictureSet
from ui.tabs.latents import pixels
from ui.tabs.likelihood import study, wanted
from ui.tabs.likelihood.handlers import Handlers
from ui.tabs.likelihood.wanted import Wanted

STUDY = Path(__file__).parents[1] / "docs/study"
IMAGES = np.random.default_rng(3).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
SET = PictureSet("cifar10", "a few", IMAGES, (0, 1, 2, 0, 1), ("a", "b", "c"))
ASKED = {"checkpoint": "toy", "count": 3}


@pytest.fixture
def models(monkeypatch):
    monkeypatch.setattr(Streams, "installed", False)  # another test of this process may have served the app
    monkeypatch.setattr(wanted, "set_for", lambda model: SET)
    models = Offered()
    models.public = False
    yield models
    end = time.monotonic() + 10
    while len(LINE) and time.monotonic() < end:
        time.sleep(0.01)


@pytest.fixture
def handlers(models):
    return Handlers(models, "toy")


def value(bound):
    return bound.total.mean().item(), bound.total.std().item() / len(bound.total) ** 0.5


def test_a_student_is_refused_before_it_is_loaded(models, handlers):
    models.model.student = Student("progressive", (100, 20))
    sentence = "a student that has not learned t = 99, only 100, 20: measure its teacher"
    assert sentence in handlers.describe_measure(ASKED)["error"]
    assert sentence in streamed(handlers.tasks, ASKED)[-1]["text"] and not models._loaded


def test_bits_per_dim_are_those_of_the_library(models, handlers):
    models.model.gamma = torch.ones(101, dtype=torch.float64)
    messages = streamed(handlers.tasks, ASKED)
    assert messages[-1]["state"] == "finished"
    (plan,) = results(messages, "plan")
    found = results(messages, "bits")
    assert [result["done"] for result in found] == [1, 2, 3] and plan["lengths"] == [10, 20, 50, 100]
    full = ddpm_core.bits_per_dim(models.model, IMAGES[:3], "beta_tilde")
    last = found[-1]
    assert torch.equal(handlers.tasks.task(messages[-1]["run"]).bound.terms, full.terms)
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
    exact = rechain(full, models.model, IMAGES[:3], "beta", 10, "linspace")
    assert last["chains"]["beta"]["10"][:2] == pytest.approx(value(exact), rel=1e-12)
    assert found[0]["chains"]["beta"]["10"][1] is None  # of one picture there is no error
    json.dumps(messages)


def test_bits_per_dim_are_those_of_the_trainer(models, handlers, tmp_path, monkeypatch):
    pytest.importorskip("torch_fidelity")
    pytest.importorskip("datasets")
    from train.__main__ import main

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    data, place = tmp_path / "data", tmp_path / "checkpoint"
    data.mkdir()
    for i, image in enumerate(IMAGES):
        Image.fromarray(image).save(data / f"{i}.png")
    from test_evaluate import make_checkpoint

    make_checkpoint(place)
    models.model = ddpm_core.load(place, device="cpu", engine="torch", precision="fp32")
    out = tmp_path / "study"
    words = ["--metrics", "bpd,rate-distortion", "--steps", "6", "--variance", "beta,beta_tilde", "--device", "cpu"]
    assert (
        main(
            [
                "evaluate",
                str(place),
                "--data",
                str(data),
                "--out",
                str(out),
                *words,
                "--engine",
                "torch",
                "--precision",
                "fp32",
            ]
        )
        == 0
    )
    last = results(streamed(handlers.tasks, ASKED | {"count": 5}), "bits")[-1]
    (tables,) = [study.read(str(out))["tables"]]
    for chain in json.loads((out / "bits.json").read_text())["chains"]:
        bits, error, *_ = last["chains"][chain["variance"]]["6"]
        assert (bits, error) == pytest.approx((chain["bits_per_dim"], chain["standard_error"]), rel=1e-12)
        assert last["rmse"] == pytest.approx(chain["rmse"]) and last["times"] == [1, 2, 3, 4, 5, 6]
        assert last["curves"][chain["variance"]]["rate"] == pytest.approx(chain["rate"])
    assert tables[0]["title"].startswith("bits/dim") and "±" in tables[0]["rows"][0]["cells"][0]["text"]


def test_the_decoding_comes_first_and_ends_in_the_pictures(models, handlers):
    messages = streamed(handlers.tasks, ASKED | {"count": 2})
    kinds = [result["kind"] for message in messages for result in message.get("frames", ())]
    assert kinds == ["plan", "decoding", "early", "early", "early", "decoding", "bits", "bits"]
    first, decoding = results(messages, "decoding")
    assert decoding["times"] == [100, 88, 75, 62, 50, 38, 25, 12, 1] and len(decoding["rows"]) == 2
    assert first["rows"] == decoding["rows"][:1]
    assert all(message["progress"] is None or message["progress"] <= 1 for message in messages)


def test_the_early_numbers_are_those_that_the_whole_chain_gives(models, handlers):
    messages = streamed(handlers.tasks, ASKED | {"count": 1})
    (found,) = results(messages, "bits")
    early = {str(result["steps"]): result["bits"] for result in results(messages, "early")}
    assert early.keys() == {"10", "20", "50"}
    for steps, bits in early.items():
        assert bits == pytest.approx(found["chains"]["beta_tilde"][steps][0], rel=1e-9)


def test_the_papers_table_4_is_beside_cifar10_alone(models, handlers):
    models.model = replace(models.model, schedule=ddpm_core.NoiseSchedule.linear(1000))
    plan = Wanted.check(ASKED)
    assert plan.is_cifar10(models.model)
    assert not Wanted.check(ASKED | {"picture": text()[0]}).is_cifar10(models.model)
    assert not plan.is_cifar10(replace(models.model, schedule=ddpm_core.NoiseSchedule.linear(100)))


@pytest.mark.parametrize("own", [False, True])
def test_the_script_prints_what_the_page_shows(own, models, handlers, monkeypatch, capsys):
    asked = ASKED | ({"picture": pixels.to_text(IMAGES[0])} if own else {})
    last = results(streamed(handlers.tasks, asked), "bits")[-1]
    script = handlers.describe_measure(asked)["python"]
    monkeypatch.setattr(ddpm_core, "load", lambda ref: models.model)
    if not own:  # the file of the set that stands in for the shipped one
        start, end = script.index("from PIL"), script.index("full = ")
        script = script[:start] + "images = SHIPPED\n" + script[end:]
    exec(script, {"SHIPPED": IMAGES[:3]})
    printed = {
        tuple(line.split()[:2]): list(map(float, line.split()[2:])) for line in capsys.readouterr().out.splitlines()
    }
    assert printed.keys() == {(name, steps) for name, row in last["chains"].items() for steps in row}
    for (name, steps), values in printed.items():
        assert last["chains"][name][steps][0] == pytest.approx(np.mean(values), rel=1e-12)


def test_the_script_reads_the_shipped_pictures():
    model = ddpm_core.Model(
        network=lambda x, t, labels: x, schedule=ddpm_core.NoiseSchedule.linear(4), image_size=28, channels=1
    )
    asked = Wanted.check({"checkpoint": "toy", "count": 12})
    script = wanted.python(asked, model)
    start, end = script.index("from PIL"), script.index("full = ")
    names = {"np": np}
    exec(script[start:end].replace("ui/sets", str(STUDY.parents[1] / "ui/sets")), names)
    np.testing.assert_array_equal(names["images"], asked.pictures(model)[0])


def test_labels_are_the_pictures_classes_or_none(models):
    model = replace(models.model, num_classes=3, null_label=3, class_names=("a", "b", "c"))
    assert Wanted.check(ASKED).pictures(model)[1] == [0, 1, 2]
    assert Wanted.check(ASKED | {"labels": "none"}).pictures(model)[1] is None
    own = ASKED | {"picture": text()[0]}
    assert Wanted.check(own | {"label": "b"}).pictures(model)[1] == [1]
    assert Wanted.check(own).pictures(model)[1] is None
    assert Wanted.check(ASKED).pictures(replace(model, class_names=("x", "y", "z")))[1] is None


def test_stop_ends_within_a_picture(monkeypatch, models):
    gate = Gate()
    models.model = Offered(gate).model
    handlers = Handlers(models, "toy")
    seen = []

    async def watch():
        for _ in range(9):  # times of the first picture's decoding
            gate.go.release()
        async for message in handlers.tasks.run(request(), event(ASKED)):
            seen.append(message)
            if results([message], "decoding"):
                handlers.tasks.stop(request())
                gate.go.release()

    asyncio.run(watch())
    assert seen[-1]["state"] == "stopped" and not results(seen, "bits")


WRONG = {
    "no pictures": ({"count": 0}, "pictures must be"),
    "words": ({"count": "all"}, "pictures must be"),
    "other labels": ({"labels": "mine"}, "no kind of labels"),
    "a class": ({"picture": text()[0], "label": "cow"}, "no classes"),
    "another size": ({"picture": text(size=9)[0]}, "model's size"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said(wrong, handlers):
    change, sentence = WRONG[wrong]
    assert sentence in handlers.describe_measure(ASKED | change)["error"]
    (*_, last) = streamed(handlers.tasks, ASKED | change)
    assert last["state"] == "error" and sentence in last["text"]


def test_a_model_without_pictures_of_its_size_asks_for_one(models, handlers, monkeypatch):
    monkeypatch.setattr(wanted, "set_for", lambda model: None)
    assert "choose one of your own" in handlers.describe_measure(ASKED)["error"]
    assert "estimate" in handlers.describe_measure(ASKED | {"picture": text()[0]})


# --- A results folder


def study_of(folder, name="cifar10-tiny", **identity):
    """A copy of the project's study, said to be of this checkpoint."""
    folder.mkdir(exist_ok=True)
    content = json.loads((STUDY / "study.json").read_text())
    content["identity"] |= {"checkpoint": name, **identity}
    (folder / "study.json").write_text(json.dumps(content))
    for file in ("bits.json", "terms.png"):
        shutil.copy(STUDY / file, folder)
    shutil.copytree(STUDY / "cells", folder / "cells", ignore=shutil.ignore_patterns("*.png"))
    return str(folder)


def linked(found):
    """The checkpoints that the cells link to."""
    cells = [cell for table in found["tables"] for row in table["rows"] for cell in row["cells"] if cell]
    return {parse_qs(cell["link"][1:])["checkpoint"][0] for cell in cells if "link" in cell}


def weights_of(ref):
    return sha256(refs.parse(ref).folder / "diffusion_pytorch_model.safetensors")


def test_cells_link_to_the_weights_that_were_measured_or_say_why_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint_folders.write(tmp_path / "runs" / "model")
    measured, numbers = weights_of("runs/model"), itertools.count()

    def read(*known, **identity):
        return study.read(study_of(tmp_path / str(next(numbers)), **identity), known)

    found = read(name="mnist-tiny", weights_sha256=weights_of("mnist-tiny"))
    assert linked(found) == {"mnist-tiny"} and found["unlinked"] == ""
    assert linked(read(name="owner/name", revision="0123abc")) == {"owner/name@0123abc"}
    others = ("owner/name", "nowhere", "mnist-tiny")
    for given in ("runs/model", str(tmp_path / "runs/model")):
        for name in ("model", "mnist-tiny"):  # a folder of an embedded checkpoint's name is not that checkpoint
            assert linked(read(*others, given, name=name, weights_sha256=measured)) == {given}
    for found, why in (
        (read(*others, name="model", weights_sha256=measured), "Choose its folder as the model in Denoise"),
        (read("runs/model", name="model", weights_sha256="0" * 64), "Choose its folder as the model in Denoise"),
        (read(*others, name="mnist-tiny", weights_sha256=measured), "mnist-tiny has other weights now than those"),
    ):
        assert not linked(found) and why in found["unlinked"]


def test_a_folder_that_the_app_was_given_is_found_again(tmp_path, monkeypatch):
    checkpoint_folders.write(tmp_path / "model")
    given, models = str(tmp_path / "model"), RealModels("cpu")
    asked = {"folder": study_of(tmp_path / "study", "model", weights_sha256=weights_of(given))}
    handlers = Handlers(models, "mnist-tiny")
    assert not linked(handlers.open_study(asked))
    monkeypatch.setattr(models, "preload", lambda ref: None)
    models.look(given)
    assert linked(handlers.open_study(asked)) == {given}


def test_a_results_folder_is_shown_with_the_published_tables_and_links_to_denoise(tmp_path):
    found = study.read(study_of(tmp_path, weights_sha256=weights_of("cifar10-tiny")))
    titles = [table["title"] for table in found["tables"]]
    assert titles[0].startswith("Fréchet distance") and "Published FID" in titles and "Published bits/dim" in titles
    (bits,) = [table for table in found["tables"] if table["title"].startswith("bits/dim")]
    assert [row["name"] for row in bits["rows"]] == ["DDPM β̃", "DDPM β", "DDPM analytic"]
    first = bits["rows"][0]["cells"][0]
    assert first["text"] == "83.25 ± 1.49"
    query = {name: values[0] for name, values in parse_qs(first["link"][1:]).items()}
    values, refused = from_address(query)
    assert refused == [] and query["tab"] == "denoise"
    assert values == {
        "checkpoint": "cifar10-tiny",
        "sampler": "ddpm",
        "steps": 10,
        "spacing": "linspace",
        "variance": "beta_tilde",
    }
    assert "terms" in [plot["name"] for plot in found["plots"]]
    assert all(plot["uri"].startswith("data:image/png;base64,") for plot in found["plots"])


def test_a_folder_that_holds_no_study(tmp_path, handlers, models):
    for folder in ("", "/nowhere", str(tmp_path), "~nouser/x", "a\0b", "a" * 5000):
        assert "train evaluate" in handlers.open_study({"folder": folder})["error"], folder
    (tmp_path / "study.json").write_text("{")
    assert "damaged" in handlers.open_study({"folder": str(tmp_path)})["error"]
    models.public = True
    assert "app of your own" in handlers.open_study({"folder": str(STUDY)})["error"]


def test_an_unknown_sampler_has_no_link():
    assert study.link({"sampler": "magic"}) == {"why": "Denoise has no sampler magic"}
    assert parse_qs(study.link({"sampler": "ddim", "eta": 0.5})["link"][1:])["eta"] == ["0.5"]
