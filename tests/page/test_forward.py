"""The forward process on a picture: its tables, many small steps against one jump, and the pictures of the page."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_core import process
from ddpm_core.plane import forward
from ui.pictures import encoded
from ui.static import folder


@pytest.mark.parametrize("name", forward.SCHEDULES)
def test_tables_are_the_papers_equations(name):
    schedule = forward.SCHEDULES[name](T=200)
    table = forward.tables(schedule)
    beta = schedule.beta.numpy()
    alpha_bar = np.array([math.prod(1 - b for b in beta[1 : t + 1]) for t in range(201)])
    assert all(column.shape == (201,) and column.dtype == np.float64 for column in table.values())
    np.testing.assert_allclose(table["beta"], beta)
    np.testing.assert_allclose(table["signal"], np.sqrt(alpha_bar), rtol=1e-12)
    np.testing.assert_allclose(table["noise"], np.sqrt(1 - alpha_bar), rtol=1e-9)
    t = np.arange(1, 201)  # Eq. 7
    before, now = alpha_bar[t - 1], alpha_bar[t]
    np.testing.assert_allclose(table["of_x_0"][1:], np.sqrt(before) * beta[1:] / (1 - now), rtol=1e-9)
    np.testing.assert_allclose(
        table["of_x_t"][1:], np.sqrt(1 - beta[1:]) * (1 - before) / (1 - now), rtol=1e-9, atol=1e-15
    )
    np.testing.assert_allclose(table["beta_tilde"][1:], (1 - before) / (1 - now) * beta[1:], rtol=1e-9, atol=1e-15)
    assert table["of_x_0"][0] == table["of_x_t"][0] == table["beta_tilde"][0] == 0


def test_the_jump_of_a_comparison_is_q_sample_of_the_same_epsilon():
    schedule = forward.SCHEDULES["cosine"]()
    image = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    result = forward.compare(schedule, image, 300, seed=7)
    epsilon = torch.from_numpy(forward.epsilon(7, image.shape)).permute(2, 0, 1)[None]
    x_0 = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1
    x_t = process.q_sample(schedule, x_0, 300, epsilon)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(result.jump, ((x_t.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8))
    np.testing.assert_allclose(result.sigma, math.sqrt(1 - schedule.alpha_bar[300]))


@settings(max_examples=12, deadline=None)
@given(name=st.sampled_from(sorted(forward.SCHEDULES)), t=st.integers(1, 120), seed=st.integers(0, 2**63 - 1))
def test_the_walk_and_the_jump_have_one_distribution(name, t, seed):
    schedule = forward.SCHEDULES[name](T=120)
    result = forward.compare(schedule, np.full((64, 64, 3), 200, np.uint8), t, seed)
    n = 64 * 64 * 3
    for mean, std in zip(result.mean, result.std, strict=True):
        assert abs(mean) < 5.5 * result.sigma / math.sqrt(n)
        assert abs(std / result.sigma - 1) < 5.5 / math.sqrt(2 * n)
    assert result.gap < 2 * result.chance  # 1 in 10^6
    width = result.edges[1] - result.edges[0]
    assert 0.999 < result.walk_density.sum() * width <= 1 + 1e-9
    assert not np.array_equal(result.walk, result.jump)


def test_at_0_nothing_is_added_and_other_times_are_refused():
    schedule = forward.SCHEDULES["linear"](T=10)
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    result = forward.compare(schedule, image, 0, seed=0)
    assert np.array_equal(result.walk, image) and np.array_equal(result.jump, image)
    assert result.sigma == result.gap == result.std[0] == 0
    for t in (-1, 11, 2.5):
        with pytest.raises(ValueError, match=r"0\.\.10"):
            forward.compare(schedule, image, t, seed=0)


# --- Pictures of the page


@pytest.mark.parametrize("file", encoded.DRAWINGS.glob("*.png"), ids=lambda file: file.stem)
def test_drawn_pictures_have_shapes_and_colours(file):
    image = encoded.read_drawing(file.stem)
    assert image.shape == (128, 128, 3) and image.dtype == np.uint8
    assert image.std() > 30 and len(np.unique(image.reshape(-1, 3), axis=0)) > 500


def test_every_picture_has_its_terms_and_they_travel_with_a_static_page(tmp_path):
    folder._licences(tmp_path, {})
    terms = (tmp_path / "PICTURES.md").read_text(encoding="utf-8")
    assert (tmp_path / "LICENSE").is_file()
    pictures = [file.name for folder in (encoded.SETS, encoded.DRAWINGS) for file in folder.glob("*.png")]
    assert len(pictures) == 6
    assert [name for name in pictures if f"`{name}`" not in terms] == []
    assert "CC BY-SA 3.0" in (tmp_path / "DIGITS.md").read_text(encoding="utf-8")
