"""Runs and pictures in a notebook: what the HTML has, with scripts and without them."""

import base64
import html
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import ddpm_core
from ddpm_core.imaging import to_uint8
from ddpm_core.imaging.show import FRAMES, Shown


def run(steps, n=2, channels=1, side=8):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(steps, 2, n, channels, side, side, generator=generator) / 2
    return [ddpm_core.Step(k, steps - k, steps - k - 1, *x[k], sigma=0.0) for k in range(steps)]


def opened(address):
    kind, content = re.fullmatch(r"data:image/(\w+);base64,(.*)", address).groups()
    return kind, np.array(Image.open(io.BytesIO(base64.b64decode(content))))


def images(shown):
    return [opened(address)[1] for address in re.findall(r'<img src="(data:[^"]*)"', shown.html)]


def player(shown):
    sprite, about = re.search(r'data-sprite="([^"]*)" data-about="([^"]*)"', shown.html).groups()
    return opened(sprite)[1], json.loads(html.unescape(about))


def frame(sprite, about, k):
    top, left = divmod(k, about["columns"])
    height, width = about["height"], about["width"]
    both = sprite[2 * top * height :, left * width : (left + 1) * width]
    return both[:height], both[height : 2 * height]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_player_has_the_pictures_of_each_step(channels):
    steps = run(5, channels=channels)
    sprite, about = player(ddpm_core.show(iter(steps)))
    assert about["titles"] == [f"Step {k + 1} of 5 · t = {4 - k}" for k in range(5)]
    for k, step in enumerate(steps):
        for half, x in zip(frame(sprite, about, k), (step.x, step.x0_hat), strict=True):
            for place, picture in zip((half[:, :8], half[:, 10:]), to_uint8(x), strict=True):  # two pixels between them
                seen = picture[..., 3] > 0 if channels == 4 else np.ones((8, 8), bool)
                assert np.array_equal(
                    place[..., : max(channels, 3)][seen],
                    (picture + np.zeros(3, np.uint8))[seen] if channels == 1 else picture[seen],
                )


def test_a_long_run_is_thinned_and_keeps_its_end():
    sprite, about = player(ddpm_core.show(run(100)))
    assert len(about["titles"]) == FRAMES and about["titles"][-1] == "Step 100 of 100 · t = 0"
    assert max(sprite.shape) < 16384  # what WebP can hold


def test_many_pictures_stand_in_rows():
    sprite, about = player(ddpm_core.show(run(3, n=25), columns=5))
    assert about["width"] == 5 * 8 + 4 * 2 and about["height"] == 5 * 8 + 4 * 2
    assert max(sprite.shape) < 16384


def test_fifty_steps_of_four_digits_take_less_than_a_megabyte():
    noise = run(50, n=4, side=28)  # noise in x̂_0, too: a real run takes less
    shown = ddpm_core.show(noise)
    assert len(shown.html) < 1_000_000
    assert shown._repr_html_() == shown.html


def test_without_scripts_a_run_is_a_still_picture_with_words():
    shown = ddpm_core.show(run(20))
    (still,) = images(shown)
    assert np.array_equal(still[:8, -8:], to_uint8(run(20)[-1].x)[0, ..., 0])
    assert 'alt="Noise becomes 2 pictures in 20 steps, from left to right"' in shown.html
    assert "<img" in re.sub(r"<script>.*?</script>", "", shown.html, flags=re.DOTALL)


def test_pictures_of_all_forms():
    x = run(1, n=3)[0].x
    levels = to_uint8(x)
    forms = (x, levels, list(levels), [picture[..., 0] for picture in levels], torch.from_numpy(levels), [x])
    for form in forms:
        shown = ddpm_core.show(form, titles=["<a>", "b"])
        assert np.array_equal(images(shown), levels[..., 0])
        assert "&lt;a&gt;" in shown.html and "<a>" not in shown.html


def test_a_step_shows_itself():
    (step,) = run(1)
    shown = images(Shown(step._repr_html_()))
    assert np.array_equal(shown, np.concatenate([to_uint8(step.x), to_uint8(step.x0_hat)])[..., 0])
    assert run(1, channels=8)[0]._repr_html_() is None


def test_taps_show_where_a_block_is_strong():
    tap = torch.zeros(1, 8, 4, 4)
    tap[0, 3, 1, 2] = -5
    (picture,) = images(ddpm_core.show({"middle": tap}))
    assert picture[1, 2] == 255 and (np.delete(picture.ravel(), 6) == 0).all()


def test_latents_are_decoded():
    steps = run(2, channels=8)
    shown = ddpm_core.show(steps, pictures=lambda x: to_uint8(x[:, :1]))
    assert np.array_equal(images(shown)[0][:8, :8], to_uint8(steps[0].x[:1, :1])[0, ..., 0])


@pytest.mark.parametrize(
    ("what", "options", "words"),
    [
        ([], {}, "nothing to show"),
        ({}, {}, "nothing to show"),
        (7, {}, "expected steps, pictures or tensors by name, got int"),
        (np.zeros((2, 8, 8, 1)), {}, r"expected pictures: .* got float64 \(2, 8, 8, 1\)"),
        (torch.zeros(2, 7, 8, 8), {}, "with 1 to 4 channels"),
        (run(1), {"columns": 0}, "columns must be a whole number from 1, got 0"),
        (run(1, channels=8), {}, "a state of 8 channels is no picture: say pictures=model.pictures"),
        (run(1, n=40, side=200), {}, "40 pictures of 200×200 are too many to show: the limit is 37"),
    ],
)
def test_what_cannot_be_shown_is_refused(what, options, words):
    with pytest.raises(ValueError, match=words):
        ddpm_core.show(what, **options)
