"""Animations as MP4: what is in the file, read by PyAV; that a browser plays it; and what there is without PyAV."""

import base64
import importlib.util
import io
import json
import sys

import numpy as np
import pytest
from browser import browser, page  # noqa: F401
from test_imaging import noise
from test_ui_files import finished
from test_ui_jobs import SETTINGS, Models

from ddpm_core import video
from ui.export import files


def film(frames, **options):
    """The comment of the file, how many seconds it runs, and its frames, uint8 (N, H, W, 3)."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    video.save_mp4(file, frames, **options)
    with av.open(io.BytesIO(file.getvalue())) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.format.name) == ("h264", "yuv420p")
        shown = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)])
        return container.metadata.get("comment", ""), float(stream.duration * stream.time_base), shown


def test_the_frames_are_shown_in_order_each_for_its_time_and_the_last_is_held():
    frames = [np.full((28, 28, 1), level, np.uint8) for level in (0, 60, 255)]
    comment, seconds, shown = film(frames, seconds=0.6, hold=1.0, about='{"η": "β̃"}')
    assert comment == '{"η": "β̃"}'
    assert seconds == pytest.approx(1.4)
    assert shown.shape == (70, 28, 28, 3)
    expected = np.repeat([0, 60, 255], [10, 10, 50])
    np.testing.assert_allclose(shown.mean((1, 2, 3)), expected, atol=2)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_of_an_enlarged_picture_keeps_its_colour(channels):
    (frame,) = frames = [noise(29, 27, channels)]
    _, seconds, shown = film(frames, scale=8)
    assert seconds == pytest.approx(1.5) and shown.shape[1:3] == (232, 216)
    error = shown[-1, 4::8, 4::8].astype(int) - frame
    assert abs(error).max() < 40 and abs(error).mean() < 4  # x264 of different releases differs in single pixels


@pytest.mark.parametrize(("height", "width", "channels"), [(1, 1, 1), (7, 5, 4), (6, 9, 2), (3, 4, 3)])
def test_an_odd_size_is_made_even_by_repeating_the_edge(height, width, channels):
    frame = np.full((height, width, channels), 255, np.uint8)
    _, _, shown = film([frame] * 3)
    assert shown.shape[1:3] == (height + height % 2, width + width % 2)
    assert shown.min() > 250


def test_a_long_trajectory_is_thinned():
    frames = [np.full((4, 4, 1), level % 256, np.uint8) for level in range(1000)]
    _, seconds, shown = film(frames, seconds=1.0, hold=0.1)
    assert len(shown) == 54 and seconds == pytest.approx(1.08)
    assert shown[-1].mean() == pytest.approx(999 % 256, abs=2)


def test_a_run_is_saved_with_its_settings():
    av = pytest.importorskip("av")
    run = finished([SETTINGS], Models())
    content = files.KINDS["mp4"](run)
    assert files.name(run, "mp4") == "toy-10-steps-beta_tilde-seed-13.mp4"
    with av.open(io.BytesIO(content)) as container:
        assert json.loads(container.metadata["comment"])["seed"] == 13


def test_a_browser_plays_it(page, tmp_path):  # noqa: F811
    pytest.importorskip("av")
    frames = [np.full((28, 27, 3), colour, np.uint8) for colour in ((255, 0, 0), (20, 90, 200))]
    video.save_mp4(tmp_path / "a.mp4", frames, seconds=0.2, hold=0.2, scale=9)
    if not page.evaluate("document.createElement('video').canPlayType('video/mp4; codecs=\"avc1.64001f\"')"):
        pytest.skip("this browser has no H.264")
    content = base64.b64encode((tmp_path / "a.mp4").read_bytes()).decode()
    page.set_content(f'<video muted src="data:video/mp4;base64,{content}"></video>')
    page.evaluate("document.querySelector('video').play()")
    page.wait_for_function("document.querySelector('video').ended")
    size, pixel = page.evaluate("""() => {
      const video = document.querySelector("video");
      const context = document.createElement("canvas").getContext("2d");
      context.drawImage(video, 0, 0);
      return [[video.videoWidth, video.videoHeight], [...context.getImageData(9, 9, 1, 1).data]];
    }""")
    assert size == [244, 252]
    np.testing.assert_allclose(pixel, [20, 90, 200, 255], atol=12)


def test_without_the_library_there_is_no_button_and_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    assert not video.is_possible()
    with pytest.raises(ImportError, match=r"^MP4 files need the package av: pip install av$"):
        video.save_mp4(tmp_path / "a.mp4", [noise(4, 4, 3)])
    assert not list(tmp_path.iterdir())
    spec = importlib.util.spec_from_file_location("files_without_av", files.__file__)
    without = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(without)
    assert list(without.ANIMATIONS) == ["gif", "webp"] and "mp4" not in without.KINDS
