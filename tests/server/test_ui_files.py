"""The files that a run can be saved as hold its pictures and numbers, and the settings that repeat it.

The page makes them. Here node does, which writes no WebP and no letters: test_app.py and test_static.py have those.
"""

import csv
import io
import json
import time
import zipfile

import numpy as np
import pytest
import toylab
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from test_jobs import Gate
from toylab import Models, decoded, messages, results, saved

import ddpm_core
from ddpm_core.noise import gaussian_batch
from ddpm_core.timesteps import timestep_pairs
from ui.parts.sampling import SamplingPart
from ui.pictures.encoded import kept_steps
from ui.runs import pages
from ui.runs.pages import Runs
from ui.serving.packing import pack

ONE = {"checkpoint": "toy", "steps": 10, "count": 2}
TWO = ONE | {"variance": "beta", "steps_b": 6, "variance_b": "beta_tilde"}
KINDS = ("png", "gif", "strip", "csv", "zip")


def finished(part, values, *kinds, **model):
    """Files of a run of a toy model, {kind: (name, content)}; the model; the run's messages."""
    place = SamplingPart(toylab.toy_services(Models(**model)))
    run, seen = messages(place, part, values)
    assert seen[-1]["state"] == "finished"
    return saved(place, part, run, *kinds), place.services.models.model, seen


def kept(run):
    """The frames of each lane; none before its plan is known."""
    return getattr(run.recording, "frames", [])


def picture(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def archived(content):
    return zipfile.ZipFile(io.BytesIO(content))


def shrunk(image, size, width):
    """The picture in the lower right corner of an enlarged one; width: of all that, as it was before."""
    scale = image.shape[1] // width
    return image[-size * scale :: scale, -size * scale :: scale]


@pytest.mark.parametrize("size", [8, 72])
def test_one_lane(size):
    files, model, _ = finished("watch", ONE | {"steps": 4}, *KINDS, size=size)
    final = ddpm_core.sample(model, range(13, 15), 4, variance="beta_tilde")
    stem = "toy-4-steps-beta_tilde-seed-13"
    names, contents = zip(*files.values(), strict=True)
    assert names == (f"{stem}.png", f"{stem}.gif", f"{stem}-strip.png", f"{stem}.csv", f"{stem}.zip")
    png, gif, strip = (Image.open(io.BytesIO(content)) for content in contents[:3])
    np.testing.assert_array_equal(np.asarray(png)[:, :size], final[0])
    np.testing.assert_array_equal(np.asarray(png)[:, -size:], final[1])
    assert gif.n_frames == 4
    gif.seek(3)
    last = [
        shrunk(np.asarray(one.convert("RGB")), size, width) for one, width in ((strip, 4 * size), (gif, 2 * size + 2))
    ]
    assert 1000 <= strip.width < 1500 and 300 <= gif.width <= 600  # half of a slide; to be sent
    np.testing.assert_array_equal(last[0], final[1])
    assert np.abs(last[1].astype(int) - final[1]).mean() < 12  # of 256 colours
    for content in (png.info["Description"], strip.info["Description"], gif.info["comment"]):
        about = json.loads(content)
        (lane,) = about["lanes"]
        assert (about["seed"], lane["checkpoint"], lane["spacing"], lane["steps_done"]) == (13, "toy", "linspace", 4)


@pytest.mark.parametrize("size", [8, 72])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_number_of_channels_are_shown_and_saved(channels, size):
    files, model, seen = finished("watch", ONE | {"steps": 3}, *KINDS, size=size, channels=channels)
    shown = [frame["x"] for frame in results(seen, "frame")]
    assert len(shown) == 3 and decoded(shown[-1], size).shape == (2, size, size, 3)
    final = ddpm_core.sample(model, range(13, 15), 3, variance="beta_tilde")
    png, gif, strip = (Image.open(io.BytesIO(files[kind][1])) for kind in ("png", "gif", "strip"))
    np.testing.assert_array_equal(np.asarray(png).reshape(size, -1, channels)[:, :size], final[0])
    assert gif.n_frames == 3
    pixels = np.asarray(strip).reshape(strip.height, strip.width, channels)
    np.testing.assert_array_equal(shrunk(pixels, size, 3 * size), final[1])
    with archived(files["zip"][1]) as content:
        x_0 = picture(content.read("seed-14/x_0000.png")).reshape(size, size, channels)
    np.testing.assert_array_equal(x_0, final[1])


def test_two_lanes():
    files, _, _ = finished("compare", TWO, "png", "gif", "strip")
    name, gif = files["gif"]
    assert name == "toy-10-steps-beta-against-6-steps-beta_tilde-seed-13.gif"
    assert picture(files["png"][1]).shape == (18, 18, 3)  # a row for each lane
    times = {s for steps in (10, 6) for _, s in timestep_pairs(100, steps)}
    assert 10 < Image.open(io.BytesIO(gif)).n_frames <= len(times)
    one = finished("watch", ONE, "strip")[0]
    assert picture(files["strip"][1]).shape[0] > 1.8 * picture(one["strip"][1]).shape[0]  # for each image each lane


def test_the_table_measures_the_pictures_beside_the_schedule():
    files, _, _ = finished("compare", TWO | {"steps_b": 10}, "csv", "png")
    rows = list(csv.DictReader(io.StringIO(files["csv"][1].decode())))
    assert len(rows) == 20 and {row["distance"] for row in rows[:10]} == {""}  # A's are measured from
    last = picture(files["png"][1]).astype(float)
    a, b = [np.stack([last[top : top + 8, left : left + 8] for left in (0, 10)]) for top in (0, 10)]
    assert float(rows[-1]["distance"]) == pytest.approx(np.sqrt(np.mean((a - b) ** 2)), rel=1e-3)  # of 4 digits
    assert float(rows[9]["grain"]) == pytest.approx(np.mean([grain(one) for one in a]), rel=1e-3)


def grain(picture):
    """σ of the noise in a picture (H, W, C), in grey levels, from the median of its diagonal differences."""
    even, odd = picture[:-1:2].astype(float), picture[1::2].astype(float)
    found = np.abs(even[:, :-1:2] - even[:, 1::2] - odd[:, :-1:2] + odd[:, 1::2]) / 2
    return np.sort(found, axis=None)[found.size // 2] / 0.6745


def test_a_grid_is_one_picture_with_a_row_for_each_kind_and_a_table_of_all_steps():
    asked = {"checkpoint": "toy", "rows": "sampler", "columns": "2, 5", "count": 1}
    files, _, _ = finished("grid", asked, "png", "csv")
    name, png = files["png"]
    assert name == "toy-grid-seed-13.png" and picture(png).shape == (4 * 8 + 3 * 2, 2 * 8 + 2, 3)
    rows = list(csv.DictReader(io.StringIO(files["csv"][1].decode())))
    assert [int(row["lane"]) for row in rows] == [lane for lane in range(8) for _ in range((2, 5)[lane % 2])]
    assert {row["s"] for row in rows if row["step"] == ("1", "4")[int(row["lane"]) % 2]} == {"0"}


def test_the_archive_holds_what_repeats_the_run():
    files, model, _ = finished("compare", TWO, "csv", "zip")
    with archived(files["zip"][1]) as archive:
        names = archive.namelist()
        about = json.loads(archive.read("settings.json"))
        x_T = np.load(io.BytesIO(archive.read("x_T.npy")))
        x_0 = [np.load(io.BytesIO(archive.read(f"lane-{lane}/x_0.npy"))) for lane in "ab"]
        last = picture(archive.read("lane-b/seed-14/x_0000.png"))
        assert archive.read("steps.csv") == files["csv"][1] and b"side_by_side" in archive.read("run.py")
    assert sum(name.endswith(".png") for name in names) == 2 * (10 + 6)
    np.testing.assert_array_equal(x_T, gaussian_batch([13, 14], 0, (3, 8, 8)).numpy())
    for lane, expected in zip(about["lanes"], x_0, strict=True):
        options = {name: lane[name] for name in ("steps", "variance", "sampler", "eta", "spacing")}
        *_, step = ddpm_core.trajectory(model, [about["seed"], about["seed"] + 1], clip=about["clip"], **options)
        assert expected.dtype == np.float32
        np.testing.assert_array_equal(expected, step.x.numpy())
    np.testing.assert_array_equal(last, ddpm_core.imaging.to_uint8(step.x)[1])


def test_pictures_that_the_page_is_sent_as_jpeg_are_saved_as_they_are():
    files, model, _ = finished("watch", ONE | {"steps": 3}, "zip", size=256)
    with archived(files["zip"][1]) as archive:
        for step in ddpm_core.trajectory(model, range(13, 15), 3, variance="beta_tilde"):
            for seed, exact in zip((13, 14), ddpm_core.imaging.to_uint8(step.x), strict=True):
                np.testing.assert_array_equal(picture(archive.read(f"seed-{seed}/x_{step.s:04}.png")), exact)
    assert exact.shape == (256, 256, 3) and exact.std() > 20  # noise, which JPEG would change most


def test_a_run_can_be_saved_while_it_goes_on():
    slow = Models(lambda x, t, labels: time.sleep(0.002) or 0.3 * x, T=1000)
    place, files = SamplingPart(toylab.toy_services(slow)), {}

    def look(run, message):
        if any(kept(run)) and run.goes_on and not files:
            files.update(saved(place, "compare", run, "png", "strip"))
            for _ in range(20):
                b"".join(pack(run.kept()))

    run, seen = messages(place, "compare", ONE | {"steps": 300, "steps_b": 290}, look)
    assert seen[-1]["state"] == "finished" and "step-" in files["png"][0] and len(kept(run)[0]) == 300


def test_a_run_that_was_stopped_is_saved_as_far_as_it_went():
    gate = Gate()
    place = SamplingPart(toylab.toy_services(Models(gate)))
    for _ in range(4):
        gate.go.release()
    stopped = []

    def look(run, message):
        if kept(run) and len(kept(run)[0]) == 4 and not stopped:
            stopped.append(run.stop())
            gate.go.release()  # the step under way is the last

    run, seen = messages(place, "watch", ONE | {"steps": 100}, look)
    assert seen[-1]["state"] == "stopped"
    files = saved(place, "watch", run, *KINDS)
    assert all("step-5-of-100" in name for name, _ in files.values())
    with archived(files["zip"][1]) as content:
        assert "x_T.npy" in content.namelist() and "x_0.npy" not in content.namelist()


def test_a_lane_that_has_not_begun_is_not_in_the_files_of_a_stopped_run():
    """Quadratic times begin at about 0.8 T: till then there are pictures of B alone."""
    gate = Gate()
    place, stopped = SamplingPart(toylab.toy_services(Models(gate))), []
    for _ in range(4):
        gate.go.release()

    def look(run, message):
        if kept(run) and len(kept(run)[1]) == 4 and not stopped:
            stopped.append(run.stop())
            gate.go.release()

    asked = {"sampler": "dpm++", "steps": 10, "steps_b": 50, "count": 1}
    run, _ = messages(place, "compare", ONE | asked, look)
    a, b = kept(run)
    assert not a and len(b) == 5
    scale = 25  # that makes five pictures of 8 pixels as wide as half a slide
    files = saved(place, "compare", run, "strip", "gif")
    strip = picture(files["strip"][1])[: -2 * 2 * scale]  # without the two lines that name the lanes
    np.testing.assert_array_equal(strip[-8 * scale :: scale, -8 * scale :: scale], b[4][0])
    assert strip.shape[1] > 5 * 8 * scale + 4 * 2  # there is a margin, with the lane's letter
    gif = Image.open(io.BytesIO(files["gif"][1]))
    assert gif.n_frames == 5 and gif.width == 600  # one lane


def test_a_film_has_no_more_pictures_than_are_seen():
    place = SamplingPart(toylab.toy_services(Models(T=300)))
    run, _ = messages(place, "watch", ONE | {"steps": 300, "count": 1})
    assert len(kept(run)[0]) == 300
    film = Image.open(io.BytesIO(saved(place, "watch", run, "gif")["gif"][1]))
    film.seek(film.n_frames - 1)
    assert film.n_frames == 50 and film.info["duration"] == 1500


def test_of_a_run_that_was_refused_there_is_nothing_to_save():
    place = SamplingPart(toylab.toy_services())
    run, _ = toylab.heard(place, toylab.sampling(place.services, toylab.script(steps=101)))
    with pytest.raises(ValueError, match="There is nothing to save yet: press Run"):
        run.kept()


def test_the_oldest_ended_runs_make_room_for_the_newest(monkeypatch):
    place = SamplingPart(toylab.toy_services())
    runs = Runs(place.services, dict.fromkeys(place.names, place))

    def begun(page, count):
        run = runs.begin("watch", toylab.asked(steps=2, count=count), page)
        run.values = {"checkpoint": "toy", "steps": 2, "count": count}
        return run

    made = [begun("a", 1), begun("b", 3)]
    for run in made:
        list(run.messages())
    one, three = made
    small, large = (run.recording.bytes for run in made)
    pixels = 8 * 8 * 3
    assert small == 2 * pixels + 4 * pixels and large == 3 * small  # 2 pictures, and x_0
    monkeypatch.setattr(pages, "RECORDING_BYTES", small + large)
    begun("c", 1)
    assert one.recording.bytes and three.recording.bytes
    monkeypatch.setattr(pages, "RECORDING_BYTES", large)
    begun("d", 1)
    assert not one.recording.bytes and three.recording.bytes
    with pytest.raises(ValueError, match="no picture"):
        saved(place, "watch", one, "png")


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
