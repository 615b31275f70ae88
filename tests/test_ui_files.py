"""The files that a run can be saved as hold its pictures and numbers, and the settings that repeat it."""

import base64
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image
from test_ui_jobs import SETTINGS, Gate, Models

import ddpm_core
from ddpm_core.imaging import to_uint8
from ddpm_core.noise import gaussian_batch
from ddpm_core.timesteps import timestep_pairs
from ui.export import files
from ui.runs.frames import RunView
from ui.runs.job import Job

LANES = [replace(SETTINGS, variance="beta"), replace(SETTINGS, steps=6)]


@pytest.fixture
def saved(monkeypatch):
    """What is saved, by name."""
    contents = {}
    monkeypatch.setattr(files, "cached", lambda demo, name, content: contents.setdefault(name, content))
    return contents


def finished(lanes, models):
    view = RunView([], Job(lanes, models))
    list(view.messages())
    return view


def picture(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("size", [8, 128])
def test_one_lane(size, saved):
    models = Models(size=size)
    view = finished([SETTINGS], models)
    for make in (files.picture, files.KINDS["gif"], files.KINDS["webp"], files.strip):
        make(None, view)
    stem = "toy-10-steps-beta_tilde-seed-13"
    png, gif, strip = saved[f"{stem}.png"], saved[f"{stem}.gif"], saved[f"{stem}-strip.png"]
    webp = Image.open(io.BytesIO(saved[f"{stem}.webp"]))
    final = ddpm_core.sample(models.model, range(13, 15), 10, variance="beta_tilde")
    np.testing.assert_array_equal(picture(png)[:, :size], final[0])
    np.testing.assert_array_equal(picture(png)[:, -size:], final[1])
    assert Image.open(io.BytesIO(gif)).n_frames == webp.n_frames == 10
    assert picture(strip).shape == (2 * size + 2, 10 * size + 9 * 2, 3)
    if size == 8:  # lossless
        np.testing.assert_array_equal(picture(strip)[-size:, -size:], final[1])
    comments = [Image.open(io.BytesIO(png)).info["Description"], Image.open(io.BytesIO(gif)).info["comment"]]
    for content in [*comments, webp.getexif()[ExifTags.Base.ImageDescription]]:
        about = json.loads(content)
        (lane,) = about["lanes"]
        assert (about["seed"], lane["checkpoint"], lane["spacing"], lane["steps_done"]) == (13, "toy", "linspace", 10)


@pytest.mark.parametrize("size", [8, 72])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_number_of_channels_are_shown_and_saved(channels, size, saved):
    models = Models(size=size, channels=channels)
    view = RunView([], Job([replace(SETTINGS, steps=3)], models))
    messages = list(view.messages())
    assert messages[-1]["state"] == "finished"
    shown = [frame["x"] for message in messages for frame in message.get("frames", ())]
    sprite = Image.open(io.BytesIO(base64.b64decode(shown[-1].partition(",")[2])))
    assert len(shown) == 3 and sprite.size == (2 * size, size)
    assert shown[-1].startswith(f"data:image/{sprite.format.lower()};base64,")
    final = ddpm_core.sample(models.model, range(13, 15), 3, variance="beta_tilde")
    for make in files.KINDS.values():
        make(None, view)
    by_end = {name.removeprefix("toy-3-steps-beta_tilde-seed-13"): content for name, content in saved.items()}
    png, gif, webp, strip, archive = (by_end[end] for end in (".png", ".gif", ".webp", "-strip.png", ".zip"))
    assert len(by_end) == len(files.KINDS)
    assert Image.open(io.BytesIO(webp)).n_frames == 3
    np.testing.assert_array_equal(picture(png).reshape(size, -1, channels)[:, :size], final[0])
    assert Image.open(io.BytesIO(gif)).n_frames == 3
    last = picture(strip).reshape(2 * size + 2, -1, channels)[-size:, -size:]
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        x_0 = picture(content.read("seed-14/x_0000.png")).reshape(size, size, channels)
    if size == 8 or channels in (2, 4):  # sent without loss
        np.testing.assert_array_equal(last, final[1])
        np.testing.assert_array_equal(x_0, final[1])


def test_two_lanes(saved):
    view = finished(LANES, Models())
    for make in (files.picture, files.KINDS["gif"], files.KINDS["webp"], files.strip):
        make(None, view)
    stem = "toy-10-steps-beta-against-6-steps-beta_tilde-seed-13"
    assert picture(saved[f"{stem}.png"]).shape == (18, 18, 3)  # a row for each lane
    times = {s for lane in LANES for _, s in timestep_pairs(100, lane.steps)}
    assert 10 < Image.open(io.BytesIO(saved[f"{stem}.gif"])).n_frames <= len(times)
    assert picture(saved[f"{stem}-strip.png"]).shape[0] == 4 * 8 + 3 * 2  # for each image each lane


def test_the_archive_holds_what_repeats_the_run(saved):
    models = Models()
    view = finished(LANES, models)
    files.archive(None, view)
    (content,) = saved.values()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        about = json.loads(archive.read("settings.json"))
        x_T = np.load(io.BytesIO(archive.read("x_T.npy")))
        x_0 = [np.load(io.BytesIO(archive.read(f"lane-{lane}/x_0.npy"))) for lane in "ab"]
        last = picture(archive.read("lane-b/seed-14/x_0000.png"))
    assert sum(name.endswith(".png") for name in names) == 2 * (10 + 6)
    np.testing.assert_array_equal(x_T, gaussian_batch([13, 14], 0, (3, 8, 8)).numpy())
    shared = {"clip": about["clip"]}
    for lane, expected in zip(about["lanes"], x_0, strict=True):
        options = {name: lane[name] for name in ("steps", "variance", "sampler", "eta", "spacing")} | shared
        *_, step = ddpm_core.trajectory(models.model, [about["seed"], about["seed"] + 1], **options)
        assert expected.dtype == np.float32
        np.testing.assert_array_equal(expected, step.x.numpy())
    np.testing.assert_array_equal(last, to_uint8(step.x)[1])


def test_a_run_that_was_stopped_is_saved_as_far_as_it_went(saved):
    gate = Gate()
    view = RunView([], Job([replace(SETTINGS, steps=100)], Models(gate)))
    for _ in range(4):
        gate.go.release()
    states = []
    for message in view.messages():
        states.append(message["state"])
        if view.last and view.last[0].k == 3:
            view.stop()
            gate.go.release()  # the step under way is the last
    assert states[-1] == "stopped"
    for make in files.KINDS.values():
        make(None, view)
    assert len(saved) == len(files.KINDS) and all("step-5-of-100" in name for name in saved)
    (archive,) = [content for name, content in saved.items() if name.endswith(".zip")]
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        assert "x_T.npy" in content.namelist() and "x_0.npy" not in content.namelist()
