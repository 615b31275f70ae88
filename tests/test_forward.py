"""The forward process on a picture: its tables, many small steps against one jump, and the pictures it takes."""

import base64
import math
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import toylab
from gradio.utils import get_upload_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from toylab import wait_for

from ddpm_core import process
from ddpm_core.plane import forward
from ui.machine.limits import Refused, ServerLimits
from ui.parts import forward as place
from ui.parts.forward import EPSILON_UNIT, SCHEDULES, ForwardPart
from ui.pictures import uploads


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


# --- Uploads


def saved(tmp_path, image, name="x.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def near(pixel, colour, tolerance=3):
    return np.abs(pixel.astype(int) - colour).max() <= tolerance


@pytest.mark.parametrize("name", uploads.DRAWINGS)
def test_drawn_pictures_have_shapes_and_colours(name):
    image = uploads.drawn(name)
    assert image.shape == (128, 128, 3) and image.dtype == np.uint8
    assert image.std() > 30 and len(np.unique(image.reshape(-1, 3), axis=0)) > 500


@pytest.mark.parametrize(("size", "side"), [((1, 1), 32), ((300, 40), 40), ((150, 200), 128)])
def test_an_upload_becomes_a_square_of_32_to_128_pixels(tmp_path, size, side):
    image = uploads.read(saved(tmp_path, Image.new("RGB", size, (10, 200, 30))))
    assert image.shape == (side, side, 3) and (image == (10, 200, 30)).all()


STRIPES = np.indices((600, 600)).sum(0) // 40 % 2  # larger than what is kept, with edges at which resizing overshoots
GREEN = np.where(STRIPES[..., None], (200, 0, 0), (0, 255, 0)).astype(np.uint8)
CLEAR = np.dstack([np.full((600, 600, 3), (200, 0, 0)), 255 * STRIPES]).astype(np.uint8)
LARGE = {  # a file, and a picture that looks the same
    "float": ("x.tiff", STRIPES.astype(np.float32), {}, 255 * STRIPES),
    "float, 0 to 255": ("x.tiff", 255 * STRIPES.astype(np.float32), {}, 255 * STRIPES),
    "32 bits, 0 to 255": ("x.tiff", 255 * STRIPES.astype(np.int32), {}, 255 * STRIPES),
    "32 bits": ("x.tiff", 65535 * STRIPES.astype(np.int32), {}, 255 * STRIPES),
    "16 bits": ("x.png", 51400 * STRIPES.astype(np.uint16), {}, 200 * STRIPES),
    "green means transparent": ("x.png", GREEN, {"transparency": (0, 255, 0)}, CLEAR),
    "black means transparent": (
        "x.png",
        (200 * STRIPES).astype(np.uint8),
        {"transparency": 0},
        np.dstack([200 * np.ones_like(STRIPES), 255 * STRIPES]),
    ),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_picture_is_understood_before_it_is_made_small(tmp_path, kind):
    name, content, options, usual = LARGE[kind]
    path = saved(tmp_path, Image.fromarray(content), name, **options)
    looks = saved(tmp_path, Image.fromarray(usual.astype(np.uint8)), "usual.png")
    for read in (uploads.read, lambda path: np.asarray(uploads.read_whole(path, 512))):
        mine, theirs = (read(each).astype(int) for each in (path, looks))
        if mine.shape[2] == 4:
            assert np.abs(mine[..., 3] - theirs[..., 3]).max() <= 1
            mine, theirs = (np.where(each[..., 3:] > 9, each[..., :3], 0) for each in (mine, theirs))
        assert np.abs(mine - theirs).max() <= 4


def test_a_large_jpeg_is_read_and_a_large_png_refused(tmp_path):
    """With the limit a hundred times lower, for speed: 1 megapixel stands for 100."""
    limits = ServerLimits(upload_megapixels=0.5)
    image = Image.new("RGB", (1250, 800), (30, 60, 90))
    assert near(uploads.read(saved(tmp_path, image, "x.jpg"), limits)[64, 64], (30, 60, 90))
    with pytest.raises(Refused, match=r"This picture has 1 megapixels: .* \(limit: upload_megapixels = 0.5\)"):
        uploads.read(saved(tmp_path, image), limits)
    with pytest.raises(Refused, match=r"This picture has 1.6 megapixels"):
        uploads.read(saved(tmp_path, image.resize((1600, 1000)), "x.jpg"), limits)


# --- What the page may ask for


def test_a_very_long_picture_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    for size, taken in (((2, 200), True), ((200, 2), True), ((2, 203), False), ((24_000_000, 1), False)):
        path = tmp_path / "long.png"
        Image.new("L", size).save(path)
        if taken:
            assert uploads.read(path).shape == (32, 32, 3)
            continue
        monkeypatch.setattr(Image.Image, "load", None)
        with pytest.raises(Refused, match=r"times as long as wide: up to 100 times is taken"):
            uploads.read(path)
        monkeypatch.undo()


RIGHT = {"size": 4, "pixels": base64.b64encode(bytes(48)).decode(), "schedule": "linear", "t": 3, "seed": 0}


@pytest.fixture
def asks():
    return ForwardPart(toylab.toy_lab()).questions


def test_only_uploads_can_be_opened(tmp_path, asks):
    secret = saved(tmp_path, Image.new("RGB", (40, 40)))
    uploads = Path(get_upload_folder())
    for path in (secret, uploads / ".." / secret.relative_to(secret.anchor), None, "x.png"):
        with pytest.raises(ValueError, match="uploaded"):
            asks["picture"]({"path": str(path)})
    folder = uploads / "test_forward"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copy(secret, folder / "x.png")
        assert asks["picture"]({"path": str(folder / "x.png")})["size"] == 40
        (folder / "link.png").symlink_to(secret)
        with pytest.raises(ValueError, match="uploaded"):
            asks["picture"]({"path": str(folder / "link.png")})
    finally:
        shutil.rmtree(folder)


def test_noise_reaches_the_page_as_it_is(asks):
    got = np.frombuffer(base64.b64decode(asks["noise"]({"size": 40, "seed": 3})["epsilon"]), "<i2") * EPSILON_UNIT
    assert np.abs(got - forward.epsilon(3, (40, 40, 3)).ravel()).max() <= EPSILON_UNIT


@pytest.mark.parametrize(
    "wrong",
    [
        {"t": 1001},
        {"t": 1.5},
        {"t": True},
        {"seed": -1},
        {"schedule": "x"},
        {"size": 5},
        {"size": 500},
        {"pixels": "?"},
    ],
)
def test_wrong_requests_get_a_sentence(wrong, asks):
    assert asks["compare"](RIGHT)["walk"]
    with pytest.raises(ValueError):
        asks["compare"](RIGHT | wrong)


def test_one_visitors_hundred_requests_hold_nobody_up(monkeypatch):
    """Most are refused at once, and who comes later is the next."""
    who, begun, go = threading.local(), [], threading.Semaphore(0)
    result = forward.compare(SCHEDULES["linear"], np.zeros((4, 4, 3), np.uint8), 3, 0)
    lab = toylab.toy_lab()
    compare = ForwardPart(lab).questions["compare"]

    def walk(*_):
        begun.append(who.name)
        assert go.acquire(timeout=60)
        return result

    def ask(name):
        who.name = name
        return compare(RIGHT)

    monkeypatch.setattr(place, "address", lambda: who.name)
    monkeypatch.setattr(place.forward, "compare", walk)
    with ThreadPoolExecutor(120) as pool:
        crowd = [pool.submit(ask, "a") for _ in range(100)]
        refused = [*islice(as_completed(crowd, timeout=60), 92)]
        assert all(isinstance(one.exception(), Refused) for one in refused)
        later = [pool.submit(ask, "b") for _ in range(2)]
        wait_for(lambda: len(lab.quick) == 10 and begun == ["a"])
        for _ in range(10):
            go.release()
        assert all("walk" in one.result(timeout=60) for one in {*crowd, *later} - {*refused})
    assert begun[:2] == ["a", "b"] and sorted(begun) == ["a"] * 8 + ["b"] * 2
