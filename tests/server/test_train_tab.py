"""Train: what it reads of a run, the process it starts, its visitors, and the page."""

import io
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pipelines
import plans
import pytest
import torch
from accelerate.state import AcceleratorState
from browser import CALM, MOTION, served
from PIL import Image
from toylab import toy_services, wait_for
from training import assert_same, fit, flags, process_restored, tiny, weights  # noqa: F401

import ddpm_core
import ui
from train import TrainError
from train.__main__ import main
from train.common.config import PRESETS
from train.data.sources import open_source
from train.fit.flags import attended
from train.fit.flags.limits import check
from train.fit.outputs.preview import DenoisingProbe, PreviewTimer
from train.fit.start import parse_fit
from ui.machine.limits import Refused, ServerLimits
from ui.models.loaded import Models
from ui.parts.training import TrainingPart
from ui.recorded import __main__
from ui.serving.packing import whole
from ui.training import choices, drawings, process, visits
from ui.training.choices import Recipe
from ui.training.folder import RunFolder
from ui.training.process import Training
from ui.training.visits import Visit, Visits

STUB = Path(__file__).parents[1] / "helpers/stub_trainer.py"
DRAWINGS = Path(__file__).with_name("drawings.json")
ME, YOU = "a" * 32, "b" * 32


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """The folder of a model of 8×8 grey pictures in two classes."""
    folder = tmp_path_factory.mktemp("small")
    images = np.zeros((4, 8, 8), np.uint8)
    np.savez(folder / "data.npz", images=images, labels=[0, 1, 0, 1])
    fit(tiny(folder / "data.npz", folder / "run", steps=1, channels=1, conditional=True))
    return folder / "run" / "model"


@pytest.fixture
def stub(monkeypatch, small_model):
    monkeypatch.setattr(process, "COMMAND", (sys.executable, str(STUB)))
    monkeypatch.setenv("STUB_MODEL", str(small_model))


@pytest.fixture
def room(stub, tmp_path):
    made = Visits(public=False, keep=tmp_path / "kept", limits=ServerLimits(concurrent_trainings=1))
    yield made
    made.close()


@pytest.fixture
def place(room):
    return placed(room, Models("cpu"))


def placed(room, models):
    place = TrainingPart(toy_services(models))
    place.visits = room
    return place


def refusal(ask, asked):
    with pytest.raises(ValueError) as wrong:
        ask(asked)
    return str(wrong.value)


def say(folder, *lines):
    with open(folder / "progress.jsonl", "a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def change_weights(run):
    path = run / "model" / "diffusion_pytorch_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


# --- The digits, and what the trainer tells


def test_the_digits_come_with_the_trainer():
    source = open_source("digits")
    assert len(source) == 3000 and source.classes == tuple("0123456789")
    assert np.bincount([source.label(i) for i in range(3000)]).tolist() == [300] * 10
    picture = np.asarray(source.picture(0))
    assert picture.shape == (28, 28) and picture.max() > 200 and picture[0].max() == 0
    text = (Path(choices.__file__).parents[2] / "train" / "data" / "digits" / "README.md").read_text()
    for words in ("Yann LeCun", "Corinna Cortes", "Burges", "CC BY-SA 3.0"):
        assert words in text


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"pixels": np.zeros((2, 8, 8), np.uint8)}, "no array named images"),
        ({"images": np.zeros((2, 8, 8))}, r"must be uint8 \(N, H, W\)"),
        ({"images": np.zeros((2, 8, 8, 5), np.uint8)}, r"must be uint8 \(N, H, W\)"),
        ({"images": np.zeros((0, 8, 8), np.uint8)}, "holds no images"),
        ({"images": np.zeros((2, 8, 8), np.uint8), "labels": [0]}, "a whole number for each image"),
        ({"images": np.zeros((2, 8, 8), np.uint8), "labels": [0, 5], "classes": ["a", "b"]}, "−1 .none. to 1"),
    ],
)
def test_an_array_file_that_is_none_is_one_sentence(tmp_path, arrays, sentence):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(TrainError, match=sentence):
        open_source(str(tmp_path / "a.npz"))


def test_colours_and_labels_of_an_array_file(tmp_path):
    pixels = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.array([1, -1]))
    source = open_source(str(tmp_path / "a.npz"))
    assert (np.asarray(source.picture(1)) == pixels[1]).all()
    assert source.classes == ("0", "1") and [source.label(0), source.label(1)] == [1, -1]
    (tmp_path / "b.npz").write_bytes(b"no")
    with pytest.raises(TrainError, match=r"can't be read as a NumPy file"):
        open_source(str(tmp_path / "b.npz"))


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


def test_previews_take_at_most_a_tenth_of_the_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("train.fit.outputs.preview.time.perf_counter", lambda: now[0])
    pace = PreviewTimer(4.0)
    taken = 0.0
    while now[0] < 200:
        if pace.is_due():
            with pace.taken():
                now[0] += 1.5
            taken += 1.5
        now[0] += 0.1
    assert 0.08 < taken / now[0] <= 0.11
    assert not PreviewTimer(0.0).is_due()


def test_the_probe_is_the_same_whatever_is_predicted(tmp_path):
    """A network that knows each x_0 has no error, and one that always guesses grey has that of the pictures."""
    config = tiny("digits", tmp_path, image_size=28, channels=1, T=1000)
    from train.data.images import Images

    images, schedule = Images(config, quiet=True), ddpm_core.NoiseSchedule.linear(1000)

    def model(network, prediction):
        return ddpm_core.Model(network=network, schedule=schedule, image_size=28, channels=1, prediction=prediction)

    probe = DenoisingProbe(images, model(None, "x0"))
    grey = probe.error(model(lambda x, t, labels: torch.zeros_like(x), "x0"))
    x_0, x_t, t = probe._x_0, probe._x_t, probe._t
    assert grey == pytest.approx(127.5 * float(x_0.square().mean().sqrt()), rel=1e-5)
    for prediction in ("epsilon", "v", "x0"):
        alpha_bar = schedule.alpha_bar[t][:, None, None, None]
        eps = (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()
        known = {"epsilon": eps, "v": alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x_0, "x0": x_0}[prediction]
        assert probe.error(model(lambda x, t, labels, known=known: known, prediction)) < 1
    sigma = ((1 - schedule.alpha_bar[t]) / schedule.alpha_bar[t]).sqrt()
    assert sigma[0] == pytest.approx(0.1, rel=0.1) and sigma[-1] == pytest.approx(20, rel=0.1)


# --- Choices


@pytest.mark.parametrize("change", [(name, value) for name, found in choices.OPTIONS.items() for value in found])
def test_every_choice_is_a_run_that_can_be_trained_and_has_a_sentence(change, tmp_path):
    name, value = change
    (found,) = [field for field in Recipe.form() if field["name"] == name]
    assert found["sentences"][value].endswith(".") and found["titles"][value]
    if value == "own":
        return
    config, _ = parse_fit([*choices.flags(Recipe.check({name: value})), "--out", str(tmp_path)])
    check(config)
    assert config.data == "digits" and config.sample_count == 20


def test_the_first_choices_are_the_preset():
    config, _ = parse_fit(choices.flags(Recipe()))
    preset = PRESETS["mnist-tiny"]
    for name in ("widths", "attention", "prediction", "times", "loss", "optimizer", "lr", "batch", "ema", "image_size"):
        assert getattr(config, name) == getattr(preset, name), name


def test_only_digits_are_learned_at_the_noise_that_forms_digits(tmp_path):
    Image.new("RGB", (40, 50)).save(tmp_path / "a.png")
    digits, _ = parse_fit(choices.flags(Recipe()))
    own, _ = parse_fit(choices.flags(Recipe(data="own", path=str(tmp_path))))
    preset = PRESETS["mnist-tiny"]
    assert digits.log_sigma_mean > preset.log_sigma_mean
    assert (own.log_sigma_mean, own.log_sigma_std) == (preset.log_sigma_mean, preset.log_sigma_std)


def test_what_is_not_offered_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no learning rate '1e9': choose from low, middle, high"):
        Recipe.check({"lr": "1e9"})
    with pytest.raises(TrainError, match="no folder or data set"):
        choices.flags(Recipe(data="own", path=str(tmp_path / "none")))


def test_own_pictures_are_found_where_the_app_was_started(tmp_path, monkeypatch):
    (tmp_path / "tests").mkdir()  # there is one where the trainer works, too
    Image.new("RGB", (40, 50)).save(tmp_path / "tests" / "a.png")
    monkeypatch.chdir(tmp_path)
    config, _ = parse_fit(choices.flags(Recipe(data="own", path="tests")))
    assert config.data == str(tmp_path / "tests")


def test_own_pictures_of_any_kind_have_fitting_flags(tmp_path):
    Image.new("RGB", (40, 50), "red").save(tmp_path / "a.png")
    config, _ = parse_fit(choices.flags(Recipe(data="own", path=str(tmp_path))))
    check(config)
    assert (config.image_size, config.channels, config.conditional, config.sample_count) == (32, None, False, 20)
    for name in ("x", "y", "z"):
        (tmp_path / name).mkdir()
        Image.new("L", (28, 28)).save(tmp_path / name / "b.png")
    (tmp_path / "a.png").unlink()
    config, _ = parse_fit(choices.flags(Recipe(data="own", path=str(tmp_path))))
    check(config)
    assert (config.image_size, config.conditional, config.sample_count) == (28, True, 18)


# --- Drawings


def strokes(name, count=20):
    """Drawings of one stroke that were made with the page's pad: "heart", "R" or "fish"."""
    return [[stroke] for stroke in json.loads(DRAWINGS.read_text())[name][:count]]


def test_a_variant_is_shifted_turned_and_changed_in_size_a_little():
    line, rng = np.array(strokes("fish", 1)[0][0], float).reshape(-1, 2) / 10, np.random.default_rng(1)
    places = np.c_[line - 14, np.ones(len(line))]
    seen = []
    for _ in range(200):
        (*linear, shift), *_ = np.linalg.lstsq(places, drawings.varied([line], rng)[0], rcond=None)
        across, down = linear  # where the axes go
        assert across @ down == pytest.approx(0, abs=1e-9)  # no shear
        turn = np.degrees(np.arctan2(across[1], across[0]))
        seen.append([*(shift - 14), turn, np.hypot(*across) - 1, np.hypot(*down) - 1])
    most = np.abs(seen).max(0)
    allowed = np.array([2, 2, 10, 0.15, 0.15])
    assert (
        (most <= allowed + 1e-9).all()
        and (most > 0.9 * allowed).all()
        and np.abs(np.mean(seen, 0) / allowed).max() < 0.2
    )


def test_drawings_become_a_training_of_lines_as_light_as_digits(tmp_path):
    saved = drawings.Drawings(strokes("R")).save(tmp_path)
    source = open_source(str(saved))
    assert len(source) == 3000 and source.classes is None
    digits = open_source("digits")
    light = [np.mean([np.asarray(of.picture(i)).mean() for i in range(0, 3000, 150)]) for of in (source, digits)]
    assert 0.5 < light[0] / light[1] < 2
    drawn = np.load(saved)["drawings"]
    assert drawn.shape == (20, 28, 28) and drawn.max() == 255 and len(np.unique(drawn[0])) > 8  # its edges are smooth
    config, _ = parse_fit([*choices.flags(Recipe(data="own")), "--data", str(saved), "--out", str(tmp_path / "run")])
    check(config)
    assert (config.init, config.conditional, config.steps * config.batch) == ("mnist-tiny", False, 20_480)
    for other in (Recipe(data="own", prediction="epsilon"), Recipe(data="own", width="narrow")):
        assert parse_fit(choices.flags(other))[0].init is None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (None, "Draw 5 to 20 small pictures. There are 0 now"),
        ([[[0, 0, 9, 9]]] * 4, "There are 4 now"),
        ([[[0, 0, 9, 9]]] * 21, "There are 21 now"),
        ([[[0, 0, 9]]] * 5, "2 to 400 points"),
        ([[[0, 0, 9, 281]]] * 5, "2 to 400 points"),
        ([[[0, 0, 9, True]]] * 5, "2 to 400 points"),
        ([[[0, 0] * 401]] * 5, "2 to 400 points"),
        ([[[0, 0] * 201] * 2] * 5, "2 to 400 points"),
        ([[]] * 5, "2 to 400 points"),
        ([[0, 0, 9, 9]] * 5, "2 to 400 points"),
        (["0099"] * 5, "2 to 400 points"),
    ],
)
def test_what_is_no_drawing_is_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        drawings.Drawings(wrong)


def test_a_drawing_of_two_strokes_has_both_and_no_line_between_them():
    made = drawings.Drawings([[[40, 60, 240, 60], [40, 220, 240, 220]]] * 5)
    (one, *_) = made.drawings
    assert (one[[6, 22], 8:20] > 200).all() and not one[9:20].any()


def test_the_page_says_how_many_pictures_a_folder_has(tmp_path, monkeypatch):
    Image.new("RGB", (80, 60)).save(tmp_path / "a.png")
    assert choices.pictures_in(str(tmp_path)) == "1 picture found, 80×60"
    assert choices.pictures_in("digits") == choices.pictures_in("owner/name") == choices.pictures_in("") == ""
    with pytest.raises(TrainError, match="Choose another one"):
        choices.pictures_in(str(tmp_path / "none"))
    Image.new("RGB", (80, 60)).save(tmp_path / "b.png")
    monkeypatch.setattr(choices, "COUNTED", 1)
    assert choices.pictures_in(str(tmp_path)) == "more than 1 picture found, 80×60"
    monkeypatch.setattr(choices, "PATIENCE", -1)
    with pytest.raises(TrainError, match="Choose the folder that holds the images"):
        choices.pictures_in(str(tmp_path))
    public = TrainingPart(toy_services(Models("cpu", public=True)))
    assert "your own computer" in refusal(public.questions["pictures"], {"visitor": ME, "path": str(tmp_path)})
    public.close()


def test_pictures_of_which_some_have_no_class_are_learned_without_classes(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 8, 8), np.uint8), labels=np.array([0, -1]))
    config, _ = parse_fit(choices.flags(Recipe(data="own", path=str(tmp_path / "a.npz"))))
    assert not config.conditional


def bilinear(picture, y, x):
    """A picture at pixel coordinates, 0 outside."""
    height, width = picture.shape
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    y, x = y - 0.5, x - 0.5  # the middle of a pixel
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    at = lambda j, i: picture[np.clip(j, 0, height - 1), np.clip(i, 0, width - 1)]  # noqa: E731
    v, u = y - y0, x - x0
    return inside * (
        (1 - v) * ((1 - u) * at(y0, x0) + u * at(y0, x0 + 1)) + v * ((1 - u) * at(y0 + 1, x0) + u * at(y0 + 1, x0 + 1))
    )


def in_place(picture, degrees=0):
    """As the number compares it, computed another way: turned about the middle, moved to it, spread 6 pixels."""
    y, x = np.mgrid[:28, :28] + 0.5
    turn = np.radians(degrees)
    cos, sin = np.cos(turn), np.sin(turn)
    turned = bilinear(picture.astype(float), 14 + sin * (x - 14) + cos * (y - 14), 14 + cos * (x - 14) - sin * (y - 14))
    (my, sy), (mx, sx) = (
        (middle, np.sqrt(np.average((at - middle) ** 2, weights=turned)))
        for at in (y, x)
        for middle in [np.average(at, weights=turned)]
    )
    return bilinear(turned, my + (y - 14) * sy / 6, mx + (x - 14) * sx / 6)


def test_the_number_of_copies_is_the_distance_to_the_nearest_drawing():
    few = drawings.Drawings(strokes("heart", 6))
    new = drawings.Drawings(strokes("heart")[6:12]).drawings

    def apart(a, b):
        turns = [in_place(b, degrees) for degrees in range(-12, 13, 4)]
        return min(np.sqrt(((in_place(a) - turned) ** 2).mean()) for turned in turns)

    own = np.median(
        [min(apart(a, b) for j, b in enumerate(few.drawings) if i != j) for i, a in enumerate(few.drawings)]
    )
    far = np.array([[apart(a, b) for b in few.drawings] for a in new])
    likeness = drawings.Likeness(few.drawings)
    # Pillow rounds to grey levels twice, which is .3 (root mean square) each time for each of the two.
    assert likeness.distances(new) == pytest.approx(far, abs=1)
    pairs, share = likeness.compare(new)
    assert share == pytest.approx(np.median(far.min(1)) / own, rel=0.03)
    content = np.asarray(Image.open(io.BytesIO(pairs)))
    assert content.shape == (58, 3 * 58 - 2) and (content[:28, :28] == new[0]).all()
    assert (content[:28, 28:56] == 255 - few.drawings[far[0].argmin()]).all()


@pytest.mark.parametrize("name", ["heart", "R", "fish"])
def test_the_number_tells_copies_from_new_ones_and_from_others(name):
    """Copies, and the same moved and stretched, which are no new ones either; others of that kind; another kind."""
    mine = drawings.Drawings(strokes(name, 10))
    likeness = drawings.Likeness(mine.drawings)
    kinds = [drawings.Drawings(strokes(of)[10:]).drawings for of in (name, "fish" if name == "R" else "R")]
    copy, moved, new, other = (likeness.compare(of)[1] for of in (mine.drawings, mine.images[::75], *kinds))
    assert copy == 0 and moved < 0.6 < 0.75 < new < 1.4 < 1.6 < other


def test_drawings_are_their_visitors_alone_and_go_with_the_run(stub, monkeypatch):
    room = Visits(public=True)
    try:
        asks = placed(room, Models("cpu", public=True)).questions
        mine = {"data": "own", "drawings": strokes("fish", 5), "visitor": ME}
        assert asks["start"](mine) == {}
        wait_for(lambda: asks["now"]({"visitor": ME}).get("grids"))
        (file,) = room._place().rglob("drawings.npz")
        assert file.is_relative_to(room.visit(ME).training.run.path)
        (first, *_) = asks["now"]({"visitor": ME})["grids"]
        assert first["pairs"].type == "image/png" and first["likeness"] > 0
        assert asks["now"]({"visitor": YOU}) == {"state": "idle", "number": 0}
        for broken in (b"no", file.read_bytes()[:-9]):
            file.write_bytes(broken)
            room.visit(ME).training.run._forget()
            assert all("pairs" not in grid for grid in asks["now"]({"visitor": ME})["grids"])
        assert asks["start"]({"visitor": ME}) == {}  # digits, in its place
        assert not file.exists() and not [*room._place().rglob("drawings.npz")]
        monkeypatch.setattr(process.subprocess, "Popen", lambda *_, **__: (_ for _ in ()).throw(OSError("no memory")))
        with pytest.raises(OSError, match="no memory"):
            asks["start"](mine)
        assert not [*room._place().rglob("drawings.npz")]  # nothing is left of what could not begin
    finally:
        room.close()


# --- A run's folder


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
    whole(run.news(0, 0, 0))


def test_a_long_run_is_thinned_out_and_large_pictures_are_made_small(tmp_path, monkeypatch):
    monkeypatch.setattr("ui.training.folder.MOST_POINTS", 10)
    monkeypatch.setattr("ui.training.folder.MOST_GRIDS", 4)
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


# --- The process


def test_a_training_pauses_goes_on_stops_and_finishes(stub, tmp_path):
    run = Training(tmp_path / "run", ["--some", "flags"])
    wait_for(lambda: run.run.read() or run.run.step > 2)
    assert run.state == "running" and run.computes
    run.pause()
    assert run.state in ("pausing", "paused")
    wait_for(lambda: run.state == "paused")
    at = max(path.stem for path in (tmp_path / "run" / "checkpoints").iterdir())
    run.resume()
    wait_for(lambda: run.run.read() or run.run.step > int(at[5:]) + 2)
    run.stop()
    wait_for(lambda: run.state == "stopped")
    assert not run.computes
    run.resume()  # it was stopped by mistake
    assert run.state == "running"
    run.end()
    assert run.state == "stopped"


def test_a_finished_run_and_one_that_fails(stub, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("STUB_STEPS", "1")
    run = Training(tmp_path / "run", [])
    wait_for(lambda: run.state == "finished")
    for number, (sentence, shown) in enumerate(
        [
            ("/tmp/x holds no images.", "/tmp/x holds no images."),
            # The trainer's advice is a flag:
            (
                "There is not enough memory: try a smaller --batch.",
                "There is not enough memory. Choose a smaller width of the network",
            ),
            (
                "--flip mirrors pixels: add --no-flip.",
                "The training ended unexpectedly (code 2); the log of the app has its last lines",
            ),
        ]
    ):
        monkeypatch.setenv("STUB_FAILS", sentence)
        failed = Training(tmp_path / str(number), [])
        wait_for(lambda failed=failed: failed.state == "error")
        assert failed.error == shown
    assert "add --no-flip" in caplog.text
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", "raise SystemExit('Traceback in /tmp/x')"))
    odd = Training(tmp_path / "odd", [])
    wait_for(lambda: odd.state == "error")
    assert odd.error == "The training ended unexpectedly (code 1); the log of the app has its last lines"
    assert "Traceback in /tmp/x" in caplog.text


def test_a_kept_run_goes_on_to_the_weights_of_an_undisturbed_one(tmp_path, monkeypatch, request):
    """The real trainer, but for its low priority: paused in its process, kept, and continued by the command line."""
    begin = subprocess.Popen

    def forked(command, **options):
        """In the place of a fresh Python, which would import for ten seconds."""

        def instead():
            os.closerange(3, 4096)  # with the pipe by which Python learns that a program has begun
            sys.stdout = sys.stderr = os.fdopen(1, "w", closefd=False)
            AcceleratorState._reset_state(reset_partial_state=True)
            os._exit(attended.fit(command[3:]))

        return begin(command, preexec_fn=instead, **options)

    monkeypatch.setattr(process.subprocess, "Popen", forked)
    words = flags(data="digits", image_size=8, channels=1, conditional=True, steps=10_000, checkpoint_every=1000)
    run = Training(tmp_path / "run", ["--config", "cifar10", *words, "--sample-seconds", "0.2"])
    request.addfinalizer(run.end)
    wait_for(lambda: run.run.read() or run.run.step > 5 or run.state == "error", seconds=300)
    run.pause()
    wait_for(lambda: run.state in ("paused", "error"), seconds=60)
    assert run.state == "paused", run.error
    (last,) = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1:]
    paused, end = int(last.stem[5:]), int(last.stem[5:]) + 3
    assert paused > 5 and run.run.grids
    held = Visits(public=False, keep=tmp_path / "kept")
    visit = held.visit(ME)
    visit.training = run
    kept = held.keep(visit)
    assert main(["fit", "--resume", "--out", str(kept), "--steps", str(end)]) == 0
    whole = tiny("digits", tmp_path / "whole", image_size=8, channels=1, conditional=True, steps=end)
    fit(whole)
    for part in ("model", "ema"):
        assert_same(weights(tmp_path / "whole", end, part), weights(kept, end, part))


# --- Visitors


def test_two_visitors_share_what_the_machine_can_bear(room):
    mine, yours = room.visit(ME), room.visit(YOU)
    room.start(mine, Recipe())
    with pytest.raises(
        Refused, match=r"Another visitor trains on this machine now: try again .* \(limit: concurrent_trainings = 1\)"
    ):
        room.start(yours, Recipe())
    assert yours.training is None
    wait_for(lambda: mine.training.run.read() or mine.training.run.grids)
    mine.training.pause()
    wait_for(lambda: mine.training.state == "paused")
    room.start(yours, Recipe(prediction="epsilon"))
    assert yours.title == "ε, lognormal t"
    with pytest.raises(Refused, match="Another visitor"):
        room.resume(mine)
    folder = yours.training.run.path
    room.start(yours, Recipe())  # a new run takes the place of one's own
    assert yours.training.run.path != folder
    wait_for(lambda: not folder.exists())


def test_drawings_are_made_into_images_only_where_there_is_room_for_a_run(room, monkeypatch):
    room.start(room.visit(ME), Recipe())
    made = []
    monkeypatch.setattr(visits, "Drawings", made.append)
    with pytest.raises(Refused, match="Another visitor trains on this machine now"):
        room.start(room.visit(YOU), Recipe(data="own"), strokes("fish"))
    assert not made


def test_a_visitor_whom_a_crowd_has_pushed_out_trains_nothing(room):
    """Nobody would count, pause or end it."""
    visit = room.visit(ME)
    for i in range(visits.VISITS):
        room.visit(f"{i:016x}")
    with pytest.raises(ValueError, match="too many visitors"):
        room.start(visit, Recipe())
    assert visit.training is None


def test_calls_at_once_of_one_visitor_are_one_trainer_at_a_time(place, room, monkeypatch):
    start_process, made = subprocess.Popen, []

    def begin(*arguments, **options):
        others = sum(other.poll() is None for other in made)
        made.append(start_process(*arguments, **options))
        assert not others
        return made[-1]

    monkeypatch.setattr(process.subprocess, "Popen", begin)
    start = place.questions["start"]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(start, [{"visitor": ME}] * 6)) == [{}] * 6
    assert len(made) == 6 and sum(one.poll() is None for one in made) == 1
    (folder,) = room.visit(ME).training.run.path.parent.iterdir()  # what was begun before is gone
    assert folder == room.visit(ME).training.run.path
    room._forget(room.visit(ME))  # its place is free at once, and no sooner
    assert start({"visitor": YOU}) == {} and "Another visitor" in refusal(start, {"visitor": ME})


def test_the_models_of_two_runs_of_one_recipe_are_two_in_the_list(place, room, monkeypatch):
    """Also where they have seen as many images: the second one's weights are its own."""
    monkeypatch.setenv("STUB_STEPS", "3")
    mine, chosen = room.visit(ME), []
    for run in (1, 2):
        room.start(mine, Recipe())
        wait_for(lambda: mine.training.state == "finished")
        if run == 2:
            change_weights(mine.training.run.path)
        chosen += [place.questions["use"]({"visitor": ME})["ref"] for _ in range(2)]  # twice the same is one
    first, second = sorted(set(chosen), key=chosen.index)
    weights = [(Path(ref) / "diffusion_pytorch_model.safetensors").read_bytes() for ref in (first, second)]
    assert chosen == [first, first, second, second] and weights[0] != weights[1]
    labels = [model["label"] for model in place.services.models.choices() if model["ref"] in chosen]
    assert len(set(labels)) == 2 and all("192 images" in label for label in labels)


@pytest.mark.parametrize("public", [True, False])
def test_a_run_that_nobody_watches_pauses_and_a_strangers_is_forgotten(public, stub, monkeypatch):
    monkeypatch.setattr(visits, "ABSENCE", 2.0)
    monkeypatch.setattr(visits, "VISITS", 3)
    monkeypatch.setattr(visits, "MODELS", 1)
    room = Visits(public)
    try:
        mine = room.visit(ME)
        room.start(mine, Recipe())
        folder, run = mine.training.run.path, mine.training
        wait_for(lambda: run.state == "paused")  # by itself
        assert folder.exists()
        model, _ = room.use(mine)
        change_weights(mine.training.run.path)
        later, _ = room.use(mine)
        assert later != model and model.exists() != public  # the oldest of too many
        monkeypatch.setattr(visits, "FORGET", 0.0)
        if public:
            wait_for(lambda: not folder.exists() and not later.exists())
            assert room.visit(ME) is not mine
        else:
            room.look_after()
            for number in range(5):  # a crowd
                room.visit(f"{number:032x}")
            assert room.visit(ME) is mine and folder.exists() and model.exists() and later.exists()
    finally:
        room.close()


def test_closing_ends_every_process_and_leaves_nothing(room):
    mine = room.visit(ME)
    room.start(mine, Recipe())
    wait_for(lambda: mine.training.run.read() or mine.training.run.grids)
    process, folder = mine.training._process, mine.training.run.path
    room.close()
    assert process.poll() is not None and not folder.parent.parent.exists()
    with pytest.raises(ValueError, match="being closed"):
        room.start(room.visit(ME), Recipe())


def test_when_the_app_is_told_to_stop_no_training_goes_on_or_begins(room):
    mine = room.visit(ME)
    room.start(mine, Recipe())
    room.stop()
    wait_for(lambda: mine.training.state == "stopped")
    for again in (room.resume, lambda visit: room.start(visit, Recipe())):
        with pytest.raises(ValueError, match="being closed"):
            again(mine)
    assert not mine.training.computes


def test_a_page_is_told_that_its_training_is_gone_with_an_earlier_start_of_the_app(place):
    now = place.questions["now"]
    assert now({"visitor": ME, "number": 0}) == {"state": "idle", "number": 0}
    for number in (2, 2):
        gone = now({"visitor": ME, "number": number, "version": 1, "points": 5, "grids": 3})
        assert (gone["state"], gone["number"]) == ("error", 2) and "is no longer here" in gone["text"]
    place.questions["start"]({"visitor": ME})
    wait_for(lambda: now({"visitor": ME}).get("grids"))
    new = now({"visitor": ME, "number": 2, "version": 1, "points": 5, "grids": 3})
    assert new["number"] == 3 and new["from"] == [0, 0]  # the page takes it for another one


def test_the_page_is_answered_whatever_it_asks(place):
    asks = place.questions
    for ask in asks.values():
        for odd in ({}, {"visitor": "../../etc"}, {"visitor": 7}):
            assert refusal(ask, odd) == "This is not a request of the page"
    now, start, asked = asks["now"], asks["start"], {"visitor": ME, "number": "x", "points": -(10**400)}
    assert "choose from" in refusal(start, asked | {"lr": ["x"]})
    assert "There is no training in '5'" in refusal(asks["follow"], asked | {"path": 5})
    assert asks["do"](asked | {"what": "explode"}) == {}
    assert refusal(asks["do"], asked | {"what": "keep"}) == "There is nothing to keep yet"
    assert now(asked) == {"state": "idle", "number": 0}
    assert start({"visitor": ME}) == {}
    wait_for(lambda: len(now({"visitor": ME}).get("grids", ())) > 1)
    answer = now({"visitor": ME})
    assert answer["total"] == 1000 and answer["grids"] and answer["points"]
    again = now({"visitor": ME, **{name: answer[name] for name in ("number", "version")}, "points": 1, "grids": 1})
    assert again["from"] == [1, 1] and again["points"][0][0] == 1
    huge = {name: answer[name] for name in ("number", "version")} | {"points": 10**400, "grids": -(10**400)}
    assert now({"visitor": ME, **huge})["from"] == [0, 0]
    whole(again)  # no NaN, and nothing that the page could not read


def test_a_run_of_another_terminal_is_followed_and_used(place, tmp_path, small_model):
    say(tmp_path, {"start": 0, "config": {"steps": 4, "batch": 2, "prediction": "v", "times": "lognormal"}})
    say(tmp_path, *({"step": 4, "samples": kind} for kind in ("ema", "raw")))
    os.symlink(small_model, tmp_path / "model")
    asks, models = place.questions, place.services.models
    assert asks["follow"]({"visitor": ME, "path": str(tmp_path)}) == {}
    answer = asks["now"]({"visitor": ME})
    assert (answer["state"], answer["title"], answer["followed"]) == ("finished", "v, lognormal t", str(tmp_path))
    assert refusal(asks["do"], {"visitor": ME, "what": "keep"}) == "There is nothing to keep yet"
    ref = asks["use"]({"visitor": ME})["ref"]
    assert {model["ref"]: model["label"] for model in models.choices()}[
        ref
    ] == "Trained here · v, lognormal t · 8 images"
    assert models.known(ref).image_size == 8 and ddpm_core.load(ref, device="cpu").channels == 1


def test_a_latent_model_of_another_terminal_is_used_too(place, tmp_path):
    say(tmp_path, {"start": 0, "config": {"steps": 4, "batch": 2, "prediction": "v", "times": "lognormal"}})
    say(tmp_path, *({"step": 4, "samples": kind} for kind in ("ema", "raw")))
    pipelines.ldm(tmp_path / "model")
    asks = place.questions
    assert asks["follow"]({"visitor": ME, "path": str(tmp_path)}) == {}
    assert asks["now"]({"visitor": ME})["saved"]
    assert place.services.models.known(asks["use"]({"visitor": ME})["ref"]).latent


def test_a_public_page_trains_with_its_digits_only_and_names_no_folder(stub, tmp_path):
    models = Models("cpu", public=True)
    room = Visits(public=True, dropped=models.withdraw)
    try:
        asks = placed(room, models).questions
        assert "on your own computer" in refusal(asks["follow"], {"visitor": ME, "path": str(tmp_path)})
        assert "on your own computer" in refusal(asks["do"], {"visitor": ME, "what": "keep"})
        assert refusal(asks["start"], {"visitor": ME, "data": "own", "path": "/etc"}).startswith("Draw 5 to 20")
        assert asks["start"]({"visitor": ME}) == {}
        wait_for(lambda: asks["now"]({"visitor": ME}).get("saved"))
        ref = asks["use"]({"visitor": ME})["ref"]
        assert models.known(ref).image_size == 8 and re.fullmatch("trained-[0-9a-f]{16}", ref)
        assert [ref in [model["ref"] for model in models.choices(who)] for who in (ME, "f" * 32, None)] == [
            True,
            False,
            False,
        ]
        script = plans.answer("watch", {"checkpoint": ref, "steps": 2}, {ref: models.known(ref)})["python"]
        assert script == "# This model is on this page, and nowhere else\n"
        room._forget(room.visit(ME))
        assert ref not in [model["ref"] for model in models.choices(ME)]
        with pytest.raises(ddpm_core.CheckpointError):
            models.known(ref)
    finally:
        room.close()


# --- The page


def test_a_public_page_trains_only_where_it_is_allowed():
    assert "train" not in ui.build(public=True).parts
    assert "train" in ui.build(public=True, allow_training=True).parts
    assert "train" in ui.build().parts


def test_the_recorded_training_is_small_and_says_how_long_it_was():
    file = __main__.FOLDER / "train.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    (answer,) = content["results"]
    assert file.stat().st_size < 250_000 and answer["title"] == Recipe().title
    assert content["images"] == answer["total"] * answer["batch"] == answer["grids"][-1]["step"] * answer["batch"]
    assert answer["grids"][-1]["error"] < 0.5 * answer["grids"][0]["error"]


@pytest.mark.parametrize(("share", "waits"), [(0.0, True), (0.29, True), (0.31, False), (1.0, False)])
def test_a_process_that_gets_no_processor_waits_for_one(tmp_path, monkeypatch, share, waits):
    now = [0.0]
    monkeypatch.setattr(process, "clock", lambda: now[0])
    monkeypatch.setattr(process, "_processor_time", lambda pid: share * now[0])
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", "import os; os.read(0, 1)"))
    visit = Visit(ME, training=Training(tmp_path / "run", []))
    states = []
    for now[0] in range(8):
        states.append(visit.describe()["state"])
    assert visit.describe()["text"] == ("7 s" if waits else "loading the trainer, for 7 s")
    visit.training.discard()
    assert [state == "waiting" for state in states] == [False] * 5 + [waits] * 3  # process.WINDOW is 5 seconds


def test_a_training_that_waits_can_go_first(tmp_path, monkeypatch):
    told = "import os; print(os.environ.get('ATTENDED_FIRST'), flush=True); os.read(0, 1)"
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", told))
    training = Training(tmp_path / "run", [])
    log = tmp_path / "run" / process.LOG
    wait_for(lambda: log.read_text() == "None\n")
    visit = Visit(ME, training=training)
    with pytest.raises(ValueError, match="Only a page on your own computer"):
        Visits(public=True).hurry(visit)
    Visits(public=False).hurry(visit)
    wait_for(lambda: log.read_text() == "None\n1\n")
    training.discard()


@pytest.fixture(scope="module")
def url(torch_page):
    with served() as app:
        yield app.local_url


# How far the middle one of the numbers under the curves is from the middle, in pixels
FROM_THE_MIDDLE = """() => {
    const axis = document.querySelector(".train .axis"), text = document.createRange();
    text.selectNodeContents(axis.children[1]);
    const [middle, whole] = [text, axis].map((one) => one.getBoundingClientRect());
    return middle.left + middle.width / 2 - whole.left - whole.width / 2;
}"""


def test_the_way_of_a_visitor(page, url, stub):
    page.emulate_media(**MOTION)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{url}?tab=train&lr=high")
    page.wait_for_selector(".train[data-state=idle][data-example=true]:not([data-at='0'])")  # it plays
    assert page.get_by_text("Example", exact=True).is_visible()
    assert page.get_by_label(".008").is_checked()
    page.get_by_label("the noise, ε").check()
    assert "As in the paper" in page.inner_text(".train .choices")
    page.click(".train .start")
    page.wait_for_selector(".train[data-state=running][data-example=false]:not([data-grids='0'])")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert "prediction=epsilon" in page.url and "lr=high" in page.url
    page.set_viewport_size({"width": 1280, "height": 720})
    page.wait_for_function("Number(document.querySelector('.train').dataset.grids) > 4")
    assert abs(page.evaluate(FROM_THE_MIDDLE)) < 1
    slider = page.get_by_label("Time of the training")
    slider.press("Home")
    page.wait_for_selector(".train[data-at='0'][data-live=false]")
    assert "before the first step" in page.inner_text(".train .ema .at")
    page.click(".train .pause")
    page.wait_for_selector(".train[data-state=paused][data-at='0']")  # what is shown stays
    page.click(".train .live")
    page.wait_for_selector(".train[data-live=true]:not([data-at='0'])")
    before = int(page.get_attribute(".train", "data-grids"))
    page.reload()  # the run is still there
    page.wait_for_selector(f".train[data-state=paused][data-grids='{before}']")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_function(f"Number(document.querySelector('.train').dataset.grids) > {before}")
    assert page.locator("#places .going").count() == 1
    page.click(".train .stop")
    page.wait_for_selector(".train[data-state=stopped]")
    assert page.locator("#places .going").count() == 0
    page.get_by_role("button", name="Go on").click()  # stopped by mistake
    page.wait_for_selector(".train[data-state=running]")
    page.click(".train .stop")
    page.wait_for_selector(".train[data-state=stopped]")
    page.get_by_role("button", name="Train anew").click()
    page.get_by_role("button", name="Cancel").click()  # it is not kept
    assert page.get_attribute(".train", "data-run") == "1"
    page.get_by_role("button", name="Train anew").click()
    page.locator(".sure").get_by_role("button", name="Train anew", exact=True).click()
    page.wait_for_selector(".train[data-run='2']:not([data-grids='0'])")
    page.get_by_role("button", name="ε, lognormal t, lr .008").click()
    page.wait_for_selector(".train .then:visible")
    page.click(".train .stop")  # so that the next visitor finds a free place
    page.wait_for_selector(".train[data-state=stopped]")
    page.click(".train .use")
    page.wait_for_selector(".part-watch[data-ready=true]")
    assert page.locator(".part-watch select.models option:checked").inner_text().startswith("Trained here")


def test_what_is_drawn_with_a_finger_is_learned_and_goes_with_the_run(browser, url, stub):
    shape = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    phone = browser.new_context(**shape, bypass_csp=True, **CALM)
    page = phone.new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{url}?tab=train")
    page.wait_for_selector(".train[data-state=idle][data-example=true]")
    page.get_by_label("My own").check()
    sheet, pad = page.locator(".train .sheet"), page.locator(".train .pad")
    box = sheet.bounding_box()
    assert box["y"] + box["height"] < 844 and page.evaluate("document.documentElement.scrollWidth") == 390
    page.click(".train .start")
    page.get_by_text("Draw 5 to 20 small pictures. There are 0 now").wait_for()
    touch = phone.new_cdp_session(page).send

    def draw(stroke):
        sheet.scroll_into_view_if_needed()  # once it moves no more: what stands above it comes and goes
        kind, box = "touchStart", sheet.bounding_box()
        for x, y in np.reshape(stroke, (-1, 2))[::8]:
            at = [{"x": box["x"] + x * box["width"] / 280, "y": box["y"] + y * box["height"] / 280}]
            touch("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
            kind = "touchMove"
        touch("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    for number, (stroke,) in enumerate(strokes("heart", 6), 1):
        draw(stroke)
        page.wait_for_selector(f".train .pad[data-drawn='{number}']")
        pad.get_by_role("button", name="Next drawing").click()
    page.locator(".train .wrong").wait_for(state="hidden")  # that there were none
    for _ in range(2):  # the empty sheet, and the stroke
        pad.get_by_role("button", name="Undo").click()
    assert page.locator(".train .drawn canvas").count() == 5
    pad.get_by_role("button", name="Clear").click()
    pad.get_by_role("button", name="Undo").click()
    page.reload()  # nothing is lost
    page.wait_for_selector(".train .pad[data-drawn='5']")
    pad.get_by_text("Or a folder").click()
    pad.get_by_label("Folder or data set").fill("pictures")
    pad.get_by_text("The network learns the pictures named below").wait_for()
    pad.get_by_label("Folder or data set").fill("")
    pad.get_by_text("5 of 20, enough to train").wait_for()
    page.click(".train .start")
    page.wait_for_selector(".train[data-state=running][data-example=false] .pairs img")
    assert "0 is a copy" in page.inner_text(".train .stage .sentence")
    assert "drawings" not in page.url and len(page.url) < 200
    page.locator(".train .sheet").focus()  # the same with keys
    for key in ("n", "Space", *["Shift+ArrowRight"] * 3, "Space"):
        page.keyboard.press(key)
    page.wait_for_selector(".train .pad[data-drawn='6']")
    page.keyboard.press("z")
    page.wait_for_selector(".train .pad[data-drawn='5']")
    page.click(".train .stop")
    page.wait_for_selector(".train[data-state=stopped]")
    here = Path(os.environ["GRADIO_TEMP_DIR"]).parent  # with a folder of the app, of its visitor and of their run
    assert len([*here.glob("*/*/*/drawings.npz")]) == 1
    page.get_by_label("3,000 digits").check()
    page.get_by_role("button", name="Train anew").click()
    page.locator(".sure").get_by_role("button", name="Train anew", exact=True).click()
    page.wait_for_selector(".train[data-state=running][data-run='2']:not([data-grids='0'])")
    assert page.locator(".train .pairs").is_hidden() and not [*here.glob("*/*/*/drawings.npz")]
    page.click(".train .stop")
    page.wait_for_selector(".train[data-state=stopped]")
    phone.close()
