"""The files that a run can be saved as hold its pictures and numbers, and the settings that repeat it."""

import base64
import io
import json
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import ExifTags, Image
from test_ui_jobs import SETTINGS, Gate, Models
from ui.runs.frames import RunView, make_room
from ui.runs.job import Job
from ui.runs.plan import kept_steps

import ddpm_core
from ddpm_core.imaging import to_uint8
from ddpm_core.noise import gaussian_batch
from ddpm_core.timesteps import timestep_pairs
from ui.export import files

LANES = [replace(SETTINGS, variance="beta"), replace(SETTINGS, steps=6)]


def finished(lanes, models):
    view = RunView([], Job(lanes, models))
    list(view.messages())
    return view.snapshot()


def picture(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("size", [8, 72])
def test_one_lane(size):
    models = Models(size=size)
    run = finished([SETTINGS], models)
    png, gif, strip, webp = (files.KINDS[kind](run) for kind in ("png", "gif", "strip", "webp"))
    stem = "toy-10-steps-beta_tilde-seed-13"
    assert (files.name(run, "png"), files.name(run, "strip")) == (f"{stem}.png", f"{stem}-strip.png")
    webp = Image.open(io.BytesIO(webp))
    final = ddpm_core.sample(models.model, range(13, 15), 10, variance="beta_tilde")
    np.testing.assert_array_equal(picture(png)[:, :size], final[0])
    np.testing.assert_array_equal(picture(png)[:, -size:], final[1])
    assert Image.open(io.BytesIO(gif)).n_frames == webp.n_frames == 10
    assert picture(strip).shape == (2 * size + 2, 10 * size + 9 * 2, 3)
    np.testing.assert_array_equal(picture(strip)[-size:, -size:], final[1])
    webp.seek(9)
    scale = webp.height // size
    np.testing.assert_array_equal(np.asarray(webp.convert("RGB"))[::scale, ::scale][:, -size:], final[1])
    comments = [Image.open(io.BytesIO(png)).info["Description"], Image.open(io.BytesIO(gif)).info["comment"]]
    for content in [*comments, webp.getexif()[ExifTags.Base.ImageDescription]]:
        about = json.loads(content)
        (lane,) = about["lanes"]
        assert (about["seed"], lane["checkpoint"], lane["spacing"], lane["steps_done"]) == (13, "toy", "linspace", 10)


@pytest.mark.parametrize("size", [8, 72])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_number_of_channels_are_shown_and_saved(channels, size):
    models = Models(size=size, channels=channels)
    view = RunView([], Job([replace(SETTINGS, steps=3)], models))
    messages = list(view.messages())
    assert messages[-1]["state"] == "finished"
    shown = [frame["x"] for message in messages for frame in message.get("frames", ())]
    sprite = Image.open(io.BytesIO(base64.b64decode(shown[-1].partition(",")[2])))
    assert len(shown) == 3 and sprite.size == (2 * size, size)
    assert shown[-1].startswith(f"data:image/{sprite.format.lower()};base64,")
    final = ddpm_core.sample(models.model, range(13, 15), 3, variance="beta_tilde")
    saved = {kind: make(view.snapshot()) for kind, make in files.KINDS.items()}
    png, gif, webp, strip, archive = (saved[kind] for kind in ("png", "gif", "webp", "strip", "zip"))
    assert Image.open(io.BytesIO(webp)).n_frames == 3
    np.testing.assert_array_equal(picture(png).reshape(size, -1, channels)[:, :size], final[0])
    assert Image.open(io.BytesIO(gif)).n_frames == 3
    last = picture(strip).reshape(2 * size + 2, -1, channels)[-size:, -size:]
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        x_0 = picture(content.read("seed-14/x_0000.png")).reshape(size, size, channels)
    np.testing.assert_array_equal(last, final[1])
    np.testing.assert_array_equal(x_0, final[1])


def test_two_lanes():
    run = finished(LANES, Models())
    assert files.name(run, "gif") == "toy-10-steps-beta-against-6-steps-beta_tilde-seed-13.gif"
    assert picture(files.picture(run)).shape == (18, 18, 3)  # a row for each lane
    times = {s for lane in LANES for _, s in timestep_pairs(100, lane.steps)}
    assert 10 < Image.open(io.BytesIO(files.KINDS["gif"](run))).n_frames <= len(times)
    assert picture(files.strip(run)).shape[0] == 4 * 8 + 3 * 2  # for each image each lane


def test_the_archive_holds_what_repeats_the_run():
    models = Models()
    with zipfile.ZipFile(io.BytesIO(files.archive(finished(LANES, models)))) as archive:
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


def test_pictures_that_the_page_is_sent_as_jpeg_are_saved_as_they_are():
    models, size = Models(size=256), 256
    content = files.archive(finished([replace(SETTINGS, steps=3)], models))
    steps = ddpm_core.trajectory(models.model, range(13, 15), 3, variance="beta_tilde")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        x_0 = to_uint8(torch.from_numpy(np.load(io.BytesIO(archive.read("x_0.npy")))))
        for step in steps:
            for seed, exact in zip((13, 14), to_uint8(step.x), strict=True):
                np.testing.assert_array_equal(picture(archive.read(f"seed-{seed}/x_{step.s:04}.png")), exact)
    assert exact.shape == (size, size, 3) and exact.std() > 20  # noise, which JPEG would change most
    np.testing.assert_array_equal(x_0[1], exact)


def test_a_run_can_be_saved_while_it_goes_on():
    view = RunView([], Job([replace(SETTINGS, steps=100), replace(SETTINGS, steps=90)], Models()))
    thread = threading.Thread(target=lambda: list(view.messages()))
    thread.start()
    saves = 0
    while not view.ended:
        if run := view.snapshot():
            before = {lane: set(steps) for lane, steps in run.pictures.items()}
            for make in (files.picture, files.strip, files.archive):
                make(run)
            assert {lane: set(steps) for lane, steps in run.pictures.items()} == before
            saves += 1
    thread.join()
    assert saves and len(view.snapshot().pictures[0]) == 100


def views_of(counts):
    """Ended runs, of so many images each, the oldest first."""
    made = []
    for count in counts:
        made.append(RunView([], Job([replace(SETTINGS, steps=2, count=count)], Models())))
        list(made[-1].messages())
    return made


def test_the_oldest_ended_runs_make_room_for_the_newest():
    one, two, three = views_of([1, 2, 3])
    assert one.bytes == 2 * 8 * 8 * 3 + 4 * 8 * 8 * 3 and three.bytes == 3 * one.bytes  # of 2 pictures, and of x_0
    two.ended = False
    make_room([one, two, three], most=one.bytes + two.bytes + three.bytes)
    assert one.snapshot() and two.snapshot() and three.snapshot()
    make_room([one, two, three], most=two.bytes + three.bytes)
    assert not one.snapshot() and one.bytes == 0 and two.snapshot() and three.snapshot()
    make_room([one, two, three], most=0)
    assert two.snapshot() and not three.snapshot()  # the former still goes on


@given(
    steps=st.integers(1, 4000),
    size=st.integers(8, 256),
    count=st.integers(1, 16),
    channels=st.integers(1, 4),
    lanes=st.integers(1, 2),
)
@example(steps=1000, size=256, count=4, channels=3, lanes=1)
def test_the_pixels_kept_of_a_run_are_bounded_whatever_its_length(steps, size, count, channels, lanes):
    kept = kept_steps(steps, size, count * lanes, channels)
    assert len(kept) * count * lanes * size**2 * channels <= 30e6


def test_a_run_that_was_stopped_is_saved_as_far_as_it_went():
    gate = Gate()
    view = RunView([], Job([replace(SETTINGS, steps=100)], Models(gate)))
    for _ in range(4):
        gate.go.release()
    states = []
    for message in view.messages():
        states.append(message["state"])
        if (run := view.snapshot()) and run.done(0) == 4:
            view.stop()
            gate.go.release()  # the step under way is the last
    assert states[-1] == "stopped"
    run = view.snapshot()
    saved = {files.name(run, kind): make(run) for kind, make in files.KINDS.items()}
    assert len(saved) == len(files.KINDS) and all("step-5-of-100" in name for name in saved)
    (archive,) = [content for name, content in saved.items() if name.endswith(".zip")]
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        assert "x_T.npy" in content.namelist() and "x_0.npy" not in content.namelist()
