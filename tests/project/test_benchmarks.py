"""The parts of the benchmarks that could be wrong without anybody noticing."""

import re

import checkpoint_folders
import numpy as np
import pretend
import pytest
import torch
from safetensors.torch import save_file
from training import process_restored  # noqa: F401

import ddpm_core
from benchmarks import _measure, digits, first_gpu, inside, sampling, training
from benchmarks import all as all_
from ddpm_core.checkpoint.sidecars import readers_file
from ddpm_core.engines.readers import fit_readers
from train.common.config import Config


@pytest.fixture
def classifier(tmp_path, monkeypatch):
    """One with random weights, in a cache of its own."""
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path))
    digits.load_classifier.cache_clear()
    torch.manual_seed(0)
    random = digits.DigitClassifier()
    digits.kept_classifier().parent.mkdir(parents=True)
    save_file(random.state_dict(), digits.kept_classifier())
    yield random.eval()
    digits.load_classifier.cache_clear()


def drawn(count):
    """Vertical strokes at another place for each of ten digits, with a little noise: uint8 (count, 28, 28, 1)."""
    random = np.random.default_rng(0)
    images = random.integers(0, 40, (count, 28, 28, 1), dtype=np.uint8)
    labels = np.arange(count) % 10
    for image, label in zip(images, labels, strict=True):
        image[4:24, 4 + 2 * label : 6 + 2 * label] = 255
    return images, labels


def test_the_classifier_learns_what_it_is_shown(monkeypatch):
    monkeypatch.setattr(digits, "BATCH", 20)
    images, _ = drawn(40)
    dark = np.arange(40) % 2
    images[dark == 0] = 255 - images[dark == 0]
    trained = digits.train_classifier(images, dark, epochs=5)
    found, features = digits.judge(trained, images)
    assert features.shape == (40, 128) and (found == dark).mean() > 0.9


def test_features_do_not_depend_on_size_or_channels(classifier):
    images, _ = drawn(3)
    features = digits.features(images)
    assert features.shape == (3, 128)
    assert np.allclose(features, digits.features(images.repeat(3, -1)), atol=1e-5)
    flat, larger = (np.full((1, size, size, 1), 90, np.uint8) for size in (28, 40))
    assert np.allclose(digits.features(flat), digits.features(larger), atol=1e-5)


def test_the_nearest_neighbour_of_a_copy_is_the_original(classifier):
    real, _ = drawn(12)
    copies = real[[5, 2]]
    rows = digits.neighbours(copies, real)
    edge = np.flatnonzero((rows.squeeze() == copies[0].squeeze()[0, 0]).any(1))[0]
    tiles = [rows.squeeze()[edge + 30 * row : edge + 30 * row + 28] for row in range(3)]
    assert np.array_equal(tiles[0], tiles[1]) and np.array_equal(tiles[0], tiles[2])


def test_a_way_to_sample_is_read():
    settings = {"sampler": "ddpm", "steps": 20, "spacing": "quadratic", "variance": "beta"}
    assert digits.Way("ddpm:20:quadratic:beta").settings == settings
    assert digits.Way("ddim:5").settings == {"sampler": "ddim", "steps": 5}
    for wrong in ("ddim", "ddim:", "ddim:x", "ddim:5:linspace:beta:1"):
        with pytest.raises(ValueError, match="a way is SAMPLER:STEPS"):
            digits.Way(wrong).settings  # noqa: B018


def test_without_a_classifier_the_command_that_makes_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path))
    digits.load_classifier.cache_clear()
    with pytest.raises(FileNotFoundError, match="python -m benchmarks digits"):
        digits.features(np.zeros((1, 28, 28, 1), np.uint8))


def test_a_peer_that_is_not_installed_is_named_and_the_others_run(monkeypatch, capsys):
    monkeypatch.setattr(_measure, "find_spec", lambda module: None)
    assert list(sampling.contenders("cifar10", False)) == [
        "ours",
        "ours, engine torch",
        "diffusers",
        "diffusers channels_last",
    ]
    assert "pip install denoising-diffusion-pytorch" in capsys.readouterr().err
    assert _measure.installed(training.CONTENDERS) == ["ours", "ours compiled", "diffusers", "diffusers tuned"]
    assert capsys.readouterr().err.count("lucidrains") == 1
    assert _measure.installed(["ours"]) == ["ours"] and not capsys.readouterr().err
    monkeypatch.setattr(_measure, "find_spec", lambda module: "here")
    assert "lucidrains" in sampling.contenders("cifar10", False)


def test_our_training_step_is_the_trainers(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    config = Config(
        data=str(training.pictures(folder, 4)),
        out=str(tmp_path / "run"),
        widths=(8,),
        blocks=1,
        attention=(),
        norm_groups=4,
        batch=2,
        steps=2,
        times="lognormal",
    )
    step = training.ours(config)
    step()
    step()
    with pytest.raises(StopIteration):  # it has done the two steps of its run
        step()


def test_the_first_day_on_a_gpu_runs_to_its_end_on_a_pretend_one(tmp_path, monkeypatch):
    """Nothing that it says of speed means anything here."""
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("train.evaluate.report.draw_plots", lambda *_: None)
    monkeypatch.setattr(first_gpu, "QUICK", str(tmp_path / "digits"))
    shape = {**checkpoint_folders.SMALLEST, "sample_size": 28, "in_channels": 1, "out_channels": 1}
    checkpoint_folders.write(tmp_path / "digits", **shape, num_class_embeds=11, own={"null_label": 10})
    page = tmp_path / "page.md"
    with pretend.accelerator("cuda", (7, 5)):
        first_gpu.main(["--quick", "--out", str(page)])
    told = page.read_text()
    assert "failed" not in told, told
    assert all(f"## {part.__name__.replace('_', ' ').capitalize()}\n" in told for part in first_gpu.PARTS)
    assert told.count("| 0 |") >= 3  # exit statuses
    assert "| sampling | 0 |" in told and "| training | 0 |" in told  # what torch says of its debug mode is no wait
    assert "has no bf16" in told  # one part of a table is not the end of it


def test_a_part_of_the_first_day_that_fails_says_so_and_keeps_its_first_rows(tmp_path, monkeypatch):
    page = tmp_path / "page.md"

    def fails(day):
        yield {"row": "first"}
        raise RuntimeError("CUDA error: an illegal memory access\nand a stack trace")

    def works(day):
        assert "an illegal memory access" in page.read_text()  # whatever happens next
        yield {"row": "another part"}

    monkeypatch.setattr(first_gpu, "PARTS", (fails, works))
    with pretend.accelerator("cuda"):
        first_gpu.main(["--out", str(page)])
    written = page.read_text()
    assert "| first |" in written and "RuntimeError: CUDA error" in written and "stack trace" not in written
    assert "| another part |" in written


# inside


@pytest.fixture
def few(monkeypatch):
    """Two runs of four steps in batches of one."""
    monkeypatch.setattr(inside, "STEPS", 4)
    monkeypatch.setattr(inside, "BATCH", 1)
    monkeypatch.setattr(inside, "GRAFTED", {"2-3": (2, 3)})
    model = ddpm_core.load("mnist-tiny", device="cpu", engine="torch", precision="fp32", batched=True)
    return inside.Runs(model, 2, None)


def by_hand(model, cuts=(), when=None, changed=None, turn=0):
    """x_0 of the two runs, each step through an opened network."""
    opened = ddpm_core.inside(model)
    opened.cut(*cuts, when=when)
    if changed:
        opened.change("middle", changed)
    labels = [turn, 1 + turn]
    *_, end = ddpm_core.trajectory(opened.model, [0, 1], steps=4, sampler="ddim", labels=labels)
    return end.x


def test_parts_are_off_and_grafted_in_the_steps_that_are_said(few):
    whole, close = few.whole(), {"rtol": 0, "atol": 1e-4}
    times = few.times
    torch.testing.assert_close(whole, by_hand(few.model), **close)
    for half, of in (("all", times), ("first", times[:2]), ("second", times[2:])):
        found = few.cut(("skips 28",), half)
        torch.testing.assert_close(found, by_hand(few.model, ("skips 28",), of.__contains__), **close)
        assert (found - whole).abs().max() > 0.01
    told = few.conditioned(lambda number: number == 3)
    torch.testing.assert_close(told, by_hand(few.model, ("condition",), lambda t: t != times[2]), **close)
    given = {}
    by_hand(few.model, changed=lambda found, t: given.setdefault(t, []).append(found) or found, turn=inside.TURN)
    given = {t: torch.cat(parts) for t, parts in given.items()}
    opened = ddpm_core.inside(few.model)
    ends = []
    for i in range(2):
        opened.restore()
        opened.change("middle", lambda found, t, i=i: given[t][i : i + 1] if t in times[1:3] else found)
        *_, end = ddpm_core.trajectory(opened.model, [i], steps=4, sampler="ddim", labels=i)
        ends.append(end.x)
    torch.testing.assert_close(few.grafted(2, 3), torch.cat(ends), **close)


def test_what_was_drawn_is_not_drawn_again_and_judged(few, classifier, tmp_path, monkeypatch):
    pictures = inside.draw_all(few, tmp_path)
    assert set(pictures) == set(inside.tasks(few)) and all(its.shape == (2, 28, 28, 1) for its in pictures.values())
    monkeypatch.setattr(inside.Runs, "cut", lambda *_: pytest.fail("drawn again"))
    monkeypatch.setattr(inside.Runs, "whole", lambda *_: pytest.fail("drawn again"))
    again = inside.draw_all(few, tmp_path)
    assert all((again[name] == its).all() for name, its in pictures.items())
    monkeypatch.setattr(inside, "judge", lambda classifier, images: (np.array([0, 4]), None))  # the second is a graft's
    found = inside.figures(few, pictures, {"right": 0.9, "digits": 10})
    assert found["whole"] == 0.5 and found["graft"] == {"2-3": {"own": 0.5, "other": 0.5}}
    assert found["off"]["skips 14"] == {"all": 0.5, "first": 0.5, "second": 0.5}
    assert found["condition"].keys() == {"6-15", "not 6-15"} and (found["seeds"], found["steps"]) == (2, 4)
    assert "| skips 14 | 50.0 % | 50.0 % | 50.0 % |" in inside.tables(found, None, 1)
    rms = inside.figures(few, pictures, None)
    assert rms["whole"] == 0 and rms["off"]["skips 28"]["all"] > 0.05


def test_figures_are_kept_where_the_readers_are(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "model"
    ddpm_core.save(ddpm_core.load("mnist-tiny", engine="torch", precision="fp32"), folder)
    model = ddpm_core.load(folder, device="cpu", engine="torch", precision="fp32", batched=True)
    monkeypatch.setattr(inside, "STEPS", 2)
    monkeypatch.setattr(inside, "DIGITS", ())  # no judge: distances
    with pytest.raises(SystemExit):
        (folder / "readers.safetensors").unlink(missing_ok=True)
        inside.main([str(folder), "--keep", "--seeds", "2"])
    assert "no readers were fitted for these weights" in capsys.readouterr().err
    readers_file.write(model, fit_readers(model, 2, 2))
    words = [str(folder), "--keep", "--seeds", "2", "--out", str(tmp_path / "out")]
    inside.main(words)
    out = capsys.readouterr().out
    found = ddpm_core.readers(model).figures
    assert found["unit"] == "rms" and "| time |" in out and "| middle | " in out
    with pytest.raises(SystemExit):
        inside.main([*words[:3], "3", *words[4:]])
    assert "has the pictures of other settings" in capsys.readouterr().err


def test_tables_go_into_the_place_of_their_benchmark_and_nothing_else_changes():
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    printed = "three threads\n" + "\n".join(_measure.markdown(rows)) + "\nours reaches 50%\n"
    assert all_.tables(printed) == "| a | b |\n| --- | --- |\n| 1 | x |\n| 2 | y |\n"
    text = all_.insert_content(all_.insert_content("# Speed\n", "step", "first"), "runs", "other")
    assert all_.insert_content(text, "step", "second") == text.replace("first", "second")
    assert text.startswith("# Speed\n\n<!-- measured: step -->\nfirst\n") and text.count("<!-- measured") == 2


def test_machines_are_numbered_and_each_is_listed_once():
    text, number = all_.name_machine("# Speed\n", "Xeon, 2 cores")
    assert number == 1 and all_.name_machine(text, "Xeon, 2 cores") == (text, 1)
    text, number = all_.name_machine(text, "EPYC, 4 cores")
    assert number == 2 and "\n1. Xeon, 2 cores\n2. EPYC, 4 cores\n" in text
    assert all_.name_machine(text, "Xeon, 2 cores") == (text, 1)


@pytest.mark.parametrize("name", all_.JOBS)
def test_the_page_has_the_tables_of_each_benchmark_as_they_are_written(name):
    text = (all_.ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    job = all_.JOBS[name].command.split("{", maxsplit=1)[0]
    written = rf"\n`python -m benchmarks {re.escape(job)}.*`\n\n.* UTC, commit \w+, machine (\d+), load [\d.]+\n\n\|"
    found = re.search(rf"<!-- measured: {name} -->{written}", text)
    assert found and re.search(rf"^{found[1]}\. ", text, re.M)


def test_quartiles_that_round_to_the_median_are_left_out():
    assert _measure.times([1.0, 1.001, 1.002]) == "1.00"
    assert _measure.times([1.0, 2.0, 4.0]) == "2.00 (1.00 to 4.00)"


def test_a_benchmark_that_fails_leaves_its_old_tables_and_the_others_run(tmp_path, monkeypatch, capsys):
    broken = all_.Job("no-such", "no-such", 1)
    works = all_.Job("works", "works", 1)
    monkeypatch.setattr(all_, "JOBS", {"broken": broken, "works": works})
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "__main__.py").write_text(
        "import sys\nif 'works' not in sys.argv: sys.exit(3)\nprint('| a |\\n| --- |\\n| 1 |')\n"
    )
    monkeypatch.setattr(all_, "ROOT", tmp_path)
    out = tmp_path / "tables.md"
    out.write_text(all_.insert_content("", "broken", "old"))
    with pytest.raises(SystemExit, match=r"failed: broken \(it ended with 3\). Repeat: --only broken"):
        all_.main(["--out", str(out)])
    text = out.read_text()
    assert "old" in text and "`python -m benchmarks works`" in text and "| 1 |" in text and ", machine 1, load" in text
    assert "broken (1 of 2)" in capsys.readouterr().err
