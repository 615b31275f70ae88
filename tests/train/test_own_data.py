"""Data that a Python program gives as objects: every kind gives the images of the folder, streams, and resuming."""

import signal
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset
from training import TINY, assert_same, make_folder, process_restored, tiny, weights  # noqa: F401

import ddpm_core
import train
from train import TrainError
from train.__main__ import main
from train.common.config import OwnData
from train.data.batches import batches
from train.data.images import Images
from train.data.objects import StreamEnded

SMALL = {name: value for name, value in TINY.items() if name not in ("batch", "steps")} | {"batch": 8, "steps": 6}
pytestmark = pytest.mark.usefixtures("torch_engine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("images"), n=21, size=(8, 8))


@pytest.fixture(scope="module")
def pictures(folder):
    """(images, uint8 (21, 8, 8, 3); the name of each one's class; the files), in the order of the folder."""
    files = sorted(folder.rglob("*.png"))
    return np.stack([np.asarray(Image.open(file)) for file in files]), [file.parent.name for file in files], files


class Pairs(Dataset):
    """As torchvision's: a picture and a number, and the names of the classes."""

    classes = ("cat", "dog")

    def __init__(self, pixels, names):
        self.pixels, self.targets = pixels, [self.classes.index(name) for name in names]

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, i):
        return torch.from_numpy(self.pixels[i]).permute(2, 0, 1) / 255, self.targets[i]


class Stream(IterableDataset):
    """A picture and the name of its class, one after the other; counts how often it was begun."""

    classes = ("cat", "dog")

    def __init__(self, pixels, names):
        self.pixels, self.names, self.begun = pixels, names, 0

    def __iter__(self):
        self.begun += 1
        yield from zip(self.pixels, self.names, strict=True)


class Counted(Stream):
    """A stream that says its length, by default the right one. epochs: which passes were begun, by `set_epoch`."""

    def __init__(self, pixels, names, length=21):
        super().__init__(pixels, names)
        self.length, self.epochs = length, []

    def __len__(self):
        return self.length

    def set_epoch(self, epoch):
        self.epochs.append(epoch)


class Unsure(Stream):
    def __len__(self):
        raise NotImplementedError("it depends")


def rows(pictures, label):
    """A data set of Hugging Face. label: the type of the column."""
    _, names, files = pictures
    features = datasets.Features({"img": datasets.Image(), "label": label})
    return datasets.Dataset.from_dict({"img": list(map(str, files)), "label": names}, features=features)


KINDS = {
    "array": lambda pixels, names, files: pixels,
    "tensor, channels first": lambda pixels, names, files: torch.from_numpy(pixels).permute(0, 3, 1, 2),
    "floats": lambda pixels, names, files: pixels / 255,
    "list of arrays": lambda pixels, names, files: list(pixels),
    "list of Pillow's": lambda pixels, names, files: [Image.open(file) for file in files],
    "list of paths": lambda pixels, names, files: files,
    "bytes": lambda pixels, names, files: [file.read_bytes() for file in files],
    "arrays with names": lambda pixels, names, files: (pixels, np.array(names)),
    "mapping": lambda pixels, names, files: {"images": pixels, "labels": [n == "dog" for n in names], "classes": "ab"},
    "pairs": lambda pixels, names, files: list(zip(pixels, names, strict=True)),
    "mappings": lambda pixels, names, files: [{"image": p, "label": n} for p, n in zip(files, names, strict=True)],
    "map data set": lambda pixels, names, files: Pairs(pixels, names),
    "tensors": lambda pixels, names, files: TensorDataset(
        torch.from_numpy(pixels), torch.tensor([name == "dog" for name in names]).long()
    ),
    "Hugging Face": lambda *pictures: rows(pictures, datasets.ClassLabel(names=["cat", "dog"])),
    "Hugging Face, names": lambda *pictures: rows(pictures, datasets.Value("string")),
}
WITHOUT_LABELS = list(KINDS)[:7]


@pytest.mark.parametrize("memory", [4.0, 0.0])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_images_of_the_folder(kind, memory, folder, pictures, tmp_path):
    conditional = kind not in WITHOUT_LABELS
    changes = {"conditional": conditional, "memory": memory}
    expected = Images(tiny(folder, tmp_path, conditional=conditional), quiet=True)
    images = Images(replace(tiny("", tmp_path, **changes), data=KINDS[kind](*pictures)), quiet=True)
    assert len(images) == 21 and images.channels == 3 and not images.broken
    assert np.array_equal(np.stack([images.read(i)[0] for i in range(21)]), expected.pixels.numpy())
    if conditional:
        assert torch.equal(images.labels, expected.labels)
        named = {"mapping": ("a", "b"), "tensors": ("0", "1")}
        assert images.classes == named.get(kind, ("cat", "dog"))


def test_a_data_set_in_another_order_stays_in_it(pictures, tmp_path):
    """As after shuffle or select of Hugging Face, whose rows then have an index; sizes and labels follow it, too."""
    whole = rows(pictures, datasets.ClassLabel(names=["cat", "dog"]))
    order = np.random.default_rng(0).permutation(21)[:13]
    images = Images(replace(tiny("", tmp_path, conditional=True), data=whole.select(order)), quiet=True)
    assert np.array_equal(images.pixels.numpy(), pictures[0][order])
    assert [images.classes[label] for label in images.labels] == [pictures[1][i] for i in order]
    assert [images._source.mark(i) for i in range(13)] == [pictures[2][i].name for i in order]


def test_grey_pictures_and_a_transform_of_hugging_face(pictures, tmp_path):
    grey = pictures[0][..., 0]
    assert Images(replace(tiny("", tmp_path), data=grey), quiet=True).channels == 1
    dark = rows(pictures, datasets.Value("string")).with_transform(
        lambda batch: {"image": [np.asarray(image) // 2 for image in batch["img"]]}
    )
    images = Images(replace(tiny("", tmp_path), data=dark), quiet=True)
    assert np.array_equal(images.pixels.numpy(), pictures[0] // 2)


@pytest.mark.parametrize("kind", ["array", "Hugging Face, names", "stream", "stream of Hugging Face"])
def test_a_resumed_run_repeats_an_uninterrupted_one(kind, pictures, tmp_path, capsys):
    """Bit for bit, also a stream that begins again: 48 pictures of 21."""

    def data():
        if kind == "stream of Hugging Face":
            made = rows(pictures, datasets.ClassLabel(names=["cat", "dog"]))
            return made.to_iterable_dataset(num_shards=3).shuffle(seed=1, buffer_size=7)
        return Stream(*pictures[:2]) if kind == "stream" else KINDS[kind](*pictures)

    conditional = kind != "array"
    settings = SMALL | {"conditional": conditional, "channels": 3}
    train.Trainer(train.preset("cifar10", data=data(), out=tmp_path / "whole", **settings)).fit()
    config = train.preset("cifar10", data=data(), out=tmp_path / "run", **settings)
    assert train.Trainer(config).fit(lambda point: point.step == 4) == signal.SIGINT
    capsys.readouterr()
    resumed = train.resume(tmp_path / "run", data=data())
    said = capsys.readouterr().err
    passed = "is read again from pass 2 on, and its first 11 pictures are passed over"  # 32 are a pass of 21, and 11
    assert (passed in said) == kind.startswith("stream")
    assert resumed.step == 4 and resumed.fit() is None
    assert_same(weights(tmp_path / "run", 6), weights(tmp_path / "whole", 6))
    model = ddpm_core.load(tmp_path / "run" / "model", device="cpu")
    assert model.class_names == (("cat", "dog") if conditional else None)


def test_a_stream_of_hugging_face_without_known_columns(pictures, tmp_path):
    """As from a generator: nobody knows its columns before the first row."""
    items = [{"image": image, "label": name} for image, name in zip(*pictures[:2], strict=True)]
    stream = datasets.IterableDataset.from_generator(lambda: iter(items))
    assert stream.features is None
    stream.classes = ("cat", "dog")
    images = Images(replace(tiny("", tmp_path, conditional=True), data=stream), quiet=True)
    pixels, labels = images.some(21)
    assert np.array_equal(pixels, pictures[0]) and labels.tolist() == [name == "dog" for name in pictures[1]]


@pytest.mark.parametrize(("processes", "accumulate"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_a_stream_comes_in_its_order_shared_by_processes_and_rounds(pictures, tmp_path, processes, accumulate):
    stream = Stream(*pictures[:2])
    config = replace(tiny("", tmp_path, conditional=True, label_dropout=0.0, accumulate=accumulate), data=stream)
    images = Images(config, quiet=True)
    assert len(images) == 0 and images.some(64)[0].shape == (21, 8, 8, 3)
    parts = [list(batches(config, images, None, 1, process, processes)) for process in range(processes)]
    rounds = [parts[process][k] for k in range(5 * accumulate) for process in range(processes)]
    order = np.arange(8, 48) % 21  # after the first step, and again from the beginning
    assert np.array_equal(torch.cat([one["pixels"] for one in rounds]), pictures[0][order])
    assert torch.cat([one["label"] for one in rounds]).tolist() == [pictures[1][i] == "dog" for i in order]
    assert torch.cat([one["n"] for one in rounds]).tolist() == list(range(8, 48))
    by_number = replace(config, data=list(zip(*pictures[:2], strict=True)))  # the same draws of t, ε and mirroring
    expected = list(batches(replace(by_number, accumulate=1), Images(by_number, quiet=True), None, 1, 0, 1))
    for part in ("t", "eps", "mirror"):
        found = torch.cat([one[part] for one in rounds])
        assert torch.equal(found, torch.cat([one[part] for one in expected]))


def test_an_iterator_that_ends_leaves_what_was_trained_and_goes_on_with_another(pictures, tmp_path, capsys):
    config = train.preset("cifar10", data=(picture for picture in pictures[0]), out=tmp_path, **SMALL)
    with pytest.raises(StreamEnded, match=r"ended after 21 pictures, and this run needs more\. What was trained until"):
        train.Trainer(config).fit()  # 21 pictures are two steps of 8
    card = (tmp_path / "model" / "README.md").read_text()
    assert "Trained | 2 steps" in card and "| Images | a stream generator, 8×8" in card
    assert "train.Trainer(train.preset('cifar10', data=..., " in card and "python:" not in card
    capsys.readouterr()
    resumed = train.resume(tmp_path, data=(picture for picture in pictures[0].repeat(2, 0)))
    assert "can't begin again: the run goes on with what it gives next" in capsys.readouterr().err
    assert resumed.step == 2 and resumed.fit() is None and weights(tmp_path, 6)


def test_a_stream_with_a_length_says_it(pictures, tmp_path):
    rows(pictures, datasets.ClassLabel(names=["cat", "dog"])).to_parquet(tmp_path / "train.parquet")
    about = "---\ndataset_info:\n  splits:\n  - name: train\n    num_examples: 21\n    num_bytes: 9999\n---\n"
    (tmp_path / "README.md").write_text(about)  # as on the Hub
    streamed = datasets.load_dataset(str(tmp_path), split="train", streaming=True)
    for data in (Counted(*pictures[:2]), streamed):
        images = Images(replace(tiny("", tmp_path, conditional=True), data=data), quiet=True)
        assert (len(images), images.known) == (0, 21) and images.about.endswith(" of 21 pictures")
        assert np.array_equal(images.some(21)[0], pictures[0])
    for data in (Stream(*pictures[:2]), Unsure(*pictures[:2])):
        assert Images(replace(tiny("", tmp_path), data=data), quiet=True).known is None


@pytest.mark.parametrize(("length", "sentence"), [(21, ""), (20, "has 20 pictures, and gave 21"), (99, "gave 21")])
def test_a_resumed_run_passes_over_whole_passes_without_reading_them(length, sentence, pictures, tmp_path, capsys):
    """Also where the stream says a wrong length: the run counts for itself, and a sentence says so, once."""
    settings = SMALL | {"channels": 3, "checkpoint_every": 1}
    whole = train.preset("cifar10", data=Counted(*pictures[:2], length), out=tmp_path / "whole", **settings)
    train.Trainer(whole).fit()
    said = capsys.readouterr().err
    assert said.count("The stream Counted says that it") == bool(sentence) and sentence in said
    run = train.preset("cifar10", data=Counted(*pictures[:2], length), out=tmp_path / "run", **settings)
    train.Trainer(run).fit(lambda point: point.step == 4)
    again = Counted(*pictures[:2], length)
    resumed = train.resume(tmp_path / "run", data=again)
    again.epochs.clear()
    assert resumed.fit() is None and again.epochs == [1, 2]  # 32 pictures are one pass of 21, and 11
    assert_same(weights(tmp_path / "run", 6), weights(tmp_path / "whole", 6))
    with pytest.raises(TrainError, match=f"the stream had {length} pictures then, and has 7 now"):
        train.resume(tmp_path / "run", data=Counted(*pictures[:2], 7), steps=7)


def test_what_can_be_read_once_and_is_too_short_is_refused_before_the_training(pictures, tmp_path):
    sentence = r"can be read only once and has 21 pictures, but 6 steps of 8 need 48\. Give at most 2 steps, or data"
    with pytest.raises(TrainError, match=sentence):
        train.Trainer(train.preset("cifar10", data=iter(pictures[0]), out=tmp_path, **SMALL))
    assert not (tmp_path / "checkpoints").exists()
    train.Trainer(train.preset("cifar10", data=iter(pictures[0]), out=tmp_path, **SMALL | {"steps": 2})).fit()
    with pytest.raises(TrainError, match="has 21 pictures, but 3 further steps of 8 need 24"):
        train.resume(tmp_path, data=iter(pictures[0]), steps=5)
    assert train.resume(tmp_path, data=iter(pictures[0]), steps=4).fit() is None


def test_a_broken_picture_of_a_stream_is_replaced_and_named(pictures, tmp_path, capsys):
    files = [file.read_bytes() for file in pictures[2]]
    files[3] = files[3][:60]
    stream = Stream(files, pictures[1])
    trainer = train.Trainer(train.preset("cifar10", data=stream, out=tmp_path, **SMALL | {"steps": 1}))
    batch = next(trainer.rounds())
    assert np.array_equal(batch["pixels"][3], pictures[0][2]) and np.array_equal(batch["pixels"][4], pictures[0][4])
    trainer.fit()
    assert "picture 4 of the stream Stream" in capsys.readouterr().err


def test_a_stream_has_sample_grids_with_their_error(pictures, tmp_path):
    stream = Stream(*pictures[:2])
    settings = SMALL | {"steps": 1, "sample_every": 1, "conditional": True}
    train.Trainer(train.preset("cifar10", data=stream, out=tmp_path, **settings)).fit()
    told = (tmp_path / "progress.jsonl").read_text()
    assert '"images": null' in told and '"data": "python:test_own_data.Stream"' in told and '"error": null' not in told
    assert (tmp_path / "samples" / "step-000000001-ema.png").is_file()


def fails(pictures):
    yield from pictures
    raise OSError("the connection is lost")


def unnamed(pictures):
    stream = Stream(*pictures[:2])
    stream.classes = ()
    return stream


def without_picture(pictures):
    return [{"id": 1, "title": "x"}]


@pytest.mark.parametrize(
    ("data", "sentence", "changes"),
    [
        (lambda p: [], "list holds no images", {}),
        (lambda p: p[0] / 100, "array: The numbers of a picture must be .* not float64 from", {}),
        (lambda p: p[0] / 255 - 0.5, "array: The numbers of a picture must be .* not float64 from -0", {}),
        (lambda p: p[0][None], r"array: A picture must be .*, not \(21, 8, 8, 3\)\. Give pictures one by one", {}),
        (
            lambda p: [["a", 1, 2]],
            "list: A picture must be one of Pillow's, an array, a tensor or a path, not list",
            {},
        ),
        (lambda p: {"train": p[0], "test": p[0]}, "a mapping of 'train', 'test', and not of images: choose one", {}),
        (without_picture, "list: An item has no picture: it has id, title, and none of image, img", {}),
        (lambda p: p[0], r"The data \(array\) has no class labels", {"conditional": True}),
        (lambda p: (p[0], [0.5] * 21), "A label must be a whole number or a name, not float", {"conditional": True}),
        (lambda p: (p[0], [0, "cat"] * 10 + [1]), "arrays: labels must be a whole number for", {"conditional": True}),
        (lambda p: (p[0], p[1], ["cat"]), "arrays has a label 'dog', but its classes are cat", {"conditional": True}),
        (lambda p: iter(()), "stream tuple_iterator gives no pictures", {}),
        (lambda p: fails(p[0][:3]), "stream generator failed after 0 pictures: the connection is lost", {}),
        (lambda p: DataLoaderLike(p[0]), "Give pictures one by one, not in batches", {}),
        (unnamed, "stream Stream does not say its classes: give it an attribute classes", {"conditional": True}),
        (lambda p: Stream(p[0], ["fox"] * 21), "Picture 1 of the stream .* label 'fox', which", {"conditional": True}),
        (lambda p: Stream(*p[:2]), "A stream can't be used with --captions or --decoder", {"captions": True}),
    ],
)
def test_data_of_another_form_are_one_sentence(data, sentence, changes, pictures, tmp_path):
    with pytest.raises(TrainError, match=sentence) as error:
        config = replace(tiny("", tmp_path, label_dropout=0.0, **changes), data=data(pictures))
        list(batches(config, Images(config, quiet=True), None, 0, 0, 1))
    assert "\n" not in str(error.value)


class DataLoaderLike:
    def __init__(self, pixels):
        self.pixels = pixels

    def __iter__(self):
        yield torch.from_numpy(self.pixels)


def test_what_is_no_data_is_refused_by_the_preset():
    for data in (5, None, object()):
        with pytest.raises(TrainError, match="--data must be a text, a path, an array, a list, a data set or an iter"):
            train.preset("cifar10", data=data)


def test_a_run_needs_its_own_data_again(pictures, tmp_path, capsys):
    config = train.preset("cifar10", data=list(pictures[0]), out=tmp_path / "run", **SMALL | {"steps": 1})
    assert isinstance(config.data, OwnData) and str(config.data) == "python:list"
    train.Trainer(config).fit()
    for data, sentence in (
        ({}, r"data of the type list: give them again, as in train\.resume\(OUT, data=…\)"),
        ({"data": pictures[0][:20]}, "21 images of 0 classes then, 20 images of 0 now"),
        ({"data": pictures[0][::-1].copy()}, "the number of images is the same, but the images differ"),
        ({"data": Stream(*pictures[:2])}, "21 images of 0 classes then, a stream of 0 now"),
    ):
        with pytest.raises(TrainError, match=sentence):
            train.resume(tmp_path / "run", steps=2, **data)
    assert main(["fit", "--resume", "--out", str(tmp_path / "run"), "--steps", "2"]) == 2
    assert "This run was started in Python, with data of the type list" in capsys.readouterr().err
    assert train.resume(tmp_path / "run", data=pictures[0], steps=2).fit() is None  # the same pixels in another object


MNIST = Path("../shared/data/mnist")


@pytest.mark.skipif(not MNIST.is_dir(), reason="needs MNIST in the Hub's schema")
def test_real_digits_of_hugging_face_are_those_of_their_folder(tmp_path):
    """Also for resuming: by the sizes of the files, and by the labels."""
    config = tiny(MNIST, tmp_path, image_size=28, channels=1, conditional=True, memory=0)
    data = datasets.load_dataset(str(MNIST), split="train")
    found, expected = (Images(one, quiet=True) for one in (replace(config, data=data), config))
    assert found.digests == expected.digests and found.classes == tuple("0123456789") == expected.classes
    stream = datasets.load_dataset(str(MNIST), split="train", streaming=True)
    images = Images(replace(config, data=stream), quiet=True)
    pixels, labels = images.some(8)
    assert images.classes == expected.classes and torch.equal(labels, expected.labels[:8])
    assert np.array_equal(pixels, [expected.read(i)[0] for i in range(8)])
