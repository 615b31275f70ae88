"""Conversion between [-1, 1] and uint8, and the image files that are written."""

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from ddpm_core.imaging import from_uint8, grid, jpeg, png, save_gif, save_webp, to_uint8

LEVELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def opened(data):
    return np.array(Image.open(io.BytesIO(data)))


def test_all_256_levels_survive_the_round_trip():
    x = from_uint8(LEVELS)
    assert x.dtype == torch.float32 and x.shape == (1, 1, 16, 16)
    assert x.min() == -1 and x.max() == 1
    assert np.array_equal(to_uint8(x), LEVELS)
    assert np.array_equal(to_uint8(x.double()), LEVELS)


def test_the_papers_scaling_and_the_order_of_axes():
    image = noise(2, 3, 5, 3)
    expected = image.transpose(0, 3, 1, 2) / 127.5 - 1
    np.testing.assert_allclose(from_uint8(image), expected, atol=1e-7)
    np.testing.assert_allclose(from_uint8(torch.from_numpy(image)), expected, atol=1e-7)
    assert np.array_equal(to_uint8(torch.from_numpy(expected)), image)


@pytest.mark.parametrize("offset", [-0.49, -0.2, 0.0, 0.2, 0.49])
def test_the_nearest_level_is_taken(offset):
    x = from_uint8(LEVELS[:, 1:15]).double() + offset / 127.5
    assert np.array_equal(to_uint8(x), LEVELS[:, 1:15])


def test_values_outside_are_clipped_never_wrapped():
    x = torch.tensor([-1e9, -1.01, -math.inf, 1.01, 300.0, math.inf]).reshape(1, 1, 1, 6)
    assert to_uint8(x).flatten().tolist() == [0, 0, 0, 255, 255, 255]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_any_float_becomes_uint8(dtype):
    images = to_uint8(torch.zeros(2, 3, 4, 5, dtype=dtype, requires_grad=True))
    assert images.dtype == np.uint8 and images.shape == (2, 4, 5, 3)
    assert ((images == 127) | (images == 128)).all()


@pytest.mark.parametrize(
    "images", [noise(4, 4, 3), noise(1, 4, 4, 3).astype(np.float32), noise(1, 4, 4, 3).astype(int)]
)
def test_only_batches_of_uint8_come_in(images):
    with pytest.raises(ValueError, match="uint8"):
        from_uint8(images)


@settings(max_examples=50)
@given(st.integers(1, 17), st.one_of(st.none(), st.integers(1, 20)), st.sampled_from([1, 2, 3, 4]), st.integers(0, 3))
def test_a_grid_holds_every_image_in_reading_order(n, columns, channels, gap):
    images = noise(n, 3, 4, channels, seed=n)
    picture = grid(images, columns=columns, gap=gap)
    across = min(columns or math.ceil(math.sqrt(n)), n)
    down = math.ceil(n / across)
    assert picture.dtype == np.uint8
    assert picture.shape == (down * (3 + gap) - gap, across * (4 + gap) - gap, channels)
    rest = np.ones(picture.shape[:2], bool)
    for i, image in enumerate(images):
        top, left = i // across * (3 + gap), i % across * (4 + gap)
        assert np.array_equal(picture[top : top + 3, left : left + 4], image)
        rest[top : top + 3, left : left + 4] = False
    assert len(np.unique(picture[rest], axis=0)) <= 1  # one background colour
    if channels in (2, 4):
        assert (picture[rest][:, -1] == 255).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("level", [0, 6, 9])
def test_png_is_lossless(channels, level):
    image = noise(9, 7, channels)
    data = png(image, compress_level=level)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert np.array_equal(opened(data).reshape(9, 7, channels), image)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_close_and_quality_costs_bytes(channels):
    ramp = np.linspace(20, 230, 64 * 64).reshape(64, 64, 1).repeat(channels, 2).astype(np.uint8)
    data = jpeg(ramp, quality=90)
    assert data[:2] == b"\xff\xd8"
    assert np.abs(opened(data).reshape(ramp.shape).astype(int) - ramp).mean() < 2
    busy = noise(64, 64, channels)
    assert len(jpeg(busy, quality=30)) < len(jpeg(busy, quality=90))


@pytest.mark.parametrize("channels", [1, 3])
def test_gif_shows_the_frames_in_order_and_holds_the_last(tmp_path, channels):
    frames = [np.full((6, 8, channels), level, np.uint8) for level in (0, 60, 120, 180, 255)]
    save_gif(tmp_path / "a.gif", frames, seconds=1.0, hold=2.0)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 5 and gif.size == (8, 6) and gif.info["loop"] == 0
        shown = [(np.array(f.convert("RGB")).mean(), f.info["duration"]) for f in ImageSequence.Iterator(gif)]
    np.testing.assert_allclose([level for level, _ in shown], [0, 60, 120, 180, 255], atol=2)
    assert [duration for _, duration in shown] == [200, 200, 200, 200, 2000]


def test_a_gif_of_a_few_colours_is_exact_and_enlarges_without_smoothing(tmp_path):
    frames = [np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8), np.array([[[0, 0, 255], [9, 9, 9]]], np.uint8)]
    save_gif(tmp_path / "a.gif", frames, scale=3)
    with Image.open(tmp_path / "a.gif") as gif:
        for frame, expected in zip(ImageSequence.Iterator(gif), frames, strict=True):
            assert np.array_equal(np.array(frame.convert("RGB")), expected.repeat(3, 0).repeat(3, 1))


@pytest.mark.parametrize("channels", [1, 3])
def test_webp_keeps_every_colour_of_every_frame(tmp_path, channels):
    frames = list(noise(4, 16, 16, channels))
    save_webp(tmp_path / "a.webp", frames, seconds=0.4, hold=2.0, scale=2, about="β̃")
    with Image.open(tmp_path / "a.webp") as webp:
        assert webp.n_frames == 4 and webp.info["loop"] == 0
        assert webp.getexif()[0x010E].encode("latin-1").decode() == "β̃"  # Pillow reads bytes as Latin-1
        for i, expected in enumerate(frames):
            webp.seek(i)
            shown = np.array(webp.convert("RGB"))
            assert np.array_equal(shown, np.broadcast_to(expected, (16, 16, 3)).repeat(2, 0).repeat(2, 1))
            assert webp.info["duration"] == (2000 if i == 3 else 100)


def test_a_long_trajectory_is_thinned_to_what_a_gif_can_show(tmp_path):
    """At most 50 frames a second, the last one always among them."""
    frames = [np.full((2, 2, 3), i // 4, np.uint8) for i in range(1000)]
    save_gif(tmp_path / "a.gif", frames, seconds=2.0)
    with Image.open(tmp_path / "a.gif") as gif:
        levels = [np.array(f.convert("RGB")).mean() for f in ImageSequence.Iterator(gif)]
        assert gif.n_frames <= 100
    assert levels == sorted(levels) and levels[0] == 0 and levels[-1] == 249


@pytest.mark.parametrize("channels", [2, 4])
def test_what_is_transparent_lies_over_grey_in_files_without_alpha(tmp_path, channels):
    image = np.full((8, 8, channels), 255, np.uint8)
    image[:, :4, -1] = 0
    save_gif(tmp_path / "a.gif", [image])
    for file in (io.BytesIO(jpeg(image, quality=95)), tmp_path / "a.gif"):
        with Image.open(file) as opened:
            colours = np.array(opened.convert("RGB")).astype(int)
        assert np.abs(colours[:, 0] - 128).max() <= 2 and np.abs(colours[:, 7] - 255).max() <= 2


@pytest.mark.parametrize("encode", [png, jpeg, lambda image: save_gif(io.BytesIO(), [image])])
def test_other_numbers_of_channels_make_no_picture(encode):
    with pytest.raises(ValueError, match="5 channels can't be saved as a picture"):
        encode(noise(4, 4, 5))


def test_one_frame_is_a_gif_too(tmp_path):
    save_gif(tmp_path / "a.gif", [noise(4, 4, 3)])
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 1
