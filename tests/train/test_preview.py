"""What a training is watched by: the digits that come with it, its previews, and the error of x̂_0."""

import numpy as np
import pytest
import torch
from training import process_restored, tiny  # noqa: F401

import ddpm_core
from train import TrainError
from train.data.sources import open_source
from train.fit.outputs.preview import DenoisingProbe, PreviewTimer


def test_the_digits_come_by_name():
    source = open_source("digits")
    assert len(source) == 3000 and source.classes == tuple("0123456789")
    picture = np.asarray(source.picture(0))
    assert picture.shape == (28, 28) and picture.max() > 200 and picture[0].max() == 0
    unseen = open_source("digits", "test")
    assert len(unseen) == 1000 and unseen.split == "test"
    with pytest.raises(TrainError, match="no split 'valid': choose train or test"):
        open_source("digits", "valid")


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"pixels": np.zeros((2, 8, 8), np.uint8)}, "no array named images"),
        ({"images": np.full((2, 8, 8), 2.0)}, r"a\.npz: The numbers of a picture must be .* not float64 from 2 to 2"),
        ({"images": np.zeros((2, 8, 8, 5), np.uint8)}, r"a\.npz: A picture must be \(H, W\)"),
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


def test_previews_take_at_most_a_tenth_of_the_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("train.fit.outputs.preview.time.perf_counter", lambda: now[0])
    pace = PreviewTimer(4.0)
    taken = 0.0
    while now[0] < 200:
        if pace.is_due():
            with pace.measure():
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
