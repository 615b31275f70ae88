"""The pictures that come with the library."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ddpm_core
from ddpm_core.data import Pictures, digits, emoji

SHARED = Path("../shared/data/mnist/mnist")  # MNIST as the embedded models have seen it, where there is one


def keys(images):
    return {image.tobytes() for image in images}


def test_the_digits_have_a_part_that_the_other_does_not():
    seen, unseen = digits(), ddpm_core.data.digits("test")
    for found, count in ((seen, 3000), (unseen, 1000)):
        assert isinstance(found, Pictures) and found.classes == tuple("0123456789") and found.captions is None
        assert found.images.shape == (count, 28, 28, 1) and found.images.dtype == np.uint8
        assert found.labels.shape == (count,) and found.labels.dtype == np.int64
        assert found.images.max() == 255 and not found.images[:, 0].any()
    assert np.bincount(seen.labels).tolist() == [300] * 10 and np.bincount(unseen.labels).min() == 90
    assert len(keys(seen.images) | keys(unseen.images)) == 4000
    with pytest.raises(ValueError, match="the splits train and test, not 'valid'"):
        digits("valid")


def test_the_embedded_models_have_not_seen_the_test_digits():
    """Their cards name 9,000 digits of this data set's split train."""
    parquet = pytest.importorskip("pyarrow.parquet")
    if not SHARED.is_dir():
        pytest.skip("needs MNIST")

    def read(split):
        (path,) = SHARED.glob(f"{split}-*.parquet")
        return keys(
            np.asarray(Image.open(io.BytesIO(row["bytes"]))) for row in parquet.read_table(path)["image"].to_pylist()
        )

    assert len(train := read("train")) == 9000
    assert keys(digits().images) <= train
    assert keys(digits("test").images) == read("test") and not keys(digits("test").images) & train


def test_the_labels_fit_the_digits():
    """A digit is nearer to the mean digit of its label than to that of most others: labels in another order are not."""
    seen, unseen = digits(), digits("test")
    means = np.stack([seen.images[seen.labels == k].mean(0) for k in range(10)]).reshape(10, -1)
    for found in (seen, unseen):
        distances = ((found.images.reshape(len(found.images), 1, -1)[::10] - means) ** 2).sum(-1)
        assert (distances.argmin(1) == found.labels[::10]).mean() > 0.7  # 0.1 by chance


def test_the_emoji_have_groups_and_names():
    found = emoji()
    assert found.images.shape == (684, 64, 64, 3) and found.images.dtype == np.uint8
    assert found.captions is not None and len(set(found.captions)) == 684
    assert len(keys(found.images)) == 682  # two pairs of names have one picture
    assert len(found.classes) == 6 and np.bincount(found.labels).tolist() == [147, 157, 130, 143, 49, 58]
    assert (found.images[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 255).mean() > 0.9  # the corners are white
    red = found.images[found.captions.index("red heart")].reshape(-1, 3).astype(int)
    drawn = red[(red < 250).any(1)]
    assert len(drawn) > 1000 and (drawn[:, 0] > drawn[:, 1:].max(1)).mean() > 0.9
    assert found.classes[found.labels[found.captions.index("red apple")]] == "Food & Drink"


def test_the_authors_and_licences_are_named():
    text = (Path(ddpm_core.data.__file__).parent / "README.md").read_text(encoding="utf-8")
    for words in ("Yann LeCun", "Corinna Cortes", "Burges", "CC BY-SA 3.0", "Microsoft", "MIT"):
        assert words in text
