"""Follow: what the page reads of a training in another terminal."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toylab import toy_services
from training import assert_same, fit, process_restored, tiny, weights  # noqa: F401

from ui.models.loaded import Models
from ui.parts.following import FOLLOWED, FRESH, FollowPart, RunFolder
from ui.recorded import __main__
from ui.serving.packing import pack

EMBEDDED = Path(__file__).parents[2] / "checkpoints"
CONFIG = {"steps": 4, "batch": 2, "prediction": "v", "times": "lognormal"}


def say(folder, *lines):
    with open(folder / "progress.jsonl", "a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def follow(public=False):
    return FollowPart(toy_services(Models("cpu", public=public))).questions["follow"]


def test_a_run_tells_its_folder_how_it_goes_and_previews_change_nothing(tmp_path):
    changes = {"steps": 4, "log_every": 2, "checkpoint_every": 4, "channels": 1, "conditional": True, "image_size": 8}
    quiet = tiny("digits", tmp_path / "quiet", **changes)
    fit(quiet)
    told = tiny("digits", tmp_path / "told", sample_seconds=1e-9, **changes)
    fit(told)
    for part in ("model", "ema"):
        assert_same(weights(tmp_path / "quiet", 4, part), weights(tmp_path / "told", 4, part))
    run = RunFolder(tmp_path / "told")
    run.read()
    assert [point[0] for point in run.points] == [2, 4] and run.total == 4 and run.batch == 8 and run.classes == 10
    assert run.grids[0].step == 0 and run.grids[-1].step == 4
    assert all(grid.error is not None and 0 < grid.error < 255 for grid in run.grids)
    assert run.title() == "ε, uniform t"
    news = run.news(None, None, None)
    assert all(grid["ema"].type == "image/png" for grid in news["grids"]) and not news["more"]


def test_a_resumed_run_takes_back_what_was_beyond_its_checkpoint(tmp_path):
    run = RunFolder(tmp_path)
    run.read()  # nothing there yet
    say(tmp_path, {"start": 0, "config": {"steps": 9, "batch": 4}, "seconds": 0})
    for step in (2, 4, 6):
        say(tmp_path, {"step": step, "loss": 1.0, "images_per_s": 8.0, "seconds": step})
        say(tmp_path, *({"step": step, "samples": kind, "error": 5, "seconds": step} for kind in ("ema", "raw")))
    run.read()
    before = run.version
    assert run.step == 6 and len(run.grids) == 3
    say(tmp_path, {"start": 4, "config": {"steps": 9, "batch": 4}, "seconds": 0})
    say(tmp_path, {"step": 6, "loss": 0.5, "images_per_s": 8.0, "seconds": 1})
    run.read()
    assert [point[0] for point in run.points] == [2, 4, 6] and run.points[-1][1] == 0.5
    assert run.points[-1][3] == 5  # seconds, of both starts
    assert [grid.step for grid in run.grids] == [2, 4] and run.version > before
    assert run.news(before, 3, 3)["from"] == [0, 0]  # the page has to forget
    assert run.news(run.version, 2, 2)["points"] == run.points[2:]


def test_odd_lines_and_half_lines_are_passed_over(tmp_path):
    run = RunFolder(tmp_path)
    huge = f'{{"step": {10**400}, "loss": {10**400}}}\n'
    (tmp_path / "progress.jsonl").write_text(f'nonsense\n[1]\n{huge}{{"step": "x", "loss": NaN}}\n{{"step": 3, "lo')
    run.read()
    assert run.points == [(0, None, None, 0.0)] * 2
    with open(tmp_path / "progress.jsonl", "a") as file:
        file.write('ss": 2}\n')
    run.read()
    assert run.points[-1] == (3, 2.0, None, 0.0)
    (tmp_path / "progress.jsonl").write_text('{"step": 1, "loss": 7}\n')  # a new run
    run.read()
    assert run.points == [(1, 7.0, None, 0.0)]
    pack(run.news(0, 0, 0))


def test_a_long_run_is_thinned_out_and_large_pictures_are_made_small(tmp_path, monkeypatch):
    monkeypatch.setattr("ui.parts.following.MOST_POINTS", 10)
    monkeypatch.setattr("ui.parts.following.MOST_GRIDS", 4)
    (tmp_path / "samples").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    for step in range(40):
        say(tmp_path, {"step": step, "loss": 1.0})
        say(tmp_path, *({"step": step, "samples": kind} for kind in ("ema", "raw")))
    Image.fromarray(noise).save(tmp_path / "samples" / f"step-{0:09d}-ema.png")
    run = RunFolder(tmp_path)
    run.read()
    assert len(run.points) <= 10 and len(run.grids) <= 4 and run.grids[0].step == 0
    (first, *_) = run.news(None, 0, 0)["grids"]
    assert first["ema"].type == "image/jpeg" and first["ema"].nbytes < 300_000 and first["raw"] is None


def test_a_run_of_another_terminal_is_followed(tmp_path):
    say(tmp_path, {"start": 0, "config": CONFIG}, {"step": 2, "loss": 1.0, "images_per_s": 4.0, "seconds": 1})
    ask = follow()
    answer = ask({"path": f" {tmp_path} "})
    assert (answer["state"], answer["title"], answer["step"]) == ("running", "v, lognormal t", 2)
    assert answer["left"] == 1.0 and answer["model"] is None and len(answer["points"]) == 1
    say(tmp_path, {"step": 4, "loss": 1.0}, *({"step": 4, "samples": kind} for kind in ("ema", "raw")))
    os.symlink(EMBEDDED / "mnist-tiny", tmp_path / "model")
    again = ask({"path": str(tmp_path), "version": answer["version"], "points": 1, "grids": 0})
    assert (again["state"], again["step"], again["from"]) == ("finished", 4, [1, 0])
    assert len(again["points"]) == len(again["grids"]) == 1 and again["model"] == str(tmp_path / "model")
    huge = {"version": again["version"], "points": 10**400, "grids": -(10**400)}
    assert ask({"path": str(tmp_path), **huge})["from"] == [0, 0]
    pack(again)  # no NaN, and nothing that the page could not read


def test_a_run_that_writes_nothing_for_long_is_silent(tmp_path):
    say(tmp_path, {"start": 0, "config": CONFIG})
    old = (tmp_path / "progress.jsonl").stat().st_mtime - 2 * FRESH
    os.utime(tmp_path / "progress.jsonl", (old, old))
    assert follow()({"path": str(tmp_path)})["state"] == "silent"


def test_the_server_remembers_few_folders(tmp_path):
    part = FollowPart(toy_services(Models("cpu")))
    for i in range(FOLLOWED + 2):
        (folder := tmp_path / str(i)).mkdir()
        say(folder, {"start": 0, "config": CONFIG})
        part.questions["follow"]({"path": str(folder)})
    assert [path.name for path in part.runs] == [str(i) for i in range(2, FOLLOWED + 2)]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (None, "There is no training in nothing"),
        ("nowhere", "There is no training in 'nowhere'"),
        ("//host/share", "is on another machine"),
        (["x"], "There is no training in"),
        ("a\0b", "There is no training in"),
    ],
)
def test_what_is_no_training_is_one_sentence(path, sentence):
    with pytest.raises(ValueError, match=sentence):
        follow()({"path": path})


def test_a_public_page_follows_no_folder(tmp_path):
    say(tmp_path, {"start": 0, "config": CONFIG})
    part = FollowPart(toy_services(Models("cpu", public=True)))
    assert part.initial() == {}
    with pytest.raises(ValueError, match="Only a page on your own computer"):
        part.questions["follow"]({"path": str(tmp_path)})


def test_the_recorded_training_is_small_and_says_how_long_it_was():
    file = __main__.FOLDER / "train" / "example.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    (answer,) = content["results"]
    assert file.stat().st_size < 250_000 and answer["title"] == "v, lognormal t"
    assert content["images"] == answer["total"] * answer["batch"] == answer["grids"][-1]["step"] * answer["batch"]
    assert answer["grids"][-1]["error"] < 0.5 * answer["grids"][0]["error"]


def test_a_training_is_recorded_without_its_times(tmp_path):
    fit(tiny("digits", tmp_path, steps=4, log_every=1, channels=1, image_size=8, sample_seconds=1e-9))
    content = __main__.record_training(RunFolder(tmp_path))
    (answer,) = content["results"]
    assert content["images"] == 4 * answer["batch"] and answer["grids"][-1]["step"] == 4
    assert {grid["seconds"] for grid in answer["grids"]} == {0} == {point[3] for point in answer["points"]}
